package encode

import (
	"encoding/binary"
	"math"
	"math/bits"
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

	tag    string
	path   []byte // of the record before; nil before the first
	file   wide   // hash of node, tag and path
	at     [3]int // the fields of path, offset and text in the record before; -1 for none
	known  bool   // at and path hold for the record before
	last   wide   // what the record before was hashed to
	again  uint32 // how many records before had the same
	any    bool   // last holds
	second uint32 // what text begins with
	text   [5]byte
	block  [16]byte // here, since what a cipher is handed would be allocated
}

// wide is a number of 128 bits.
type wide struct{ hi, lo uint64 }

func (a wide) add(b wide) wide {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return wide{hi, lo}
}

// NewPositions makes ids of records with the fields pathKey and offsetKey;
// logKeys name the fields that may hold the line's text, the best first.
func (k *IDs) NewPositions(pathKey, offsetKey string, logKeys []string) *Positions {
	p := &Positions{ids: k, pathKey: pathKey, offsetKey: offsetKey, logKeys: logKeys}
	p.write(0)
	return p
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
//
// What is hashed is the sum of three hashes under secret keys: one of node, tag
// and path, which many records share, one of the text, where it stands, and the
// product of offset and time, each with a secret number added, which is the
// almost universal hash NH. The sum goes through a cipher, so that an id tells
// nothing to those without the key.
//
// Source: NH is from Black, Halevi, Krawczyk, Krovetz, Rogaway, "UMAC: Fast and
// Secure Message Authentication", CRYPTO 1999.
func (p *Positions) Write(id *[IDSize]byte, rec *decode.Record) bool {
	fresh := !p.known || !rec.SameKeys
	if fresh {
		p.find(rec)
	}
	if p.at[0] < 0 || p.at[1] < 0 {
		p.any = false
		return false
	}
	if field := &rec.Fields[p.at[0]]; fresh || !field.Same {
		p.in(rec, field)
	}
	at := &rec.Nodes[rec.Fields[p.at[1]].Node]
	offset, ok := at.Num, at.Kind == decode.Uint
	if !ok {
		offset, ok = p.offset(rec, at)
	}
	if !ok || len(p.path) == 0 {
		p.any = false
		return false
	}
	var text []byte
	if p.at[2] >= 0 {
		text, _ = textAt(rec, &rec.Fields[p.at[2]])
	}
	s := &p.ids.position
	t := xxh3.Hash128Seed(text, s.seed)
	var d wide
	d.hi, d.lo = bits.Mul64(offset+s.offset, (uint64(rec.Sec)<<30|uint64(rec.Nsec))+s.time)
	d = d.add(wide{t.Hi, t.Lo}).add(p.file)
	if p.any && d == p.last {
		p.again++
	} else {
		p.again = 0
	}
	p.last, p.any = d, true
	binary.LittleEndian.PutUint64(p.block[:], d.lo^uint64(p.again))
	binary.LittleEndian.PutUint64(p.block[8:], d.hi)
	s.block.Encrypt(p.block[:], p.block[:])

	if second := uint32(min(max(rec.Sec, 0), math.MaxUint32)); second != p.second {
		p.write(second)
	}
	*(*[5]byte)(id[:]) = p.text
	// 2 bits of the seconds and 88 of the hash are left: 15 characters.
	high := binary.BigEndian.Uint64(p.block[:])
	id[5] = base64URL[(p.second<<4|uint32(high>>60))&63]
	id[6], id[7], id[8], id[9], id[10] = base64URL[high>>54&63], base64URL[high>>48&63], base64URL[high>>42&63], base64URL[high>>36&63], base64URL[high>>30&63]
	id[11], id[12], id[13], id[14], id[15] = base64URL[high>>24&63], base64URL[high>>18&63], base64URL[high>>12&63], base64URL[high>>6&63], base64URL[high&63]
	low := uint32(p.block[8])<<16 | uint32(p.block[9])<<8 | uint32(p.block[10])
	id[16], id[17], id[18], id[19] = base64URL[low>>18&63], base64URL[low>>12&63], base64URL[low>>6&63], base64URL[low&63]
	return true
}

// write notes the characters that a second's first 30 bits are written with.
func (p *Positions) write(second uint32) {
	p.second = second
	for i := range p.text {
		p.text[i] = base64URL[second>>(26-6*i)&63]
	}
}

// in notes the path of a record, empty when it has none.
func (p *Positions) in(rec *decode.Record, field *decode.Field) {
	path, ok := textAt(rec, field)
	if !ok {
		p.path = p.path[:0]
		return
	}
	if p.path == nil || string(path) != string(p.path) {
		p.path = append(p.path[:0], path...)
		h := p.ids.position.hash(p.ids.node, p.tag, path)
		p.file = wide{binary.LittleEndian.Uint64(h[8:]), binary.LittleEndian.Uint64(h[:])}
	}
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

// textAt gives the text of a field; false where it is none.
func textAt(rec *decode.Record, field *decode.Field) ([]byte, bool) {
	n := &rec.Nodes[field.Node]
	return rec.Text(n), n.Kind == decode.Str || n.Kind == decode.Bin
}

// offset reads an offset that does not stand there as an unsigned number:
// filters may have made text of it.
func (p *Positions) offset(rec *decode.Record, n *decode.Node) (uint64, bool) {
	switch n.Kind {
	case decode.Int:
		return n.Num, int64(n.Num) >= 0
	case decode.Str:
		v, err := strconv.ParseUint(string(rec.Text(n)), 10, 64)
		return v, err == nil
	}
	return 0, false
}
