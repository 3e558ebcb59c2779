package scan

import (
	"regexp/syntax"
	"unicode/utf8"
)

// Scratch holds a worker's automatons and buffers for all patterns. It keeps
// to about 32 MB: past that all automatons start anew. The zero value is
// ready.
//
// *Concurrency:* not safe for concurrent use; one per worker.
type Scratch struct {
	table  []*live // By Pattern.hash, the next free place after a clash; at most half full.
	n      int
	used   int
	tracer tracer
}

// maxScratchBytes bounds the automatons of a Scratch.
const maxScratchBytes = 32 << 20 // 32 MB

// live is the automatons of one pattern.
type live struct {
	p                *Pattern
	tail, full, back *dfa
	failed           memo // Of tail.
	missed           memo // Of full.
}

func (sc *Scratch) of(p *Pattern) *live {
	if sc.used > maxScratchBytes {
		*sc = Scratch{}
	}
	if len(sc.table) > 0 {
		for i := p.hash; ; i++ {
			l := sc.table[i&uint32(len(sc.table)-1)]
			if l == nil {
				break
			}
			if l.p == p {
				return l
			}
		}
	}
	return sc.add(p)
}

func (sc *Scratch) add(p *Pattern) *live {
	l := &live{p: p, full: newDFA(p.full, &sc.used), back: newDFA(p.back, &sc.used)}
	if p.tail != nil {
		l.tail = newDFA(p.tail, &sc.used)
	}
	sc.n++
	old := append(sc.table, l)
	if 2*sc.n > len(sc.table) {
		sc.table = make([]*live, max(64, 2*len(sc.table)))
	} else {
		old = old[len(old)-1:]
	}
	for _, one := range old {
		if one == nil {
			continue
		}
		i := one.p.hash
		for sc.table[i&uint32(len(sc.table)-1)] != nil {
			i++
		}
		sc.table[i&uint32(len(sc.table)-1)] = one
	}
	return l
}

// tracer finds the groups of a match whose place is known: it walks the
// expression in the order of preference until a walk ends where the match
// does, and visits each (instruction, place) once.
type tracer struct {
	visited []uint64
	touched []uint32
	jobs    []job
}

// job is a walk to be tried, or with pc < 0 a group's border to be put back.
type job struct {
	pc  int32
	pos int32 // The place, or the border's old value.
	cap int32
}

const maxKeptWords = 32 << 10 // 256 KB

// trace gives the n submatch indexes of the match text[start:end] in dst,
// which holds start and end already.
func (t *tracer) trace(prog *syntax.Prog, text []byte, start, end, n int, dst []int) []int {
	for len(dst) < n {
		dst = append(dst, -1)
	}
	width := end - start + 1
	words := (len(prog.Inst)*width + 63) / 64
	if words > len(t.visited) {
		t.visited = make([]uint64, words)
	}
	t.jobs = append(t.jobs[:0], job{pc: int32(prog.Start), pos: int32(start)})
	for len(t.jobs) > 0 {
		j := t.jobs[len(t.jobs)-1]
		t.jobs = t.jobs[:len(t.jobs)-1]
		if j.pc < 0 {
			dst[j.cap] = int(j.pos)
			continue
		}
		if t.walk(prog, text, start, end, width, j, dst) {
			break
		}
	}
	for _, w := range t.touched {
		t.visited[w] = 0
	}
	t.touched = t.touched[:0]
	if len(t.visited) > maxKeptWords {
		t.visited = nil
	}
	return dst
}

// walk follows one job until it fails or, as it then says, has reached end.
func (t *tracer) walk(prog *syntax.Prog, text []byte, start, end, width int, j job, dst []int) bool {
	pc, pos := uint32(j.pc), int(j.pos)
	for {
		bit := int(pc)*width + pos - start
		if t.visited[bit/64]&(1<<(bit%64)) != 0 {
			return false
		}
		if t.visited[bit/64] == 0 {
			t.touched = append(t.touched, uint32(bit/64))
		}
		t.visited[bit/64] |= 1 << (bit % 64)
		in := &prog.Inst[pc]
		switch in.Op {
		case syntax.InstMatch:
			return pos == end
		case syntax.InstAlt, syntax.InstAltMatch:
			t.jobs = append(t.jobs, job{pc: int32(in.Arg), pos: int32(pos)})
			pc = in.Out
		case syntax.InstNop:
			pc = in.Out
		case syntax.InstCapture:
			if int(in.Arg) < len(dst) && in.Arg >= 2 {
				t.jobs = append(t.jobs, job{pc: -1, pos: int32(dst[in.Arg]), cap: int32(in.Arg)})
				dst[in.Arg] = pos
			}
			pc = in.Out
		case syntax.InstEmptyWidth:
			cond := syntax.EmptyOpContext(sampleOf(kindBefore(text, pos)), sampleOf(kindAfter(text, pos)))
			if syntax.EmptyOp(in.Arg)&^cond != 0 {
				return false
			}
			pc = in.Out
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if pos >= end {
				return false
			}
			r, n := rune(text[pos]), 1
			if r >= utf8.RuneSelf {
				r, n = utf8.DecodeRune(text[pos:])
			}
			if !takes(in, r) {
				return false
			}
			pos += n
			pc = in.Out
		default:
			return false
		}
	}
}
