package scan_test

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/scan"
)

// TestPattern_MoreStatesThanTheCap runs expressions whose automatons have far
// more states than are kept, so that they start anew in mid-text.
func TestPattern_MoreStatesThanTheCap(t *testing.T) {
	for _, expr := range []string{
		`(?:[ab]*a[ab]{14}b)key`, `key=(?:[ab]*a[ab]{13}b)!`, `[ab]*a[ab]{12}(key)[ab]*b[ab]{12}\b`, `(?:é|[ab])*a(?:é|[ab]){13}key$`,
	} {
		p, o, want := mustCompile(t, expr), newOracle(expr), regexp.MustCompile(expr)
		set := setOf(p)
		rnd := rand.New(rand.NewPCG(5, 6))
		var sc scan.Scratch
		matched := 0
		for range 60 {
			var text []byte
			for range 10 {
				for range rnd.IntN(100) {
					text = append(text, "ab"[rnd.IntN(2)])
				}
				text = append(text, []string{"key", "key=", "!", "é", " ", ""}[rnd.IntN(6)]...)
			}
			matched += checkText(t, p, set, o, want, &sc, text)
		}
		if matched == 0 {
			t.Errorf("no text matched %q", expr)
		}
	}
}

// TestPattern_BufferUsedAgain holds that what is remembered of one text is not
// taken for true of another in the same buffer.
func TestPattern_BufferUsedAgain(t *testing.T) {
	p := mustCompile(t, `key=\S*!`)
	set := setOf(p)
	var sc scan.Scratch
	text := bytes.Repeat([]byte("key="), 3000)
	f := func(want int) {
		t.Helper()
		got := 0
		for _, hit := range set.Scan(text, nil) {
			if p.FindAt(&sc, text, hit, 0, nil) != nil {
				got++
			}
		}
		if got != want {
			t.Errorf("%d hits match, want %d", got, want)
		}
	}
	f(0)
	text[len(text)-1] = '!'
	f(2999)
	text[len(text)-1] = '='
	f(0)
	text[6000] = '!'
	f(1500)
	text[6000], text[9001] = 'k', ' '
	f(0)
}

// TestPattern_Window shows how far a match may reach.
func TestPattern_Window(t *testing.T) {
	f := func(expr, text, lit string, want []int) {
		t.Helper()
		var sc scan.Scratch
		pos := strings.Index(text, lit)
		got := mustCompile(t, expr).FindAt(&sc, []byte(text), scan.Hit{Pos: int32(pos), End: int32(pos + len(lit))}, 0, nil)
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", expr, got, want)
		}
	}
	const kb = 1 << 10
	a := func(n int) string { return strings.Repeat("a", n) }
	f(`a+key`, a(16*kb)+"key", "key", []int{0, 16*kb + 3})
	f(`a+key`, a(20*kb)+"key", "key", []int{4 * kb, 20*kb + 3})
	f(`ba+key`, "b"+a(20*kb)+"key", "key", nil)
	f(`key=a+`, "key="+a(16*kb), "key", []int{0, 16*kb + 4})
	f(`key=a+`, "key="+a(60*kb), "key", []int{0, 32 * kb})
	f(`key=a+b`, "key="+a(60*kb)+"b", "key", nil)
	f(`key=a+$`, "key="+a(60*kb), "key", nil)
}

func TestPattern_BadHits(t *testing.T) {
	p := mustCompile(t, `(?i)(k)ey`)
	var sc scan.Scratch
	for _, hit := range []scan.Hit{{Pos: -1, End: 2}, {Pos: 3, End: 2}, {Pos: 0, End: 99}, {Pos: 50, End: 60}} {
		if m := p.FindAt(&sc, []byte("a key"), hit, 0, nil); m != nil {
			t.Errorf("%v: got %v", hit, m)
		}
	}
	if m := p.FindAt(&sc, []byte("a key"), scan.Hit{Pos: 2, End: 5}, 3, nil); m != nil {
		t.Errorf("a start before from: %v", m)
	}
	if m := p.FindAt(&sc, []byte("a key"), scan.Hit{Pos: 3, End: 4}, -5, nil); !slices.Equal(m, []int{2, 5, 2, 3}) {
		t.Errorf("a hit inside of the match: %v", m)
	}
}

func TestSteadyState_AllocatesNothing(t *testing.T) {
	p := mustCompile(t, genericKey)
	var b scan.Builder
	for _, lit := range slices.Concat(p.Literals(), manyLiterals(200)) {
		b.Literal(lit)
	}
	b.Digits()
	b.At()
	set := b.Build()
	text := []byte(`{"user":"a@example.com","card":"4111 1111 1111 1111","api_key":"k3yV4lu3_9f8a7b6c5d4e3f2a1b0c", "이름":"홍길동"}`)
	var sc scan.Scratch
	var hits []scan.Hit
	var dst []int
	found := 0
	run := func() {
		hits = set.Scan(text, hits[:0])
		for _, hit := range hits {
			if m := p.FindAt(&sc, text, hit, 0, dst); m != nil {
				dst = m
				found++
			}
		}
		p.Match(&sc, text)
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if found == 0 {
		t.Error("nothing was found")
	}
}

// TestScan_ManyAts has hits of two passes that have to be merged.
func TestScan_ManyAts(t *testing.T) {
	var b scan.Builder
	lit, at := b.Literal("at@"), b.At()
	text := bytes.Repeat([]byte("at@"), 100_000)
	hits := b.Build().Scan(text, nil)
	if len(hits) != 200_000 {
		t.Fatalf("%d hits", len(hits))
	}
	for i := 0; i < len(hits); i += 2 {
		pos := int32(i / 2 * 3)
		if hits[i] != (scan.Hit{ID: lit, Pos: pos, End: pos + 3}) || hits[i+1] != (scan.Hit{ID: at, Pos: pos + 2, End: pos + 3}) {
			t.Fatalf("at %d: %v", i, hits[i:i+2])
		}
	}
}
