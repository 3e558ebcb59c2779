package scan

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// Set finds all literals of a Builder in one pass.
//
// The pass hashes the 3 bytes at every second place of the text and tests one
// bit for them. Each literal has entered with two neighbouring grams of it, so
// that one of them lies at an even place wherever the literal stands; which
// two is chosen so that they are rare in logs. A set bit leads to the few
// literals that have such a gram, and these are compared.
//
// *Concurrency:* immutable, safe for concurrent use.
type Set struct {
	bits    [gramHashes / 64]uint64
	fours   [gramHashes / 64]uint64 // The 4 bytes of a literal's two neighbouring grams.
	short   [gramHashes / 64]uint64 // Grams of literals without two of them.
	before  [gramHashes / 64]uint32 // How many bits are set in the words before.
	starts  []uint32                // Where in entries a set bit's literals begin; one more at the end.
	entries []entry
	lits    []string
	digits  ID // ID+1, so that zero says not asked for.
	at      ID // The same for '@'.
	wide    bool
	stamped bool // Some literal may stand in a time.
}

// entry is a literal with a gram that starts at its byte off.
type entry struct {
	key wordKey
	lit string
	id  ID
	off int32
	// exact says that letter case in ASCII is all the freedom that lit has.
	exact bool
}

const (
	gramBits   = 17 // 16 KB of bits: half of a usual first-level cache.
	gramHashes = 1 << gramBits
)

// gramHash takes the gram in the low 3 bytes, under lower; the fourth is
// ignored.
func gramHash(w uint32) uint32 { return w << 8 * 0x9e3779b1 >> (32 - gramBits) }

// Scan appends all hits in text to dst, ascending by Pos, then by ID.
//
// *Bytes:* text is only read, and nothing outside of it; it may be a part of a
// larger buffer, of at most 2 GB. The hits do not refer to it. Beyond growing
// dst it allocates only for a text that holds ſ or the Kelvin sign.
func (s *Set) Scan(text []byte, dst []Hit) []Hit {
	if !s.stamped && stamp(text) {
		return dst
	}
	from := len(dst)
	dst, wide := s.scan(text, dst)
	if wide && s.wide {
		if plain, shifts := unfold(text); shifts != nil {
			dst, _ = s.scan(plain, dst[:from])
			for i := from; i < len(dst); i++ {
				dst[i].Pos = shifted(shifts, dst[i].Pos)
				dst[i].End = shifted(shifts, dst[i].End)
			}
		}
	}
	return dst
}

// scan is Scan for a text in which ſ and the Kelvin sign mean themselves. It
// says whether there is anything beyond ASCII.
func (s *Set) scan(text []byte, dst []Hit) (_ []Hit, wide bool) {
	from := len(dst)
	var seen uint64
	rest := text
	for len(rest) >= 16 {
		// No call stands in the loop, so that all stays in registers; only a
		// block with a gram of a literal leaves it.
		var w, v uint64 // from here, and from 2 bytes further
		for {
			w, v = binary.LittleEndian.Uint64(rest), binary.LittleEndian.Uint64(rest[2:])
			seen |= w
			w, v = w|lower, v|lower
			if s.has(gramHash(uint32(w))) || s.has(gramHash(uint32(v))) || s.has(gramHash(uint32(w>>32))) || s.has(gramHash(uint32(v>>32))) {
				break
			}
			if rest = rest[8:]; len(rest) < 16 {
				break
			}
		}
		if len(rest) < 16 {
			break
		}
		i := len(text) - len(rest)
		for j := 0; j < 8; j += 2 {
			if h := gramHash(uint32(w)); s.has(h) && s.likely(text, i+j, h) {
				dst = s.confirm(text, i+j, h, dst)
			}
			w, v = v, w>>32
		}
		rest = rest[8:]
	}
	// Less than 16 bytes are left. Where the text is longer, its last 16 are
	// looked at from its very end: that the places may now be odd ones does not
	// matter, since of two neighbours one is always among them.
	if n := len(rest); n > 0 {
		var w, v uint64
		at := len(text) - 16
		if at >= 0 {
			w, v = binary.LittleEndian.Uint64(text[at:]), binary.LittleEndian.Uint64(text[at+8:])
		} else {
			// Zeros follow it here, the caller's buffer may end with it.
			var end [16]byte
			copy(end[:], rest)
			at, w, v = 0, binary.LittleEndian.Uint64(end[:]), binary.LittleEndian.Uint64(end[8:])
		}
		seen |= w | v
		for j := 0; j < 16 && at+j+1 < len(text); j += 2 {
			if h := gramHash(uint32(w | lower)); s.has(h) && s.likely(text, at+j, h) {
				dst = s.confirm(text, at+j, h, dst)
			}
			w = w>>16 | v<<48
			v >>= 16
		}
	}
	if s.digits > 0 && len(text) >= minDigits {
		dst = s.digitHits(text, dst)
	}
	if s.at > 0 {
		dst = s.atHits(text, dst)
	}
	return ordered(dst, from), seen&high != 0
}

