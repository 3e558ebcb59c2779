package detect

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/seclog/seclog/plugin/decode"
)

// maxDepth bounds the nesting of JSON inside text.
const maxDepth = 64

// jsonText reads a JSON object inside text into nodes laid out as a record's,
// so that one walker finds fields in both.
type jsonText struct {
	src   []byte // the text, behind it the strings that had escapes
	end   int    // length of the text
	pos   int
	nodes []decode.Node
}

// read reads the first JSON object in text, which may stand behind a prefix,
// and says whether it is whole. Bytes: text is copied.
func (j *jsonText) read(text []byte) bool {
	j.nodes = j.nodes[:0]
	start := bytes.IndexByte(text, '{')
	if start < 0 || len(text) > math.MaxInt32/4 {
		return false
	}
	j.src = append(j.src[:0], text...)
	j.pos, j.end = start, len(text)
	if !j.value(decode.Span{}, decode.Nil, 0) {
		j.nodes = j.nodes[:0]
		return false
	}
	return true
}

// body gives the range of the object's own fields.
func (j *jsonText) body() (from, to int32) {
	if len(j.nodes) == 0 {
		return 0, 0
	}
	return 1, j.nodes[0].End
}

func (j *jsonText) space() {
	for j.pos < j.end {
		switch j.src[j.pos] {
		case ' ', '\t', '\n', '\r':
			j.pos++
		default:
			return
		}
	}
}

// next takes the next byte that is no white space when it is c.
func (j *jsonText) next(c byte) bool {
	j.space()
	if j.pos < j.end && j.src[j.pos] == c {
		j.pos++
		return true
	}
	return false
}

func (j *jsonText) value(key decode.Span, keyKind decode.Kind, depth int) bool {
	j.space()
	if depth > maxDepth || j.pos >= j.end {
		return false
	}
	at := len(j.nodes)
	n := decode.Node{Key: key, KeyKind: keyKind, Depth: uint8(depth), End: int32(at + 1)}
	ok := true
	switch c := j.src[j.pos]; c {
	case '{', '[':
		n.Kind = decode.Map
		if c == '[' {
			n.Kind = decode.Array
		}
		j.pos++
		j.nodes = append(j.nodes, n)
		if !j.elements(at, c, depth) {
			return false
		}
		j.nodes[at].End = int32(len(j.nodes))
		return true
	case '"':
		n.Kind = decode.Str
		n.Text, ok = j.str()
	case 't':
		n.Kind, n.Num, ok = decode.Bool, 1, j.word("true")
	case 'f':
		n.Kind, ok = decode.Bool, j.word("false")
	case 'n':
		ok = j.word("null")
	default:
		ok = j.number(&n)
	}
	j.nodes = append(j.nodes, n)
	return ok
}

func (j *jsonText) elements(at int, open byte, depth int) bool {
	if j.next(open + 2) { // ']' and '}' stand two behind '[' and '{'
		return true
	}
	for {
		var key decode.Span
		kind := decode.Nil
		if open == '{' {
			j.space()
			var ok bool
			if j.pos >= j.end || j.src[j.pos] != '"' {
				return false
			}
			if key, ok = j.str(); !ok || !j.next(':') {
				return false
			}
			kind = decode.Str
		}
		if !j.value(key, kind, depth+1) {
			return false
		}
		j.nodes[at].Num++
		if j.next(open + 2) {
			return true
		}
		if !j.next(',') {
			return false
		}
	}
}

func (j *jsonText) word(w string) bool {
	if j.end-j.pos >= len(w) && string(j.src[j.pos:j.pos+len(w)]) == w {
		j.pos += len(w)
		return true
	}
	return false
}

func (j *jsonText) number(n *decode.Node) bool {
	start := j.pos
	for j.pos < j.end && bytes.IndexByte([]byte("+-.0123456789eE"), j.src[j.pos]) >= 0 {
		j.pos++
	}
	text := j.src[start:j.pos]
	if len(text) == 0 {
		return false
	}
	if i, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		n.Kind, n.Num = decode.Int, uint64(i)
		return true
	}
	if u, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		n.Kind, n.Num = decode.Uint, u
		return true
	}
	f, err := strconv.ParseFloat(string(text), 64)
	n.Kind, n.Num = decode.Float, math.Float64bits(f)
	return err == nil
}

// str reads a string and gives where its plain text stands.
func (j *jsonText) str() (decode.Span, bool) {
	j.pos++
	start := j.pos
	for j.pos < j.end {
		switch j.src[j.pos] {
		case '"':
			s := decode.Span{Off: uint32(start), Len: uint32(j.pos - start)}
			j.pos++
			return s, true
		case '\\':
			return j.escapedStr(start)
		}
		j.pos++
	}
	return decode.Span{}, false
}

// escapedStr reads a string that begins at start and has its first escape at
// j.pos.
func (j *jsonText) escapedStr(start int) (decode.Span, bool) {
	out := len(j.src)
	j.src = append(j.src, j.src[start:j.pos]...)
	for j.pos < j.end {
		c := j.src[j.pos]
		j.pos++
		switch {
		case c == '"':
			return decode.Span{Off: uint32(out), Len: uint32(len(j.src) - out)}, true
		case c != '\\':
			j.src = append(j.src, c)
		case j.pos >= j.end:
			return decode.Span{}, false
		default:
			if !j.escape() {
				return decode.Span{}, false
			}
		}
	}
	return decode.Span{}, false
}

func (j *jsonText) escape() bool {
	c := j.src[j.pos]
	j.pos++
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r, ok := j.hex()
		if ok && utf16.IsSurrogate(r) {
			low := rune(utf8.RuneError)
			if j.end-j.pos >= 6 && j.src[j.pos] == '\\' && j.src[j.pos+1] == 'u' {
				at := j.pos
				j.pos += 2
				if low, ok = j.hex(); utf16.DecodeRune(r, low) == utf8.RuneError {
					j.pos = at
				}
			}
			r = utf16.DecodeRune(r, low)
		}
		j.src = utf8.AppendRune(j.src, r)
		return ok
	default:
		return false
	}
	j.src = append(j.src, c)
	return true
}

func (j *jsonText) hex() (rune, bool) {
	if j.end-j.pos < 4 {
		return 0, false
	}
	u, err := strconv.ParseUint(string(j.src[j.pos:j.pos+4]), 16, 16)
	j.pos += 4
	return rune(u), err == nil
}

// hidesText says whether JSON text may write plain characters as escapes, so
// that a literal of a value does not stand in the text.
func hidesText(text []byte) bool {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 || i+1 >= len(text) {
			return false
		}
		if text[i+1] == 'u' || text[i+1] == '/' {
			return true
		}
		text = text[i+2:]
	}
}
