package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/deliver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type rec = decodetest.Map

var when = decodetest.EventTime{Sec: 1_795_464_660, Nsec: 123_456_789}

// store is a destination that keeps documents by index and id, as a server
// would, and takes only what answer lets it.
type store struct {
	mu     sync.Mutex
	docs   map[string]string // by index and id
	order  []string
	twice  int
	answer func(n int) deliver.Item // of the n-th document sent; nil: taken
	lost   bool                     // documents are taken, the answer is lost
	sent   int
}

func (s *store) Send(_ context.Context, req *deliver.Request, ans *deliver.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ans.Reset()
	ans.Attempts, ans.Status, ans.Verdict = 1, 200, deliver.Items
	if s.docs == nil {
		s.docs = map[string]string{}
	}
	for _, i := range req.Which {
		d := &req.Docs[i]
		item := deliver.Item{Outcome: deliver.Delivered, Status: 201}
		if s.answer != nil {
			item = s.answer(s.sent)
		}
		s.sent++
		if item.Outcome == deliver.Delivered {
			key := string(bytes.TrimSpace(req.Body[d.Off:d.JSONOff]))
			if _, ok := s.docs[key]; ok {
				s.twice++
				item.Duplicate = true
			} else {
				s.docs[key] = string(bytes.TrimSpace(req.Body[d.JSONOff:d.End]))
				s.order = append(s.order, s.docs[key])
			}
		}
		ans.Items = append(ans.Items, item)
	}
	if s.lost {
		ans.Verdict, ans.Items, ans.Cause = deliver.NoAnswer, ans.Items[:0], "lost"
	}
}

func (s *store) Frame(dst []byte, index, id string) []byte {
	return fmt.Appendf(dst, "%s/%s\n", index, id)
}
func (s *store) Close() error { return nil }

