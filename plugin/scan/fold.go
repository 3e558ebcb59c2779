package scan

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// foldRune maps every rune of a case orbit to one of them: the smallest lower
// case ASCII letter if the orbit has one, or else the orbit's smallest rune.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}

// orbit gives all runes that are r in some letter case.
func orbit(r rune) []rune {
	all := []rune{r}
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		all = append(all, f)
	}
	return all
}

// fold folds a literal rune by rune. Bytes that are no UTF-8 stay as they are.
func fold(lit string) string {
	var sb strings.Builder
	for len(lit) > 0 {
		r, n := utf8.DecodeRuneInString(lit)
		if r == utf8.RuneError && n == 1 {
			sb.WriteByte(lit[0])
		} else {
			sb.WriteRune(foldRune(r))
		}
		lit = lit[n:]
	}
	return sb.String()
}

// matchFolded says where a folded literal ends if it stands at text[pos:] in
// any letter case, and -1 if it does not.
func matchFolded(text []byte, pos int, lit string) int {
	for i := 0; i < len(lit); {
		if pos >= len(text) {
			return -1
		}
		want, n := utf8.DecodeRuneInString(lit[i:])
		got, m := utf8.DecodeRune(text[pos:])
		if (want == utf8.RuneError && n == 1) != (got == utf8.RuneError && m == 1) {
			return -1
		}
		if want == utf8.RuneError && n == 1 {
			if text[pos] != lit[i] {
				return -1
			}
		} else if foldRune(got) != want {
			return -1
		}
		i, pos = i+n, pos+m
	}
	return pos
}
