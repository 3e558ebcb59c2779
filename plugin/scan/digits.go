package scan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// minDigits is how many digits a run must hold to be a hit: the shortest
// numbers looked for have 9.
const minDigits = 9

func isDigit(c byte) bool { return c-'0' <= 9 }

// others takes the next 8 bytes into a window of 64: m has a bit for each byte
// that is no digit, the first byte's lowest.
func others(m, w uint64) uint64 {
	x := w ^ 0x3030303030303030
	x = (x&^high + 0x7676767676767676 | x) & high
	return m>>8 | x*0x0002040810204081&0xff00000000000000
}

// stride is how far the windows of 64 bytes are apart in which runs are looked
// for. The shortest stretch of a run that makes it a hit has 9 digits and 8
// separators, so it lies whole in one of them.
const stride = 48

// digitHits appends the runs of digits that are long enough. The text has at
// least 8 bytes.
func (s *Set) digitHits(text []byte, dst []Hit) []Hit {
	m := ^uint64(0) // has a bit for each of the 64 bytes before i that is no digit
	i, done := 0, 0
	if len(text) >= 64 {
		m = others(others(m, binary.LittleEndian.Uint64(text)), binary.LittleEndian.Uint64(text[8:]))
		i = 64 - stride
	}
	for ; len(text)-i >= stride; i += stride {
		b := text[i : i+stride : i+stride]
		m = others(m, binary.LittleEndian.Uint64(b))
		m = others(m, binary.LittleEndian.Uint64(b[8:]))
		m = others(m, binary.LittleEndian.Uint64(b[16:]))
		m = others(m, binary.LittleEndian.Uint64(b[24:]))
		m = others(m, binary.LittleEndian.Uint64(b[32:]))
		m = others(m, binary.LittleEndian.Uint64(b[40:]))
		if nine(^m) {
			dst, done = s.runs(text, i+stride-64, done, ^m, dst)
		}
	}
	for ; i+8 <= len(text); i += 8 {
		m = others(m, binary.LittleEndian.Uint64(text[i:]))
	}
	if n := len(text) - i; n > 0 {
		w := binary.LittleEndian.Uint64(text[len(text)-8:]) >> (64 - 8*n)
		m = others(m, w)
		i += 8
	}
	if nine(^m) {
		dst, _ = s.runs(text, i-64, done, ^m, dst)
	}
	return dst
}

// nine says whether nine bytes in a row are each a digit or alone between two:
// rare enough to look at what separates them.
func nine(m uint64) bool {
	m |= m << 1 & (m >> 1)
	m &= m >> 1
	m &= m >> 2
	m &= m >> 4
	return m&(m>>1) != 0
}

// runs appends the long enough runs among the 64 bytes from text[i] on whose
// digits are the bits of m, and gives the end of the last run looked at; done
// is what it gave before.
func (s *Set) runs(text []byte, i, done int, m uint64, dst []Hit) ([]Hit, int) {
	parts := m // of runs: digits and what separates them
	for gaps := m << 1 & (m >> 1) &^ m; gaps != 0; gaps &= gaps - 1 {
		k := bits.TrailingZeros64(gaps)
		parts |= separates[text[i+k]] << k
	}
	r := parts & (parts >> 1)
	r &= r >> 2
	r &= r >> 4
	for r &= r >> 1; r != 0; {
		k := bits.TrailingZeros64(r)
		start := i + k
		if start >= done {
			n := 0
			size := bits.TrailingZeros64(^(parts >> k))
			if end := start + size; k > 1 && k+size < 63 {
				n, done = bits.OnesCount64(m>>k&(1<<size-1)), end
			} else {
				// The run may begin before the window or end behind it; a separator
				// at the very edge is not among the parts.
				for start > done && (isDigit(text[start-1]) ||
					start-1 > done && isSeparator(text[start-1]) && isDigit(text[start-2])) {
					start--
				}
				if !isDigit(text[start]) {
					start++
				}
				done, n = digitRun(text, start)
			}
			fraction := n == done-start && start > 1 && text[start-1] == '.' && isDigit(text[start-2])
			if n >= minDigits && !fraction {
				dst = append(dst, Hit{s.digits - 1, int32(start), int32(done)})
			}
		}
		if done-i >= 64 {
			break
		}
		r = r >> (max(done-i, k+1)) << (max(done-i, k+1))
	}
	return dst, done
}

// separates has 1 for what may stand between two digits of a run. It is shared
// and never changed.
var separates = [256]uint64{' ': 1, '-': 1}

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
