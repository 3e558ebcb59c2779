package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"unicode/utf8"
)

// null is what a number becomes.
var null = []byte("null")

// hashBytes is how much of the HMAC is written: 128 bits.
const hashBytes = 16

// write gives what is written instead of v, plain text that may stand in any
// carrier: without quotes, backslashes or control characters.
func (e *Engine) write(st *State, rule int32, v []byte) []byte {
	r := &e.rules[rule]
	at := len(st.arena)
	switch r.action.action {
	case Mask:
		st.arena = mask(st.arena, v, r.action.keepFirst, r.action.keepLast)
	case Hash:
		k := &e.keys.list[0]
		if st.mac == nil || st.macKey != k {
			st.mac, st.macKey = hmac.New(sha256.New, k.secret), k
		}
		st.mac.Reset()
		st.mac.Write(v)
		st.sum = st.mac.Sum(st.sum[:0])
		st.arena = append(st.arena, '[')
		st.arena = append(st.arena, r.id...)
		st.arena = append(st.arena, ":hmac:"...)
		st.arena = append(st.arena, k.name...)
		st.arena = append(st.arena, ':')
		st.arena = base64.RawURLEncoding.AppendEncode(st.arena, st.sum[:hashBytes])
		st.arena = append(st.arena, ']')
	default:
		return r.token
	}
	return st.arena[at:len(st.arena):len(st.arena)]
}

// mask appends v with its characters as *, some at either end kept. Blanks and
// - between them stay, so a number keeps its groups. If what is kept would be
// more than half of the value, nothing is kept.
func mask(dst, v []byte, first, last int) []byte {
	n := 0
	for i := 0; i < len(v); {
		_, w := utf8.DecodeRune(v[i:])
		if v[i] != ' ' && v[i] != '-' {
			n++
		}
		i += w
	}
	if 2*(first+last) > n {
		first, last = 0, 0
	}
	k := 0
	for i := 0; i < len(v); {
		c, w := utf8.DecodeRune(v[i:])
		switch {
		case c == ' ' || c == '-':
			dst = append(dst, byte(c))
			i += w
			continue
		case (k < first || k >= n-last) && (c < 0x80 && isAlnum(byte(c)) || c >= 0xa0 && c != utf8.RuneError):
			dst = append(dst, v[i:i+w]...)
		default:
			dst = append(dst, '*')
		}
		k++
		i += w
	}
	return dst
}
