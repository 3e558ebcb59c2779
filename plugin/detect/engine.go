package detect

import (
	"math/bits"
	"slices"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/scan"
)

// Options are what Compile can be told.
type Options struct {
	// AnyLogsource evaluates every rule that needs a field on the fields of
	// every record, whatever its log source.
	AnyLogsource bool
	// Disable are ids of rules that are left out.
	Disable []string
}

// Engine evaluates rules on records.
//
// Concurrency: immutable after Bind, safe for concurrent use, each worker with
// its own State.
type Engine struct {
	rules   []*Rule
	starts  []int32 // place of each rule in code
	code    []code
	fields  []string
	preds   []predicate
	pipes   []*pipeline
	raw     int32 // the pipeline of all records; -1 without AnyLogsource
	set     *scan.Set
	scanAll bool // evaluate all rules of a log source, whatever the hits

	wakes    [][]int32          // by literal: rules
	announce [][]int32          // by literal: pipelines
	whenKeys map[string][]int32 // by first key of a path: field conditions
	whenBits uint64             // filter before whenKeys
	whens    []fieldWhen
}

// fieldWhen is a field condition of a pipeline.
type fieldWhen struct {
	pipe int32
	condition
}

// Compile makes an engine of rules and pipelines and adds its literals to the
// one scan. A rule with the id of an earlier one replaces it.
//
// Errors: it never fails as a whole; what cannot be used is left out and
// refused with file, line and reason.
func Compile(rules, pipelines []Source, b *scan.Builder, o Options) (*Engine, []Refusal) {
	bld := newBuilder()
	e := &Engine{raw: -1, whenKeys: map[string][]int32{}}
	var refused []Refusal
	var all []loaded
	place := map[string]int{}
	for _, src := range rules {
		list, bad := bld.loadRules(src)
		refused = append(refused, bad...)
		for _, l := range list {
			if slices.Contains(o.Disable, l.rule.ID) {
				continue
			}
			if at, ok := place[l.rule.ID]; ok {
				if all[at].rule.File == src.Name {
					refused = append(refused, Refusal{File: src.Name, Line: l.rule.Line, Rule: l.rule.ID, Reason: "its id stands twice in the file"})
				} else {
					all[at] = l
				}
				continue
			}
			place[l.rule.ID] = len(all)
			all = append(all, l)
		}
	}
	for _, src := range pipelines {
		list, bad := loadPipelines(src)
		refused = append(refused, bad...)
		e.pipes = append(e.pipes, list...)
	}
	if o.AnyLogsource {
		e.raw = int32(len(e.pipes))
		e.pipes = append(e.pipes, &pipeline{json: true})
	}
	e.fields, e.preds = bld.fields, bld.preds
	for i, p := range e.pipes {
		p.resolve(e.fields)
		p.member = make([]uint64, (len(all)+63)/64)
		e.addWhen(int32(i), p, b)
	}
	for i, l := range all {
		e.addRule(int32(i), l, b)
	}
	return e, refused
}

func (e *Engine) addRule(i int32, l loaded, b *scan.Builder) {
	e.rules = append(e.rules, l.rule)
	e.starts = append(e.starts, int32(len(e.code)))
	e.code = l.expr.appendCode(e.code)
	strict := len(l.expr.fields(e.preds)) == 0
	wit := l.expr.witnesses(e.preds)
	for k, p := range e.pipes {
		if int32(k) == e.raw && strict || int32(k) != e.raw && !p.takes(l.rule.Logsource, strict) {
			continue
		}
		p.all = append(p.all, i)
		p.member[i/64] |= 1 << (i % 64)
		if len(wit) == 0 {
			p.open = append(p.open, i)
		}
	}
	for _, w := range wit {
		e.wakes = addAt(e.wakes, b.Literal(w), i)
	}
}

func (e *Engine) addWhen(i int32, p *pipeline, b *scan.Builder) {
	for _, c := range p.when {
		if c.literal != "" {
			e.announce = addAt(e.announce, b.Literal(c.literal), i)
			continue
		}
		at := int32(len(e.whens))
		e.whens = append(e.whens, fieldWhen{pipe: i, condition: c})
		for k := 0; k <= len(c.path); k++ {
			if k == len(c.path) || c.path[k] == '.' {
				key := c.path[:k]
				e.whenKeys[key] = append(e.whenKeys[key], at)
				e.whenBits |= keyBit([]byte(key))
			}
		}
	}
}

// addAt appends v to the list at an index, once.
func addAt(lists [][]int32, id scan.ID, v int32) [][]int32 {
	if id < 0 {
		return lists
	}
	for len(lists) <= int(id) {
		lists = append(lists, nil)
	}
	if l := lists[id]; len(l) == 0 || l[len(l)-1] != v {
		lists[id] = append(l, v)
	}
	return lists
}

// keyBit maps a key to one of 64 bits.
func keyBit(key []byte) uint64 {
	if len(key) == 0 {
		return 1
	}
	return 1 << ((uint(len(key))*7 + uint(key[0])) % 64)
}

// Bind gives the engine the scan that its literals became part of.
// RunExamples uses it; Detect is handed hits.
func (e *Engine) Bind(s *scan.Set) { e.set = s }

// Rules are the rules in use. Detect's answers are indexes into it.
//
// Bytes: not to be changed.
func (e *Engine) Rules() []*Rule { return e.rules }

