package encode

import (
	"strconv"

	"github.com/seclog/seclog/plugin/decode"
)

// ownIDMax is the longest _id that OpenSearch takes, in bytes.
// Source: IndexRequest.validate, "id [...] is too long, must be no longer than
// 512 bytes".
const ownIDMax = 512

// ownID is the id that the record brings in the field Config.IDKey, empty where
// that cannot be one: it is not there, is too long, or holds what would have to
// be escaped. What redaction cuts is no id either: records with the same token
// in its place would count as one.
func (e *Encoder) ownID(rec *decode.Record) string {
	node, ok := e.locate(rec, e.cfg.IDKey)
	if !ok || len(e.cuts) > 0 && e.edited(node, rec.Nodes[node].End) {
		return ""
	}
	n := &rec.Nodes[node]
	switch n.Kind {
	case decode.Int:
		return strconv.FormatInt(int64(n.Num), 10)
	case decode.Uint:
		return strconv.FormatUint(n.Num, 10)
	}
	text := rec.Text(n)
	if len(text) > ownIDMax {
		return ""
	}
	for _, c := range text {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return ""
		}
	}
	return string(text)
}
