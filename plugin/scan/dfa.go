package scan

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// dfa is the part of a machine's automaton that texts have needed so far.
//
// A state is the set of instructions that wait behind the last rune, with the
// kind of that rune. Assertions look at the rune that follows, so whether a
// match ends at a place is known by the step over the rune behind it; the end
// of the text is a class of its own. The automaton is exact: it answers as
// Go's regexp does, also on broken UTF-8.
//
// *Concurrency:* not safe for concurrent use.
type dfa struct {
	m      *machine
	stride int      // Steps of a state: classes and the end of the text.
	steps  []uint32 // Per state and class: (next+1)<<1 | match; 0 is not known yet.
	keys   []string // Per state: its set, kind and seed.
	ids    map[string]uint32
	starts [2][kinds]uint32 // Start states + 1, by seed and the kind before.
	epoch  int              // Counts how often the states started anew.
	used   *int             // Bytes of all automatons of the Scratch.

	key       []byte
	set, next sparse
	stack     []uint32
}

const (
	dead        = 0 // The state from which nothing matches.
	unknownStep = 0

	maxStates   = 4096
	maxDFABytes = 512 << 10 // 512 KB of steps, then the states start anew.
	stateBytes  = 160       // About what a state costs beside its steps and key.
)

func newDFA(m *machine, used *int) *dfa {
	d := &dfa{m: m, stride: m.abc.n + 1, used: used}
	d.set.resize(len(m.prog.Inst))
	d.next.resize(len(m.prog.Inst))
	*used += 16 * len(m.prog.Inst)
	d.reset()
	return d
}

// reset forgets all states but the dead one.
func (d *dfa) reset() {
	d.steps, d.keys, d.starts = d.steps[:0], d.keys[:0], [2][kinds]uint32{}
	if d.ids == nil {
		d.ids = make(map[string]uint32)
	}
	clear(d.ids)
	d.epoch++
	d.key = append(d.key[:0], 0, 0)
	d.state()
}

// state gives the number of the state whose key is d.key.
func (d *dfa) state() uint32 {
	if id, ok := d.ids[string(d.key)]; ok {
		return id
	}
	id := uint32(len(d.keys))
	key := string(d.key)
	d.ids[key] = id
	d.keys = append(d.keys, key)
	for range d.stride {
		d.steps = append(d.steps, unknownStep)
	}
	*d.used += len(key) + 4*d.stride + stateBytes
	return id
}

// full says that no state may be added.
func (d *dfa) full() bool {
	return len(d.keys) >= maxStates || len(d.keys) > 64 && 4*len(d.steps) > maxDFABytes
}

// start gives the state before the first rune. With seed, matches may also
// start at each later place.
func (d *dfa) start(before kind, seed bool) uint32 {
	s := 0
	if seed {
		s = 1
	}
	if !d.m.assertions {
		before = kindOther
	}
	if id := d.starts[s][before]; id > 0 {
		return id - 1
	}
	if d.full() {
		d.reset()
	}
	d.key = append(d.key[:0], byte(s), byte(before))
	if !seed {
		d.key = binary.LittleEndian.AppendUint32(d.key, uint32(d.m.prog.Start))
	}
	id := d.state()
	d.starts[s][before] = id + 1
	return id
}

// unseeded gives the state with the same set in which no match starts anew.
func (d *dfa) unseeded(id uint32) uint32 {
	d.key = append(d.key[:0], d.keys[id]...)
	if d.key[0] == 0 {
		return id
	}
	d.key[0] = 0
	if len(d.key) == 2 {
		return dead
	}
	if _, ok := d.ids[string(d.key)]; !ok && d.full() {
		key := slices.Clone(d.key)
		d.reset()
		d.key = key
	}
	return d.state()
}

// step computes a step that is not known yet. It may number all states anew:
// only the state in its answer is valid after it.
func (d *dfa) step(id uint32, class uint16) uint32 {
	key := d.keys[id]
	seed, before := key[0], kind(key[1])
	after, r := kindEdge, rune(-1)
	if int(class) < d.m.abc.n {
		r = d.m.abc.sample[class]
		after = kindOf(r)
	}
	cond := syntax.EmptyOpContext(sampleOf(before), sampleOf(after))
	d.set.clear()
	for i := 2; i < len(key); i += 4 {
		d.follow(binary.LittleEndian.Uint32([]byte(key[i:i+4])), cond)
	}
	if seed == 1 {
		d.follow(uint32(d.m.prog.Start), cond)
	}
	match := uint32(0)
	d.next.clear()
	for _, pc := range d.set.dense {
		in := &d.m.prog.Inst[pc]
		if in.Op == syntax.InstMatch {
			match = 1
		} else if r >= 0 && takes(in, r) {
			d.next.add(in.Out)
		}
	}
	slices.Sort(d.next.dense)
	if d.m.anchored {
		seed = 0
	}
	if !d.m.assertions {
		after = kindOther
	}
	if len(d.next.dense) == 0 && seed == 0 || r < 0 {
		d.steps[int(id)*d.stride+int(class)] = (dead+1)<<1 | match
		return (dead+1)<<1 | match
	}
	d.key = append(d.key[:0], seed, byte(after))
	for _, pc := range d.next.dense {
		d.key = binary.LittleEndian.AppendUint32(d.key, pc)
	}
	// The key is whole before a reset, which makes d.key the dead state's.
	if _, ok := d.ids[string(d.key)]; !ok && d.full() {
		key := slices.Clone(d.key)
		d.reset()
		d.key = key
		return (d.state()+1)<<1 | match
	}
	step := (d.state()+1)<<1 | match
	d.steps[int(id)*d.stride+int(class)] = step
	return step
}

