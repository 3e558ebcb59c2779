package deliver

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
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
var errDeadLetterID = errors.New("a dead letter needs an id of printable ASCII without quotes and backslashes")

// usableID tells whether an id can stand in framing without escaping.
func usableID(id string) bool {
	if id == "" || len(id) > 512 {
		return false
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// key is the letter's own _id in the index of dead letters. Several outputs give
// the same record the same id in different indices, and so may records that
// bring their ids, while each has a letter of its own.
func (d *DeadLetter) key() string {
	sum := sha256.Sum256([]byte(d.Index + "\x00" + d.ID))
	return hex.EncodeToString(sum[:16])
}

// letterJSON is a dead letter as it is kept. The document is a JSON string, so
// that no index can refuse it.
type letterJSON struct {
	Time        string `json:"@timestamp"`
	ID          string `json:"id"`
	Index       string `json:"index"`
	Tag         string `json:"tag"`
	Rules       string `json:"rules"`
	Error       string `json:"error"`
	Status      int    `json:"status"`
	Size        int    `json:"size"`
	Fingerprint string `json:"fingerprint"`
	Document    string `json:"document,omitempty"`
}

// Bounds of a time that can be written with four digits for the year, which is
// what an index takes for a date.
const (
	earliest = -62135596800 // 0001-01-01T00:00:00Z
	latest   = 253402300799 // 9999-12-31T23:59:59Z
)

// AppendJSON appends the dead letter as one JSON object without a newline.
func (d *DeadLetter) AppendJSON(dst []byte) []byte {
	at := d.Time.UTC()
	if sec := at.Unix(); sec < earliest || sec > latest {
		at = time.Unix(min(max(sec, earliest), latest), 0).UTC()
	}
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(letterJSON{ // strings and numbers only, so there is no error
		Time: at.Format("2006-01-02T15:04:05.000000000Z"),
		ID:   d.ID, Index: d.Index, Tag: d.Tag, Rules: d.RuleVersion, Error: d.Error,
		Status: d.Status, Size: d.Size, Fingerprint: d.Fingerprint, Document: d.Document,
	})
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
