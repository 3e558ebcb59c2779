package deliver

import (
	"errors"
	"time"
	"unicode/utf8"
)

// DeadLetter is what is kept of a record that can never be delivered as a
// document. It holds nothing that redaction has not passed.
type DeadLetter struct {
	ID          string    // the _id that the document has or would have had
	Index       string    // the index that the document was meant for; may be empty
	Time        time.Time // the record's own time
	Tag         string    // the redacted tag
	RuleVersion string    // the rule set's version
	Error       string    // the error's type
	Status      int       // the destination's status, 0 when it was never asked
	Size        int       // bytes of the document, or of the record that never became one
	Fingerprint string    // keyed fingerprint of the content
	Document    string    // the redacted document, or empty
}

// errDeadLetterID says that a dead letter has no usable id.
var errDeadLetterID = errors.New("a dead letter needs an id of letters, digits, '-' and '_'")

// usableID tells whether an id can stand in framing without escaping.
func usableID(id string) bool {
	if id == "" || len(id) > 512 {
		return false
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// AppendJSON appends the dead letter as one JSON object without a newline. The
// document is written as a JSON string, so that no index can refuse it.
func (d *DeadLetter) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"@timestamp":"`...)
	dst = d.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000000Z")
	dst = append(dst, `","id":`...)
	dst = appendString(dst, d.ID)
	dst = append(dst, `,"index":`...)
	dst = appendString(dst, d.Index)
	dst = append(dst, `,"tag":`...)
	dst = appendString(dst, d.Tag)
	dst = append(dst, `,"rules":`...)
	dst = appendString(dst, d.RuleVersion)
	dst = append(dst, `,"error":`...)
	dst = appendString(dst, d.Error)
	dst = append(dst, `,"status":`...)
	dst = appendInt(dst, d.Status)
	dst = append(dst, `,"size":`...)
	dst = appendInt(dst, d.Size)
	dst = append(dst, `,"fingerprint":`...)
	dst = appendString(dst, d.Fingerprint)
	if d.Document != "" {
		dst = append(dst, `,"document":`...)
		dst = appendString(dst, d.Document)
	}
	return append(dst, '}')
}

// appendInt appends a decimal number.
func appendInt(dst []byte, n int) []byte {
	if n < 0 {
		n = 0
	}
	var b [20]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + n%10)
		n /= 10
		if n == 0 {
			return append(dst, b[i:]...)
		}
	}
}

// appendString appends s as a JSON string; invalid UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\ufffd`...)
			i++
			start = i
			continue
		}
		i += n
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
