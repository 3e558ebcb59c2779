package scan

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// alphabet maps runes to classes that an expression cannot tell apart.
type alphabet struct {
	ascii  [utf8.RuneSelf]uint16
	bounds []rune   // Where an interval of runes begins, ascending, from 0.
	class  []uint16 // The class of each interval.
	sample []rune   // A rune of each class.
	n      int      // Classes; class n is the end of the text.
}

// of gives a rune's class.
func (a *alphabet) of(r rune) uint16 {
	if r < utf8.RuneSelf {
		return a.ascii[r]
	}
	i, found := slices.BinarySearch(a.bounds, r)
	if !found {
		i--
	}
	return a.class[i]
}

func newAlphabet(prog *syntax.Prog) *alphabet {
	sets, assertions := runeSets(prog)
	bounds := []rune{0, utf8.RuneSelf}
	add := func(lo, hi rune) { bounds = append(bounds, lo, hi+1) }
	add('\n', '\n')
	if assertions {
		add('0', '9')
		add('A', 'Z')
		add('_', '_')
		add('a', 'z')
	}
	for _, in := range sets {
		if len(in.Rune) == 1 {
			r := in.Rune[0]
			add(r, r)
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				add(f, f)
			}
			continue
		}
		for i := 0; i+1 < len(in.Rune); i += 2 {
			add(in.Rune[i], in.Rune[i+1])
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	a := &alphabet{bounds: bounds}
	known := map[string]uint16{}
	var signature []byte
	for _, r := range bounds {
		signature = append(signature[:0], byte(kindOf(r)))
		if !assertions {
			signature[0] = 0
		}
		for _, in := range sets {
			signature = append(signature, 0)
			if takes(in, r) {
				signature[len(signature)-1] = 1
			}
		}
		c, ok := known[string(signature)]
		if !ok {
			c = uint16(len(a.sample))
			known[string(signature)] = c
			a.sample = append(a.sample, r)
		}
		a.class = append(a.class, c)
	}
	a.n = len(a.sample)
	for r, i := rune(0), 0; r < utf8.RuneSelf; r++ {
		for i+1 < len(bounds) && bounds[i+1] <= r {
			i++
		}
		a.ascii[r] = a.class[i]
	}
	return a
}

// runeSets gives the instructions that take a rune, without those that take
// the same as another, and says whether there are assertions such as \b.
func runeSets(prog *syntax.Prog) (sets []*syntax.Inst, assertions bool) {
	type identity struct {
		op    syntax.InstOp
		flags uint32
		first *rune
		n     int
	}
	seen := map[identity]bool{}
	for i := range prog.Inst {
		in := &prog.Inst[i]
		switch in.Op {
		case syntax.InstEmptyWidth:
			assertions = true
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			id := identity{op: in.Op, flags: in.Arg, n: len(in.Rune)}
			if len(in.Rune) > 0 {
				id.first = &in.Rune[0]
			}
			if !seen[id] {
				seen[id] = true
				sets = append(sets, in)
			}
		}
	}
	return sets, assertions
}

// takes says whether an instruction takes a rune.
func takes(in *syntax.Inst, r rune) bool {
	switch in.Op {
	case syntax.InstRune:
		return in.MatchRune(r)
	case syntax.InstRune1:
		return r == in.Rune[0]
	case syntax.InstRuneAny:
		return true
	case syntax.InstRuneAnyNotNL:
		return r != '\n'
	}
	return false
}

// kind is what an assertion sees of a neighbouring rune.
type kind uint8

const (
	kindOther kind = iota
	kindEdge       // The text begins or ends here.
	kindNewline
	kindWord
	kinds
)

func kindOf(r rune) kind {
	switch {
	case r == '\n':
		return kindNewline
	case syntax.IsWordChar(r):
		return kindWord
	}
	return kindOther
}

// sampleOf gives a rune of a kind as syntax.EmptyOpContext wants it.
func sampleOf(k kind) rune { return [kinds]rune{' ', -1, '\n', 'a'}[k] }

// kindAfter is the kind of what stands at text[pos], kindBefore of what stands
// before it. All but ASCII is kindOther, so bytes do.
func kindAfter(text []byte, pos int) kind {
	if pos >= len(text) {
		return kindEdge
	}
	return kindOf(rune(text[pos]))
}

func kindBefore(text []byte, pos int) kind {
	if pos <= 0 {
		return kindEdge
	}
	return kindAfter(text, pos-1)
}

// machine is an expression as an automaton is built from it.
type machine struct {
	prog       *syntax.Prog
	abc        *alphabet
	assertions bool
	anchored   bool // Matches only at the start of the text.
}

func newMachine(re *syntax.Regexp, abc *alphabet) (*machine, error) {
	prog, err := syntax.Compile(re)
	if err != nil {
		return nil, err
	}
	if abc == nil {
		abc = newAlphabet(prog)
	}
	_, assertions := runeSets(prog)
	cond := prog.StartCond()
	return &machine{prog: prog, abc: abc, assertions: assertions, anchored: cond&syntax.EmptyBeginText != 0}, nil
}

// reversed gives the expression that matches the reversed text.
func reversed(re *syntax.Regexp) *syntax.Regexp {
	rev := *re
	switch re.Op {
	case syntax.OpBeginLine:
		rev.Op = syntax.OpEndLine
	case syntax.OpEndLine:
		rev.Op = syntax.OpBeginLine
	case syntax.OpBeginText:
		rev.Op = syntax.OpEndText
	case syntax.OpEndText:
		rev.Op = syntax.OpBeginText
	case syntax.OpLiteral:
		rev.Rune = slices.Clone(re.Rune)
		slices.Reverse(rev.Rune)
	}
	rev.Sub = make([]*syntax.Regexp, len(re.Sub))
	for i, sub := range re.Sub {
		rev.Sub[i] = reversed(sub)
	}
	if re.Op == syntax.OpConcat {
		slices.Reverse(rev.Sub)
	}
	return &rev
}
