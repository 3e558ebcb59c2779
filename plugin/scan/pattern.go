package scan

import (
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// Pattern is a regular expression in Go's syntax that is asked at the hits of
// its literals.
//
// *Concurrency:* immutable, safe for concurrent use, each worker with its own
// Scratch.
type Pattern struct {
	re     *regexp.Regexp // Longest.
	first  *regexp.Regexp // Anchored at the start of the text.
	inner  *regexp.Regexp // Anchored after one rune of context.
	splits splits
}

// Scratch holds a worker's automaton states and buffers. The zero value is
// ready.
//
// *Concurrency:* not safe for concurrent use; one per worker.
type Scratch struct{}

// Compile reads a regular expression.
//
// *Errors:* those of regexp.Compile.
func Compile(expr string) (*Pattern, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	re.Longest()
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, err
	}
	p := &Pattern{re: re, splits: findSplits(tree.Simplify())}
	if p.first, err = regexp.Compile(`\A(?:` + expr + `)`); err != nil {
		return nil, err
	}
	if p.inner, err = regexp.Compile(`\A(?s:.)(?:` + expr + `)`); err != nil {
		return nil, err
	}
	p.first.Longest()
	p.inner.Longest()
	return p, nil
}

// Literals gives literals of which every match holds one, folded, each at
// least 2 bytes long; nil if the expression has none.
//
// *Bytes:* shared; not to be changed.
func (p *Pattern) Literals() []string { return p.splits.lits }

// NumSubexp gives the number of groups.
func (p *Pattern) NumSubexp() int { return p.re.NumSubexp() }

// SubexpNames gives the names of the groups as regexp.Regexp.SubexpNames does.
func (p *Pattern) SubexpNames() []string { return p.re.SubexpNames() }

// String gives the expression as it was compiled.
func (p *Pattern) String() string { return p.re.String() }

// FindAt gives the leftmost-longest match that contains the hit and starts at
// from or later, as submatch indexes in dst[:0], and nil if there is none.
func (p *Pattern) FindAt(sc *Scratch, text []byte, hit Hit, from int, dst []int) []int {
	for s := max(from, int(hit.Pos)-window); s <= int(hit.Pos); s++ {
		if insideRune(text, s) {
			continue
		}
		re, off := p.first, 0
		if s > 0 {
			_, n := utf8.DecodeLastRune(text[:s])
			re, off = p.inner, s-n
		}
		m := re.FindSubmatchIndex(text[off:])
		if m == nil || off+m[1] < int(hit.End) {
			continue
		}
		dst = dst[:0]
		for _, i := range m {
			if i >= 0 {
				i += off
			}
			dst = append(dst, i)
		}
		dst[0] = s
		return dst
	}
	return nil
}

// window is how many bytes before and after a hit a match may reach.
const window = 16 << 10 // 16 KB

// Match says whether the expression matches anywhere in text.
func (p *Pattern) Match(sc *Scratch, text []byte) bool { return p.re.Match(text) }

// insideRune says that pos lies inside a valid rune, where no match starts.
func insideRune(text []byte, pos int) bool {
	if pos <= 0 || pos >= len(text) || utf8.RuneStart(text[pos]) {
		return false
	}
	for start := pos - 1; start >= max(0, pos-utf8.UTFMax+1); start-- {
		if utf8.RuneStart(text[start]) {
			_, n := utf8.DecodeRune(text[start:])
			return start+n > pos
		}
	}
	return false
}
