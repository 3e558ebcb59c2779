package encode

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// marks has the high bits of the bytes of eight that JSON does not take as
// they are: control characters, quote, backslash and what is not ASCII.
func marks(w uint64) uint64 {
	// A byte below n makes the high bit of x - n, a zero byte does so for
	// n = 1; others do only where the byte is not ASCII. Borrows add marks only
	// above a true one.
	return (w | (w - 0x20*ones) | ((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones)) & highs
}

// appendString appends text as a JSON string; invalid UTF-8 becomes U+FFFD.
func appendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, text)
	return append(dst, '"')
}

// appendEscaped appends text as it stands inside a JSON string. Bytes are
// written as they are looked at, eight at a time.
func appendEscaped(dst, text []byte) []byte {
	n, i := len(dst), 0
	valid := 0 // up to where what is not ASCII needs no look
	dst = slices.Grow(dst, len(text)+2*maxEscape)
	out := dst[:cap(dst)]
	for i < len(text) {
		if i+8 <= len(text) {
			w := binary.LittleEndian.Uint64(text[i:])
			binary.LittleEndian.PutUint64(out[n:], w)
			m := marks(w)
			if i+8 <= valid {
				m &^= w
			}
			if m == 0 {
				i, n = i+8, n+8
				continue
			}
			k := bits.TrailingZeros64(m) >> 3
			i, n = i+k, n+k
		} else if len(text) >= 8 {
			// The last bytes alone, moved to where a word begins.
			rest := len(text) - i
			w := binary.LittleEndian.Uint64(text[len(text)-8:]) >> (64 - 8*rest)
			m := marks(w)
			if valid == len(text) {
				m &^= w
			}
			if m<<(64-8*rest) == 0 {
				binary.LittleEndian.PutUint64(out[n:], w)
				return out[:n+rest]
			}
		}
		c := text[i]
		switch {
		case c >= utf8.RuneSelf && i >= valid:
			// Each byte is looked at once, however much of the text is invalid.
			if valid = i + validLen(text[i:]); valid > i {
				continue
			}
			n += copy(out[n:], "\uFFFD")
			i++
		case c == '"' || c == '\\':
			out[n], out[n+1] = '\\', c
			i, n = i+1, n+2
		case c < 0x20:
			n = len(appendEscape(out[:n], c))
			i++
		default:
			out[n] = c
			i, n = i+1, n+1
			continue
		}
		// What was written is longer than what was read, and must stay so much
		// shorter than the room that the next eight and an escape fit.
		if len(out)-n < len(text)-i+2*maxEscape {
			dst = slices.Grow(out[:n], len(text)-i+len(text)/8+4*maxEscape)
			out = dst[:cap(dst)]
		}
	}
	return out[:n]
}

// validLen is how much of the text's begin is valid UTF-8.
func validLen(text []byte) int {
	// The usual case is text that is valid to its end.
	if utf8.Valid(text) {
		return len(text)
	}
	n := 0
	for {
		r, size := utf8.DecodeRune(text[n:])
		if r == utf8.RuneError && size <= 1 {
			return n
		}
		n += size
	}
}

// maxEscape is the length of the longest escape, \u001f, and of the eight
// bytes that are written at once.
const maxEscape = 8

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// appendFloat appends a float so that it reads back as the same float and is
// seen to be one: 1 becomes 1.0, or the first whole number in an index would
// make its field an integer. NaN and the infinities become null.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[n:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

// appendBase64 appends bytes as a JSON string in standard base64.
func appendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// appendSecond appends a time in UTC as ISO 8601, up to the point before the
// fraction. With appendFraction it is time.AppendFormat for the years 0 to
// 9999, without its cost.
func appendSecond(dst []byte, sec int64) []byte {
	days, rest := sec/86400, sec%86400
	if rest < 0 {
		days, rest = days-1, rest+86400
	}
	y, m, d := civil(days)
	dst = append(dst, byte('0'+y/1000), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10), '-')
	dst = append2(dst, m, '-')
	dst = append2(dst, d, 'T')
	dst = append2(dst, int(rest/3600), ':')
	dst = append2(dst, int(rest/60%60), ':')
	return append2(dst, int(rest%60), '.')
}

// appendFraction appends a fraction with nine or three decimals, and the zone.
func appendFraction(dst []byte, nsec int32, nanos bool) []byte {
	n := uint32(nsec)
	milli, rest := n/1e6, n%1e6
	dst = append(dst, byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10))
	if !nanos {
		return append(dst, 'Z')
	}
	micro, nano := rest/1000, rest%1000
	return append(dst, byte('0'+micro/100), byte('0'+micro/10%10), byte('0'+micro%10),
		byte('0'+nano/100), byte('0'+nano/10%10), byte('0'+nano%10), 'Z')
}

func append2(dst []byte, n int, sep byte) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10), sep)
}

// civil turns days since 1970-01-01 into a date of the Gregorian calendar.
//
// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
// civil_from_days.
func civil(days int64) (y, m, d int) {
	z := days + 719468
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = int(doy - (153*mp+2)/5 + 1)
	m = int(mp + 3)
	if m > 12 {
		m -= 12
	}
	y = int(yoe + era*400)
	if m <= 2 {
		y++
	}
	return y, m, d
}
