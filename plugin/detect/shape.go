package detect

import (
	"encoding/binary"
	"regexp"
	"regexp/syntax"
	"unicode"
)

// shape is an expression that reads a log text into groups. It finds what
// regexp.Regexp.FindSubmatchIndex does, by a plain backtracking walk that takes
// runs of a class and literals in one step; log lines are short and their
// expressions nearly without ambiguity, so this is several times faster. What
// the walk is not made for (text beyond ASCII, word borders, a walk that takes
// too long) goes to regexp.
//
// Concurrency: immutable, safe for concurrent use, each worker with its own
// shapeWalk.
type shape struct {
	re     *regexp.Regexp
	steps  []step
	start  int32
	first  asciiSet // the bytes that a match may begin with
	atText bool     // only the text's begin will do
	simple bool
}

// step is one instruction of a shape.
type step struct {
	op   stepOp
	set  asciiSet // stepByte, stepRun
	lit  string   // stepText
	out  int32
	arg  int32 // stepFork: the second choice; stepGroup: the border's number
	lazy bool  // stepRun: as few as will do
	min  int32 // stepRun: 0 or 1
}

type stepOp uint8

const (
	stepFail stepOp = iota
	stepMatch
	stepByte  // one byte of a set
	stepRun   // as many as there are
	stepText  // a literal
	stepFork  // out, else arg
	stepGroup // a group's border
	stepBegin // ^
	stepEnd   // $
)

// asciiSet is a set of bytes below 128.
type asciiSet [2]uint64

func (s *asciiSet) has(c byte) bool { return s[c>>6&1]>>(c&63)&1 != 0 }

func (s *asciiSet) add(c byte) { s[c>>6&1] |= 1 << (c & 63) }

// newShape compiles an expression.
//
// Errors: those of regexp.Compile.
func newShape(expression string) (*shape, error) {
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, err
	}
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	s := &shape{re: re, start: int32(prog.Start), simple: true, steps: make([]step, len(prog.Inst))}
	for i := range prog.Inst {
		in := &prog.Inst[i]
		at := &s.steps[i]
		at.out = int32(in.Out)
		switch in.Op {
		case syntax.InstMatch:
			at.op = stepMatch
		case syntax.InstNop:
			at.op = stepFork
			at.arg = at.out
		case syntax.InstCapture:
			at.op, at.arg = stepGroup, int32(in.Arg)
		case syntax.InstAlt, syntax.InstAltMatch:
			at.op, at.arg = stepFork, int32(in.Arg)
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			at.op = stepByte
			for c := range byte(128) {
				if in.MatchRune(rune(c)) {
					at.set.add(c)
				}
			}
		case syntax.InstEmptyWidth:
			switch syntax.EmptyOp(in.Arg) {
			case syntax.EmptyBeginText:
				at.op = stepBegin
			case syntax.EmptyEndText:
				at.op = stepEnd
			default:
				s.simple = false
			}
		}
	}
	s.atText = prog.StartCond()&syntax.EmptyBeginText != 0
	s.joinRuns()
	s.joinTexts(prog)
	if !s.firstOf(s.start, make([]bool, len(s.steps))) {
		s.first = asciiSet{^uint64(0), ^uint64(0)}
	}
	return s, nil
}

// joinRuns makes one step of a loop over one byte: L: fork(B, out), B: byte → L
// for x*, and B: byte → L before it for x+.
func (s *shape) joinRuns() {
	for i := range s.steps {
		f := &s.steps[i]
		if f.op != stepFork || f.out == f.arg {
			continue
		}
		body, out, lazy := f.out, f.arg, false
		if !s.loops(body, i) {
			if body, out, lazy = f.arg, f.out, true; !s.loops(body, i) {
				continue
			}
		}
		*f = step{op: stepRun, set: s.steps[body].set, out: out, lazy: lazy}
	}
	for i := range s.steps {
		b := &s.steps[i]
		if b.op == stepByte && s.steps[b.out].op == stepRun && s.steps[b.out].set == b.set && s.steps[b.out].min == 0 {
			run := s.steps[b.out]
			run.min = 1
			*b = run
		}
	}
}

func (s *shape) loops(body int32, fork int) bool {
	return s.steps[body].op == stepByte && s.steps[body].out == int32(fork)
}

// joinTexts makes one step of letters that follow one another.
func (s *shape) joinTexts(prog *syntax.Prog) {
	single := func(i int32) (byte, bool) {
		in := &prog.Inst[i]
		if s.steps[i].op != stepByte || in.Op != syntax.InstRune1 || in.Rune[0] > unicode.MaxASCII {
			return 0, false
		}
		return byte(in.Rune[0]), true
	}
	joined := make([]step, len(s.steps))
	copy(joined, s.steps)
	for i := range s.steps {
		var text []byte
		at := int32(i)
		for c, ok := single(at); ok && len(text) < len(s.steps); c, ok = single(at) {
			text = append(text, c)
			at = s.steps[at].out
		}
		if len(text) > 1 {
			joined[i] = step{op: stepText, lit: string(text), out: at}
		}
	}
	s.steps = joined
}

// firstOf collects the bytes that may stand first from a step on. It is false
// when there may be none.
func (s *shape) firstOf(at int32, seen []bool) bool {
	if seen[at] {
		return true
	}
	seen[at] = true
	p := &s.steps[at]
	switch p.op {
	case stepFail:
		return true
	case stepByte, stepRun:
		s.first[0] |= p.set[0]
		s.first[1] |= p.set[1]
		return p.op == stepByte || p.min > 0 || s.firstOf(p.out, seen)
	case stepText:
		s.first.add(p.lit[0])
		return true
	case stepFork:
		return s.firstOf(p.out, seen) && s.firstOf(p.arg, seen)
	case stepGroup, stepBegin:
		return s.firstOf(p.out, seen)
	}
	return false
}

