package deliver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseLetter(t *testing.T) {
	good := note(7)
	good.Tag, good.RuleVersion, good.Fingerprint, good.Size = "a\"\n", "v", "f", 12
	for name, l := range map[string]DeadLetter{
		"with a document": good,
		"a held one":      {ID: "a-B_9", Index: "seclog-2026.11.23", Time: time.Unix(0, 5), Error: "held", Document: `{"a":"\n"}`},
		"without":         {ID: "a", Time: time.Unix(-1, 0), Error: "beyond the 16,777,216th record of its chunk"},
	} {
		got, err := ParseLetter(l.AppendJSON(nil))
		l.Time = l.Time.UTC()
		if err != nil || got != l {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, l)
		}
	}
	line := func(change func(m map[string]any)) string {
		m := map[string]any{}
		if err := json.Unmarshal(good.AppendJSON(nil), &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		b, _ := json.Marshal(m)
		return string(b)
	}
	set := func(key string, value any) string { return line(func(m map[string]any) { m[key] = value }) }
	for reason, raws := range map[string][]string{
		"no JSON object":                         {"", " ", "null", "[]", `"x"`, "\x00", "secret 4111"},
		"no valid JSON":                          {"{", `{"id":"a"`, line(func(map[string]any) {}) + "{}", `{"a":secret}`},
		"a field has a type":                     {set("id", 5), set("status", "x"), set("document", map[string]any{"a": 1}), set("size", 1e300)},
		"@timestamp is no time":                  {"{}", set("@timestamp", ""), set("@timestamp", "yesterday")},
		"id is none":                             {set("id", ""), set("id", `a","_index":"b`), set("id", "a\nb"), set("id", "ä"), set("id", strings.Repeat("a", 600))},
		"index is no name":                       {set("index", ""), set("index", `a","_id":"x`), set("index", "a\n{}"), set("index", "A"), set("index", "_all"), set("index", "a*"), set("index", ".."), set("index", "a\\u0022"), set("index", "ä"), set("index", strings.Repeat("a", 256))},
		"document is no JSON object":             {set("document", "x"), set("document", "{}{}"), set("document", "{}\n{\"create\":{}}"), set("document", "[1]"), set("document", `{"a":`)},
		fmt.Sprintf("longer than %d", LetterMax): {strings.Repeat(" ", LetterMax+1)},
	} {
		for _, raw := range raws {
			_, err := ParseLetter([]byte(raw))
			if err == nil || !strings.HasPrefix(err.Error(), reason) {
				t.Errorf("%.100q: %v, want %s", raw, err, reason)
			} else if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q is quoted: %v", raw, err)
			}
		}
	}
	// A document that somebody wrote over several lines is one line again.
	if l, err := ParseLetter([]byte(set("document", "{\r\n \"a\": 12345678901234567890.0\n}"))); err != nil || l.Document != `{"a":12345678901234567890.0}` {
		t.Errorf("%q, %v", l.Document, err)
	}
}

