package decode

import (
	"encoding/binary"
	"math"
)

// head is what the first byte of a msgpack value and its length bytes say.
// Size counts payload bytes of Str, Bin and Ext; num is as Node.Num.
type head struct {
	kind Kind
	num  uint64
	off  int // first payload byte; for other kinds the first byte after the value's own bytes
	size int
}

// readHead reads the head of the value at pos. The answer is false where the
// bytes end too early or the byte is one that msgpack never uses (0xc1). A
// claimed payload that reaches beyond the end is refused here, so callers need
// no bounds of their own.
//
// Source: msgpack specification, formats overview.
func readHead(b []byte, pos int) (head, bool) {
	if uint(pos) >= uint(len(b)) {
		return head{}, false
	}
	c := b[pos]
	pos++
	var h head
	switch {
	case c < 0x80:
		return head{kind: Int, num: uint64(c), off: pos}, true
	case c < 0x90:
		return head{kind: Map, num: uint64(c & 0x0f), off: pos}, true
	case c < 0xa0:
		return head{kind: Array, num: uint64(c & 0x0f), off: pos}, true
	case c < 0xc0:
		h = head{kind: Str, off: pos, size: int(c & 0x1f)}
		return h, h.size <= len(b)-pos
	case c >= 0xe0:
		return head{kind: Int, num: uint64(int64(int8(c))), off: pos}, true
	}
	need := int(extraBytes[c-0xc0])
	if need > len(b)-pos {
		return head{}, false
	}
	p := b[pos:]
	h.off = pos + need
	switch c {
	case 0xc0:
		h.kind = Nil
	case 0xc2, 0xc3:
		h.kind, h.num = Bool, uint64(c&1)
	case 0xc4, 0xd9:
		h.size = int(p[0])
	case 0xc5, 0xda:
		h.size = int(binary.BigEndian.Uint16(p))
	case 0xc6, 0xdb:
		h.size = int(binary.BigEndian.Uint32(p))
	case 0xc7:
		h.kind, h.size, h.num = Ext, int(p[0]), uint64(int64(int8(p[1])))
	case 0xc8:
		h.kind, h.size, h.num = Ext, int(binary.BigEndian.Uint16(p)), uint64(int64(int8(p[2])))
	case 0xc9:
		h.kind, h.size, h.num = Ext, int(binary.BigEndian.Uint32(p)), uint64(int64(int8(p[4])))
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		h.kind, h.size, h.num = Ext, 1<<(c-0xd4), uint64(int64(int8(p[0])))
	case 0xca:
		h.kind, h.num = Float, math.Float64bits(float64(math.Float32frombits(binary.BigEndian.Uint32(p))))
	case 0xcb:
		h.kind, h.num = Float, binary.BigEndian.Uint64(p)
	case 0xcc:
		h.kind, h.num = Uint, uint64(p[0])
	case 0xcd:
		h.kind, h.num = Uint, uint64(binary.BigEndian.Uint16(p))
	case 0xce:
		h.kind, h.num = Uint, uint64(binary.BigEndian.Uint32(p))
	case 0xcf:
		h.kind, h.num = Uint, binary.BigEndian.Uint64(p)
	case 0xd0:
		h.kind, h.num = Int, uint64(int64(int8(p[0])))
	case 0xd1:
		h.kind, h.num = Int, uint64(int64(int16(binary.BigEndian.Uint16(p))))
	case 0xd2:
		h.kind, h.num = Int, uint64(int64(int32(binary.BigEndian.Uint32(p))))
	case 0xd3:
		h.kind, h.num = Int, binary.BigEndian.Uint64(p)
	case 0xdc:
		h.kind, h.num = Array, uint64(binary.BigEndian.Uint16(p))
	case 0xdd:
		h.kind, h.num = Array, uint64(binary.BigEndian.Uint32(p))
	case 0xde:
		h.kind, h.num = Map, uint64(binary.BigEndian.Uint16(p))
	case 0xdf:
		h.kind, h.num = Map, uint64(binary.BigEndian.Uint32(p))
	default: // 0xc1
		return head{}, false
	}
	switch c {
	case 0xc4, 0xc5, 0xc6:
		h.kind = Bin
	case 0xd9, 0xda, 0xdb:
		h.kind = Str
	}
	return h, h.size <= len(b)-h.off
}

// First bytes that stand in nearly every record.
const (
	emptyMap = 0x80
	fixext8  = 0xd7
	str8     = 0xd9
)

