package scan

import (
	"encoding/binary"
	"strings"
)

// stamp says whether a text is a time as ISO 8601 writes it, which nearly every
// record of a container holds: 2026-11-23T20:11:00.123456789+01:00. Such a text
// holds no literal that has another byte than those of times, no '@', and no
// run of digits but its fraction.
func stamp(text []byte) bool {
	if len(text) < 20 || len(text) > 35 {
		return false
	}
	date := binary.LittleEndian.Uint64(text) ^ 0x2d30302d30303030      // 0000-00-
	clock := binary.LittleEndian.Uint64(text[8:]) ^ 0x30303a3030543030 // 00T00:00
	// A digit is now at most 9, any other byte 0.
	if ((date&^high+0x7f76767f76767676)|date|(clock&^high+0x76767f76767f7676)|clock)&high != 0 {
		return false
	}
	if text[16] != ':' || !isDigit(text[17]) || !isDigit(text[18]) {
		return false
	}
	rest := text[19:]
	if rest[0] == '.' {
		n := 1
		for n < len(rest) && isDigit(rest[n]) {
			n++
		}
		if n > 10 {
			return false
		}
		rest = rest[n:]
	}
	switch len(rest) {
	case 0:
		return true
	case 1:
		return rest[0] == 'Z'
	case 5, 6: // +0100, +01:00
		end := rest[len(rest)-2:]
		return (rest[0] == '+' || rest[0] == '-') && isDigit(rest[1]) && isDigit(rest[2]) && isDigit(end[0]) && isDigit(end[1]) &&
			(len(rest) == 5 || rest[3] == ':')
	}
	return false
}

// onlyStamp says whether a literal may stand in a time.
func onlyStamp(lit string) bool { return strings.Trim(lit, "0123456789:.+-tz") == "" }
