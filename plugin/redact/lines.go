package redact

import "bytes"

// pemEnd gives where a private key ends whose header ends at i: behind its
// footer, or where what can be part of its body ends. A body may be written
// with \n for its line ends, at any depth of escapes.
func pemEnd(text []byte, i int) int {
	for i < len(text) {
		switch c := text[i]; {
		case isAlnum(c), c == '+', c == '/', c == '=', isBlank(c), c == '\\', c == ':', c == ',':
			i++
		case c == '-':
			if rest := text[i:]; bytes.HasPrefix(rest, []byte("-----END ")) {
				if n := bytes.Index(rest[9:min(len(rest), 80)], []byte("-----")); n >= 0 {
					return i + 9 + n + 5
				}
				return len(text)
			}
			i++
		default:
			return trimEscapes(text, i)
		}
	}
	return i
}

// trimEscapes leaves the backslashes before a quote to the quote.
func trimEscapes(text []byte, i int) int {
	for i > 0 && text[i-1] == '\\' {
		i--
	}
	return i
}

// lines is what a worker remembers of keys that go over several records.
type lines struct{}