// shortText reads a string of less than 256 bytes, which most values and all
// keys are. It is false for whatever else stands there.
func shortText(b []byte, pos int) (end int, text Span, ok bool) {
	if uint(pos)+1 >= uint(len(b)) {
		return 0, Span{}, false
	}
	c := b[pos]
	pos++
	size := int(c & 0x1f)
	if c == str8 {
		size = int(b[pos])
		pos++
	} else if c>>5 != 0xa0>>5 {
		return 0, Span{}, false
	}
	return pos + size, Span{Off: uint32(pos), Len: uint32(size)}, size <= len(b)-pos
}

// extraBytes counts, for the first bytes 0xc0 to 0xdf, the bytes that follow
// before the payload: lengths, numbers, the type of an extension.
const extraBytes = "\x00\x00\x00\x00\x01\x02\x04\x02\x03\x05\x04\x08\x01\x02\x04\x08" +
	"\x01\x02\x04\x08\x01\x01\x01\x01\x01\x01\x02\x04\x02\x04\x02\x04"

// skip gives the place after the value at pos, without recursion however deep
// the value is; false where the bytes end before the value does.
func skip(b []byte, pos int) (int, bool) {
	for left := uint64(1); left > 0; left-- {
		h, ok := readHead(b, pos)
		if !ok {
			return 0, false
		}
		pos = h.off + h.size
		switch h.kind {
		case Array:
			left += h.num
		case Map:
			left += 2 * h.num
		}
		if left-1 > uint64(len(b)-pos) { // every value takes a byte at least
			return 0, false
		}
	}
	return pos, true
}

// walker appends the nodes of one value to a tape.
type walker struct {
	src   []byte
	nodes []Node
	limit int // nodes that the tape may hold
	fail  string
}

// Reasons for which a record cannot be used.
const (
	reasonDepth   = "nested deeper than 64 levels"
	reasonNodes   = "more than 1,048,576 values"
	reasonCorrupt = "corrupt msgpack"
)

// value appends the value at pos with the given key and gives the place after
// it. On failure w.fail says why.
func (w *walker) value(pos int, depth int, key Span, keyKind Kind) int {
	h, ok := readHead(w.src, pos)
	if !ok {
		w.fail = reasonCorrupt
		return pos
	}
	if len(w.nodes) >= w.limit {
		w.fail = reasonNodes
		return pos
	}
	at := len(w.nodes)
	text := Span{Off: uint32(h.off), Len: uint32(h.size)}
	if h.size == 0 && h.kind != Str && h.kind != Bin && h.kind != Ext {
		text = Span{Off: uint32(pos), Len: uint32(h.off - pos)}
	}
	w.nodes = append(w.nodes, Node{
		Key: key, KeyKind: keyKind, Kind: h.kind, Num: h.num, Depth: uint8(depth),
		Text: text, End: int32(at + 1),
	})
	pos = h.off + h.size
	if h.kind != Array && h.kind != Map {
		return pos
	}
	if depth >= MaxDepth && h.num > 0 {
		w.fail = reasonDepth
		return pos
	}
	if h.num > uint64(len(w.src)-pos) {
		w.fail = reasonCorrupt
		return pos
	}
	for range h.num {
		var k Span
		kk := Nil
		if h.kind == Map {
			if k, kk, pos, ok = w.key(pos); !ok {
				w.fail = reasonCorrupt
				return pos
			}
		}
		if pos = w.value(pos, depth+1, k, kk); w.fail != "" {
			return pos
		}
	}
	w.nodes[at].End = int32(len(w.nodes))
	if h.kind == Map || h.kind == Array {
		w.nodes[at].Text.Len = uint32(pos) - w.nodes[at].Text.Off
	}
	return pos
}

// key reads the key at pos and gives the place after it.
func (w *walker) key(pos int) (Span, Kind, int, bool) {
	if end, text, ok := shortText(w.src, pos); ok {
		return text, Str, end, true
	}
	h, ok := readHead(w.src, pos)
	if !ok {
		return Span{}, Nil, pos, false
	}
	if h.kind == Str || h.kind == Bin {
		return Span{Off: uint32(h.off), Len: uint32(h.size)}, h.kind, h.off + h.size, true
	}
	end, ok := skip(w.src, pos)
	if !ok {
		return Span{}, Nil, pos, false
	}
	return Span{Off: uint32(pos), Len: uint32(end - pos)}, h.kind, end, true
}
