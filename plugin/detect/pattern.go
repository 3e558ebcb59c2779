package detect

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// Elements of a pattern that are no characters. A pattern is a list of runes,
// these among them.
const (
	elemStar rune = -1 - iota // any text
	elemOne                   // one character
	elemDash                  // one of the dashes that Windows programs take for '-'
)

// parseElements reads a Sigma string: '*' and '?' are wildcards, a backslash
// before one of them or before a backslash makes it a plain character, any
// other backslash is plain itself.
//
// Source: Sigma specification 2.1, "Escaping".
func parseElements(s string) []rune {
	out := make([]rune, 0, len(s)+2)
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			escaped = false
			if r != '*' && r != '?' && r != '\\' {
				out = append(out, '\\')
			}
			out = append(out, r)
		case r == '\\':
			escaped = true
		case r == '*':
			out = append(out, elemStar)
		case r == '?':
			out = append(out, elemOne)
		default:
			out = append(out, r)
		}
	}
	if escaped {
		out = append(out, '\\')
	}
	return out
}

// withDashes replaces each '-' and '/' that begins a word, as options of
// Windows programs do, by any dash.
//
// Source: Sigma specification 2.1, modifier windash.
func withDashes(elems []rune) []rune {
	word := func(i int) bool {
		return i >= 0 && i < len(elems) && (elems[i] == '_' || elems[i] >= 0 && (unicode.IsLetter(elems[i]) || unicode.IsDigit(elems[i])))
	}
	out := append([]rune(nil), elems...)
	for i, r := range elems {
		if (r == '-' || r == '/') && !word(i-1) && word(i+1) {
			out[i] = elemDash
		}
	}
	return out
}

func isDash(r rune) bool {
	switch r {
	case '-', '/', '–', '—', '―':
		return true
	}
	return false
}

type patternKind uint8

const (
	patternEqual patternKind = iota
	patternPrefix
	patternSuffix
	patternContains
	patternGlob
)

// pattern is a Sigma string made ready to match. Patterns that are not cased
// are folded, and match folded text.
type pattern struct {
	kind  patternKind
	lit   []byte // all kinds but glob
	elems []rune // glob
	parts []string
}

// newPattern compiles elements; the parts are its pieces of plain text.
func newPattern(elems []rune, cased bool) pattern {
	var p pattern
	var clean []rune
	for _, r := range elems {
		if r == elemStar && len(clean) > 0 && clean[len(clean)-1] == elemStar {
			continue
		}
		if r >= 0 && !cased {
			r = foldRune(r)
		}
		clean = append(clean, r)
	}
	special := 0
	var part []rune
	for _, r := range clean {
		if r >= 0 {
			part = append(part, r)
			continue
		}
		special++
		if len(part) > 0 {
			p.parts = append(p.parts, string(part))
			part = part[:0]
		}
	}
	if len(part) > 0 {
		p.parts = append(p.parts, string(part))
	}
	first := len(clean) > 0 && clean[0] == elemStar
	last := len(clean) > 0 && clean[len(clean)-1] == elemStar
	switch {
	case special == 0:
		p.kind, p.lit = patternEqual, []byte(string(clean))
	case special == 1 && len(clean) == 1 && first:
		p.kind = patternContains
	case special == 1 && last:
		p.kind, p.lit = patternPrefix, []byte(p.parts[0])
	case special == 1 && first:
		p.kind, p.lit = patternSuffix, []byte(p.parts[0])
	case special == 2 && first && last:
		p.kind, p.lit = patternContains, []byte(p.parts[0])
	default:
		p.kind, p.elems = patternGlob, clean
	}
	return p
}

func (p *pattern) match(text []byte) bool {
	switch p.kind {
	case patternEqual:
		return bytes.Equal(text, p.lit)
	case patternPrefix:
		return bytes.HasPrefix(text, p.lit)
	case patternSuffix:
		return bytes.HasSuffix(text, p.lit)
	case patternContains:
		return bytes.Contains(text, p.lit)
	}
	return globMatch(p.elems, text)
}

// globMatch matches with one place to go back to, the last star: enough, since
// an earlier star never needs to take more.
func globMatch(elems []rune, text []byte) bool {
	i, at := 0, 0
	star, starAt := -1, 0
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		if i < len(elems) {
			switch e := elems[i]; {
			case e == elemStar:
				star, starAt = i, at
				i++
				continue
			case e == elemOne, e == r, e == elemDash && isDash(r):
				i++
				at += size
				continue
			}
		}
		if star < 0 {
			return false
		}
		_, size = utf8.DecodeRune(text[starAt:])
		starAt += size
		i, at = star+1, starAt
	}
	for i < len(elems) && elems[i] == elemStar {
		i++
	}
	return i == len(elems)
}

// foldRune gives one rune for all that differ by case only, as Go's (?i) has
// it; lower case for ASCII letters.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		if f < utf8.RuneSelf {
			return foldRune(f)
		}
		least = min(least, f)
	}
	return least
}

// appendFolded appends text, folded, to dst. Bytes that are no UTF-8 stay.
func appendFolded(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, c)
		} else {
			dst = utf8.AppendRune(dst, foldRune(r))
		}
		i += size
	}
	return dst
}
