package opensearch

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// errNotBulk says that an answer is not what a bulk request is answered with.
var errNotBulk = errors.New("not a bulk answer")

// answerDepth bounds how deep an answer may nest.
const answerDepth = 32

// hint is what the beginning of a server's reason gives away. The reason itself
// may quote the document and is never kept.
type hint uint8

const (
	noHint       hint = iota
	hintIndex         // something about the index or its pipeline is not as it should be
	hintDocument      // the document does not fit the mapping
	hintRace          // so it seems, but a document that came at the same moment may be why
)

// itemAnswer is what a bulk answer says about one document.
type itemAnswer struct {
	create bool // the operation was create, else index
	status int
	typ    string
	cause  string
	hint   hint
}

// bulkAnswer is what a bulk answer says. Its memory is used again.
type bulkAnswer struct {
	items    []itemAnswer
	hasItems bool
	typ      string // type of the error of the whole, when there is one
	failed   bool   // there is an error of the whole
}

// scanAnswer reads a bulk answer, or the error that came in its place.
//
// Errors: what is no JSON from its first byte to its last, and what has not a
// bulk answer's form. The answer is then not usable.
func scanAnswer(data []byte, a *bulkAnswer) error {
	a.items, a.hasItems, a.typ, a.failed = a.items[:0], false, "", false
	s := scanner{data: data}
	s.space()
	var seenErr bool
	err := s.object(0, func(key string) error {
		switch key {
		case "items":
			if a.hasItems {
				return errNotBulk
			}
			a.hasItems = true
			var last []byte // Most items are the same bytes as the one before.
			return s.array(1, func() error {
				n := len(a.items)
				if len(last) > 0 && s.repeats(last) {
					a.items = append(a.items, a.items[n-1])
					return nil
				}
				start := s.pos
				a.items = append(a.items, itemAnswer{})
				err := s.item(&a.items[n])
				last = s.data[start:s.pos]
				return err
			})
		case "error":
			if seenErr {
				return errNotBulk
			}
			seenErr, a.failed = true, true
			var e itemAnswer
			if err := s.failure(1, &e); err != nil {
				return err
			}
			a.typ = e.typ
			return nil
		}
		return s.skip(1)
	})
	if err != nil {
		return err
	}
	s.space()
	if s.pos != len(data) {
		return errNotBulk
	}
	return nil
}

// scanner walks JSON text.
type scanner struct {
	data []byte
	pos  int
}

// repeats steps over a value whose bytes are those of one that was read before.
func (s *scanner) repeats(last []byte) bool {
	rest := s.data[s.pos:]
	if len(rest) <= len(last) || !bytes.HasPrefix(rest, last) || rest[len(last)] != ',' && rest[len(last)] != ']' {
		return false
	}
	s.pos += len(last)
	return true
}

// item reads {"create":{"status":201,…}}.
func (s *scanner) item(it *itemAnswer) error {
	n := 0
	err := s.object(2, func(key string) error {
		if n++; n > 1 || key != "create" && key != "index" {
			return errNotBulk
		}
		it.create = key == "create"
		seen := 0
		return s.object(3, func(key string) error {
			switch key {
			case "status":
				if it.status != 0 {
					return errNotBulk
				}
				return s.status(&it.status)
			case "error":
				if seen++; seen > 1 {
					return errNotBulk
				}
				return s.failure(4, it)
			}
			return s.skip(4)
		})
	})
	if err == nil && (n != 1 || it.status == 0) {
		return errNotBulk
	}
	return err
}

// status reads a status between 100 and 599.
func (s *scanner) status(into *int) error {
	if s.pos+3 > len(s.data) {
		return errNotBulk
	}
	n := 0
	for _, c := range s.data[s.pos : s.pos+3] {
		if c < '0' || c > '9' {
			return errNotBulk
		}
		n = n*10 + int(c-'0')
	}
	s.pos += 3
	if n < 100 || n > 599 {
		return errNotBulk
	}
	if s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ',', '}', ' ', '\t', '\n', '\r':
		default:
			return errNotBulk
		}
	}
	*into = n
	return nil
}

