package encode

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/plugin/redact"
)

// Framing is what a destination wants around each document: Open is appended
// before it, Close behind it.
type Framing struct {
	// Open is asked again after Encoder.Forget; between, documents of one index
	// differ in the id alone. It must not keep id.
	Open  func(dst []byte, index, id string) []byte
	Close func(dst []byte) []byte
}

// Config says how documents are written. It is shared by all encoders of an
// instance and must not change.
type Config struct {
	TimeKey     string   // key of the record's time
	TimeNanos   bool     // nine decimals; else three
	TagKey      string   // key of the tag; empty: the tag is not written
	ReplaceDots bool     // dots in keys become underscores
	MergeLog    bool     // a JSON object in a log text becomes fields
	LogKeys     []string // names of fields that may hold the log text
	Index       *Index
	IDKey       []string // path of the field that holds a record's own id; nil: none
	Framing     Framing
	Rules       []*detect.Rule // by the numbers that detect gives
	Detectors   []string       // ids, by the numbers that redact gives
}

// Input is one record with what was found in it. Nil means nothing found.
type Input struct {
	Record *decode.Record
	Fired  []int32 // rules, see Config.Rules
	Edits  *redact.Edits
	Report bool // Edits are counted and not made
	ID     [IDSize]byte
	Tag    []byte // redacted
	First  int64  // Unix seconds of the chunk's first attempt, which Index_Max_Age is judged by
}

// Doc says where a document stands in the body it was appended to.
type Doc struct {
	Off, JSON, End int // framing, document, end of framing
	Index          string
	ID             string // what the record's own field says, see Config.IDKey; empty: Input.ID
}

// Encoder writes documents. It remembers how the fields of the record before
// were written, and copies those that are the same.
//
// Concurrency: not safe for concurrent use; one per flush.
type Encoder struct {
	cfg   *Config
	owned []string // top level keys that no record can write
	begin []byte   // of each document, up to its time
	clock []byte   // the last time, up to its fraction
	sec   int64    // of clock

	plan    []place // of each top level field of the record at hand
	lasting bool    // the plan depends on nothing but the keys
	moved   bool    // some field goes under "original"
	same    bool    // the keys are written as in the record before
	slots   []slot  // where each field of the record before was written
	kids    []int32 // stack of children lists, see children

	cuts    []redact.Edit // made in the record at hand
	counted []redact.Edit // counted in it
	text    []byte        // a string with its edits applied
	keys    []byte        // rendered keys, see distinct
	counts  []int         // by detector
	list    []string
	index   indexCache
	frame   []byte // what opened the last document, of the index framed
	framed  string
	idAt    int // where the id stands in it
}

// place is where a top level field of the record goes.
type place uint8

const (
	onTop place = iota
	underOriginal
	nowhere // a later field has the same key
)

// slot is where a field stands in the body, its comma first, and where its
// value begins; empty where that is not to be used again.
type slot struct{ off, value, end int }

// New makes an encoder.
func New(cfg *Config) *Encoder {
	e := &Encoder{cfg: cfg, counts: make([]int, len(cfg.Detectors))}
	e.owned = []string{cfg.TimeKey, "event", "rule", "threat", "tags", "seclog", "original"}
	if cfg.TagKey != "" {
		e.owned = append(e.owned, cfg.TagKey)
	}
	e.begin = append(appendString([]byte{'{'}, []byte(cfg.TimeKey)), ':', '"')
	return e
}

// time appends a time and the quote behind it. Records come many to a second,
// so what is before the fraction is kept.
func (e *Encoder) time(dst []byte, sec int64, nsec int32) []byte {
	if len(e.clock) == 0 || sec != e.sec {
		e.clock, e.sec = appendSecond(e.clock[:0], sec), sec
	}
	dst = append(dst, e.clock...)
	return append(appendFraction(dst, nsec, e.cfg.TimeNanos), '"')
}

// Forget drops what is remembered of the record before. It must be called
// when dst is no longer the buffer that the last call of Append gave back, and
// before the first record of a chunk.
func (e *Encoder) Forget() {
	e.slots, e.plan, e.frame = e.slots[:0], e.plan[:0], e.frame[:0]
	e.lasting = false // a record without fields has as many as the plan now
}

// Append appends one document with its framing to dst.
func (e *Encoder) Append(dst []byte, in *Input) ([]byte, Doc) {
	rec := in.Record
	e.cuts, e.counted = nil, nil
	if in.Edits != nil {
		e.counted = in.Edits.List
		if !in.Report {
			e.cuts = e.counted
		}
	}
	doc := Doc{Off: len(dst), Index: e.cfg.Index.name(e, rec, in.First)}
	if len(e.cfg.IDKey) > 0 {
		doc.ID = e.ownID(rec)
	}
	if doc.ID == "" {
		dst = e.open(dst, doc.Index, &in.ID)
	} else {
		dst = e.cfg.Framing.Open(dst, doc.Index, doc.ID)
	}
	doc.JSON = len(dst)
	dst = e.document(dst, in)
	doc.End = len(dst)
	dst = e.cfg.Framing.Close(dst)
	doc.End = len(dst)
	return dst, doc
}

