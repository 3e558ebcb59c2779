package scan

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// Pattern is a regular expression in Go's syntax that is asked at the hits of
// its literals.
//
// The automatons behind it are exact and grow as texts need them, within a cap
// past which they start anew; there is no text on which they are given up.
//
// *Concurrency:* immutable, safe for concurrent use, each worker with its own
// Scratch.
type Pattern struct {
	re     *regexp.Regexp
	hash   uint32 // Of the expression, for Scratch.
	lits   []string
	keys   []wordKey
	before int      // The most bytes from a match's start to its literal, capped.
	length int      // The most bytes of a match, capped.
	tail   *machine // What follows from a literal on; nil without literals.
	full   *machine
	back   *machine // The reversed expression.
	groups *syntax.Prog
}

// Compile reads a regular expression.
//
// *Errors:* those of regexp.Compile.
func Compile(expr string) (*Pattern, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, err
	}
	tree = tree.Simplify()
	h := fnv.New32a()
	h.Write([]byte(expr))
	p := &Pattern{re: re, hash: h.Sum32(), length: capped(longestOf(tree))}
	// The order matters: the others share the alphabet of the whole.
	if p.full, err = newMachine(tree, nil); err != nil {
		return nil, fmt.Errorf("compile %q: %w", expr, err)
	}
	if p.back, err = newMachine(reversed(tree), p.full.abc); err != nil {
		return nil, fmt.Errorf("compile %q backwards: %w", expr, err)
	}
	if re.NumSubexp() > 0 {
		p.groups = p.full.prog
	}
	found := findSplits(tree)
	if len(found.lits) == 0 {
		return p, nil
	}
	tail := &syntax.Regexp{Op: syntax.OpAlternate}
	for _, one := range found.list {
		p.before = max(p.before, capped(longestOfSeq(one.prefix)))
		tail.Sub = append(tail.Sub, &syntax.Regexp{Op: syntax.OpConcat, Sub: one.tail})
	}
	if p.tail, err = newMachine(tail, p.full.abc); err != nil {
		return nil, fmt.Errorf("compile %q from its literal: %w", expr, err)
	}
	p.lits = found.lits
	for _, lit := range p.lits {
		p.keys = append(p.keys, wordKeyOf(lit))
	}
	return p, nil
}

// window is how many bytes before and after a hit a match may reach; up to
// twice as many after it.
const window = 16 << 10 // 16 KB

func capped(n int) int {
	if n < 0 || n > window {
		return window
	}
	return n
}

// Literals gives literals of which every match holds one, folded, each at
// least 2 bytes long; nil if the expression has none.
//
// *Bytes:* shared; not to be changed.
func (p *Pattern) Literals() []string { return p.lits }

// NumSubexp gives the number of groups.
func (p *Pattern) NumSubexp() int { return p.re.NumSubexp() }

// SubexpNames gives the names of the groups as regexp.Regexp.SubexpNames does.
func (p *Pattern) SubexpNames() []string { return p.re.SubexpNames() }

// String gives the expression as it was compiled.
func (p *Pattern) String() string { return p.re.String() }

// FindAt gives the match that contains text[hit.Pos:hit.End] and starts at
// from or later: of several the one that starts first, and of those the
// longest, as regexp.Regexp.Longest has it. The answer is submatch indexes in
// dst[:0], or nil.
//
// If the hit is one of the pattern's own literals, the answer may be nil where
// the match has its literal elsewhere: it is then found at that other hit. So
// a caller that asks at all hits of Literals misses no match. Two matches that
// overlap are both found only with the same from.
//
// A match may reach 16 KB before and after the hit, whatever its repeats allow;
// what is longer is cut, or missed if it cannot be cut.
//
// *Bytes:* text outside of a match is looked at for ^, $ and \b; dst is only
// valid as the answer.
func (p *Pattern) FindAt(sc *Scratch, text []byte, hit Hit, from int, dst []int) []int {
	pos, end := int(hit.Pos), int(hit.End)
	if pos < 0 || end < pos || end > len(text) || from > pos {
		return nil
	}
	l := sc.of(p)
	// The limit is the same for neighbouring hits, so that their walks can
	// share what they learn.
	limit := min(len(text), (end/window+2)*window)
	reach := p.length
	if p.tail != nil && p.isLiteral(text, pos, end) {
		if !l.tail.reaches(text, pos, limit, &l.failed) {
			return nil
		}
		reach = p.before
	}
	start := max(from, pos-reach, 0)
	for insideRune(text, start) {
		start++
	}
	if start > pos {
		return nil
	}
	if start < pos {
		last := l.full.forward(text, start, pos, limit, end, false, &l.missed)
		if last < 0 {
			return nil
		}
		if start = l.back.backward(text, last, end, start, pos); start < 0 {
			return nil
		}
	}
	last := l.full.forward(text, start, start, limit, end, false, &l.missed)
	if last < 0 {
		return nil
	}
	dst = append(dst[:0], start, last)
	if p.groups != nil {
		dst = sc.tracer.trace(p.groups, text, start, last, 2*p.NumSubexp()+2, dst)
	}
	return dst
}

// Match says whether the expression matches anywhere in text.
func (p *Pattern) Match(sc *Scratch, text []byte) bool {
	return sc.of(p).full.forward(text, 0, len(text), len(text), 0, true, nil) >= 0
}

// isLiteral says whether text[pos:end] is one of the pattern's literals.
func (p *Pattern) isLiteral(text []byte, pos, end int) bool {
	w, wide := wordAt(text[pos:end])
	for i := range p.keys {
		k := &p.keys[i]
		if lit := p.lits[i]; w&k.mask == k.word && len(lit) == end-pos && equalFolded(text[pos:end], lit) ||
			wide && matchFolded(text, pos, lit) == end {
			return true
		}
	}
	return false
}

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
