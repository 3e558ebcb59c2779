package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// bulkServer is what replay needs of OpenSearch: it creates documents once, and
// refuses those that hold "poison" until it is mended.
type bulkServer struct {
	mu       sync.Mutex
	docs     map[string]string // index/id: document
	requests int
	down     int // requests that are answered with 503
	mended   bool
	status   int    // of every request, when not 0
	pipeline string // of the last request
	auth     string
}

func (b *bulkServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	b.pipeline, b.auth = r.URL.Query().Get("pipeline"), r.Header.Get("Authorization")
	if b.status != 0 {
		w.WriteHeader(b.status)
		return
	}
	if b.down > 0 {
		b.down--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var items []string
	in := bufio.NewReader(r.Body)
	for {
		action, err := in.ReadString('\n')
		if err == io.EOF {
			break
		}
		doc, _ := in.ReadString('\n')
		var a map[string]struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
		}
		if err := json.Unmarshal([]byte(action), &a); err != nil || len(a) != 1 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		at, ok := a["create"]
		key := at.Index + "/" + at.ID
		switch _, there := b.docs[key]; {
		case !ok:
			items = append(items, `{"index":{"status":400,"error":{"type":"parse_exception"}}}`)
		case there:
			items = append(items, `{"create":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}`)
		case strings.Contains(doc, "poison") && !b.mended:
			items = append(items, `{"create":{"status":400,"error":{"type":"mapper_parsing_exception"}}}`)
		default:
			b.docs[key] = strings.TrimSuffix(doc, "\n")
			items = append(items, `{"create":{"status":201}}`)
		}
	}
	fmt.Fprintf(w, `{"errors":true,"items":[%s]}`, strings.Join(items, ","))
}

// bulkKey is where a script's server is kept.
type bulkKey struct{}

// bulk is a bulk server of the script's own at $BULK:
//
//	bulk start [down N | status N]   starts it; down answers N requests with 503
//	bulk mend                        poison is taken from now on
//	bulk has N [INDEX/ID DOCUMENT]   it holds N documents, and this one
//	bulk asked N                     N requests were made
//	bulk saw PIPELINE AUTHORIZATION  of the last request
func bulk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: bulk start|mend|has|asked|saw")
	}
	if args[0] == "start" {
		b := &bulkServer{docs: map[string]string{}}
		if len(args) == 3 {
			n := map[string]*int{"down": &b.down, "status": &b.status}[args[1]]
			_, err := fmt.Sscan(args[2], n)
			ts.Check(err)
		}
		srv := httptest.NewServer(b)
		ts.Defer(srv.Close)
		ts.Setenv("BULK", srv.URL)
		ts.Value(bulkKey{}).(*bulkSlot).server = b
		return
	}
	b := ts.Value(bulkKey{}).(*bulkSlot).server
	b.mu.Lock()
	defer b.mu.Unlock()
	switch args[0] {
	case "mend":
		b.mended = true
	case "has":
		if fmt.Sprint(len(b.docs)) != args[1] || len(args) == 4 && b.docs[args[2]] != args[3] {
			ts.Fatalf("documents: %q", b.docs)
		}
	case "asked":
		if fmt.Sprint(b.requests) != args[1] {
			ts.Fatalf("%d requests", b.requests)
		}
	case "saw":
		if b.pipeline != args[1] || b.auth != args[2] {
			ts.Fatalf("pipeline %q, authorization %q", b.pipeline, b.auth)
		}
	default:
		ts.Fatalf("bulk %s: unknown", args[0])
	}
}

// bulkSlot holds the server that a script started last.
type bulkSlot struct{ server *bulkServer }

func TestMoment(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"":                          {},
		"2026-11-23":                time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
		"2026-11-23T20:11:00":       time.Date(2026, 11, 23, 20, 11, 0, 0, time.UTC),
		"2026-11-23T20:11:00.5Z":    time.Date(2026, 11, 23, 20, 11, 0, 5e8, time.UTC),
		"2026-11-23T20:11:00+01:00": time.Date(2026, 11, 23, 19, 11, 0, 0, time.UTC),
		"36h":                       time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := moment(in, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"yesterday", "-2h", "2026-13-01", "5"} {
		if got, err := moment(in, now); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}

// What a letter holds cannot forge a line of the summary.
func TestWord(t *testing.T) {
	for in, want := range map[string]string{"a_b-1.c": "a_b-1.c", "beyond the 5th": "beyond the 5th", "a\nrefused: 0": `"a\nrefused: 0"`, "\x1b[2J": `"\x1b[2J"`, "": `""`, "\u202e": `"\u202e"`} {
		if got := word(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
