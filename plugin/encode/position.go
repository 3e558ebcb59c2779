package encode

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/zeebo/xxh3"

	"github.com/seclog/seclog/plugin/decode"
)

// Positions makes the ids of records that say where in their file they stood.
// Such an id does not depend on the chunk, so a line that a killed agent reads
// again has the id that it had.
//
// Two records of one line (a filter may split it) differ in nothing else, so
// they are counted as long as they follow each other.
//
// Concurrency: not safe for concurrent use; one per flush.
type Positions struct {
	ids                *IDs
	pathKey, offsetKey string
	logKeys            []string

	tag   string
	file  [16]byte // hash of node, tag and path
	path  []byte   // of file; nil before the first
	at    [3]int   // the fields of path, offset and text in the record before; -1 for none
	known bool     // at holds for the record before
	last  [16]byte // what the record before was hashed to
	again uint32   // how many records before had the same
	any   bool     // last holds
	buf   []byte
	block [16]byte // here, since what a cipher is handed would be allocated
	raw   [15]byte
}

// NewPositions makes ids of records with the fields pathKey and offsetKey;
// logKeys name the fields that may hold the line's text, the best first.
func (k *IDs) NewPositions(pathKey, offsetKey string, logKeys []string) *Positions {
	return &Positions{ids: k, pathKey: pathKey, offsetKey: offsetKey, logKeys: logKeys}
}

// Begin starts a chunk with the tag as Fluent Bit gave it.
func (p *Positions) Begin(tag string) {
	p.tag, p.path, p.known, p.any = tag, nil, false, false
}

// Forget says that the record before the next one was not asked for.
func (p *Positions) Forget() { p.known = false }

// Write writes the id of a record: 4 bytes seconds of its time and 11 bytes
// keyed hash of node, tag, path, offset, time and text, as base64url. It is
// false for a record without a position.
func (p *Positions) Write(id *[IDSize]byte, rec *decode.Record) bool {
	if !p.known || !rec.SameKeys {
		p.find(rec)
	}
	if p.at[0] < 0 || p.at[1] < 0 {
		p.any = false
		return false
	}
	path, ok := p.textAt(rec, p.at[0])
	offset, okOffset := p.offset(rec)
	if !ok || !okOffset || len(path) == 0 {
		p.any = false
		return false
	}
	if p.path == nil || string(path) != string(p.path) {
		p.path = append(p.path[:0], path...)
		p.file = p.ids.position.hash(p.ids.node, p.tag, path)
	}
	var text []byte
	if p.at[2] >= 0 {
		text, _ = p.textAt(rec, p.at[2])
	}
	b := append(p.buf[:0], p.file[:]...)
	b = binary.LittleEndian.AppendUint64(b, offset)
	b = binary.LittleEndian.AppendUint64(b, uint64(rec.Sec))
	b = binary.LittleEndian.AppendUint32(b, uint32(rec.Nsec))
	b = append(b, text...)
	p.buf = b
	d := xxh3.Hash128Seed(b, p.ids.position.seed).Bytes()
	if p.any && d == p.last {
		p.again++
	} else {
		p.again = 0
	}
	p.last, p.any = d, true
	p.block = d
	binary.LittleEndian.PutUint32(p.block[:], binary.LittleEndian.Uint32(d[:])^p.again)
	p.ids.position.block.Encrypt(p.block[:], p.block[:])
	binary.BigEndian.PutUint32(p.raw[:], uint32(min(max(rec.Sec, 0), math.MaxUint32)))
	copy(p.raw[4:], p.block[:11])
	for i := range IDSize / 4 {
		w := uint(p.raw[3*i])<<16 | uint(p.raw[3*i+1])<<8 | uint(p.raw[3*i+2])
		id[4*i], id[4*i+1], id[4*i+2], id[4*i+3] = base64URL[w>>18], base64URL[w>>12&63], base64URL[w>>6&63], base64URL[w&63]
	}
	return true
}

// find looks for the fields of the record. The last of several with one name
// counts, as in the document.
func (p *Positions) find(rec *decode.Record) {
	p.at, p.known = [3]int{-1, -1, -1}, true
	best := len(p.logKeys)
	for i := range rec.Fields {
		n := &rec.Nodes[rec.Fields[i].Node]
		if n.KeyKind != decode.Str {
			continue
		}
		switch key := rec.Key(n); {
		case string(key) == p.pathKey:
			p.at[0] = i
		case string(key) == p.offsetKey:
			p.at[1] = i
		default:
			for rank, name := range p.logKeys {
				if rank <= best && string(key) == name {
					best, p.at[2] = rank, i
				}
			}
		}
	}
}

func (p *Positions) textAt(rec *decode.Record, field int) ([]byte, bool) {
	n := &rec.Nodes[rec.Fields[field].Node]
	return rec.Text(n), n.Kind == decode.Str || n.Kind == decode.Bin
}

// offset reads an offset, which filters may have made text of.
func (p *Positions) offset(rec *decode.Record) (uint64, bool) {
	n := &rec.Nodes[rec.Fields[p.at[1]].Node]
	switch n.Kind {
	case decode.Uint:
		return n.Num, true
	case decode.Int:
		return n.Num, int64(n.Num) >= 0
	case decode.Str:
		v, err := strconv.ParseUint(string(rec.Text(n)), 10, 64)
		return v, err == nil
	}
	return 0, false
}