// failure reads an error: an object with a type, or text.
func (s *scanner) failure(depth int, it *itemAnswer) error {
	if s.pos < len(s.data) && s.data[s.pos] == '"' {
		it.typ = unknownType
		_, err := s.text()
		return err
	}
	it.typ = unknownType // an error that does not say what it is
	var seenType, seenCause, seenReason bool
	return s.object(depth, func(key string) error {
		var seen *bool
		switch key {
		case "type":
			seen = &seenType
		case "caused_by":
			seen = &seenCause
		case "reason":
			seen = &seenReason
		default:
			return s.skip(depth + 1)
		}
		if *seen {
			return errNotBulk
		}
		*seen = true
		if key == "caused_by" {
			if s.pos < len(s.data) && s.data[s.pos] != '{' {
				return s.skip(depth + 1)
			}
			var inner itemAnswer
			if err := s.failure(depth+1, &inner); err != nil {
				return err
			}
			it.cause = inner.typ
			return nil
		}
		if s.pos >= len(s.data) || s.data[s.pos] != '"' {
			return s.skip(depth + 1)
		}
		text, err := s.text()
		if err != nil {
			return err
		}
		if key == "type" {
			it.typ = typeOf(text)
		} else {
			it.hint = hintOf(text)
		}
		return nil
	})
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// byte takes one byte that must be c.
func (s *scanner) byte(c byte) error {
	if s.pos >= len(s.data) || s.data[s.pos] != c {
		return errNotBulk
	}
	s.pos++
	return nil
}

// object reads an object; value is called where each value begins and must
// read all of it. A key is only valid during the call.
func (s *scanner) object(depth int, value func(key string) error) error {
	if depth > answerDepth {
		return errNotBulk
	}
	if err := s.byte('{'); err != nil {
		return err
	}
	s.space()
	if s.byte('}') == nil {
		return nil
	}
	for {
		s.space()
		raw, err := s.text()
		if err != nil {
			return err
		}
		s.space()
		if err := s.byte(':'); err != nil {
			return err
		}
		s.space()
		if err := value(keyOf(raw)); err != nil {
			return err
		}
		s.space()
		if s.byte('}') == nil {
			return nil
		}
		if err := s.byte(','); err != nil {
			return err
		}
	}
}

// array reads an array; value is called where each value begins.
func (s *scanner) array(depth int, value func() error) error {
	if depth > answerDepth {
		return errNotBulk
	}
	if err := s.byte('['); err != nil {
		return err
	}
	s.space()
	if s.byte(']') == nil {
		return nil
	}
	for {
		s.space()
		if err := value(); err != nil {
			return err
		}
		s.space()
		if s.byte(']') == nil {
			return nil
		}
		if err := s.byte(','); err != nil {
			return err
		}
	}
}

// text reads a string and returns what stands between its quotes, escapes
// resolved when there are any.
func (s *scanner) text() ([]byte, error) {
	if err := s.byte('"'); err != nil {
		return nil, err
	}
	start, escaped := s.pos, false
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			raw := s.data[start:s.pos]
			s.pos++
			if !escaped {
				return raw, nil
			}
			var out string
			if json.Unmarshal(s.data[start-1:s.pos], &out) != nil {
				return nil, errNotBulk
			}
			return []byte(out), nil
		case c == '\\':
			escaped = true
			s.pos += 2
		case c < 0x20:
			return nil, errNotBulk
		default:
			s.pos++
		}
	}
	return nil, errNotBulk
}

// skip reads any value.
func (s *scanner) skip(depth int) error {
	if s.pos >= len(s.data) {
		return errNotBulk
	}
	switch c := s.data[s.pos]; {
	case c == '{':
		return s.object(depth, func(string) error { return s.skip(depth + 1) })
	case c == '[':
		return s.array(depth, func() error { return s.skip(depth + 1) })
	case c == '"':
		_, err := s.text()
		return err
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.number()
}

func (s *scanner) word(w string) error {
	if len(s.data)-s.pos < len(w) || string(s.data[s.pos:s.pos+len(w)]) != w {
		return errNotBulk
	}
	s.pos += len(w)
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) number() error {
	_ = s.byte('-') // a sign is optional
	if s.byte('0') != nil && !s.digits() {
		return errNotBulk
	}
	if s.byte('.') == nil && !s.digits() {
		return errNotBulk
	}
	if s.byte('e') == nil || s.byte('E') == nil {
		if s.byte('+') != nil {
			_ = s.byte('-') // either sign is optional
		}
		if !s.digits() {
			return errNotBulk
		}
	}
	return nil
}

// keyOf gives the keys that matter without allocating, and "" for all others.
func keyOf(raw []byte) string {
	switch string(raw) {
	case "items":
		return "items"
	case "create":
		return "create"
	case "index":
		return "index"
	case "status":
		return "status"
	case "error":
		return "error"
	case "type":
		return "type"
	case "caused_by":
		return "caused_by"
	case "reason":
		return "reason"
	}
	return ""
}

// typeOf gives the name of an error type: known ones without allocating,
// others only when they are made of nothing but small letters, digits and '_'.
func typeOf(raw []byte) string {
	if t, ok := known[string(raw)]; ok {
		return t.name
	}
	if len(raw) == 0 || len(raw) > 64 || !utf8.Valid(raw) {
		return unknownType
	}
	for _, c := range raw {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_') {
			return unknownType
		}
	}
	return string(raw)
}