// open opens a document. What the framing wrote for the last one of the same
// index is used again, with the new id in it.
func (e *Encoder) open(dst []byte, index string, id *[IDSize]byte) []byte {
	if len(e.frame) > 0 && e.framed == index {
		dst = append(dst, e.frame[:e.idAt]...)
		dst = append(dst, id[:]...)
		return append(dst, e.frame[e.idAt+IDSize:]...)
	}
	at := len(dst)
	dst = e.cfg.Framing.Open(dst, index, unsafe.String(&id[0], IDSize))
	e.frame, e.framed = append(e.frame[:0], dst[at:]...), index
	if e.idAt = bytes.Index(e.frame, id[:]); e.idAt < 0 || bytes.Count(e.frame, id[:]) != 1 {
		e.frame = e.frame[:0]
	}
	return dst
}

func (e *Encoder) document(dst []byte, in *Input) []byte {
	rec := in.Record
	dst = append(dst, e.begin...)
	dst = e.time(dst, rec.Sec, rec.Nsec)
	if e.cfg.TagKey != "" {
		dst = e.name(dst, e.cfg.TagKey)
		dst = appendString(dst, in.Tag)
	}
	merged := e.layout(rec)
	for i, where := range e.plan {
		if where != onTop {
			e.slots[i] = slot{}
			continue
		}
		dst = e.field(dst, rec, i)
	}
	dst = merged.append(dst, onTop)
	if e.moved || merged.moves() {
		dst = e.name(dst, "original")
		dst = append(dst, '{')
		first := len(dst)
		for i, where := range e.plan {
			if where == underOriginal && !e.dropped(rec.Fields[i].Node) {
				dst = append(e.pair(dst, rec, rec.Fields[i].Node), ',')
			}
		}
		dst = merged.append(dst, underOriginal)
		if len(dst) > first && dst[len(dst)-1] == ',' {
			dst = dst[:len(dst)-1]
		}
		dst = append(dst, '}')
	}
	for _, f := range rec.Group {
		dst = e.surround(dst, rec, f.Node)
	}
	if len(rec.Meta) > 0 {
		dst = e.metadata(dst, rec)
	}
	if len(in.Fired) > 0 {
		dst = e.alert(dst, in.Fired)
	}
	dst = e.verdict(dst, in)
	return append(dst, '}')
}

// field appends the i-th field, copied where it is the same as before.
func (e *Encoder) field(dst []byte, rec *decode.Record, i int) []byte {
	f := &rec.Fields[i]
	edited := len(e.cuts) > 0 && e.edited(f.Node, rec.Nodes[f.Node].End)
	at, s := len(dst), e.slots[i]
	e.slots[i] = slot{}
	if edited {
		if e.dropped(f.Node) {
			return dst
		}
		dst = append(dst, ',')
		return e.pair(dst, rec, f.Node)
	}
	if f.Same && s.end > s.off {
		dst = append(dst, dst[s.off:s.end]...)
		e.slots[i] = slot{at, at + s.value - s.off, len(dst)}
		return dst
	}
	if e.same && s.end > s.off {
		dst = append(dst, dst[s.off:s.value]...)
	} else {
		dst = append(dst, ',')
		dst = append(e.key(dst, rec, f.Node), ':')
	}
	value := len(dst)
	if n := &rec.Nodes[f.Node]; n.Kind == decode.Str {
		dst = appendString(dst, rec.Text(n))
	} else {
		dst = e.value(dst, rec, f.Node)
	}
	e.slots[i] = slot{at, value, len(dst)}
	return dst
}

// pair appends key and value of a node.
func (e *Encoder) pair(dst []byte, rec *decode.Record, node int32) []byte {
	dst = e.key(dst, rec, node)
	dst = append(dst, ':')
	return e.value(dst, rec, node)
}

func (e *Encoder) key(dst []byte, rec *decode.Record, node int32) []byte {
	dst = append(dst, '"')
	at := len(dst)
	n := &rec.Nodes[node]
	dst = appendEscaped(dst, e.applied(rec.Key(n), node, true))
	if e.cfg.ReplaceDots {
		for i := at; i < len(dst); i++ {
			if dst[i] == '.' {
				dst[i] = '_'
			}
		}
	}
	return append(dst, '"')
}

// name appends a comma and one of our own keys.
func (e *Encoder) name(dst []byte, key string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, key...)
	return append(dst, '"', ':')
}

