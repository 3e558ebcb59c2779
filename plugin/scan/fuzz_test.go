package scan_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/seclog/seclog/plugin/scan"
)

// FuzzScan compares a scan for three literals with Go's (?i) at each place.
func FuzzScan(f *testing.F) {
	f.Add("key", "to", "비밀", []byte("KEYtoken 비밀번호 ſ\u212aey"))
	f.Add("ss", "aaa", "é=", []byte("SſÉ=aaaa"))
	f.Add("@@", "0 ", "\x00\x01", []byte("@@123456789 0 \x00\x01"))
	f.Fuzz(func(t *testing.T, a, b, c string, text []byte) {
		if len(text) > 512 || len(a)+len(b)+len(c) > 200 {
			return
		}
		var builder scan.Builder
		searches := map[scan.ID]*regexp.Regexp{}
		for _, lit := range []string{a, b, c} {
			if hasBrokenRune(lit) {
				continue // Regexps cannot say these.
			}
			if id := builder.Literal(lit); id != scan.NoID {
				searches[id] = regexp.MustCompile(`\A(?i:` + regexp.QuoteMeta(lit) + `)`)
			}
		}
		checkScan(t, builder.Build(), searches, text)
	})
}

func hasBrokenRune(lit string) bool { return slices.Contains([]rune(lit), '\ufffd') }

// FuzzPattern compares with Go's regexp, on texts and expressions alike.
func FuzzPattern(f *testing.F) {
	for i, expr := range expressions {
		f.Add(expr, []byte(pieces[i%len(pieces)]+"key=token "+pieces[(i*7)%len(pieces)]))
	}
	f.Fuzz(func(t *testing.T, expr string, text []byte) {
		if len(expr) > 200 || len(text) > 300 {
			return
		}
		p, err := scan.Compile(expr)
		want, wantErr := regexp.Compile(expr)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, regexp says %v", expr, err, wantErr)
		}
		// An expression that closes the oracle's own group is none of ours.
		if _, err := regexp.Compile(`\A(?:` + expr + `)`); err != nil || wantErr != nil {
			return
		}
		var sc scan.Scratch
		checkText(t, p, setOf(p), newOracle(expr), want, &sc, text)
	})
}
