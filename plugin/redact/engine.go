package redact

import (
	"cmp"
	"hash"
	"slices"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/scan"
)

// State is a worker's buffers. The zero value is ready; it must not pass from
// one Engine to another.
//
// Concurrency: not safe for concurrent use.
type State struct {
	scratch scan.Scratch
	sub     []int
	spans   []span
	groups  []group
	key     folded
	edits   Edits
	arena   []byte // bytes of Edit.Text
	num     []byte
	mac     hash.Hash
	sum     []byte
	scope   []int8 // per rule: 0 unknown, 1 in scope, -1 not
	covered []cover
	ints    []scan.Hit
	lines   lines
}

// span is a value that a rule wants cut.
type span struct {
	start, end int32
	rule       int32
	null       bool // a number inside JSON text
	exact      bool // ends and escapes were minded by whoever found it
}

// cover is a stretch of nodes whose leaves a field rule cuts whole.
type cover struct {
	from, to int32
	rule     int32
}

// Redact gives the edits of one record from the hits in its strings.
//
// Bytes: what it gives is valid until the next use of st.
//
// Concurrency: one call at a time per State.
func (e *Engine) Redact(st *State, rec *decode.Record, found []scan.Found) *Edits {
	st.edits = Edits{List: st.edits.List[:0]}
	st.arena = st.arena[:0]
	st.covered = st.covered[:0]
	if e.scoped {
		st.scope = st.scope[:0]
	}
	e.loose(st, rec)
	for i := range found {
		f := &found[i]
		n := &rec.Nodes[f.Node]
		text := rec.Text(n)
		if f.Key {
			text = rec.Key(n)
			e.byKey(st, rec, f, text)
		} else if e.isCovered(st, f.Node) {
			continue
		}
		e.find(st, rec, text, f.Hits)
		e.emit(st, f.Node, f.Key, text)
	}
	list := st.edits.List
	if len(list) > 1 {
		e.order(st)
	}
	return &st.edits
}

// order sorts the edits as promised and takes out what a whole cut covers.
func (e *Engine) order(st *State) {
	list := st.edits.List
	slices.SortStableFunc(list, func(a, b Edit) int {
		if a.Key != b.Key && a.Node == b.Node {
			if a.Key {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Start, b.Start))
	})
	n := 1
	for _, x := range list[1:] {
		last := &list[n-1]
		if last.Node == x.Node && last.Key == x.Key && last.Whole {
			continue
		}
		list[n] = x
		n++
	}
	st.edits.List = list[:n]
}

// rank puts whole cuts before parts of the same string.
func rank(e Edit) int {
	switch {
	case e.Whole && e.Action == DropField:
		return 0
	case e.Whole:
		return 1
	}
	return 2
}

// byKey looks whether the node's own key is one that a field rule names.
func (e *Engine) byKey(st *State, rec *decode.Record, f *scan.Found, key []byte) {
	if len(key) > maxKeyLen {
		return
	}
	for _, h := range f.Hits {
		if int(h.ID) >= len(e.by) {
			continue
		}
		for _, fk := range e.by[h.ID].fields {
			r := &e.rules[fk.rule]
			if !r.keys[fk.key].matchKey(&st.key, key) || !e.inScope(st, rec, fk.rule) {
				continue
			}
			e.cutField(st, rec, f.Node, fk.rule)
			return
		}
	}
}

// cutField cuts the value of a node, and each leaf where it is a map or array.
func (e *Engine) cutField(st *State, rec *decode.Record, node, rule int32) {
	r := &e.rules[rule]
	n := &rec.Nodes[node]
	if r.action.action == DropRecord {
		st.edits.drop(rule)
		return
	}
	if r.action.action == DropField {
		st.edits.List = append(st.edits.List, Edit{Node: node, Whole: true, Detector: rule, Action: DropField})
		st.covered = append(st.covered, cover{node, n.End, rule})
		return
	}
	st.covered = append(st.covered, cover{node, n.End, rule})
	for i := node; i < n.End; i++ {
		leaf := &rec.Nodes[i]
		switch leaf.Kind {
		case decode.Str, decode.Bin, decode.Ext:
			v := rec.Text(leaf)
			if leaf.Kind == decode.Str && (placeholder(v) || r.ignores(v) || r.allows(v)) {
				continue
			}
			st.edits.List = append(st.edits.List, Edit{Node: i, Whole: true, Detector: rule, Action: r.action.action, Text: e.write(st, rule, v)})
		case decode.Int, decode.Uint, decode.Float:
			st.edits.List = append(st.edits.List, Edit{Node: i, Whole: true, Detector: rule, Action: r.action.action, Text: null})
		}
	}
}

