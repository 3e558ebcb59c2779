package deliver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
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

// note is a dead letter with a number.
func note(n int) DeadLetter {
	return DeadLetter{ID: fmt.Sprint("id-", n), Index: "i", Time: time.Unix(1_700_000_000, 0), Error: "mapper_parsing_exception", Status: 400, Document: `{"n":` + fmt.Sprint(n) + `}`}
}

// read gives the ids of a file's letters and the number of lines that are none.
func read(t *testing.T, path string) (ids []string, bad int, torn bool) {
	t.Helper()
	f, err := OpenLetters(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		l, err := f.Next()
		var wrong *LetterError
		switch {
		case err == io.EOF:
			return ids, bad, f.Torn()
		case errors.As(err, &wrong):
			bad++
		case err != nil:
			t.Fatal(err)
		default:
			ids = append(ids, l.ID)
		}
	}
}

func TestDeadFile(t *testing.T) {
	one := []DeadLetter{note(1)}
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "below", "dead.ndjson")
	f := deadFile{path: path, max: 600}
	if err := f.append(one, time.Second); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700, filepath.Dir(filepath.Dir(path)): 0o700} {
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
	if ids, bad, torn := read(t, path); len(ids) != 1 || bad != 0 || !torn {
		t.Errorf("with half a line: letters %q, %d bad lines, torn %v", ids, bad, torn)
	}
	if err := f.append([]DeadLetter{note(2)}, time.Second); err != nil {
		t.Fatal(err)
	}
	if ids, bad, torn := read(t, path); !slices.Equal(ids, []string{"id-1", "id-2"}) || bad != 1 || torn {
		t.Errorf("after half a line: letters %q, %d bad lines, torn %v", ids, bad, torn)
	}
	before, _ := os.ReadFile(path)
	if err := f.append([]DeadLetter{note(3), note(4), note(5)}, time.Second); !errors.Is(err, ErrDeadLettersFull) {
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
			must(t, os.WriteFile(target, nil, 0o600))
			link := filepath.Join(dir, "link")
			must(t, os.Symlink(target, link))
			return link
		},
		"symbolic link to nothing": func(t *testing.T, dir string) string {
			link := filepath.Join(dir, "link")
			must(t, os.Symlink(filepath.Join(dir, "target"), link))
			return link
		},
		"pipe": func(t *testing.T, dir string) string {
			p := filepath.Join(dir, "pipe")
			must(t, syscall.Mkfifo(p, 0o600))
			return p
		},
		"readable by others": func(t *testing.T, dir string) string {
			p := filepath.Join(dir, "open")
			must(t, os.WriteFile(p, nil, 0o644))
			return p
		},
		"folder writable by others": func(t *testing.T, dir string) string {
			must(t, os.Chmod(dir, 0o777))
			return filepath.Join(dir, "x")
		},
		"folder is a file": func(t *testing.T, dir string) string {
			p := filepath.Join(dir, "f")
			must(t, os.WriteFile(p, nil, 0o600))
			return filepath.Join(p, "x")
		},
		"folder": func(t *testing.T, dir string) string {
			p := filepath.Join(dir, "sub")
			must(t, os.Mkdir(p, 0o700))
			return p
		},
		"foreign owner": func(t *testing.T, dir string) string {
			asRoot(t)
			p := filepath.Join(dir, "foreign")
			must(t, os.WriteFile(p, nil, 0o600))
			must(t, os.Chown(p, 12345, 12345))
			return p
		},
		"folder of a foreign owner": func(t *testing.T, dir string) string {
			asRoot(t)
			p := filepath.Join(dir, "foreign")
			must(t, os.Mkdir(p, 0o700))
			must(t, os.Chown(p, 12345, 12345))
			return filepath.Join(p, "x")
		},
		"device":   func(*testing.T, string) string { return "/dev/full" },
		"no place": func(*testing.T, string) string { return "" },
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := deadFile{path: prepare(t, dir), max: 1 << 20}
			if err := f.append([]DeadLetter{note(1)}, time.Second); err == nil {
				t.Error("it was taken")
			}
			if _, err := os.Stat(filepath.Join(dir, "target")); err == nil && name == "symbolic link to nothing" {
				t.Error("a file was made where the link points")
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// asRoot ends a test that only root can do.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: it needs root")
	}
}

func TestDeadFile_Shared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d", "dead")
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			f := deadFile{path: path, max: 1 << 20}
			for i := range 20 {
				if err := f.append([]DeadLetter{note(20*k + i)}, 10*time.Second); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	ids, bad, torn := read(t, path)
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 160 || bad != 0 || torn {
		t.Errorf("lines are mixed or missing: %d letters, %d bad, torn %v", len(ids), bad, torn)
	}
}

// A file that is removed, or moved away, makes room for a new one; no letter
// goes into a file that has no name any more.
func TestDeadFile_Removed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := deadFile{path: path, max: 1 << 20}
	must(t, f.append([]DeadLetter{note(1)}, time.Second))
	must(t, os.Remove(path))
	must(t, f.append([]DeadLetter{note(2)}, time.Second))
	if ids, _, _ := read(t, path); !slices.Equal(ids, []string{"id-2"}) {
		t.Errorf("after it was removed: %q", ids)
	}
	// Removed while a write waits for the lock.
	held, err := os.Open(path)
	must(t, err)
	defer held.Close()
	must(t, syscall.Flock(int(held.Fd()), syscall.LOCK_EX))
	done := make(chan error)
	go func() { done <- f.append([]DeadLetter{note(3)}, 10*time.Second) }()
	for opened := 0; opened < 2; { // ours and the writer's
		links, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skipf("NOT TESTED: removed while a write waits: %v", err)
		}
		opened = 0
		for _, l := range links {
			if to, _ := os.Readlink("/proc/self/fd/" + l.Name()); to == path {
				opened++
			}
		}
	}
	must(t, os.Remove(path))
	must(t, syscall.Flock(int(held.Fd()), syscall.LOCK_UN))
	must(t, <-done)
	if ids, _, _ := read(t, path); !slices.Equal(ids, []string{"id-3"}) {
		t.Errorf("removed while a write waited: %q", ids)
	}
}

// The lock is not waited for longer than the flush has.
func TestDeadFile_Locked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := deadFile{path: path, max: 1 << 20}
	must(t, f.append([]DeadLetter{note(1)}, time.Second))
	held, err := os.Open(path)
	must(t, err)
	defer held.Close()
	must(t, syscall.Flock(int(held.Fd()), syscall.LOCK_EX))
	if err := f.append([]DeadLetter{note(2)}, 20*time.Millisecond); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("locked by another process: %v", err)
	}
}

// Letters of many bytes are written in pieces, whole or not at all.
func TestDeadFile_Pieces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	letters := make([]DeadLetter, 30)
	for i := range letters {
		letters[i] = note(i)
		letters[i].Document = `{"log":"` + strings.Repeat("x", 300<<10) + `"}`
	}
	f := deadFile{path: path, max: 5 << 20}
	if err := f.append(letters, time.Second); !errors.Is(err, ErrDeadLettersFull) {
		t.Errorf("more than the file may hold: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("%d bytes are left, %v", info.Size(), err)
	}
	f.max = 50 << 20
	must(t, f.append(letters, time.Second))
	if ids, bad, torn := read(t, path); len(ids) != 30 || bad != 0 || torn {
		t.Errorf("%d letters, %d bad, torn %v", len(ids), bad, torn)
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
