package scan_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/scan"
)

// expressions are of the forms that rules use.
var expressions = []string{
	`\b(AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b`,
	`\b((?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b`,
	`(?i)[\w.-]{0,50}?(?:access|auth|(?-i:[Aa]pi|API)|credential|creds|key|passw(?:or)?d|secret|token)(?:[ \t\w.-]{0,20})[\s'"]{0,3}(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)[\x60'"\s=]{0,5}([\w.=-]{10,150}|[a-z0-9][a-z0-9+/]{11,}={0,3})(?:[\x60'"\s;]|\\[nr]|$)`,
	`(?i)[\w.-]{0,50}?(?:adafruit)(?:[ \t\w.-]{0,20})[\s'"]{0,3}(?:=|>|:)[\x60'"\s=]{0,5}([a-z0-9_-]{32})(?:[\x60'"\s;]|\\[nr]|$)`,
	`ghp_[0-9a-zA-Z]{36}`,
	`\b(ey[a-zA-Z0-9]{17,}\.ey[a-zA-Z0-9\/\\_-]{17,}\.(?:[a-zA-Z0-9\/\\_-]{10,}={0,2})?)(?:[\x60'"\s;]|\\[nr]|$)`,
	`(?i)-----BEGIN[ A-Z0-9_-]{0,100}PRIVATE KEY(?: BLOCK)?-----[\s\S-]{64,}?KEY(?: BLOCK)?-----`,
	`xox[pe](?:-[0-9]{10,13}){3}-[a-zA-Z0-9-]{28,34}`,
	`(?:https?://)?hooks.slack.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{43,56}`,
	`(?i)\bsk_(?:test|live|prod)_[a-z0-9]{10,99}\b`,
	`^root:`, `password$`, `^key=(\S+)$`, `(?m)^key=(\S+)$`, `\Akey\b.*\btoken\z`,
	`(?i)select\s+.*?\s+from\b`, `(?i)union(?:\s|/\*.*?\*/)+select`,
	`\.\./\.\./`, `(?i)cmd(?:\.exe)?\s+/c\s+(\S+)`, `a.*?key.*?b`, `(a|ab)(c|bcd)(d*)key`,
	`foo|[xy]bar|a?key`, `(?:foo|ba+r)+key`, `(?i)kelvin|(?i)sky`, `[^a-z]key[^a-z]`, `\Bkey\B`,
	`(?s)key.+?token`, `(?i:S)ecret`, `[kK]ey|비밀번호=(\S+)`, `é+key`, `(?i)é=key`, `.{3}key.{3}`, `\w+@\w+\.com`,
	`key{2,3}`, `(?:key|keyring)(s?)`, `()key()`, `(?i)bearer\s+([a-z0-9\-._~+/]+=*)`, `(\w+)=(\w+)`,
	`[a-z]{2,8}://[^\s:@/]{1,32}:([^\s@/]{1,32})@`, `\d{3}-\d{2}-\d{4}`, `key.`, `key\pL+`, `(?i)(?:key|tok\b|\btoken)=?$`,
	`key(?:\b|x)*`, `[^k]?key`, `x*`, `(?:^|\s)key(?:\s|$)`, `(k|ke|key)(y|ey|)`, `key\x{FFFD}`, `(?i)ſecret`, `k[a-z]*y=`,
}

// pieces make random texts that match now and then.
var pieces = []string{
	"key", "KEY", "Key=", "token", "password", "passwd", "secret", "=", ": ", "\"", "'", " ", "\n", "\t", "a", "b", "foo", "xbar", "aab",
	"AKIA", "ABCDEFGHIJKLMNOP", "ghp_", "0123456789abcdefABCDEF0123456789abcdef", "ey", "eyJhbGciOiJIUzI1NiIsInR5cCI6", ".", "-", "/", "\\n",
	"\xff", "\xe2\x84", "\u212a", "ſ", "é", "É", "비밀번호=", "비", "-----BEGIN RSA PRIVATE KEY-----", "123-45-6789", "1234567890", "-xox", "xoxp-",
	"select ", " from ", "union", "root:", "cmd /c ", "http://", "user:pw@host.com", "sk_live_", "\ufffd", "adafruit", "Bearer ", "../../", "yy", "_", "cd", "d", "bcd",
	"\x00", "hooks.slack.com/services/", "keyring", "kelvin", "sky", "A3TX",
}

func randomText(rnd *rand.Rand, n int) []byte {
	var text []byte
	for range n {
		text = append(text, pieces[rnd.IntN(len(pieces))]...)
	}
	return text
}

// longestAt is what FindAt promises, by Go's regexp alone: the first start in
// [from, hit.Pos] whose longest match reaches the hit's end.
type oracle struct{ first, inner *regexp.Regexp }

func newOracle(expr string) oracle {
	o := oracle{regexp.MustCompile(`\A(?:` + expr + `)`), regexp.MustCompile(`\A(?s:.)(?:` + expr + `)`)}
	o.first.Longest()
	o.inner.Longest()
	return o
}

