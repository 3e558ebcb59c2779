package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// Limits of one record.
const (
	MaxDepth = 64      // levels of maps and arrays, the record's body being the first
	maxNodes = 1 << 20 // values; 48 MB of nodes
)

// Times of the event time extension that mark groups of OTLP records.
//
// Source: Fluent Bit, include/fluent-bit/flb_log_event.h.
const (
	groupStart = -1
	groupEnd   = -2
)

// Error says why bytes of a chunk are no record. It never holds their content.
type Error struct {
	Place   int    // number of the record in the chunk
	Offset  int    // where the bytes begin in the chunk
	Len     int    // how many they are
	Reason  string // fixed text
	Corrupt bool   // nothing after Offset can be read
}

func (e *Error) Error() string {
	return fmt.Sprintf("record %d at byte %d (%d bytes): %s", e.Place, e.Offset, e.Len, e.Reason)
}

// Reader reads the records of one chunk after another. The zero value is
// ready for Reset.
//
// Concurrency: not safe for concurrent use.
type Reader struct {
	// MaxRecord bounds the encoded size of one record in bytes; a larger one
	// is an Error. Zero means no bound.
	MaxRecord int

	src    []byte
	pos    int
	place  int
	w      walker
	nodes  [2][]Node // the tape of this record and of the one before
	fields [2][]Field
	meta   []Field
	turn   int
	group  []Field // of the group that is open, nil outside groups
	around []Node  // its tape
	joined []Field // group, placed in the record's tape
}

// Reset begins a chunk. Bytes: chunk is read in place; it must stay unchanged
// until the last Record made from it is done with. A chunk of 4 GiB or more
// cannot be addressed and reads as corrupt.
func (r *Reader) Reset(chunk []byte) {
	r.src, r.pos, r.place, r.group = chunk, 0, 0, nil
	r.fields[0], r.fields[1] = r.fields[0][:0], r.fields[1][:0]
}

// Next reads the next record into rec.
//
// Errors: (true, nil) is a record; (true, *Error) a record that cannot be
// used, rec.Place and rec.Raw say which, and reading goes on behind it;
// (false, *Error) means that the rest of the chunk cannot be read, rec.Raw
// holds it; (false, nil) is the end.
func (r *Reader) Next(rec *Record) (bool, error) {
	for {
		if r.pos >= len(r.src) {
			return false, nil
		}
		if uint64(len(r.src)) > math.MaxUint32 {
			return r.corrupt(rec, r.pos)
		}
		start := r.pos
		rec.Src, rec.Place = r.src, r.place
		if r.MaxRecord > 0 && len(r.src)-start > r.MaxRecord {
			end, ok := skip(r.src, start)
			if !ok {
				return r.corrupt(rec, start)
			}
			if end-start > r.MaxRecord {
				return r.unusable(rec, start, end, fmt.Sprintf("larger than Record_Max of %d bytes", r.MaxRecord))
			}
		}
		marker, reason := r.record(rec)
		if reason == "" && !marker {
			rec.Raw = Span{Off: uint32(start), Len: uint32(r.pos - start)}
			r.place++
			return true, nil
		}
		if reason == "" {
			continue
		}
		// What is wrong inside a record leaves the next one readable as long
		// as the record's own end can be found.
		end, ok := skip(r.src, start)
		if !ok {
			return r.corrupt(rec, start)
		}
		return r.unusable(rec, start, end, reason)
	}
}

func (r *Reader) corrupt(rec *Record, start int) (bool, error) {
	r.pos = len(r.src)
	rec.Src, rec.Place = r.src, r.place
	rec.Raw = Span{Off: uint32(start), Len: uint32(len(r.src) - start)}
	rec.Sec, rec.Nsec = r.timeAt(start)
	r.forget()
	return false, &Error{Place: r.place, Offset: start, Len: len(r.src) - start, Reason: reasonCorrupt, Corrupt: true}
}

func (r *Reader) unusable(rec *Record, start, end int, reason string) (bool, error) {
	r.pos = end
	rec.Raw = Span{Off: uint32(start), Len: uint32(end - start)}
	rec.Sec, rec.Nsec = r.timeAt(start)
	err := &Error{Place: r.place, Offset: start, Len: end - start, Reason: reason}
	r.place++
	r.forget()
	return true, err
}

