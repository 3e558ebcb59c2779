package scan

import (
	"cmp"
	"slices"
)

// Set finds all literals of a Builder in one pass.
//
// *Concurrency:* immutable, safe for concurrent use.
type Set struct {
	lits       []string
	digits, at ID // ID+1 as in Builder.
}

// Build makes the Set of what was asked for so far.
func (b *Builder) Build() *Set {
	return &Set{lits: slices.Clone(b.lits), digits: b.digits, at: b.at}
}

// Scan appends all hits in text to dst, ascending by Pos, then by ID.
//
// *Bytes:* text is only read, and nothing outside of it; it may be a part of a
// larger buffer. The hits do not refer to it.
func (s *Set) Scan(text []byte, dst []Hit) []Hit {
	from := len(dst)
	for pos := range text {
		for id, lit := range s.lits {
			if lit == "" {
				continue
			}
			if end := matchFolded(text, pos, lit); end >= 0 {
				dst = append(dst, Hit{ID(id), int32(pos), int32(end)})
			}
		}
		if s.at > 0 && text[pos] == '@' {
			dst = append(dst, Hit{s.at - 1, int32(pos), int32(pos + 1)})
		}
	}
	if s.digits > 0 {
		for pos := 0; pos < len(text); pos++ {
			if !isDigit(text[pos]) {
				continue
			}
			end, n := digitRun(text, pos)
			if n >= minDigits {
				dst = append(dst, Hit{s.digits - 1, int32(pos), int32(end)})
			}
			pos = end
		}
	}
	slices.SortFunc(dst[from:], func(a, b Hit) int {
		return cmp.Or(cmp.Compare(a.Pos, b.Pos), cmp.Compare(a.ID, b.ID))
	})
	return dst
}

// minDigits is how many digits a run must hold to be a hit: the shortest
// numbers looked for (US SSN) have 9.
const minDigits = 9

func isDigit(c byte) bool { return c-'0' <= 9 }

// digitRun gives the end of the run of digits that starts at pos, and how many
// digits it holds. Single ' ' and '-' between digits belong to it.
func digitRun(text []byte, pos int) (end, n int) {
	for {
		for pos < len(text) && isDigit(text[pos]) {
			pos, n = pos+1, n+1
		}
		if pos+1 >= len(text) || text[pos] != ' ' && text[pos] != '-' || !isDigit(text[pos+1]) {
			return pos, n
		}
		pos++
	}
}
