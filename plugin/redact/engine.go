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
	digits  []group // of the run of digits at hand, see part
	total   int     // digits in them
	key     folded
	edits   Edits
	arena   []byte // bytes of Edit.Text
	num     []byte
	mac     hash.Hash
	sum     []byte
	macKey  *key
	scope   []int8 // per rule: 0 unknown, 1 in scope, -1 not
	covered cover  // the last one; strings come in the order of nodes
	lines   lines

	text     uint32 // number of the text at hand
	ends     []ended
	from, to int32 // the value that a field rule cut last
}

// ended is where the last match of a rule ends, in the text of that number.
type ended struct {
	text uint32
	end  int32
}

// span is a value that a rule wants cut.
type span struct {
	start, end int32
	rule       int32
	null       bool // a number inside JSON text
	exact      bool // ends and escapes were minded by whoever found it
}

// cover is a stretch of nodes whose leaves a field rule cuts whole, and where
// their edits stand, which are ascending.
type cover struct {
	from, to int32
	lo, hi   int
	dropped  bool
}

// Redact gives the edits of one record from the hits in its strings.
//
// Bytes: what it gives is valid until the next use of st.
//
// Concurrency: one call at a time per State.
func (e *Engine) Redact(st *State, rec *decode.Record, found []scan.Found) *Edits {
	st.edits = Edits{List: st.edits.List[:0]}
	st.arena = st.arena[:0]
	st.covered = cover{}
	if e.scoped {
		st.scope = st.scope[:0]
	}
	e.chunk(st, rec)
	e.loose(st, rec)
	for i := range found {
		f := &found[i]
		n := &rec.Nodes[f.Node]
		text := rec.Text(n)
		if f.Key {
			text = rec.Key(n)
			if f.Node >= st.covered.to {
				e.byKey(st, rec, f, text)
			}
		} else {
			if e.pem >= 0 {
				e.frames(st, rec, f, text)
			}
			if st.isCovered(f.Node) {
				continue
			}
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
		if last.Node == x.Node && last.Key == x.Key {
			if last.Whole || x.End <= last.End {
				continue
			}
			if x.Start < last.End {
				x.Start, x.Text = last.End, e.rules[x.Detector].token
			}
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
	lo := len(st.edits.List)
	if r.action.action == DropField {
		st.edits.List = append(st.edits.List, Edit{Node: node, Whole: true, Detector: rule, Action: DropField})
		st.covered = cover{node, n.End, lo, lo + 1, true}
		return
	}
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
	st.covered = cover{node, n.End, lo, len(st.edits.List), false}
}

func (d *Edits) drop(rule int32) {
	if !d.DropRecord {
		d.DropRecord, d.DropBy = true, rule
	}
}

// isCovered says whether a field rule cuts the node whole. A placeholder among
// the leaves of such a field stays, so what else stands in it is looked at all
// the same.
func (st *State) isCovered(node int32) bool {
	c := &st.covered
	if node < c.from || node >= c.to {
		return false
	}
	if c.dropped {
		return true
	}
	_, found := slices.BinarySearchFunc(st.edits.List[c.lo:c.hi], node, func(x Edit, n int32) int { return cmp.Compare(x.Node, n) })
	return found
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
	st.from, st.to = 0, 0
	st.next(len(e.rules))
	for _, h := range hits {
		if h.ID == e.digits {
			e.run(st, text, h)
			continue
		}
		if int(h.ID) >= len(e.by) {
			continue
		}
		a := &e.by[h.ID]
		for _, d := range a.detectors {
			e.detect(st, text, h, d)
		}
		// What stands in a value that goes already is no key; so no text is
		// gone through twice.
		if len(a.fields) > 0 && (h.Pos < st.from || h.Pos >= st.to) {
			e.fieldAt(st, rec, text, h, a.fields)
		}
	}
}

// match asks a pattern at a hit and gives the submatch indexes, or nil.
//
// Bytes: valid until the next call.
func (st *State) match(p *scan.Pattern, text []byte, h scan.Hit, from int) []int {
	m := p.FindAt(&st.scratch, text, h, from, st.sub)
	if m != nil {
		st.sub = m // the room is kept also where there is no match
	}
	return m
}

// next begins a text for the ends of matches by rule.
func (st *State) next(rules int) {
	if st.text++; st.text == 0 || len(st.ends) != rules {
		st.ends = append(st.ends[:0], make([]ended, rules)...)
		st.text = 1
	}
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
