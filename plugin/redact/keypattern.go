package redact

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxKeyLen bounds the keys that are looked at, in bytes.
const maxKeyLen = 128

// keyPattern is a key of a field rule: letters in any case, '_', '-' and '.'
// between words there or not, '*' for any letters. '_' or '-' beside a '*'
// asks for the edge of a word: *_key is apiKey and api-key, and not monkey.
type keyPattern struct {
	expr string // folded, without separators; star and edge as marks
}

const (
	star = '*'
	edge = 0x01
)

// newKeyPattern reads a key and gives the literals one of which stands in
// every key that it matches.
func newKeyPattern(k string) (keyPattern, []string, error) {
	if !utf8.ValidString(k) || len(k) > maxKeyLen {
		return keyPattern{}, nil, fmt.Errorf("not text of at most %d bytes", maxKeyLen)
	}
	if strings.Count(k, "*") > 3 {
		return keyPattern{}, nil, fmt.Errorf("more than three *")
	}
	var expr strings.Builder
	for i := range len(k) {
		c := k[i]
		switch {
		case isSeparator(c):
			if i > 0 && k[i-1] == '*' || i+1 < len(k) && k[i+1] == '*' {
				expr.WriteByte(edge)
			}
		case c == '*':
			expr.WriteByte(star)
		case c <= ' ':
			return keyPattern{}, nil, fmt.Errorf("blanks and control characters are not matched")
		default:
			expr.WriteByte(lower(c))
		}
	}
	best := ""
	for _, part := range strings.Split(k, "*") {
		if part = strings.ToLower(strings.Trim(part, "_-.")); len(part) > len(best) {
			best = part
		}
	}
	if len(best) < 2 {
		return keyPattern{}, nil, fmt.Errorf("at least two letters in a row are needed")
	}
	words := strings.FieldsFunc(best, func(r rune) bool { return r < utf8.RuneSelf && isSeparator(byte(r)) })
	if len(words) == 1 {
		return keyPattern{expr.String()}, words, nil
	}
	// Words may be joined by each separator or none; a longest word that says
	// enough stands for all those forms.
	longest := ""
	for _, w := range words {
		if len(w) > len(longest) {
			longest = w
		}
	}
	var lits []string
	if len(words) > 2 && len(longest) >= 5 {
		return keyPattern{expr.String()}, []string{longest}, nil
	}
	for _, sep := range []string{"_", "-", ".", ""} {
		lits = append(lits, strings.Join(words, sep))
	}
	return keyPattern{expr.String()}, lits, nil
}

func isSeparator(c byte) bool { return c == '_' || c == '-' || c == '.' }

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlnum(c byte) bool { return isLower(c) || isUpper(c) || isDigit(c) }

// folded is a key made ready for matching.
type folded struct {
	text [maxKeyLen]byte
	edge [maxKeyLen + 1]bool // a word begins here, or the key ends
	n    int
}

func (f *folded) set(key []byte) {
	f.n = 0
	begin := true
	for i, c := range key {
		if isSeparator(c) {
			begin = true
			continue
		}
		if f.n == maxKeyLen {
			break
		}
		if i > 0 && isUpper(c) && (!isUpper(key[i-1]) || i+1 < len(key) && isLower(key[i+1])) {
			begin = true
		}
		f.text[f.n], f.edge[f.n] = lower(c), begin
		begin = false
		f.n++
	}
	f.edge[f.n] = true
}

// match says whether the whole key is what the pattern says.
func (p keyPattern) match(f *folded) bool { return globMatch(p.expr, f, 0) }

// globMatch recurses once per star, of which there are at most three.
func globMatch(expr string, f *folded, at int) bool {
	for i := 0; i < len(expr); i++ {
		switch c := expr[i]; c {
		case star:
			rest := expr[i+1:]
			if rest == "" {
				return true
			}
			for ; at <= f.n; at++ {
				if globMatch(rest, f, at) {
					return true
				}
			}
			return false
		case edge:
			if !f.edge[at] {
				return false
			}
		default:
			if at >= f.n || f.text[at] != c {
				return false
			}
			at++
		}
	}
	return at == f.n
}

// matchKey says whether a key, or what stands behind its last dot, is what the
// pattern says.
func (p keyPattern) matchKey(f *folded, key []byte) bool {
	f.set(key)
	if p.match(f) {
		return true
	}
	if i := bytes.LastIndexByte(key, '.'); i >= 0 {
		f.set(key[i+1:])
		return p.match(f)
	}
	return false
}