// timeAt reads the time of a record that cannot be used; 0 where that is not to
// be read either.
func (r *Reader) timeAt(pos int) (int64, int32) {
	for range 2 { // the pair of time and body, and in new records that of time and metadata
		if h, ok := readHead(r.src, pos); ok && h.kind == Array && h.num == 2 {
			pos = h.off
		}
	}
	sec, nsec, _, ok := readTime(r.src, pos)
	if !ok || nsec == 0 && (sec == groupStart || sec == groupEnd) {
		return 0, 0
	}
	return sec, nsec
}

// forget drops the record before, whose fields may be half written.
func (r *Reader) forget() {
	r.fields[0], r.fields[1] = r.fields[0][:0], r.fields[1][:0]
}

// record reads one record at r.pos; marker says that it was a group marker.
// A reason says why it cannot be used; r.pos is then undefined.
func (r *Reader) record(rec *Record) (marker bool, reason string) {
	h, ok := readHead(r.src, r.pos)
	if !ok {
		return false, reasonCorrupt
	}
	if h.kind != Array || h.num != 2 {
		return false, "not a pair of time and body"
	}
	pos, metaAt := h.off, -1
	h, ok = readHead(r.src, pos)
	if !ok {
		return false, reasonCorrupt
	}
	if h.kind == Array { // [[time, metadata], body]
		if h.num != 2 {
			return false, "its header is not a pair of time and metadata"
		}
		pos = h.off
	}
	paired := h.kind == Array
	rec.Sec, rec.Nsec, pos, ok = readTime(r.src, pos)
	if !ok {
		return false, reasonCorrupt
	}
	if paired && pos < len(r.src) && r.src[pos] == emptyMap {
		pos++ // no metadata, as with all that is not OTLP
	} else if paired {
		metaAt = pos
		if pos, ok = skip(r.src, metaAt); !ok {
			return false, reasonCorrupt
		}
	}
	if paired && rec.Nsec == 0 && (rec.Sec == groupStart || rec.Sec == groupEnd) {
		return true, r.marker(rec.Sec == groupStart, pos)
	}
	r.turn ^= 1
	r.w = walker{src: r.src, nodes: r.nodes[r.turn][:0], limit: maxNodes}
	var same bool
	r.fields[r.turn], pos, same = r.body(pos, r.fields[r.turn][:0], r.nodes[r.turn^1], r.fields[r.turn^1])
	if r.w.fail == "" && metaAt >= 0 {
		r.meta, _, _ = r.body(metaAt, r.meta[:0], nil, nil)
	} else {
		r.meta = r.meta[:0]
	}
	r.joined = r.joined[:0]
	if r.w.fail == "" && r.group != nil {
		at := int32(len(r.w.nodes))
		r.w.copyNodes(r.around, at)
		for _, f := range r.group {
			r.joined = append(r.joined, Field{Node: f.Node + at, Raw: f.Raw})
		}
	}
	r.nodes[r.turn] = r.w.nodes
	if r.w.fail != "" {
		return false, r.w.fail
	}
	rec.Nodes, rec.Fields, rec.Meta, rec.SameKeys = r.w.nodes, r.fields[r.turn], r.meta, same
	rec.Group = r.joined
	r.pos = pos
	return false, ""
}

// marker begins or ends a group; the body of a start holds resource and scope.
func (r *Reader) marker(begin bool, pos int) string {
	if !begin {
		end, ok := skip(r.src, pos)
		if !ok {
			return reasonCorrupt
		}
		r.group, r.pos = nil, end
		return ""
	}
	r.w = walker{src: r.src, nodes: r.around[:0], limit: maxNodes}
	r.group, r.pos, _ = r.body(pos, []Field{}, nil, nil)
	r.around = r.w.nodes
	return r.w.fail
}