func (d *Edits) drop(rule int32) {
	if !d.DropRecord {
		d.DropRecord, d.DropBy = true, rule
	}
}

func (e *Engine) isCovered(st *State, node int32) bool {
	for _, c := range st.covered {
		if node >= c.from && node < c.to {
			// A placeholder inside it stays, so what else stands in it must
			// be looked at all the same.
			return slices.ContainsFunc(st.edits.List, func(x Edit) bool {
				return x.Whole && !x.Key && (x.Node == node || x.Action == DropField && x.Node == c.from)
			})
		}
	}
	return false
}

func (r *rule) ignores(v []byte) bool { return r.ignore != nil && r.ignore.Match(v) }

func (r *rule) allows(v []byte) bool {
	for _, a := range r.allow {
		if a.Match(v) {
			return true
		}
	}
	return false
}

// RedactText gives one text that stands alone, such as a tag or the name of an
// index, with everything cut that the rules know, appended to dst. A rule that
// drops fields or records redacts here, and one with a scope applies.
func (e *Engine) RedactText(st *State, text []byte, hits []scan.Hit, dst []byte) []byte {
	st.edits = Edits{List: st.edits.List[:0]}
	st.arena = st.arena[:0]
	e.find(st, nil, text, hits)
	e.emit(st, 0, false, text)
	at := int32(0)
	for _, x := range st.edits.List {
		if x.Whole {
			return append(dst, x.Text...)
		}
		dst = append(append(dst, text[at:x.Start]...), x.Text...)
		at = x.End
	}
	return append(dst, text[at:]...)
}

// find collects what the rules want cut of one text.
func (e *Engine) find(st *State, rec *decode.Record, text []byte, hits []scan.Hit) {
	st.spans = st.spans[:0]
	for _, h := range hits {
		if int(h.ID) >= len(e.by) {
			continue
		}
		a := &e.by[h.ID]
		for _, d := range a.detectors {
			e.detect(st, text, h, d)
		}
		if len(a.fields) > 0 && !st.inField(e, h) {
			e.fieldAt(st, rec, text, h, a.fields)
		}
	}
}

// inField says whether the hit stands in a value that a field rule cuts
// already; so no text is gone through twice.
func (st *State) inField(e *Engine, h scan.Hit) bool {
	for i := len(st.spans) - 1; i >= 0; i-- {
		s := &st.spans[i]
		if s.exact && h.Pos >= s.start && h.Pos < s.end {
			return true
		}
	}
	return false
}

// emit turns the collected spans into edits: leftmost first, then longest,
// then the order of the rules; of a span that reaches out of one before it the
// rest goes too.
func (e *Engine) emit(st *State, node int32, key bool, text []byte) {
	if len(st.spans) == 0 {
		return
	}
	if len(st.spans) > 1 {
		slices.SortFunc(st.spans, func(a, b span) int {
			return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end), cmp.Compare(a.rule, b.rule))
		})
	}
	at := int32(0)
	for _, s := range st.spans {
		rest := s.start < at
		if rest {
			if s.end <= at {
				continue
			}
			s.start = at
		}
		r := &e.rules[s.rule]
		switch r.action.action {
		case DropRecord:
			st.edits.drop(s.rule)
			return
		case DropField:
			if !key && !s.exact {
				st.edits.List = append(st.edits.List, Edit{Node: node, Whole: true, Detector: s.rule, Action: DropField, Text: r.token})
				return
			}
		}
		v := text[s.start:s.end]
		x := Edit{Node: node, Key: key, Start: s.start, End: s.end, Detector: s.rule, Action: r.action.action}
		switch {
		case s.null:
			x.Text = null
		case rest:
			x.Text = r.token
		default:
			x.Text = e.write(st, s.rule, v)
		}
		if x.Action == DropField {
			x.Action = Redact
		}
		st.edits.List = append(st.edits.List, x)
		at = s.end
	}
}

// inScope says whether a field rule's match fits the record; it is worked out
// once per record.
func (e *Engine) inScope(st *State, rec *decode.Record, rule int32) bool {
	r := &e.rules[rule]
	if len(r.scope) == 0 || rec == nil {
		return true
	}
	for len(st.scope) <= int(rule) {
		st.scope = append(st.scope, 0)
	}
	if st.scope[rule] == 0 {
		st.scope[rule] = 1
		for i := range r.scope {
			if !r.scope[i].fits(rec) {
				st.scope[rule] = -1
			}
		}
	}
	return st.scope[rule] > 0
}