// value appends the value of a node and all that is in it. Recursion ends at
// decode.MaxDepth.
func (e *Encoder) value(dst []byte, rec *decode.Record, node int32) []byte {
	n := &rec.Nodes[node]
	if len(e.cuts) > 0 {
		if cut := e.whole(node); cut != nil {
			if n.Kind == decode.Str || n.Kind == decode.Bin || n.Kind == decode.Ext {
				return appendString(dst, cut.Text)
			}
			return append(dst, "null"...)
		}
	}
	switch n.Kind {
	case decode.Str:
		return appendString(dst, e.applied(rec.Text(n), node, false))
	case decode.Bin:
		if b := rec.Text(n); utf8.Valid(b) {
			return appendString(dst, e.applied(b, node, false))
		}
		return appendBase64(dst, e.applied(rec.Text(n), node, false))
	case decode.Ext:
		return appendBase64(dst, e.applied(rec.Text(n), node, false))
	case decode.Bool:
		return strconv.AppendBool(dst, n.Num == 1)
	case decode.Int:
		return strconv.AppendInt(dst, int64(n.Num), 10)
	case decode.Uint:
		return strconv.AppendUint(dst, n.Num, 10)
	case decode.Float:
		return appendFloat(dst, math.Float64frombits(n.Num))
	case decode.Array:
		return e.array(dst, rec, node)
	case decode.Map:
		return e.object(dst, rec, node)
	}
	return append(dst, "null"...)
}

func (e *Encoder) array(dst []byte, rec *decode.Record, node int32) []byte {
	dst = append(dst, '[')
	first := true
	for j := node + 1; j < rec.Nodes[node].End; j = rec.Nodes[j].End {
		if len(e.cuts) > 0 && e.dropped(j) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = e.value(dst, rec, j)
	}
	return append(dst, ']')
}

func (e *Encoder) object(dst []byte, rec *decode.Record, node int32) []byte {
	dst = append(dst, '{')
	first := true
	mark := len(e.kids)
	e.kids = e.children(e.kids, rec, node)
	// The list grows and is cut back by maps inside this one, so it is read by
	// index and not as a slice that may be moved.
	for k, end := mark, len(e.kids); k < end; k++ {
		j := e.kids[k]
		if len(e.cuts) > 0 && e.dropped(j) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = e.pair(dst, rec, j)
	}
	e.kids = e.kids[:mark]
	return append(dst, '}')
}

// surround appends what a group says of the record: resource, scope.
func (e *Encoder) surround(dst []byte, rec *decode.Record, node int32) []byte {
	if k := string(rec.Key(&rec.Nodes[node])); k != "resource" && k != "scope" || e.dropped(node) {
		return dst
	}
	dst = append(dst, ',')
	return e.pair(dst, rec, node)
}

// metadata appends the record's metadata under "otlp". A single map of that
// name, which is what Fluent Bit's OpenTelemetry input sends, is not nested.
func (e *Encoder) metadata(dst []byte, rec *decode.Record) []byte {
	if len(rec.Meta) == 1 {
		if n := &rec.Nodes[rec.Meta[0].Node]; n.Kind == decode.Map && string(rec.Key(n)) == "otlp" {
			dst = e.name(dst, "otlp")
			return e.value(dst, rec, rec.Meta[0].Node)
		}
	}
	dst = e.name(dst, "otlp")
	dst = append(dst, '{')
	mark, first := len(e.kids), true
	for _, f := range rec.Meta {
		e.kids = append(e.kids, f.Node)
	}
	e.kids = e.distinct(e.kids, mark, rec)
	for k, end := mark, len(e.kids); k < end; k++ {
		if e.dropped(e.kids[k]) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = e.pair(dst, rec, e.kids[k])
	}
	e.kids = e.kids[:mark]
	return append(dst, '}')
}

// Edits of one record, sorted by node.

func (e *Encoder) find(node int32) int {
	i, _ := slices.BinarySearchFunc(e.cuts, node, func(c redact.Edit, n int32) int { return int(c.Node - n) })
	return i
}

// edited says whether anything in the nodes from first up to end changes.
func (e *Encoder) edited(first, end int32) bool {
	i := e.find(first)
	return i < len(e.cuts) && e.cuts[i].Node < end
}

// whole is the edit that replaces the node's value, if any.
func (e *Encoder) whole(node int32) *redact.Edit {
	for i := e.find(node); i < len(e.cuts) && e.cuts[i].Node == node; i++ {
		if c := &e.cuts[i]; c.Whole && !c.Key {
			return c
		}
	}
	return nil
}

// dropped says whether the node goes with its key.
func (e *Encoder) dropped(node int32) bool {
	if len(e.cuts) == 0 {
		return false
	}
	c := e.whole(node)
	return c != nil && c.Action == redact.DropField
}

// applied is a string of a node with its edits; valid until the next call.
func (e *Encoder) applied(text []byte, node int32, key bool) []byte {
	if len(e.cuts) == 0 {
		return text
	}
	i := e.find(node)
	if i == len(e.cuts) || e.cuts[i].Node != node {
		return text
	}
	e.text = e.text[:0]
	at := 0
	for ; i < len(e.cuts) && e.cuts[i].Node == node; i++ {
		c := &e.cuts[i]
		if c.Key != key || c.Whole && !key {
			continue
		}
		start, end := int(c.Start), int(c.End)
		if c.Whole {
			start, end = 0, len(text)
		}
		if start < at || end > len(text) || end < start {
			// An edit that cannot be made must not leave the text as it was.
			return append(e.text[:0], "[REDACTED]"...)
		}
		e.text = append(e.text, text[at:start]...)
		e.text = append(e.text, c.Text...)
		at = end
	}
	return append(e.text, text[at:]...)
}
