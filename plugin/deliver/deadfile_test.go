package deliver

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestDeadLetter_JSON(t *testing.T) {
	d := DeadLetter{ID: "abc", Index: "i", Time: time.Unix(1700000000, 5), Tag: "a\"\x1b\n\xff\u2028", Error: "x", Status: 400, Size: 12, Document: "{\"a\":\"\\n\"}", Fingerprint: "f", RuleVersion: "r"}
	line := d.AppendJSON(nil)
	if bytes.ContainsAny(line, "\n\r\x1b") {
		t.Errorf("the line has control characters: %q", line)
	}
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	for k, want := range map[string]any{"@timestamp": "2023-11-14T22:13:20.000000005Z", "id": "abc", "index": "i", "tag": "a\"\x1b\n\ufffd\u2028", "rules": "r", "error": "x", "status": 400.0, "size": 12.0, "fingerprint": "f", "document": d.Document} {
		if got[k] != want {
			t.Errorf("%s = %q, want %q", k, got[k], want)
		}
	}
	for sec, want := range map[int64]string{1 << 40: "9999-12-31T23:59:59.000000000Z", -1 << 40: "0001-01-01T00:00:00.000000000Z", -1: "1969-12-31T23:59:59.000000000Z"} {
		if line := (&DeadLetter{Time: time.Unix(sec, 0)}).AppendJSON([]byte("x")); !bytes.HasPrefix(line, []byte(`x{"@timestamp":"`+want+`"`)) {
			t.Errorf("time %d: %s", sec, line)
		}
	}
	if empty := (&DeadLetter{}).AppendJSON(nil); !json.Valid(empty) || bytes.Contains(empty, []byte("document")) {
		t.Errorf("empty dead letter: %s", empty)
	}
}

func FuzzDeadLetter(f *testing.F) {
	f.Add("a\x00\"\\", "\xff")
	f.Fuzz(func(t *testing.T, tag, doc string) {
		line := (&DeadLetter{Tag: tag, Document: doc}).AppendJSON(nil)
		var got struct{ Tag, Document string }
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		if got.Tag != valid(tag) || got.Document != valid(doc) {
			t.Fatalf("%q became %q", tag, got.Tag)
		}
	})
}

// valid is s as encoding/json has it: every invalid byte is a U+FFFD.
func valid(s string) string { return string([]rune(s)) }

func TestDeadFile(t *testing.T) {
	line := []byte("{\"a\":1}\n")
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "dead.ndjson")
	f := deadFile{path: path, max: 100}
	if err := f.append(line, time.Second); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want mode %o", name, info.Mode(), err, want)
		}
	}
	half, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = half.WriteString(`{"half`)
	_ = half.Close()
	if err := f.append(line, time.Second); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "{\"a\":1}\n{\"half\n{\"a\":1}\n" {
		t.Errorf("file is %q", got)
	}
	before, _ := os.ReadFile(path)
	if err := f.append([]byte(strings.Repeat("x", 100)+"\n"), time.Second); !errors.Is(err, ErrDeadLettersFull) {
		t.Errorf("full file: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("a refused letter left something in the file")
	}
}

func TestDeadFile_Refuses(t *testing.T) {
	tests := map[string]func(t *testing.T, dir string) string{
		"symbolic link": func(t *testing.T, dir string) string {
			target := filepath.Join(dir, "target")
			if err := os.WriteFile(target, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			link := filepath.Join(dir, "link")
			if err := os.Symlink(target, link); err != nil {
				t.Fatal(err)
			}
			return link
		},
		"readable by others": func(t *testing.T, dir string) string {
			p := filepath.Join(dir, "open")
			if err := os.WriteFile(p, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			return p
		},
		"folder writable by others": func(t *testing.T, dir string) string {
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(dir, "x")
		},
		"folder is a file": func(t *testing.T, dir string) string {
			p := filepath.Join(dir, "f")
			if err := os.WriteFile(p, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(p, "x")
		},
		"device":   func(*testing.T, string) string { return "/dev/full" },
		"no place": func(*testing.T, string) string { return "" },
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			f := deadFile{path: prepare(t, t.TempDir()), max: 1 << 20}
			if err := f.append([]byte("{}\n"), time.Second); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

func TestDeadFile_Shared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d", "dead")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			f := deadFile{path: path, max: 1 << 20}
			for range 20 {
				if err := f.append([]byte("{\"some\":\"line\"}\n"), time.Second); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, _ := os.ReadFile(path)
	if string(got) != strings.Repeat("{\"some\":\"line\"}\n", 160) {
		t.Errorf("lines are mixed or missing: %d bytes", len(got))
	}
}

func TestReporter(t *testing.T) {
	now := time.Unix(1000, 0)
	var lines []string
	r := NewReporter(func() time.Time { return now }, func(l string) { lines = append(lines, l) })
	for range 10 {
		r.Report("i", "index_closed_exception", 400, 3)
	}
	r.Report("j", "index_closed_exception", 400, 1)
	r.Report("", "timeout", 0, 7)
	r.Report("", "timeout", 0, 0)
	if len(lines) != 3 {
		t.Fatalf("lines: %q", lines)
	}
	now = now.Add(time.Minute)
	r.Report("i", "index_closed_exception", 400, 1)
	if len(lines) != 4 || !strings.Contains(lines[3], "28 documents") {
		t.Errorf("lines: %q", lines)
	}
	now = now.Add(-time.Hour) // the clock is set back
	r.Report("i", "index_closed_exception", 400, 1)
	if len(lines) != 5 {
		t.Errorf("silenced by the clock: %q", lines)
	}
	for i := range 10 * reportKeys {
		r.Report(strings.Repeat("x", i), "k", 400, 1)
		r.Report(strings.Repeat("x", i), "k", 400, 1)
	}
	if len(r.kinds) > reportKeys+1 {
		t.Errorf("%d kinds are kept", len(r.kinds))
	}
	// Index names hold dates, so old ones never come again; they make room even
	// when some of what they met was not written.
	for range 2 * reportKeys {
		r.Report("full", "k", 400, 1)
	}
	now = now.Add(time.Hour)
	lines = nil
	r.Report("tomorrow", "k", 400, 1)
	if len(lines) != 1 || lines[0] != "index tomorrow: k (status 400), 1 documents since the last such line" {
		t.Errorf("an index of a later day: %q", lines)
	}
	r.Aside("a", "mapper_parsing_exception", 400, 2)
	r.Aside("", "panic", 0, 1)
	if len(lines) != 3 || lines[1] != "dead letters: mapper_parsing_exception (status 400) in index a, 2 records" || lines[2] != "dead letters: panic, 1 records" {
		t.Errorf("dead letters: %q", lines)
	}
	lines = lines[:1]
	r.Report("", "timeout", 0, 3)
	if len(lines) != 2 || lines[1] != "destination: timeout, 3 documents wait" {
		t.Errorf("no answer: %q", lines)
	}
}