func (o oracle) longestAt(text []byte, hit scan.Hit, from int) []int {
	for s := from; s <= int(hit.Pos); s++ {
		if insideRune(text, s) {
			continue
		}
		re, off := o.inner, s
		for off--; off > 0 && insideRune(text, off); off-- {
		}
		if s == 0 {
			re, off = o.first, 0
		}
		m := re.FindSubmatchIndex(text[off:])
		if m == nil || off+m[1] < int(hit.End) {
			continue
		}
		for i := range m {
			if m[i] >= 0 {
				m[i] += off
			}
		}
		m[0] = s
		return m
	}
	return nil
}

// insideRune says that pos is inside a valid rune, where no match can start.
func insideRune(text []byte, pos int) bool {
	for back := 1; back <= 3 && back <= pos; back++ {
		if r := []rune(string(text[pos-back : min(len(text), pos-back+4)]))[0]; r != '\ufffd' && len(string(r)) > back ||
			strings.HasPrefix(string(text[pos-back:]), "\ufffd") && back < 3 {
			return true
		}
	}
	return false
}

func mustCompile(tb testing.TB, expr string) *scan.Pattern {
	tb.Helper()
	p, err := scan.Compile(expr)
	if err != nil {
		tb.Fatalf("Compile(%q): %v", expr, err)
	}
	return p
}

func setOf(p *scan.Pattern) *scan.Set {
	var b scan.Builder
	for _, lit := range p.Literals() {
		b.Literal(lit)
	}
	return b.Build()
}

// TestPattern_AgreesWithRegexp holds the promise on which redaction rests: a
// match of Go's regexp is found at one of the literals' hits, with the same
// span and groups, and Match says the same as Go's.
func TestPattern_AgreesWithRegexp(t *testing.T) {
	for i, expr := range expressions {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			p, o, want := mustCompile(t, expr), newOracle(expr), regexp.MustCompile(expr)
			set := setOf(p)
			var sc scan.Scratch
			matched := 0
			for range 1500 {
				text := randomText(rnd, 1+rnd.IntN(14))
				matched += checkText(t, p, set, o, want, &sc, text)
			}
			if matched == 0 {
				t.Logf("no text matched %q", expr)
			}
		})
	}
}

func checkText(t *testing.T, p *scan.Pattern, set *scan.Set, o oracle, want *regexp.Regexp, sc *scan.Scratch, text []byte) (matched int) {
	t.Helper()
	// A buffer with other bytes around shows reads outside of the text.
	buf := slices.Concat([]byte("key"), text, []byte("key=token"))
	text = buf[3 : 3+len(text) : 3+len(text)]
	first := want.FindIndex(text)
	if got := p.Match(sc, text); got != (first != nil) {
		t.Fatalf("%q on %q: Match says %v", want, text, got)
	}
	if p.Literals() == nil {
		return 0
	}
	covered := first == nil
	for _, hit := range set.Scan(text, nil) {
		from := 0
		got := p.FindAt(sc, text, hit, from, nil)
		if got == nil {
			continue
		}
		matched++
		if exp := o.longestAt(text, scan.Hit{Pos: int32(got[0]), End: hit.End}, got[0]); !slices.Equal(exp, got) {
			t.Fatalf("%q on %q at %v: got %v, regexp says %v", want, text, hit, got, exp)
		}
		if got[0] > int(hit.Pos) || got[1] < int(hit.End) {
			t.Fatalf("%q on %q at %v: %v does not contain the hit", want, text, hit, got)
		}
		if first != nil && got[0] <= first[0] && got[1] >= first[1] {
			covered = true
		}
	}
	if !covered {
		t.Fatalf("%q on %q: regexp finds %v, no hit does", want, text, first)
	}
	return matched
}

func TestCompile_Literals(t *testing.T) {
	f := func(expr string, want ...string) {
		t.Helper()
		if got := mustCompile(t, expr).Literals(); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", expr, got, want)
		}
	}
	f(`\b(AKIA|ASIA)[A-Z]{16}`, "akia", "asia")
	f(`passw(?:or)?d`, "passwd", "password")
	f(`(?i)[\w.-]{0,50}?(?:key|(?-i:[Aa]pi|API)|creds)\s*=`, "api", "creds", "key")
	f(`\d{4}-\d{4}`)
	f(`.*`)
	f(`a`)
	f(`foo|x*bar`, "bar", "foo")
	f(`foo|.`)
	f(`(?i)\x{212a}elvin`, "kelvin")
	f(`비밀번호=`, "비밀번호=")
	f(`x+://[a-z]+longer-literal`, "longer-literal")
	f(`(?:key|keyring)s`, "keyrings", "keys")
	f(`key\x{fffd}`, "key")
}

func TestCompile_BadExpression(t *testing.T) {
	for _, expr := range []string{`(`, `a{1001}`, `[z-a]`, `(?P<n`, `\8`, "\xff", `(?=a)`} {
		if _, err := scan.Compile(expr); err == nil {
			t.Errorf("Compile(%q) gave no error", expr)
		}
		if _, err := syntax.Parse(expr, syntax.Perl); err == nil {
			t.Errorf("%q is good", expr)
		}
	}
}
