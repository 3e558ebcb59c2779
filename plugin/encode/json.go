package encode

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// escapes marks the bytes of eight that JSON does not take as they are:
// control characters, quote, backslash and everything that is not ASCII.
func escapes(x uint64) uint64 {
	quote := x ^ '"'*ones
	slash := x ^ '\\'*ones
	// A byte below n makes the high bit of (x - n) & ^x; a zero byte does so
	// for n = 1. Borrows only ever add marks above a true one.
	return (x | (x-0x20*ones)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs
}

// appendString appends text as a JSON string; invalid UTF-8 becomes U+FFFD.
func appendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, text)
	return append(dst, '"')
}

// appendEscaped appends text as it stands inside a JSON string.
func appendEscaped(dst, text []byte) []byte {
	start, i := 0, 0
	for i < len(text) {
		if i+8 <= len(text) {
			m := escapes(binary.LittleEndian.Uint64(text[i:]))
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) >> 3
		}
		c := text[i]
		switch {
		case c >= utf8.RuneSelf:
			// The usual case is text that is valid to its end: one check for
			// all of it, then only ASCII needs looking at.
			if utf8.Valid(text[i:]) {
				dst = append(dst, text[start:i]...)
				return appendValid(dst, text[i:])
			}
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, text[start:i]...)
				dst = append(dst, "\uFFFD"...)
				start = i + n
			}
			i += n
		case c < 0x20 || c == '"' || c == '\\':
			dst = append(dst, text[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
		default:
			i++
		}
	}
	return append(dst, text[start:]...)
}

// appendValid is appendEscaped for valid UTF-8.
func appendValid(dst, text []byte) []byte {
	start := 0
	for i, c := range text {
		if c < 0x20 || c == '"' || c == '\\' {
			dst = append(dst, text[start:i]...)
			dst = appendEscape(dst, c)
			start = i + 1
		}
	}
	return append(dst, text[start:]...)
}

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

// appendTime appends a time in UTC as ISO 8601 with nine or three decimals.
// It is time.AppendFormat for the years 0 to 9999, without its cost.
func appendTime(dst []byte, sec int64, nsec int32, nanos bool) []byte {
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
	dst = append2(dst, int(rest%60), '.')
	n, digits := int(nsec), 9
	if !nanos {
		n, digits = n/1e6, 3
	}
	at := len(dst)
	dst = append(dst, "000000000"[:digits]...)
	for i := at + digits - 1; n > 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, 'Z')
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
