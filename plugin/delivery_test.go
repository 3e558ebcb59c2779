package plugin

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/deliver"
)

// poisonous answers as a server whose mapping the second document of each
// request does not fit.
func poisonous(n int) deliver.Item {
	if n == 1 {
		return deliver.Item{Outcome: deliver.Dead, Status: 400, Type: "mapper_parsing_exception"}
	}
	return deliver.Item{Outcome: deliver.Delivered, Status: 201}
}

// TestFlush_PoisonKeepsWhatTheDeadLetterPromises looks at the dead letter of a
// document that its index can never take.
func TestFlush_PoisonKeepsWhatTheDeadLetterPromises(t *testing.T) {
	s := &store{answer: poisonous}
	in, log := instance(t, s, "Retry_Timeout", "3s") // time enough for the dead-letter index
	c := new(decodetest.Chunk)
	for _, l := range []string{"one", "card 4111 1111 1111 1111", "three"} {
		c.Record(when, rec{"log", l})
	}
	if r := in.Flush(context.Background(), "kube.x", c.Bytes()); r != OK {
		t.Fatal(r)
	}
	var letter struct {
		Time                                                string `json:"@timestamp"`
		ID, Index, Tag, Rules, Error, Fingerprint, Document string
		Status, Size                                        int
	}
	for k, d := range s.docs {
		if strings.HasPrefix(k, "dead/") {
			if err := json.Unmarshal([]byte(d), &letter); err != nil {
				t.Fatal(err)
			}
		}
	}
	if letter.Fingerprint == "" || letter.Fingerprint != in.fingerprint([]byte(letter.Document)) || !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(letter.Fingerprint) {
		t.Errorf("fingerprint is %q", letter.Fingerprint)
	}
	if len(letter.ID) != 20 || letter.Index != "seclog" || letter.Tag != "kube.x" || letter.Rules == "" || letter.Error != "mapper_parsing_exception" ||
		letter.Status != 400 || letter.Size != len(letter.Document) || !strings.HasPrefix(letter.Time, "2026-11-23T20:11:00") {
		t.Errorf("letter: %+v", letter)
	}
	if !json.Valid([]byte(letter.Document)) || strings.Contains(letter.Document+log.String(), "4111 1111 1111 1111") {
		t.Errorf("document: %s\nlog: %s", letter.Document, log)
	}
	if a, b := in.fingerprint([]byte("a")), in.fingerprint([]byte("b")); a == b {
		t.Errorf("different contents have the fingerprint %s", a)
	}
}

// TestNew_WarnsOnce starts with certificates that are not verified.
func TestNew_WarnsOnce(t *testing.T) {
	var mu sync.Mutex
	warned := 0
	in, err := New(Options{Config: settings(t, "TLS_Verify", "Off", "Hosts", "https://nowhere.invalid"), Log: func(_ Level, line string) {
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(line, "TLS") {
			warned++
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if warned != 1 {
		t.Errorf("warned %d times, want once", warned)
	}
}