// shapeWalk is a worker's memory for shapes. The zero value is ready.
//
// Concurrency: not safe for concurrent use.
type shapeWalk struct {
	stack  []choice
	groups []int
}

// choice is what a walk comes back to: another step, fewer bytes of a run (or
// more, of a lazy one), or the old border of a group.
type choice struct {
	step int32
	kind choiceKind
	pos  int32
	end  int32 // of a run: how far it may go back; of a group: the border
}

type choiceKind uint8

const (
	choiceStep choiceKind = iota
	choiceRun
	choiceLazy
	choiceGroup
)

// budget bounds the steps of a walk, a byte of text each that many.
const budget = 64

// maxChoices bounds what a walk remembers: 1 MB.
const maxChoices = 1 << 16

// find gives the indexes of the first match and its groups, or nil.
//
// Bytes: valid until the next call with the same walk.
func (s *shape) find(w *shapeWalk, text []byte) []int {
	if !s.simple || !isASCII(text) {
		return s.re.FindSubmatchIndex(text)
	}
	n := 2 * (s.re.NumSubexp() + 1)
	if cap(w.groups) < n {
		w.groups = make([]int, n)
	}
	w.groups = w.groups[:n]
	for i := range w.groups {
		w.groups[i] = -1
	}
	left := budget * (len(text) + 16)
	for pos := 0; pos <= len(text); pos++ {
		for pos < len(text) && !s.first.has(text[pos]) && !s.atText {
			pos++
		}
		end, ok := s.walk(w, text, pos, &left)
		if left < 0 {
			return s.re.FindSubmatchIndex(text)
		}
		if ok {
			w.groups[0], w.groups[1] = pos, end
			return w.groups
		}
		if s.atText {
			break
		}
	}
	return nil
}

// walk tries a match that begins at pos and gives its end.
func (s *shape) walk(w *shapeWalk, text []byte, pos int, left *int) (int, bool) {
	w.stack = w.stack[:0]
	at := s.start
	for {
		if *left--; len(w.stack) >= maxChoices {
			*left = -1
		}
		if *left < 0 {
			return 0, false
		}
		p := &s.steps[at]
		ok := false
		switch p.op {
		case stepMatch:
			return pos, true
		case stepByte:
			if pos < len(text) && p.set.has(text[pos]) {
				pos, ok = pos+1, true
			}
		case stepText:
			if len(text)-pos >= len(p.lit) && string(text[pos:pos+len(p.lit)]) == p.lit {
				pos, ok = pos+len(p.lit), true
			}
		case stepRun:
			low := pos + int(p.min)
			if p.lazy {
				if p.min == 0 || pos < len(text) && p.set.has(text[pos]) {
					w.stack = append(w.stack, choice{step: at, kind: choiceLazy, pos: int32(low)})
					pos, ok = low, true
				}
				break
			}
			for pos < len(text) && p.set.has(text[pos]) {
				pos++
			}
			*left -= pos - low
			if ok = pos >= low; ok && pos > low {
				w.stack = append(w.stack, choice{step: at, kind: choiceRun, pos: int32(pos), end: int32(low)})
			}
		case stepFork:
			if p.out != p.arg {
				w.stack = append(w.stack, choice{step: p.arg, pos: int32(pos)})
			}
			ok = true
		case stepGroup:
			if p.arg >= 2 {
				w.stack = append(w.stack, choice{step: p.arg, kind: choiceGroup, end: int32(w.groups[p.arg])})
				w.groups[p.arg] = pos
			}
			ok = true
		case stepBegin:
			ok = pos == 0
		case stepEnd:
			ok = pos == len(text)
		}
		if ok {
			at = p.out
			continue
		}
		if at, pos, ok = s.back(w, text, left); !ok {
			return 0, false
		}
	}
}

// back goes to the last choice that is left.
func (s *shape) back(w *shapeWalk, text []byte, left *int) (at int32, pos int, ok bool) {
	for len(w.stack) > 0 {
		top := len(w.stack) - 1
		c := &w.stack[top]
		switch c.kind {
		case choiceStep:
			w.stack = w.stack[:top]
			return c.step, int(c.pos), true
		case choiceGroup:
			w.groups[c.step] = int(c.end)
			w.stack = w.stack[:top]
		case choiceRun:
			p := &s.steps[c.step]
			// A literal behind the run says where it may end.
			c.pos--
			if next := &s.steps[p.out]; next.op == stepText {
				for c.pos > c.end && text[c.pos] != next.lit[0] {
					c.pos--
					*left--
				}
			}
			at, pos = p.out, int(c.pos)
			if c.pos <= c.end {
				w.stack = w.stack[:top]
			}
			return at, pos, true
		case choiceLazy:
			p := &s.steps[c.step]
			if int(c.pos) < len(text) && p.set.has(text[c.pos]) {
				c.pos++
				return p.out, int(c.pos), true
			}
			w.stack = w.stack[:top]
		}
	}
	return 0, 0, false
}

// SubexpIndex gives the number of the group of a name, or -1.
func (s *shape) SubexpIndex(name string) int { return s.re.SubexpIndex(name) }

func isASCII(text []byte) bool {
	for ; len(text) >= 8; text = text[8:] {
		if binary.LittleEndian.Uint64(text)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range text {
		if c > unicode.MaxASCII {
			return false
		}
	}
	return true
}