// follow adds what is reached from an instruction without taking a rune.
func (d *dfa) follow(pc uint32, cond syntax.EmptyOp) {
	d.stack = append(d.stack[:0], pc)
	for len(d.stack) > 0 {
		pc := d.stack[len(d.stack)-1]
		d.stack = d.stack[:len(d.stack)-1]
		for d.set.add(pc) {
			in := &d.m.prog.Inst[pc]
			switch in.Op {
			case syntax.InstAlt, syntax.InstAltMatch:
				d.stack = append(d.stack, in.Arg)
				pc = in.Out
			case syntax.InstNop, syntax.InstCapture:
				pc = in.Out
			case syntax.InstEmptyWidth:
				if syntax.EmptyOp(in.Arg)&^cond == 0 {
					pc = in.Out
				}
			}
		}
	}
}

// forward runs over text[pos:], but no further than to limit, and gives the
// last place at or behind least where a match ends, -1 for none. Matches start
// at any place from pos to last. With any, the first end found is given. m, if
// not nil, remembers the last long walk that found none.
func (d *dfa) forward(text []byte, pos, last, limit, least int, any bool, m *memo) int {
	seeded := last > pos
	id := d.start(kindBefore(text, pos), seeded)
	end, next, epoch := -1, limit, d.epoch
	if m != nil {
		m.fresh = m.fresh[:0]
		next = (max(last, least) + firstMark) &^ (markEvery - 1)
	}
	for {
		if seeded && pos > last {
			seeded = false
			id = d.unseeded(id)
		}
		if id == dead {
			break
		}
		if pos >= next && pos < limit && end < 0 && epoch == d.epoch {
			if m.knows(text, limit, epoch, mark{pos, id}) {
				m.fresh = m.fresh[:0]
				return -1
			}
			m.fresh = append(m.fresh, mark{pos, id})
			next = (pos + markEvery) &^ (markEvery - 1)
		} else if pos >= next {
			next = limit
		}
		stop := min(limit, next)
		if seeded {
			stop = min(limit, last+1)
		}
		// The loop in which the time goes: ASCII runes with known steps.
		steps, stride, ascii := d.steps, d.stride, &d.m.abc.ascii
		for pos < stop && text[pos] < utf8.RuneSelf {
			class := ascii[text[pos]]
			step := steps[int(id)*stride+int(class)]
			if step == unknownStep {
				step = d.step(id, class)
				steps = d.steps
			}
			if step&1 != 0 && pos >= least {
				if end = pos; any {
					return end
				}
			}
			if id = step>>1 - 1; id == dead {
				break
			}
			pos++
		}
		if id == dead {
			break
		}
		if seeded && pos > last || pos >= next && pos < limit {
			continue
		}
		class, n := d.classAt(text, pos)
		step := d.stepOf(id, class)
		if step&1 != 0 && pos >= least {
			if end = pos; any {
				return end
			}
		}
		if pos >= limit || n == 0 {
			break
		}
		id = step>>1 - 1
		pos += n
	}
	if end < 0 && m != nil && len(m.fresh) > 0 && epoch == d.epoch {
		m.save(text, limit, epoch)
	}
	return end
}

// backward runs a reversed machine from pos down to limit, and gives the
// lowest place at or below most where a match starts, -1 for none. Matches end
// at any place from pos down to last.
func (d *dfa) backward(text []byte, pos, last, limit, most int) int {
	seeded := last < pos
	id := d.start(kindAfter(text, pos), seeded)
	start := -1
	for id != dead {
		class, n := uint16(d.m.abc.n), 0
		if pos > 0 {
			if c := text[pos-1]; c < utf8.RuneSelf {
				class, n = d.m.abc.ascii[c], 1
			} else {
				var r rune
				r, n = utf8.DecodeLastRune(text[:pos])
				class = d.m.abc.of(r)
			}
		}
		step := d.stepOf(id, class)
		if step&1 != 0 && pos <= most {
			start = pos
		}
		if pos <= limit {
			break
		}
		id = step>>1 - 1
		pos -= n
		if seeded && pos < last {
			seeded = false
			id = d.unseeded(id)
		}
	}
	return start
}

func (d *dfa) stepOf(id uint32, class uint16) uint32 {
	if step := d.steps[int(id)*d.stride+int(class)]; step != unknownStep {
		return step
	}
	return d.step(id, class)
}

// classAt gives the class of the rune at pos and its length, 0 at the end.
func (d *dfa) classAt(text []byte, pos int) (class uint16, n int) {
	if pos >= len(text) {
		return uint16(d.m.abc.n), 0
	}
	if c := text[pos]; c < utf8.RuneSelf {
		return d.m.abc.ascii[c], 1
	}
	r, n := utf8.DecodeRune(text[pos:])
	return d.m.abc.of(r), n
}

// sparse is a set of small numbers that is cleared in no time.
type sparse struct {
	where []uint32
	dense []uint32
}

func (s *sparse) resize(n int) { s.where, s.dense = make([]uint32, n), make([]uint32, 0, n) }

func (s *sparse) clear() { s.dense = s.dense[:0] }

// add says whether x is new.
func (s *sparse) add(x uint32) bool {
	if i := s.where[x]; int(i) < len(s.dense) && s.dense[i] == x {
		return false
	}
	s.where[x] = uint32(len(s.dense))
	s.dense = append(s.dense, x)
	return true
}
