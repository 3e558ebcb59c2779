package decode

import (
	"math"
	"strconv"
	"time"
)

// Span is a place in the bytes that a Record was decoded from: nothing is
// copied, so a span is valid as long as those bytes are.
type Span struct {
	Off uint32 // first byte
	Len uint32 // number of bytes
}

// End is the offset one past the span.
func (s Span) End() uint32 { return s.Off + s.Len }

// Kind is the kind of a msgpack value.
type Kind uint8

// The kinds of values. Bin holds bytes that the sender did not declare to be
// text; Ext is any extension, its type in Node.Num.
const (
	Nil Kind = iota
	Bool
	Int   // Num holds the bits of an int64
	Uint  // Num holds a uint64
	Float // Num holds the bits of a float64
	Str   // Text is the string as it stands in the chunk; it may be invalid UTF-8
	Bin   // Text is the payload
	Ext   // Text is the payload, Num the type as the bits of an int64
	Array // Num is the number of elements
	Map   // Num is the number of pairs
)

// Node is one value of a record. The nodes of a record stand in preorder: a
// container is followed by everything in it, and End is the index of the first
// node after all that.
type Node struct {
	Key     Span   // the key, when the parent is a map: a Str's or Bin's payload, else the key's whole msgpack encoding
	Text    Span   // payload of Str, Bin and Ext; whole encoding of every other kind
	Num     uint64 // see Kind
	End     int32  // index in Record.Nodes one past this value
	Kind    Kind
	KeyKind Kind  // Str where the key is text; what else the sender used otherwise; Nil for elements of arrays, whose Key is empty
	Depth   uint8 // 1 for the fields of the record
}

// Field is one of the record's top level fields.
type Field struct {
	Node int32 // index of its value in Record.Nodes
	Raw  Span  // the field's whole encoding, key and value
	// Same says that key and value equal those of the field at this place in
	// the record before, byte for byte, so that what was worked out for that
	// one holds for this one too.
	Same bool
}

// Record is one log record: spans into the chunk that it was read from.
//
// Bytes: everything in it is valid until the next call of Reader.Next, and the
// bytes it points to until the chunk is given back.
type Record struct {
	Src    []byte // the chunk that spans count in
	Place  int    // the record's number in the chunk, from 0; group markers are not counted
	Sec    int64  // Unix seconds of the record's time, 0 where it has none that can be read
	Nsec   int32  // 0 to 999,999,999
	Raw    Span   // the whole record
	Nodes  []Node
	Fields []Field
	// SameKeys says that the record has as many fields as the one before it,
	// with the same keys in the same order.
	SameKeys bool
	Meta     []Field // metadata fields; their nodes stand behind the body's in Nodes
	// Group holds what the OTLP group around the record says of all records in
	// it ("resource" and "scope"); their nodes stand behind the metadata's.
	Group []Field
}

// Bytes are the bytes of a span, not copied.
func (r *Record) Bytes(s Span) []byte { return r.Src[s.Off:s.End():s.End()] }

// Key is the text of a node's key: what it says where it is a string, its
// decimal or literal form where it is a number, a boolean or nil, and the bytes
// of its encoding where it is anything else. It is empty for elements of arrays.
//
// Bytes: not copied, except for numbers.
func (r *Record) Key(n *Node) []byte {
	b := r.Bytes(n.Key)
	if n.KeyKind == Str || n.KeyKind == Bin || len(b) == 0 {
		return b
	}
	h, _ := readHead(b, 0)
	switch h.kind {
	case Nil:
		return []byte("null")
	case Bool:
		return strconv.AppendBool(nil, h.num == 1)
	case Int:
		return strconv.AppendInt(nil, int64(h.num), 10)
	case Uint:
		return strconv.AppendUint(nil, h.num, 10)
	case Float:
		return strconv.AppendFloat(nil, math.Float64frombits(h.num), 'g', -1, 64)
	}
	return b
}

// Text is the payload of a node, not copied.
func (r *Record) Text(n *Node) []byte { return r.Bytes(n.Text) }

// Time is the record's time in UTC.
func (r *Record) Time() time.Time { return time.Unix(r.Sec, int64(r.Nsec)).UTC() }
