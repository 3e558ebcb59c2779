package deliver

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bounded is a destination that takes requests of at most limit bytes, and of
// the dead letters in them all but those that refuse names.
func bounded(limit int, refuse func(id string) bool) *script {
	s := &script{}
	s.answer = func(_ int, req *Request, ans *Answer) {
		if req.Size() > limit {
			ans.Verdict, ans.Status = TooLarge, 413
			return
		}
		items(req, ans, func(d *Doc) Item {
			l, err := ParseLetter(req.Body[d.JSONOff:d.End])
			if err != nil || refuse(l.ID) {
				return Item{Outcome: Dead, Status: 400, Type: "mapper_parsing_exception"}
			}
			return Item{Outcome: Delivered, Status: 201}
		})
	}
	return s
}

// A letter that is too large for its index goes to the file, and so does one
// that the index refuses; its neighbours go to the index. No request is larger
// than it may be, unless one letter alone is.
func TestDeadLetter_TooLarge(t *testing.T) {
	const limit = 100 << 10
	s := bounded(limit, func(id string) bool { return id == "id-7" })
	path := filepath.Join(t.TempDir(), "dead")
	d := deliverer(t, s, Options{DeadLetterIndex: "dead", DeadLetterPath: path, RequestMax: 1 << 20})
	var letters []DeadLetter
	for i := range 40 {
		l := note(i)
		l.Document = `{"log":"` + strings.Repeat("x", 10<<10) + `"}`
		if i == 13 {
			l.Document = `{"log":"` + strings.Repeat("\x7f", 3<<20) + `"}`
		}
		if i%2 == 0 {
			l.Error = "strict_dynamic_mapping_exception"
		}
		letters = append(letters, l)
	}
	if err := d.DeadLetter(context.Background(), letters); err != nil {
		t.Fatal(err)
	}
	ids, bad, torn := read(t, path)
	slices.Sort(ids)
	if !slices.Equal(ids, []string{"id-13", "id-7"}) || bad != 0 || torn {
		t.Errorf("in the file: %q, %d bad, torn %v", ids, bad, torn)
	}
	c := d.Counters()
	if c.Dead.Load() != 40 || c.DeadInFile.Load() != 2 {
		t.Errorf("%d dead, %d in the file", c.Dead.Load(), c.DeadInFile.Load())
	}
	if got, want := c.DeadBy.Load(), (map[string]uint64{"mapper_parsing_exception": 20, "strict_dynamic_mapping_exception": 20}); !maps.Equal(got, want) {
		t.Errorf("by cause %v, want %v", got, want)
	}
	for i, n := range s.sizes {
		if n > 1<<20 && len(s.requests[i]) > 1 {
			t.Errorf("a request of %d bytes, %d letters", n, len(s.requests[i]))
		}
	}
	if len(s.sizes) > 20 {
		t.Errorf("%d requests", len(s.sizes))
	}
}

// An index that takes nothing now is asked once for all letters of a flush.
func TestDeadLetter_IndexDown(t *testing.T) {
	for name, v := range map[string]Verdict{"no answer": NoAnswer, "refused": Refused, "throttled": Throttled} {
		s := &script{answer: verdict(v, 503, "")}
		path := filepath.Join(t.TempDir(), "dead")
		d := deliverer(t, s, Options{DeadLetterIndex: "dead", DeadLetterPath: path, RequestMax: 500})
		letters := []DeadLetter{note(1), note(2), note(3), note(4), note(5), note(6)}
		if err := d.DeadLetter(context.Background(), letters); err != nil {
			t.Fatal(err)
		}
		if ids, _, _ := read(t, path); len(ids) != 6 || len(s.requests) != 1 {
			t.Errorf("%s: %d letters in the file, %d requests", name, len(ids), len(s.requests))
		}
	}
}

// Letters of one id for two indices are two letters; the same letter again has
// the same key.
func TestDeadLetter_Key(t *testing.T) {
	a, b, c := note(1), note(1), note(1)
	b.Index = "j"
	c.Error = "held"
	if a.key() == b.key() || a.key() != c.key() || !usableID(a.key()) {
		t.Errorf("keys %s, %s, %s", a.key(), b.key(), c.key())
	}
	// What stands on either side of the divide is told apart.
	if d, e := (DeadLetter{Index: "ab", ID: "c"}), (DeadLetter{Index: "a", ID: "bc"}); d.key() == e.key() {
		t.Error("one key for two letters")
	}
}

// Why dead letters cannot be written is told once a minute, whatever the number
// of flushes that meet it.
func TestDeadLetter_ToldOnceAMinute(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var lines []string
	d := deliverer(t, &script{}, Options{DeadLetterPath: filepath.Join(folder, "dead.ndjson"), Log: func(l string) { lines = append(lines, l) }})
	for range 50 {
		if err := d.DeadLetter(t.Context(), []DeadLetter{note(1), note(2)}); err == nil {
			t.Fatal("letters were written below a file")
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "dead letters cannot be written: dead-letter folder: ") || !strings.Contains(lines[0], "2 documents wait") {
		t.Errorf("%q", lines)
	}
}
