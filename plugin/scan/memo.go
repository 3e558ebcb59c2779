package scan

import (
	"bytes"
	"unicode/utf8"
)

// memo remembers the last long walk that failed. A text with a keyword every
// few bytes would start such a walk at each of them, but walks that meet in
// one state at one place end alike, so the later one can stop there.
//
// A caller may put other bytes into the same buffer, so the bytes themselves
// are compared: that is fifty times faster than walking over them.
type memo struct {
	size, limit int // Of the text and the walk.
	epoch       int // Of the states.
	marks       []mark
	rest        []byte // The text from the first mark to as far as the walk could see.

	fresh []mark // Of the walk under way.
}

// mark is a walk's state at a place.
type mark struct {
	pos int
	id  uint32
}

const (
	firstMark = 128 // Bytes; most walks end before and pay nothing.
	markEvery = 64  // A power of two.
)

// reaches says whether a match that starts at pos ends at or before limit.
func (d *dfa) reaches(text []byte, pos, limit int, m *memo) bool {
	id := d.start(kindBefore(text, pos), false)
	epoch := d.epoch
	m.fresh = m.fresh[:0]
	next := (pos + firstMark) &^ (markEvery - 1)
	for {
		var found bool
		if id, pos, found = d.advance(text, id, pos, min(limit, next)); found {
			return true
		}
		if id == dead || pos >= limit {
			if id != dead {
				class, _ := d.classAt(text, pos)
				found = d.stepOf(id, class)&1 != 0
			}
			if !found && len(m.fresh) > 0 && epoch == d.epoch {
				m.save(text, limit, epoch)
			}
			return found
		}
		if epoch == d.epoch {
			if m.knows(text, limit, epoch, mark{pos, id}) {
				return false
			}
			m.fresh = append(m.fresh, mark{pos, id})
		}
		next = (pos + markEvery) &^ (markEvery - 1)
	}
}

// advance takes steps up to stop and says whether a match ends on the way.
func (d *dfa) advance(text []byte, id uint32, pos, stop int) (uint32, int, bool) {
	for pos < stop && id != dead {
		class, n := d.m.abc.ascii[text[pos]&(utf8.RuneSelf-1)], 1
		if text[pos] >= utf8.RuneSelf {
			class, n = d.classAt(text, pos)
		}
		step := d.steps[int(id)*d.stride+int(class)]
		if step == unknownStep {
			step = d.step(id, class)
		}
		if step&1 != 0 {
			return id, pos, true
		}
		id = step>>1 - 1
		pos += n
	}
	return id, pos, false
}

// seen is how far a walk to limit can look.
func seen(text []byte, limit int) int { return min(len(text), limit+utf8.UTFMax) }

func (m *memo) save(text []byte, limit, epoch int) {
	m.size, m.limit, m.epoch = len(text), limit, epoch
	m.marks, m.fresh = m.fresh, m.marks
	m.rest = append(m.rest[:0], text[m.marks[0].pos:seen(text, limit)]...)
}

func (m *memo) knows(text []byte, limit, epoch int, at mark) bool {
	if len(m.marks) == 0 || m.size != len(text) || m.limit != limit || m.epoch != epoch || at.pos < m.marks[0].pos {
		return false
	}
	i := at.pos/markEvery - m.marks[0].pos/markEvery
	if i >= len(m.marks) || m.marks[i] != at {
		return false
	}
	if bytes.Equal(m.rest[at.pos-m.marks[0].pos:], text[at.pos:seen(text, limit)]) {
		return true
	}
	m.marks = m.marks[:0]
	return false
}