func settings(t testing.TB, keys ...string) *config.Config {
	t.Helper()
	m := map[string]string{
		"hosts": "http://nowhere.invalid", "index": "seclog", "state_path": t.TempDir(), "dead_letter_index": "dead",
		"retry_wait_min": "1ms", "retry_wait_max": "2ms", "retry_timeout": "5ms",
	}
	for i := 0; i < len(keys); i += 2 {
		m[strings.ToLower(keys[i])] = keys[i+1]
	}
	c, err := config.Load(func(k string) string { return m[strings.ToLower(k)] })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func instance(t testing.TB, s deliver.Destination, keys ...string) (*Instance, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	var mu sync.Mutex
	in, err := New(Options{Config: settings(t, keys...), Destination: s, Log: func(_ Level, line string) {
		mu.Lock()
		defer mu.Unlock()
		log.WriteString(line + "\n")
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	return in, &log
}

func TestFlush_DocumentsInOrder(t *testing.T) {
	s := &store{}
	in, _ := instance(t, s)
	c := new(decodetest.Chunk)
	for i := range 1000 {
		c.Record(when, rec{"log", fmt.Sprint("line ", i), "n", i})
	}
	if r := in.Flush(context.Background(), "kube.a", c.Bytes()); r != OK {
		t.Fatal(r)
	}
	if len(s.order) != 1000 {
		t.Fatalf("%d documents", len(s.order))
	}
	for i, d := range s.order {
		if want := fmt.Sprintf(`{"@timestamp":"2026-11-23T20:11:00.123456789Z","log":"line %d","n":%d}`, i, i); d != want {
			t.Fatalf("got %s, want %s", d, want)
		}
	}
}

// TestFlush_OnceWhateverHappens flushes equal and different chunks against a
// destination that refuses, loses answers and takes a part, giving each chunk
// again until it is taken: every record is there exactly once.
func TestFlush_OnceWhateverHappens(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s := &store{answer: func(int) deliver.Item {
			switch rnd.IntN(10) {
			case 0:
				return deliver.Item{Outcome: deliver.Later, Status: 429, Throttled: true}
			case 1:
				return deliver.Item{Outcome: deliver.Blocked, Status: 403, Type: "cluster_block_exception"}
			}
			return deliver.Item{Outcome: deliver.Delivered, Status: 201}
		}}
		in, _ := instance(t, s, "Bulk_Size", "4k")
		var waiting [][]byte
		want := 0
		for i := range 20 {
			c := new(decodetest.Chunk)
			for range 1 + rnd.IntN(100) {
				c.Record(when, rec{"log", "equal lines " + strings.Repeat("x", i%3)})
				want++
			}
			waiting = append(waiting, c.Bytes())
			if i%4 == 0 { // an equal chunk, which is another one
				waiting = append(waiting, bytes.Clone(c.Bytes()))
				want += bytes.Count(c.Bytes(), []byte("equal lines"))
			}
		}
		for rounds := 0; len(waiting) > 0; rounds++ {
			if rounds > 5000 {
				t.Fatalf("seed %d: %d chunks left", seed, len(waiting))
			}
			i := rnd.IntN(len(waiting))
			s.lost = rnd.IntN(4) == 0
			if in.Flush(context.Background(), "t", waiting[i]) == OK {
				waiting = append(waiting[:i], waiting[i+1:]...)
			}
			if s.lost {
				time.Sleep(3 * time.Millisecond) // until another flush may look whether it still is
			}
		}
		if len(s.docs) != want {
			t.Fatalf("seed %d: %d documents, want %d", seed, len(s.docs), want)
		}
	}
}

func TestFlush_EverythingBecomesADocumentOrADeadLetter(t *testing.T) {
	good := func() *decodetest.Chunk { return new(decodetest.Chunk).Record(when, rec{"log", "first"}) }
	for _, c := range []struct {
		name       string
		chunk      []byte
		docs, dead int
	}{
		{"empty", nil, 0, 0},
		{"group markers only", new(decodetest.Chunk).GroupStart(rec{}, rec{}).GroupEnd().Bytes(), 0, 0},
		{"scalar", good().Raw(5).Record(when, rec{"log", "x"}).Bytes(), 2, 1},
		{"truncated", good().Raw(0x92, 0x92).Bytes(), 1, 1},
		{"claims 4 GiB", good().Raw(0x92, 0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 0xdf, 0xff, 0xff, 0xff, 0xff).Bytes(), 1, 1},
		{"too deep", good().Raw(0x92, 0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 0x81, 0xa1, 'a').Raw(bytes.Repeat([]byte{0x91}, 100_000)...).Raw(0xc0).Record(when, rec{"log", "x"}).Bytes(), 2, 1},
		{"100,000 keys", good().Record(when, manyKeys(100_000)).Bytes(), 2, 0},
		{"100 MB record", good().Record(when, rec{"log", strings.Repeat("a", 100_000_000)}).Record(when, rec{"log", "x"}).Bytes(), 2, 1},
		{"1 MB lines made to be slow", slowLines().Bytes(), 14, 0},
		{"invalid UTF-8", good().Record(when, rec{"log", "\xff\xfe\x00"}).Bytes(), 2, 0},
		{"scalars only", bytes.Repeat([]byte{1}, 5000), 0, 5000},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &store{}
			in, _ := instance(t, s, "Retry_Timeout", "1m")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if r := in.Flush(context.Background(), "t", c.chunk); r != OK {
				t.Fatal(r)
			}
			runtime.ReadMemStats(&after)
			// Enough for bodies of a few records of 1 MB; a large one is never copied.
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 400<<20 || c.dead > 0 && c.dead < 10 && grown > 20<<20 {
				t.Errorf("%d MB allocated", grown>>20)
			}
			docs, dead := 0, 0
			for k, d := range s.docs {
				if !json.Valid([]byte(d)) {
					t.Errorf("not JSON: %.200s", d)
				}
				if strings.HasPrefix(k, "dead/") {
					dead++
				} else {
					docs++
				}
			}
			// What its index did not take in time stands in the file.
			if b, err := os.ReadFile(in.cfg.DeadLetterPath); err == nil {
				dead += bytes.Count(b, []byte("\n"))
			}
			if docs != c.docs || dead != c.dead {
				t.Errorf("%d documents and %d dead letters, want %d and %d", docs, dead, c.docs, c.dead)
			}
		})
	}
}

// slowLines are lines on which careless patterns take quadratic time or worse.
func slowLines() *decodetest.Chunk {
	c := new(decodetest.Chunk)
	for _, part := range []string{
		"key=", "a@", "4111-", "123 45 678 9012 ", `password="`, `\\\\`, "eyJ", "-----BEGIN PRIVATE KEY-----", "://a:b", `"password":[`, `{"a":`,
		"sshd[1]: Failed password for ", ` "GET / HTTP/1.1" `, "é\xff",
	} {
		c.Record(when, rec{"log", strings.Repeat(part, 1_000_000/len(part))})
	}
	return c
}

func manyKeys(n int) rec {
	var m rec
	for i := range n {
		m = append(m, fmt.Sprint("k", i), i)
	}
	return m
}

func TestFlush_PanicKillsOneRecord(t *testing.T) {
	for name, at := range map[string]stage{"scan": stageScan, "detect": stageDetect, "redact": stageRedact, "encode": stageEncode} {
		t.Run(name, func(t *testing.T) {
			s := &store{}
			in, log := instance(t, s, "Retry_Timeout", "3s") // time enough for the dead-letter index
			in.fail = func(st stage, place int) {
				if st == at && place == 3 {
					panic("secret-hunter2")
				}
			}
			c := new(decodetest.Chunk)
			for i := range 6 {
				c.Record(when, rec{"log", fmt.Sprint("line ", i), "password", "secret-hunter2"})
			}
			if r := in.Flush(context.Background(), "t", c.Bytes()); r != OK {
				t.Fatal(r)
			}
			all := strings.Join(s.order, "\n")
			if len(s.docs) != 6 || strings.Count(all, `"error":"panic"`) != 1 || strings.Contains(all, "line 3") {
				t.Errorf("got\n%s", all)
			}
			if strings.Contains(all+log.String(), "secret-hunter2") {
				t.Errorf("a secret leaked:\n%s\n%s", all, log)
			}
		})
	}
}

// TestFlush_PlantedSecretsNeverLeave plants secrets in every place that a
// record has and looks for them in everything that leaves.
func TestFlush_PlantedSecretsNeverLeave(t *testing.T) {
	const card, mail = "4111 1111 1111 1111", "alice.smith@corp-mail.kr"
	places := map[string]func(string) *decodetest.Chunk{
		"log text": func(v string) *decodetest.Chunk {
			return new(decodetest.Chunk).Record(when, rec{"log", "paid with " + v + " ok"})
		},
		"JSON in text": func(v string) *decodetest.Chunk {
			return new(decodetest.Chunk).Record(when, rec{"log", `{"user":{"x":"` + v + `"}}`})
		},
		"nested": func(v string) *decodetest.Chunk {
			return new(decodetest.Chunk).Record(when, rec{"a", []any{rec{"b", v}}})
		},
		"bin": func(v string) *decodetest.Chunk {
			return new(decodetest.Chunk).Record(when, rec{"a", []byte("\xff " + v + " \xff")})
		},
		"key":        func(v string) *decodetest.Chunk { return new(decodetest.Chunk).Record(when, rec{v, 1}) },
		"nested key": func(v string) *decodetest.Chunk { return new(decodetest.Chunk).Record(when, rec{"m", rec{v, 1}}) },
		"metadata": func(v string) *decodetest.Chunk {
			return new(decodetest.Chunk).Meta(when, rec{"otlp", rec{"a", v}}, rec{"log", "x"})
		},
		"resource": func(v string) *decodetest.Chunk {
			return new(decodetest.Chunk).GroupStart(rec{"a", v}, rec{}).Record(when, rec{"log", "x"}).GroupEnd()
		},
		"scope": func(v string) *decodetest.Chunk {
			return new(decodetest.Chunk).GroupStart(rec{}, rec{"n", v}).Record(when, rec{"log", "x"}).GroupEnd()
		},
		"owned name": func(v string) *decodetest.Chunk { return new(decodetest.Chunk).Record(when, rec{"event", v}) },
		"repeated field": func(v string) *decodetest.Chunk {
			return new(decodetest.Chunk).Record(when, rec{"a", v, "log", "1"}).Record(when, rec{"a", v, "log", "2"})
		},
		"used in index": func(v string) *decodetest.Chunk { return new(decodetest.Chunk).Record(when, rec{"ns", v}) },
	}
	for name, plant := range places {
		for _, secret := range []string{card, mail} {
			t.Run(name+"/"+secret[:4], func(t *testing.T) {
				s := &store{}
				in, log := instance(t, s, "Index", "x-$ns", "Include_Tag_Key", "On", "Merge_Log", "On")
				if r := in.Flush(context.Background(), "tag."+secret, plant(secret).Bytes()); r != OK {
					t.Fatal(r)
				}
				var all strings.Builder
				for k, d := range s.docs {
					all.WriteString(k + "\n" + d + "\n")
				}
				all.WriteString(log.String())
				text := strings.NewReplacer(" ", "", "_", "", "-", "").Replace(all.String())
				bare := strings.NewReplacer(" ", "", "_", "", "-", "").Replace(secret)
				if strings.Contains(text, bare) || strings.Contains(all.String(), secret) || strings.Contains(all.String(), "alicesmith") {
					t.Errorf("it left:\n%s", all.String())
				}
				if len(s.docs) == 0 {
					t.Error("no document")
				}
			})
		}
	}
}

func TestNew_Refuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	write(t, bad, "detectors:\n  - id: x\n    pattern: '('\n    keywords: [abc]\n")
	for name, keys := range map[string][]string{
		"a redaction rule that does not compile": {"Rules_Path", bad},
		"rules that are not there":               {"Rules_Path", bad + "x"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(Options{Config: settings(t, keys...), Destination: &store{}})
			if err == nil || !strings.Contains(err.Error(), "bad.yaml") {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestState_KeptAndShared(t *testing.T) {
	dir := t.TempDir()
	none := func(string) string { return "" }
	var wg sync.WaitGroup
	got := make([]*state, 8)
	for i := range got {
		wg.Go(func() {
			s, err := openState(dir, none)
			if err != nil {
				t.Error(err)
			}
			got[i] = s
		})
	}
	wg.Wait()
	for _, s := range got {
		if *s != *got[0] {
			t.Fatalf("%v and %v", s, got[0])
		}
	}
	write(t, filepath.Join(dir, "id.key"), "rubbish")
	if _, err := openState(dir, none); err == nil {
		t.Error("a broken key was taken")
	}
}

func TestFlush_DownIsNoticedEarly(t *testing.T) {
	s := &store{lost: true}
	in, _ := instance(t, s)
	chunk := new(decodetest.Chunk).Record(when, rec{"log", "a"}).Bytes()
	start := time.Now()
	if r := in.Flush(context.Background(), "t", chunk); r != Retry {
		t.Fatal(r)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("a flush took %s", took)
	}
	// What comes right after it does not find out once more.
	sent := s.sent
	if r := in.Flush(context.Background(), "t", chunk); r != Retry || s.sent != sent {
		t.Fatalf("%v, %d documents sent", r, s.sent-sent)
	}
	s.lost = false
	time.Sleep(3 * time.Millisecond)
	if r := in.Flush(context.Background(), "t", chunk); r != OK {
		t.Fatal(r)
	}
	if len(s.docs) != 1 {
		t.Errorf("%d documents", len(s.docs))
	}
}

// TestFlush_RetryCutsWhatTheFirstCut delivers the header of a private key at
// the first attempt and its body at the second.
func TestFlush_RetryCutsWhatTheFirstCut(t *testing.T) {
	c := new(decodetest.Chunk)
	for _, l := range []string{"-----BEGIN RSA PRIVATE KEY-----", "TUlJRW93SUJBQUtDQVFFQXdV", "shortbody", "-----END RSA PRIVATE KEY-----", "done"} {
		c.Record(when, rec{"stream", "stdout", "log", l})
	}
	all := &store{}
	in, _ := instance(t, all)
	if r := in.Flush(context.Background(), "t", c.Bytes()); r != OK {
		t.Fatal(r)
	}
	parts := &store{answer: func(n int) deliver.Item {
		if n == 0 {
			return deliver.Item{Outcome: deliver.Delivered, Status: 201}
		}
		return deliver.Item{Outcome: deliver.Blocked, Status: 403}
	}}
	in, _ = instance(t, parts)
	if r := in.Flush(context.Background(), "t", c.Bytes()); r != Retry {
		t.Fatal(r)
	}
	parts.answer = nil
	if r := in.Flush(context.Background(), "t", c.Bytes()); r != OK {
		t.Fatal(r)
	}
	if got, want := strings.Join(parts.order, "\n"), strings.Join(all.order, "\n"); got != want {
		t.Errorf("in parts\n%s\nat once\n%s", got, want)
	}
}