// FuzzParseLetter: what is taken can be framed in one line of its own, and is
// the same when it is written and read again.
func FuzzParseLetter(f *testing.F) {
	n := note(1)
	f.Add(n.AppendJSON(nil))
	f.Add([]byte(`{"@timestamp":"2026-01-01T00:00:00Z","id":"a","index":"b\",\"c","document":"{\n}"}`))
	f.Add([]byte(`{"@timestamp":"0000-01-01T00:00:00Z","id":"a","INDEX":"b","document":"{}"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := ParseLetter(raw)
		if err != nil {
			return
		}
		if !usableID(l.ID) || l.Document != "" && (!usableIndex(l.Index) || strings.ContainsAny(l.Document, "\r\n") || !json.Valid([]byte(l.Document))) {
			t.Fatalf("taken: %+v", l)
		}
		framed, err := json.Marshal(l.Index)
		if err != nil || l.Document != "" && string(framed) != `"`+l.Index+`"` {
			t.Fatalf("index %q needs escaping", l.Index)
		}
		again, err := ParseLetter(l.AppendJSON(nil))
		l.Time, again.Time = time.Time{}, time.Time{}
		if err != nil || again != l {
			t.Fatalf("%+v, %v; want %+v", again, err, l)
		}
	})
}

// FuzzLetterFile: whatever a file holds, its letters are those of its lines, in
// their order, and every line that is none is told by its number.
func FuzzLetterFile(f *testing.F) {
	n := note(1)
	line := string(n.AppendJSON(nil))
	f.Add([]byte(line+"\n"+line), uint16(400))
	f.Add([]byte("\n \r\n{\n"+line+"\nx\n"), uint16(400))
	f.Add([]byte(line+"\n"+line+"\n"), uint16(50))
	f.Fuzz(func(t *testing.T, content []byte, most uint16) {
		r := &LetterFile{from: bytes.NewReader(content), size: int64(len(content)), max: int(most), piece: make([]byte, 100)}
		lines := strings.SplitAfter(string(content), "\n")
		for i, text := range lines {
			if !strings.HasSuffix(text, "\n") {
				break // the last, which has no end
			}
			text = strings.TrimLeft(strings.TrimSuffix(text, "\n"), " \t\r")
			if strings.TrimSpace(text) == "" && len(text) <= r.max {
				continue
			}
			want, wrong := ParseLetter([]byte(text))
			got, err := r.Next()
			var bad *LetterError
			if errors.As(err, &bad) && bad.Where == fmt.Sprint("line ", i+1) && (wrong != nil || len(lines[i]) > r.max) {
				continue
			}
			if err != nil || wrong != nil || got != want {
				t.Fatalf("line %d, %q: %+v, %v; want %+v, %v", i+1, text, got, err, want, wrong)
			}
		}
		if l, err := r.Next(); err != io.EOF {
			t.Fatalf("behind the end: %+v, %v", l, err)
		}
	})
}

// letterFile is an open file of some content.
func letterFile(t *testing.T, content []byte) *LetterFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "letters")
	must(t, os.WriteFile(path, content, 0o600))
	f, err := OpenLetters(path)
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestLetterFile_Lines(t *testing.T) {
	one, two := note(1), note(2)
	two.Document = `{"log":"` + strings.Repeat("x", 200<<10) + `"}`
	a, b := string(one.AppendJSON(nil)), string(two.AppendJSON(nil))
	for _, c := range []struct {
		name, content string
		ids           []string
		bad           []string
		torn          bool
	}{
		{"empty", "", nil, nil, false},
		{"lines", a + "\n" + b + "\n", []string{"id-1", "id-2"}, nil, false},
		{"line ends of another system", a + "\r\n\r\n" + b + "\r\n", []string{"id-1", "id-2"}, nil, false},
		{"half a line", a + "\n" + b[:5000], []string{"id-1"}, nil, true},
		{"a whole line without its end", a + "\n" + b, []string{"id-1"}, nil, true},
		{"garbage in half a line", "\x00\x00", nil, nil, true},
		{"empty lines", "\n \n" + a + "\n\n", []string{"id-1"}, nil, false},
		{"lines that are none", "x\n" + a + "\n" + a[:20] + "\n" + b + "\n[]\n", []string{"id-1", "id-2"}, []string{"line 1: no JSON object", "line 3: no valid JSON", "line 5: no JSON object"}, false},
		{"too long", strings.Repeat("y", 1<<20) + "\n" + `{"x":"` + strings.Repeat("y", 300<<10) + "\"}\n" + a + "\n", []string{"id-1"}, []string{"line 1: no JSON object", "line 2: longer than 262144 bytes"}, false},
		{"too long, without an end", a + "\n{" + strings.Repeat("y", 1<<20), []string{"id-1"}, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := letterFile(t, []byte(c.content))
			f.max = 256 << 10
			var ids, bad []string
			for {
				l, err := f.Next()
				var wrong *LetterError
				if err == io.EOF {
					break
				} else if errors.As(err, &wrong) {
					bad = append(bad, err.Error())
				} else if err != nil {
					t.Fatal(err)
				} else {
					ids = append(ids, l.ID)
				}
			}
			if !slices.Equal(ids, c.ids) || !slices.Equal(bad, c.bad) || f.Torn() != c.torn {
				t.Errorf("letters %q, bad %q, torn %v; want %q, %q, %v", ids, bad, f.Torn(), c.ids, c.bad, c.torn)
			}
			if done, all := f.Progress(); done != all || all != int64(len(c.content)) {
				t.Errorf("%d of %d bytes read, of %d", done, all, len(c.content))
			}
			if _, err := f.Next(); err != io.EOF {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// A line of 100 MB costs no memory to speak of.
func TestLetterFile_Memory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "letters")
	file, err := os.Create(path)
	must(t, err)
	piece := bytes.Repeat([]byte("garbage "), 1<<17)
	for range 100 {
		_, err := file.Write(piece)
		must(t, err)
	}
	n := note(1)
	_, err = file.Write(append(n.AppendJSON([]byte("\n")), '\n'))
	must(t, errors.Join(err, file.Close()))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ids, bad, torn := read(t, path)
	runtime.ReadMemStats(&after)
	if len(ids) != 1 || bad != 1 || torn {
		t.Errorf("letters %q, %d bad, torn %v", ids, bad, torn)
	}
	if spent := after.TotalAlloc - before.TotalAlloc; spent > 4<<20 {
		t.Errorf("%d bytes of memory", spent)
	}
}

// What is written after the file was opened is not read, and a reader keeps no
// writer waiting.
func TestLetterFile_Grows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "letters")
	w := deadFile{path: path, max: 1 << 20}
	must(t, w.append([]DeadLetter{note(1)}, time.Second))
	f, err := OpenLetters(path)
	must(t, err)
	defer f.Close()
	must(t, w.append([]DeadLetter{note(2)}, 0))
	if l, err := f.Next(); err != nil || l.ID != "id-1" {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err := f.Next(); err != io.EOF || f.Torn() {
		t.Errorf("%+v, %v, torn %v", l, err, f.Torn())
	}
}

func TestOpenLetters_Refuses(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{dir, pipe, filepath.Join(dir, "missing"), "/dev/null", ""} {
		if f, err := OpenLetters(path); err == nil {
			t.Errorf("%q was opened: %v", path, f.Close())
		}
	}
}

func TestCauses(t *testing.T) {
	var c Causes
	if got := c.Load(); len(got) != 0 {
		t.Errorf("before any: %v", got)
	}
	c.add("a")
	c.add("a")
	got := c.Load()
	c.add("b")
	if !maps.Equal(got, map[string]uint64{"a": 2}) {
		t.Errorf("%v", got)
	}
	for i := range 10 * causesMax {
		c.add(fmt.Sprint("kind", i))
	}
	got = c.Load()
	total := uint64(0)
	for _, n := range got {
		total += n
	}
	if len(got) != causesMax+1 || got["a"] != 2 || total != 3+10*causesMax || got[OtherCause] != 10*causesMax+2-causesMax {
		t.Errorf("%d causes, %d in all, %d others", len(got), total, got[OtherCause])
	}
}