// Detect gives the rules that fire on a record, as ascending indexes into
// Rules. Found are the hits of the one scan in all its strings.
//
// The state takes rec.SameKeys to mean the record that it was handed before;
// where that is not so, Forget is to be called first.
//
// Bytes: valid until the state's next use.
func (e *Engine) Detect(st *State, rec *decode.Record, found []scan.Found) []int32 {
	if st.engine != e {
		st.attach(e)
	}
	if st.record++; st.record == 0 {
		clear(st.activeFor)
		st.record = 1
	}
	st.active = st.active[:0]
	if len(e.announce) > 0 {
		e.announced(st, rec, found)
	}
	if e.whenBits != 0 {
		// Keys that no condition names are not asked about again.
		if !st.plain || !rec.SameKeys {
			st.plain = true
			for i := range rec.Fields {
				key := rec.Key(&rec.Nodes[rec.Fields[i].Node])
				if e.whenBits&keyBit(key) != 0 {
					if whens := e.whenKeys[string(key)]; len(whens) > 0 {
						st.plain = false
						e.askFields(st, rec, whens)
					}
				}
			}
		}
	}
	if e.raw >= 0 {
		st.activate(e.raw, -1)
	}
	if len(st.active) == 0 {
		return nil
	}
	st.rec, st.body = rec, 0
	if n := len(rec.Fields); n > 0 {
		st.body = rec.Nodes[rec.Fields[n-1].Node].End
	}
	fired := false
	for _, a := range st.active {
		if e.view(st, rec, found, a) {
			fired = true
		}
	}
	st.rec = nil
	if !fired {
		return nil
	}
	st.out = st.out[:0]
	for w, word := range st.fired {
		for ; word != 0; word &= word - 1 {
			st.out = append(st.out, int32(w*64+bits.TrailingZeros64(word)))
		}
		st.fired[w] = 0
	}
	return st.out
}

func (st *State) activate(pipe, node int32) {
	if st.activeFor[pipe] != st.record {
		st.activeFor[pipe] = st.record
		st.active = append(st.active, activation{pipe: pipe, node: node})
	}
}

// announced finds pipelines by literals in the log text.
func (e *Engine) announced(st *State, rec *decode.Record, found []scan.Found) {
	for i := range found {
		f := &found[i]
		if f.Key || int(f.Node) >= len(rec.Nodes) {
			continue
		}
		for k := range f.Hits {
			if id := f.Hits[k].ID; int(id) < len(e.announce) && len(e.announce[id]) > 0 && isLogText(rec, f.Node) {
				for _, p := range e.announce[id] {
					st.activate(p, f.Node)
				}
			}
		}
	}
}

// isLogText says whether a node is a record's log text.
func isLogText(rec *decode.Record, node int32) bool {
	n := &rec.Nodes[node]
	return n.Depth == 1 && logTextRank(rec.Key(n)) > 0
}

// logTextRank ranks the keys of log texts, the best highest; 0 is none.
func logTextRank(key []byte) int {
	switch string(key) {
	case "log":
		return 4
	case "message":
		return 3
	case "msg":
		return 2
	case "MESSAGE":
		return 1
	}
	return 0
}

// logText gives a record's log text.
func logText(rec *decode.Record, node int32) []byte {
	best := 0
	for i := range rec.Fields {
		if node >= 0 {
			break
		}
		n := &rec.Nodes[rec.Fields[i].Node]
		if rank := logTextRank(rec.Key(n)); rank > best && (n.Kind == decode.Str || n.Kind == decode.Bin) {
			best, node = rank, -1-rec.Fields[i].Node
		}
	}
	if node < 0 {
		if best == 0 {
			return nil
		}
		node = -1 - node
	}
	if n := &rec.Nodes[node]; n.Kind == decode.Str || n.Kind == decode.Bin {
		return rec.Text(n)
	}
	return nil
}

// askFields asks the field conditions whose path begins with a key that the
// record has.
func (e *Engine) askFields(st *State, rec *decode.Record, whens []int32) {
	for _, w := range whens {
		c := &e.whens[w]
		if st.activeFor[c.pipe] == st.record {
			continue
		}
		st.vals, st.buf = st.vals[:0], st.buf[:0]
		end := rec.Nodes[rec.Fields[len(rec.Fields)-1].Node].End
		if !st.walk(rec.Src, rec.Nodes, 0, end, c.path) {
			continue
		}
		yes := c.in == nil
		for i := range st.vals {
			v := &st.vals[i]
			yes = yes || v.scalar() && c.in[string(st.fold(v))]
		}
		if yes {
			st.activate(c.pipe, -1)
		}
	}
}

// view evaluates the rules of one pipeline and says whether one fired.
func (e *Engine) view(st *State, rec *decode.Record, found []scan.Found, a activation) bool {
	p := e.pipes[a.pipe]
	if len(p.all) == 0 {
		return false
	}
	txt := logText(rec, a.node)
	rules := p.open
	if e.scanAll || p.json && hidesText(txt) {
		rules = p.all
	} else {
		for i := range found {
			for k := range found[i].Hits {
				if id := int(found[i].Hits[k].ID); id < len(e.wakes) {
					for _, r := range e.wakes[id] {
						st.candidate[r/64] |= 1 << (r % 64) & p.member[r/64]
					}
				}
			}
		}
	}
	for _, r := range rules {
		st.candidate[r/64] |= 1 << (r % 64)
	}
	begun, fired, readable := false, false, true
	for w, word := range st.candidate {
		if word == 0 {
			continue
		}
		st.candidate[w] = 0
		if !begun {
			begun = true
			st.begin(p, txt)
			readable = !p.mustRead || st.parse()
		}
		for ; readable && word != 0; word &= word - 1 {
			r := w*64 + bits.TrailingZeros64(word)
			if st.eval(e.starts[r]) {
				st.fired[w] |= 1 << (r % 64)
				fired = true
			}
		}
	}
	return fired
}
