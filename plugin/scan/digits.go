package scan

import "bytes"

const (
	// minDigits is how many digits a run must hold to be a hit: the shortest
	// numbers looked for have 9.
	minDigits = 9
	// minBlockDigits of them stand in one block of 8 bytes: a run of 9 that
	// touches two blocks has 5 in one, and a block inside of a run has no two
	// separators together.
	minBlockDigits = 4
)

func isDigit(c byte) bool { return c-'0' <= 9 }

// digitsIn counts the digits among 8 bytes.
func digitsIn(w uint64) int {
	x := w ^ 0x3030303030303030
	other := (x&^high + 0x7676767676767676 | x) & high
	return int((^other & high >> 7) * 0x0101010101010101 >> 56)
}

// digitHits appends the long enough runs that touch the block at text[i:], and
// gives the end of the last run looked at; done is what it gave before.
func (s *Set) digitHits(text []byte, i, done int, dst []Hit) ([]Hit, int) {
	for pos := max(i, done); pos < i+8 && pos < len(text); pos++ {
		if !isDigit(text[pos]) {
			continue
		}
		start := pos
		for start > done && (isDigit(text[start-1]) ||
			start-1 > done && isSeparator(text[start-1]) && isDigit(text[start-2])) {
			start--
		}
		end, n := digitRun(text, start)
		if n >= minDigits {
			dst = append(dst, Hit{s.digits - 1, int32(start), int32(end)})
		}
		pos, done = end, end
	}
	return dst, done
}

func isSeparator(c byte) bool { return c == ' ' || c == '-' }

// digitRun gives the end of the run of digits that starts at pos, and how many
// digits it holds. Single separators between digits belong to it.
func digitRun(text []byte, pos int) (end, n int) {
	for {
		for pos < len(text) && isDigit(text[pos]) {
			pos, n = pos+1, n+1
		}
		if pos+1 >= len(text) || !isSeparator(text[pos]) || !isDigit(text[pos+1]) {
			return pos, n
		}
		pos++
	}
}

func (s *Set) atHits(text []byte, dst []Hit) []Hit {
	for pos := 0; ; pos++ {
		i := bytes.IndexByte(text[pos:], '@')
		if i < 0 {
			return dst
		}
		pos += i
		dst = append(dst, Hit{s.at - 1, int32(pos), int32(pos + 1)})
	}
}
