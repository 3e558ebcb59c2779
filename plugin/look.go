package plugin

import (
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
	at    [2][]int32 // where each field's finds begin in found, and where the last one's end
	base  [2][]int32 // the node that each field began at
	valid bool       // the record before was looked at
}

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
	l.at[now], l.base[now] = l.at[now][:0], l.base[now][:0]
	for i, f := range rec.Fields {
		l.at[now] = append(l.at[now], int32(len(l.found[now])))
		l.base[now] = append(l.base[now], f.Node)
		if f.Same && l.valid && i+1 < len(l.at[old]) {
			l.again(old, i, f.Node)
			continue
		}
		// Most records have the keys of the one before, so a key without hits
		// is not looked at again either.
		clean := rec.SameKeys && l.valid && i+1 < len(l.at[old]) && l.keyClean(old, i)
		l.nodes(set, rec, f.Node, rec.Nodes[f.Node].End, clean)
	}
	l.at[now] = append(l.at[now], int32(len(l.found[now])))
	for _, list := range [2][]decode.Field{rec.Meta, rec.Group} {
		for _, f := range list {
			l.nodes(set, rec, f.Node, rec.Nodes[f.Node].End, false)
		}
	}
	l.valid = true
	return l.found[now]
}

// again takes over the finds of a field that is the same.
func (l *looker) again(old, i int, node int32) {
	now := old ^ 1
	for _, f := range l.found[old][l.at[old][i]:l.at[old][i+1]] {
		mark := len(l.hits[now])
		l.hits[now] = append(l.hits[now], f.Hits...)
		f.Node += node - l.base[old][i]
		f.Hits = l.hits[now][mark:len(l.hits[now]):len(l.hits[now])]
		l.found[now] = append(l.found[now], f)
	}
}

// keyClean says whether the key of the i-th field before had no hits.
func (l *looker) keyClean(old, i int) bool {
	for _, f := range l.found[old][l.at[old][i]:l.at[old][i+1]] {
		if f.Key && f.Node == l.base[old][i] {
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
	mark := len(hits)
	hits = set.Scan(text, hits)
	l.hits[l.turn] = hits
	if len(hits) > mark {
		l.found[l.turn] = append(l.found[l.turn], scan.Found{Node: node, Key: key, Hits: hits[mark:len(hits):len(hits)]})
	}
}
