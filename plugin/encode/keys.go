package encode

import (
	"bytes"

	"github.com/seclog/seclog/plugin/decode"
)

// children appends the nodes of a map that are written: each key once, and of
// a repeated key the last.
func (e *Encoder) children(dst []int32, rec *decode.Record, node int32) []int32 {
	mark := len(dst)
	for j := node + 1; j < rec.Nodes[node].End; j = rec.Nodes[j].End {
		dst = append(dst, j)
	}
	return e.distinct(dst, mark, rec)
}

// fewKeys is how many keys are compared each with each.
const fewKeys = 24

// distinct drops from nodes[mark:] those whose written key comes again later.
func (e *Encoder) distinct(nodes []int32, mark int, rec *decode.Record) []int32 {
	list := nodes[mark:]
	if len(list) < 2 {
		return nodes
	}
	plain := len(list) <= fewKeys && !e.cfg.ReplaceDots && len(e.cuts) == 0
	for i := 0; plain && i < len(list); i++ {
		n := &rec.Nodes[list[i]]
		plain = n.KeyKind == decode.Str && ascii(rec.Bytes(n.Key))
	}
	if !plain {
		return append(nodes[:mark], e.distinctWritten(list, rec)...)
	}
	kept := mark
	for i, a := range list {
		if !e.again(list[i+1:], a, rec) {
			nodes[kept] = a
			kept++
		}
	}
	return nodes[:kept]
}

// again says whether one of the nodes has a's key, byte for byte.
func (e *Encoder) again(nodes []int32, a int32, rec *decode.Record) bool {
	k := rec.Nodes[a].Key
	for _, b := range nodes {
		if o := rec.Nodes[b].Key; o.Len == k.Len && bytes.Equal(rec.Bytes(o), rec.Bytes(k)) {
			return true
		}
	}
	return false
}

// distinctWritten is distinct for keys that may be written alike without being
// alike: numbers, invalid UTF-8, dots that are replaced, keys that were cut.
func (e *Encoder) distinctWritten(list []int32, rec *decode.Record) []int32 {
	last := make(map[string]int, len(list))
	for i, j := range list {
		e.keys = e.key(e.keys[:0], rec, j)
		last[string(e.keys)] = i
	}
	kept := list[:0]
	for i, j := range list {
		e.keys = e.key(e.keys[:0], rec, j)
		if last[string(e.keys)] == i {
			kept = append(kept, j)
		}
	}
	return kept
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// layout plans the record's top level, and merges JSON out of its log text
// where that is wanted. The plan of the record before holds where the keys are
// the same and nothing else bears on it.
func (e *Encoder) layout(rec *decode.Record) *merged {
	around := len(rec.Group) > 0 || len(rec.Meta) > 0
	special := around || e.cfg.MergeLog || e.keysCut(rec)
	e.same = !special && e.lasting && rec.SameKeys && len(e.plan) == len(rec.Fields)
	if e.same {
		return nil
	}
	e.plan, e.moved, e.lasting = e.plan[:0], false, !special
	mark := len(e.kids)
	for _, f := range rec.Fields {
		e.kids = append(e.kids, f.Node)
	}
	e.kids = e.distinct(e.kids, mark, rec)
	k := mark
	for _, f := range rec.Fields {
		where := nowhere
		if k < len(e.kids) && e.kids[k] == f.Node {
			where = onTop
			k++
			if e.isOwned(e.applied(rec.Key(&rec.Nodes[f.Node]), f.Node, true), around) {
				where, e.moved = underOriginal, true
			}
		}
		e.plan = append(e.plan, where)
	}
	e.kids = e.kids[:mark]
	for len(e.slots) < len(e.plan) {
		e.slots = append(e.slots, slot{})
	}
	e.slots = e.slots[:len(e.plan)]
	if e.cfg.MergeLog {
		return e.merge(rec, around)
	}
	return nil
}

// keysCut says whether a key of the top level changes.
func (e *Encoder) keysCut(rec *decode.Record) bool {
	for i := range e.cuts {
		if c := &e.cuts[i]; c.Key && rec.Nodes[c.Node].Depth == 1 {
			return true
		}
	}
	return false
}

// isOwned says whether a top level key is one of ours, or one of ours and a
// dot begin it.
func (e *Encoder) isOwned(key []byte, around bool) bool {
	for _, o := range e.owned {
		if begins(key, o) {
			return true
		}
	}
	return around && (begins(key, "resource") || begins(key, "scope") || begins(key, "otlp"))
}

func begins(key []byte, name string) bool {
	return len(key) >= len(name) && string(key[:len(name)]) == name && (len(key) == len(name) || key[len(name)] == '.')
}
