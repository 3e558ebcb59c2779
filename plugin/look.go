package plugin

import (
	"slices"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/scan"
)

// looker scans the strings of records, each new string once: a field that
// equals the one at its place in the record before keeps what was found there.
//
// Concurrency: not safe for concurrent use.
type looker struct {
	turn  int
	found [2][]scan.Found
	hits  [2][]scan.Hit
	marks [2][]mark // of each field, and one more behind the last
	valid bool      // the record before was looked at
}

// mark is where a field begins in the nodes, and where its finds begin in found.
type mark struct{ node, found int32 }

// forget drops the record before.
func (l *looker) forget() { l.valid = false }

// look gives the hits of all strings of the record, in the order of its nodes.
//
// Bytes: valid until the next call but one.
func (l *looker) look(set *scan.Set, rec *decode.Record) []scan.Found {
	old := l.turn
	l.turn ^= 1
	now := l.turn
	l.found[now], l.hits[now] = l.found[now][:0], l.hits[now][:0]
	before := l.marks[old]
	if !l.valid {
		before = nil
	}
	marks := slices.Grow(l.marks[now][:0], len(rec.Fields)+1)[:len(rec.Fields)+1]
	l.marks[now] = marks
	for i := range rec.Fields {
		f := &rec.Fields[i]
		marks[i] = mark{f.Node, int32(len(l.found[now]))}
		if i+1 < len(before) {
			if f.Same {
				if before[i].found < before[i+1].found {
					l.again(old, before[i], before[i+1], f.Node)
				}
				continue
			}
			// Most records have the keys of the one before, so a key without
			// hits is not looked at again either.
			l.nodes(set, rec, f.Node, rec.Nodes[f.Node].End, rec.SameKeys && l.keyClean(old, before[i], before[i+1]))
			continue
		}
		l.nodes(set, rec, f.Node, rec.Nodes[f.Node].End, false)
	}
	marks[len(rec.Fields)] = mark{found: int32(len(l.found[now]))}
	for _, list := range [2][]decode.Field{rec.Meta, rec.Group} {
		for _, f := range list {
			l.nodes(set, rec, f.Node, rec.Nodes[f.Node].End, false)
		}
	}
	l.valid = true
	return l.found[now]
}

// again takes over the finds of a field that is the same: from first up to end
// in the record before.
func (l *looker) again(old int, first, end mark, node int32) {
	now := old ^ 1
	for _, f := range l.found[old][first.found:end.found] {
		at := len(l.hits[now])
		l.hits[now] = append(l.hits[now], f.Hits...)
		f.Node += node - first.node
		f.Hits = l.hits[now][at:len(l.hits[now]):len(l.hits[now])]
		l.found[now] = append(l.found[now], f)
	}
}

// keyClean says whether the key of the field from first up to end had no hits
// in the record before.
func (l *looker) keyClean(old int, first, end mark) bool {
	for _, f := range l.found[old][first.found:end.found] {
		if f.Key && f.Node == first.node {
			return false
		}
	}
	return true
}

// nodes scans keys and strings of the nodes from first up to end. skipKey
// leaves out the first one's key.
func (l *looker) nodes(set *scan.Set, rec *decode.Record, first, end int32, skipKey bool) {
	for j := first; j < end; j++ {
		n := &rec.Nodes[j]
		if n.Key.Len > 1 && (j != first || !skipKey) {
			l.text(set, rec.Key(n), j, true)
		}
		switch n.Kind {
		case decode.Str, decode.Bin, decode.Ext:
			if n.Text.Len > 1 {
				l.text(set, rec.Text(n), j, false)
			}
		}
	}
}

func (l *looker) text(set *scan.Set, text []byte, node int32, key bool) {
	hits := l.hits[l.turn]
	from := len(hits)
	hits = set.Scan(text, hits)
	l.hits[l.turn] = hits
	if len(hits) > from {
		l.found[l.turn] = append(l.found[l.turn], scan.Found{Node: node, Key: key, Hits: hits[from:len(hits):len(hits)]})
	}
}
