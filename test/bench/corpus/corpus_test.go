package corpus_test

import (
	"bytes"
	"errors"
	"regexp"
	"testing"

	"github.com/seclog/seclog/test/bench/corpus"
)

func TestWrite_LinesAreCRIOfTheStatedSize(t *testing.T) {
	const lines = 40_000
	var b bytes.Buffer
	stats, err := corpus.Write(&b, lines, 1)
	if err != nil {
		t.Fatal(err)
	}
	if stats.Lines != lines || stats.Bytes != int64(b.Len()) || bytes.Count(b.Bytes(), []byte("\n")) != lines {
		t.Fatalf("stats %+v, %d bytes, %d newlines; want %d lines", stats, b.Len(), bytes.Count(b.Bytes(), []byte("\n")), lines)
	}
	if mean := float64(b.Len()) / lines; mean < 221 || mean > 231 {
		t.Errorf("mean line of %.1f bytes, want 226 ± 5", mean)
	}
	if share := float64(stats.Secrets) / lines; share < 0.017 || share > 0.023 {
		t.Errorf("%.2f %% of lines hold a secret, want 2 %%", share*100)
	}
	marks := 0
	for _, m := range corpus.Marks() {
		marks += bytes.Count(b.Bytes(), []byte(m))
	}
	if int64(marks) != stats.Keys || marks == 0 {
		t.Errorf("marks stand %d times, stats say %d", marks, stats.Keys)
	}
	cri := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) F .+$`)
	seen := map[string]bool{}
	for line := range bytes.Lines(b.Bytes()) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if !cri.Match(line) {
			t.Fatalf("not a CRI line: %q", line)
		}
		if at := string(line[:30]); seen[at] {
			t.Fatalf("two lines of time %s", at)
		} else {
			seen[at] = true
		}
	}
}

func TestWrite_SameSeedSameBytes(t *testing.T) {
	write := func(seed uint64) []byte {
		var b bytes.Buffer
		if _, err := corpus.Write(&b, 500, seed); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	if !bytes.Equal(write(7), write(7)) {
		t.Error("seed 7 gave two different corpora")
	}
	if bytes.Equal(write(7), write(8)) {
		t.Error("seeds 7 and 8 gave the same corpus")
	}
}

func TestWrite_GivesTheWritersError(t *testing.T) {
	full := errors.New("no space left")
	if _, err := corpus.Write(failing{full}, 100_000, 1); !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
