package scan

import "encoding/binary"

// lower sets the bit that tells a from A in each byte. It also joins '[' and
// '{' and others, so what agrees under it is to be compared again.
const lower = 0x2020202020202020

const high = 0x8080808080808080 // The bit that no ASCII byte has.

// wordKey is the first 8 bytes of a literal as a word, under lower.
type wordKey struct{ word, mask uint64 }

func wordKeyOf(lit string) wordKey {
	var b, m [8]byte
	for i := 0; i < copy(b[:], lit); i++ {
		m[i] = 0xff
	}
	mask := binary.LittleEndian.Uint64(m[:])
	return wordKey{(binary.LittleEndian.Uint64(b[:]) | lower) & mask, mask}
}

// wordAt gives the first 8 bytes of text under lower, with zeros behind the
// end, and says whether there is a byte beyond ASCII.
func wordAt(text []byte) (w uint64, wide bool) {
	if len(text) >= 8 {
		w = binary.LittleEndian.Uint64(text)
	} else {
		var b [8]byte
		copy(b[:], text)
		w = binary.LittleEndian.Uint64(b[:])
	}
	return w | lower, w&high != 0
}