// body reads the map at pos as top level fields, comparing each with the field
// at its place in the record before.
func (r *Reader) body(pos int, fields []Field, oldNodes []Node, old []Field) ([]Field, int, bool) {
	w := &r.w
	h, ok := readHead(r.src, pos)
	if !ok {
		w.fail = reasonCorrupt
		return fields, pos, false
	}
	if h.kind != Map {
		w.fail = "its body is not a map"
		return fields, pos, false
	}
	pos = h.off
	if 2*h.num > uint64(len(r.src)-pos) {
		w.fail = reasonCorrupt
		return fields, pos, false
	}
	sameKeys := uint64(len(old)) == h.num
	for i := range int(h.num) {
		start, at := pos, len(w.nodes)
		if i < len(old) {
			before := r.src[old[i].Raw.Off:old[i].Raw.End()]
			if n := len(before); n <= len(r.src)-pos && bytes.Equal(before, r.src[pos:pos+n]) {
				w.copyNodes(oldNodes[old[i].Node:oldNodes[old[i].Node].End], int32(at)-old[i].Node)
				if len(w.nodes) > w.limit {
					w.fail = reasonNodes
					return fields, pos, false
				}
				fields = append(fields, Field{Node: int32(at), Raw: Span{Off: uint32(start), Len: uint32(n)}, Same: true})
				pos += n
				continue
			}
		}
		var k Span
		var kk Kind
		if k, kk, pos, ok = w.key(pos); !ok {
			w.fail = reasonCorrupt
			return fields, pos, false
		}
		if end, text, ok := shortText(r.src, pos); ok && at < w.limit {
			w.nodes = append(w.nodes, Node{Key: k, KeyKind: kk, Kind: Str, Depth: 1, Text: text, End: int32(at + 1)})
			pos = end
		} else if pos = w.value(pos, 1, k, kk); w.fail != "" {
			return fields, pos, false
		}
		if sameKeys {
			o := &oldNodes[old[i].Node]
			sameKeys = o.KeyKind == kk && bytes.Equal(r.src[o.Key.Off:o.Key.End()], r.src[k.Off:k.End()])
		}
		fields = append(fields, Field{Node: int32(at), Raw: Span{Off: uint32(start), Len: uint32(pos - start)}})
	}
	return fields, pos, sameKeys
}

// copyNodes appends nodes that stood delta places earlier in another tape.
func (w *walker) copyNodes(nodes []Node, delta int32) {
	at := len(w.nodes)
	w.nodes = append(w.nodes, nodes...)
	if delta != 0 {
		for i := range w.nodes[at:] {
			w.nodes[at+i].End += delta
		}
	}
}

// readTime reads a record's time: event time extension (type 0: big endian
// seconds and nanoseconds), integer or float seconds. A value of another kind
// leaves the time at 0; false means that the bytes are corrupt.
func readTime(b []byte, pos int) (sec int64, nsec int32, next int, ok bool) {
	if len(b)-pos >= 10 && b[pos] == fixext8 && b[pos+1] == 0 {
		p := b[pos+2 : pos+10]
		s, n := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
		if n != 0 && n < 1e9 {
			return int64(s), int32(n), pos + 10, true
		}
	}
	h, ok := readHead(b, pos)
	if !ok {
		return 0, 0, pos, false
	}
	next = h.off + h.size
	switch h.kind {
	case Ext:
		if h.num == 0 && h.size == 8 {
			p := b[h.off:]
			sec, nano := int64(binary.BigEndian.Uint32(p)), int64(binary.BigEndian.Uint32(p[4:]))
			if s := int64(int32(uint32(sec))); nano == 0 && (s == groupStart || s == groupEnd) {
				return s, 0, next, true
			}
			return sec + nano/1e9, int32(nano % 1e9), next, true
		}
	case Int:
		return clampSec(int64(h.num)), 0, next, true
	case Uint:
		return clampSec(int64(min(h.num, math.MaxInt64))), 0, next, true
	case Float:
		f := math.Float64frombits(h.num)
		if math.IsNaN(f) || f > maxSec || f < minSec {
			return 0, 0, next, true
		}
		whole := math.Floor(f)
		return int64(whole), int32(min((f-whole)*1e9, 999_999_999)), next, true
	case Array, Map:
		next, ok = skip(b, pos)
	}
	return 0, 0, next, ok
}

// The years from 0 to 9999 are those that ISO 8601 writes with four digits.
const (
	minSec = -62167219200
	maxSec = 253402300799
)

func clampSec(s int64) int64 {
	if s > maxSec || s < minSec {
		return 0
	}
	return s
}
