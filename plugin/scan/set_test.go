package scan_test

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"

	"github.com/seclog/seclog/plugin/scan"
)

var literals = []string{
	"key", "ke", "keyring", "ring", "token", "password", "passwd", "secret", "ss", "s", "", "AKIA", "ghp_", "=", "a=", "--", "-----begin",
	"비밀번호", "밀번", "é", "café", "éé", "straße", "kelvin", "sky", "eyJ", "//", "://", "\\n", "@h", "[{", "`x", "0x", "12", "1234", "select ", "\x00", "\x00\x00", "ſecret", "aaa", "aaaa", "ΣΑΣ",
}

// TestScan_FindsWhatASearchFinds compares with (?i) of Go's regexp at each place.
func TestScan_FindsWhatASearchFinds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 3))
	for round := range 300 {
		var b scan.Builder
		var lits []string
		for _, lit := range literals {
			if rnd.IntN(2) == 0 || round == 0 {
				lits = append(lits, lit)
			}
		}
		searches := map[scan.ID]*regexp.Regexp{}
		for _, lit := range lits {
			id := b.Literal(lit)
			if id != scan.NoID {
				searches[id] = regexp.MustCompile(`\A(?i:` + regexp.QuoteMeta(lit) + `)`)
			}
		}
		set := b.Build()
		for range 20 {
			text := randomText(rnd, rnd.IntN(20))
			for range rnd.IntN(4) {
				text = append(text, lits[rnd.IntN(len(lits))]...)
			}
			checkScan(t, set, searches, text)
		}
	}
}

func checkScan(t *testing.T, set *scan.Set, searches map[scan.ID]*regexp.Regexp, text []byte) {
	t.Helper()
	buf := slices.Concat([]byte("key"), text, []byte("key=token"))
	text = buf[3 : 3+len(text) : 3+len(text)]
	var want []scan.Hit
	for pos := range text {
		if insideRune(text, pos) {
			continue
		}
		for id := scan.ID(0); int(id) < len(searches); id++ {
			if m := searches[id].FindIndex(text[pos:]); m != nil {
				want = append(want, scan.Hit{ID: id, Pos: int32(pos), End: int32(pos + m[1])})
			}
		}
	}
	if got := set.Scan(text, nil); !slices.Equal(got, want) {
		t.Fatalf("%q:\ngot  %v\nwant %v", text, got, want)
	}
}

func TestScan_DigitsAndAt(t *testing.T) {
	var b scan.Builder
	b.Literal("at")
	digits, at := b.Digits(), b.At()
	if b.Digits() != digits || b.At() != at {
		t.Fatal("an ID changed")
	}
	set := b.Build()
	f := func(text string, want ...scan.Hit) {
		t.Helper()
		if got := set.Scan([]byte(text), nil); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	f("")
	f("12345678")
	f("123456789", scan.Hit{ID: digits, Pos: 0, End: 9})
	f("x123-45-6789 ", scan.Hit{ID: digits, Pos: 1, End: 12})
	f("4111 1111 1111 1111", scan.Hit{ID: digits, Pos: 0, End: 19})
	f("4111  11111111")
	f("1-2-3-4-5-6-7-8-9-", scan.Hit{ID: digits, Pos: 0, End: 17})
	f("a 1-2-3-4-5-6-7-8-9", scan.Hit{ID: digits, Pos: 2, End: 19})
	f("1.2.3.4.5.6.7.8.9")
	f("at@at 123456789@", scan.Hit{ID: 0, Pos: 0, End: 2}, scan.Hit{ID: at, Pos: 2, End: 3}, scan.Hit{ID: 0, Pos: 3, End: 5},
		scan.Hit{ID: digits, Pos: 6, End: 15}, scan.Hit{ID: at, Pos: 15, End: 16})
	f("ſ@\u212a@123456789", scan.Hit{ID: at, Pos: 2, End: 3}, scan.Hit{ID: at, Pos: 6, End: 7}, scan.Hit{ID: digits, Pos: 7, End: 16})
}

func TestBuilder_IDs(t *testing.T) {
	var b scan.Builder
	if b.Literal("") != scan.NoID || b.Literal("x") != scan.NoID {
		t.Error("a literal that is too short got an ID")
	}
	if a, k := b.Literal("Key"), b.Literal("KEY"); a != 0 || k != 0 {
		t.Errorf("got %d and %d for one literal", a, k)
	}
	if got := b.Literal("other"); got != 1 {
		t.Errorf("second literal got %d", got)
	}
}

// The runs of digits are those that an expression finds, wherever they stand
// in a text.
func TestScan_DigitRuns(t *testing.T) {
	t.Parallel()
	var b scan.Builder
	b.Digits()
	set := b.Build()
	run := regexp.MustCompile(`[0-9](?:[ -]?[0-9]){8,}`)
	r := rand.New(rand.NewPCG(3, 4))
	const alphabet = "00123456789 --. :Tx"
	for range 100_000 {
		text := make([]byte, r.IntN(150))
		for i := range text {
			text[i] = alphabet[r.IntN(len(alphabet))]
		}
		var want []scan.Hit
		for _, m := range run.FindAllIndex(text, -1) {
			part := text[m[0]:m[1]]
			fraction := m[0] > 1 && text[m[0]-1] == '.' && text[m[0]-2] >= '0' && text[m[0]-2] <= '9' && !bytes.ContainsAny(part, " -")
			if !fraction {
				want = append(want, scan.Hit{Pos: int32(m[0]), End: int32(m[1])})
			}
		}
		if got := set.Scan(text, nil); !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
	}
}

// A time is passed over only where nothing could be found in it.
func TestScan_Times(t *testing.T) {
	t.Parallel()
	var b, all scan.Builder
	b.Literal("token")
	digits := b.Digits()
	b.At()
	set := b.Build()
	all.Literal("11-2")
	all.Digits()
	for text, want := range map[string][]scan.Hit{
		"2026-11-23T20:11:00.123456789Z":      nil,
		"2026-11-23T20:11:00Z":                nil,
		"2026-11-23T20:11:00+0100":            nil,
		"2026-11-23T20:11:00.123+01:00":       nil,
		"2026-11-23T20:11:4111111111111111":   {{ID: digits, Pos: 17, End: 33}},
		"2026-11-23T20:11:00-411111111111111": {{ID: digits, Pos: 17, End: 35}},
		"2026-11-23T20:11:00.123+4111111111":  {{ID: digits, Pos: 24, End: 34}},
		"2026-11-23T20:11:00 token":           {{ID: 0, Pos: 20, End: 25}},
		"2026-11-23T20:11:00.1234567890123":   nil,
		"2026-11-23T20:11:00@":                {{ID: digits + 1, Pos: 19, End: 20}},
	} {
		if got := set.Scan([]byte(text), nil); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if got := all.Build().Scan([]byte("2026-11-23T20:11:00.123456789Z"), nil); len(got) != 1 {
		t.Errorf("a literal in a time: %v", got)
	}
}