// has says whether a gram of that hash is one of a literal.
func (s *Set) has(h uint32) bool { return s.bits[h>>6]&(1<<(h&63)) != 0 }

// likely says whether the gram found at pos stands beside the one that goes
// with it. It spares most gram hits the way to their literals.
func (s *Set) likely(text []byte, pos int, h uint32) bool {
	if pos > 0 && pos+4 <= len(text) {
		w := binary.LittleEndian.Uint32(text[pos-1:])
		if four := fourHash(w); s.fours[four>>6]&(1<<(four&63)) != 0 {
			return true
		}
		w = binary.LittleEndian.Uint32(text[pos:])
		four := fourHash(w)
		return (s.fours[four>>6]&(1<<(four&63)) | s.short[h>>6]&(1<<(h&63))) != 0
	}
	return true
}

// fourHash takes 4 bytes.
func fourHash(w uint32) uint32 { return (w | lower&0xffffffff) * 0x9e3779b1 >> (32 - gramBits) }

// confirm compares the literals that have the gram found at pos.
func (s *Set) confirm(text []byte, pos int, h uint32, dst []Hit) []Hit {
	word := h >> 6
	rank := int(s.before[word]) + bits.OnesCount64(s.bits[word]&(1<<(h&63)-1))
	entries := s.entries[s.starts[rank]:s.starts[rank+1]]
	for i := range entries {
		e := &entries[i]
		start := pos - int(e.off)
		if start < 0 || start+len(e.lit) > len(text) {
			continue
		}
		if start+8 <= len(text) &&
			(binary.LittleEndian.Uint64(text[start:])|lower)&e.key.mask != e.key.word {
			continue
		}
		end := start + len(e.lit)
		if e.exact {
			if !equalFolded(text[start:end], e.lit) {
				continue
			}
		} else if end = matchFolded(text, start, s.lits[e.id]); end < 0 {
			continue
		}
		dst = append(dst, Hit{e.id, int32(start), int32(end)})
	}
	return dst
}

// equalFolded compares with a folded literal of the same length in which only
// ASCII has case.
func equalFolded(text []byte, lit string) bool {
	for i := range text {
		c := text[i]
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != lit[i] {
			return false
		}
	}
	return true
}

// ordered sorts dst[from:]. The hits come nearly sorted, so an insertion does
// as long as it moves little.
func ordered(dst []Hit, from int) []Hit {
	hits := dst[from:]
	budget := 8*len(hits) + 64
	twice := false
	for i := 1; i < len(hits); i++ {
		for j := i; j > 0; j-- {
			c := compareHits(hits[j-1], hits[j])
			twice = twice || c == 0
			if c <= 0 {
				break
			}
			hits[j-1], hits[j] = hits[j], hits[j-1]
			if budget--; budget < 0 {
				slices.SortFunc(hits, compareHits)
				return dst[:from+len(slices.Compact(hits))]
			}
		}
	}
	if twice {
		return dst[:from+len(slices.Compact(hits))]
	}
	return dst
}

func compareHits(a, b Hit) int {
	return cmp.Or(cmp.Compare(a.Pos, b.Pos), cmp.Compare(a.ID, b.ID))
}

// unfold writes s for ſ and k for the Kelvin sign, and says where that made
// the text shorter. Nil if it holds neither.
func unfold(text []byte) (plain []byte, shifts []shift) {
	lost := int32(0)
	for i := 0; i < len(text); {
		c, n := byte(0), 0
		switch {
		case text[i] == 0xc5 && i+1 < len(text) && text[i+1] == 0xbf:
			c, n = 's', 2
		case text[i] == 0xe2 && i+2 < len(text) && text[i+1] == 0x84 && text[i+2] == 0xaa:
			c, n = 'k', 3
		default:
			if shifts != nil {
				plain = append(plain, text[i])
			}
			i++
			continue
		}
		if shifts == nil {
			plain = append(make([]byte, 0, len(text)), text[:i]...)
		}
		plain = append(plain, c)
		lost += int32(n - 1)
		shifts = append(shifts, shift{int32(len(plain)), lost})
		i += n
	}
	return plain, shifts
}

// shift says that from pos on the original text is ahead by lost bytes.
type shift struct{ pos, lost int32 }

func shifted(shifts []shift, pos int32) int32 {
	i, found := slices.BinarySearchFunc(shifts, pos, func(s shift, pos int32) int { return cmp.Compare(s.pos, pos) })
	if !found {
		i--
	}
	if i < 0 {
		return pos
	}
	return pos + shifts[i].lost
}

// hasWide says whether a literal has a letter that ſ or the Kelvin sign may stand for.
func hasWide(lit string) bool {
	for i := range len(lit) {
		if lit[i] == 's' || lit[i] == 'k' {
			return true
		}
	}
	return false
}

// hasFreeCase says whether a rune beyond ASCII has letter case.
func hasFreeCase(lit string) bool {
	for _, r := range lit {
		if r >= utf8.RuneSelf && r != utf8.RuneError && len(orbit(r)) > 1 {
			return true
		}
	}
	return false
}
