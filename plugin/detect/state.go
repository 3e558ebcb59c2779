package detect

import (
	"math"
	"strconv"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/scan"
)

// State is a worker's scratch. The zero value is ready.
//
// Concurrency: not safe for concurrent use.
type State struct {
	engine  *Engine
	scratch scan.Scratch

	// A view is a record as one pipeline sees it. What is worked out for a
	// view is valid while its stamp equals epoch.
	epoch      uint32
	predStamp  []uint32
	predHolds  []bool
	fieldStamp []uint32
	fieldVals  [][2]int32 // range in vals
	vals       []value
	buf        []byte // texts of numbers, folded texts

	rec    *decode.Record
	pipe   *pipeline
	text   []byte // the log text
	body   int32  // end of the body's nodes
	shape  int    // which of the pipeline's expressions matched; -1 none
	groups []int  // valid until the next view
	walker shapeWalk
	parsed bool // text has been read by the pipeline
	json   jsonText

	active    []activation
	activeFor []uint32 // per pipeline: stamp of the record it is active for
	record    uint32
	plain     bool // no condition names a key of the record before
	candidate []uint64
	fired     []uint64
	out       []int32
}

// activation is a pipeline that a record matched, and the node of the log text
// (-1: to be looked for).
type activation struct {
	pipe int32
	node int32
}

// Forget drops what is remembered of the record before.
func (st *State) Forget() { st.plain = false }

// attach makes the state fit the engine.
func (st *State) attach(e *Engine) {
	*st = State{
		engine:     e,
		predStamp:  make([]uint32, len(e.preds)),
		predHolds:  make([]bool, len(e.preds)),
		fieldStamp: make([]uint32, len(e.fields)),
		fieldVals:  make([][2]int32, len(e.fields)),
		activeFor:  make([]uint32, len(e.pipes)),
		candidate:  make([]uint64, (len(e.rules)+63)/64),
		fired:      make([]uint64, (len(e.rules)+63)/64),
	}
}

// begin starts a view of the record.
func (st *State) begin(p *pipeline, text []byte) {
	st.epoch++
	if st.epoch == 0 {
		clear(st.predStamp)
		clear(st.fieldStamp)
		st.epoch = 1
	}
	st.pipe, st.text, st.parsed, st.shape = p, text, false, -1
	st.groups, st.vals, st.buf = nil, st.vals[:0], st.buf[:0]
	st.json.nodes = st.json.nodes[:0]
}

// holds says whether a predicate holds in the view; it is evaluated once.
func (st *State) holds(id int32) bool {
	if st.predStamp[id] != st.epoch {
		st.predHolds[id] = st.engine.preds[id].holds(st)
		st.predStamp[id] = st.epoch
	}
	return st.predHolds[id]
}

// eval evaluates the expression at a place of the engine's code.
func (st *State) eval(at int32) bool {
	c := &st.engine.code[at]
	switch c.op {
	case exprPred:
		return st.holds(c.pred)
	case exprNotPred:
		return !st.holds(c.pred)
	case exprAnd:
		for k := at + 1; k < c.end; k = st.engine.code[k].end {
			if !st.eval(k) {
				return false
			}
		}
		return true
	case exprOr:
		for k := at + 1; k < c.end; k = st.engine.code[k].end {
			if st.eval(k) {
				return true
			}
		}
		return false
	}
	return c.op == exprTrue
}

// values gives the values that a field has in the view. Bytes: valid until
// the next call, but what they point to until the next view.
func (st *State) values(field int32) []value {
	r := &st.fieldVals[field]
	if st.fieldStamp[field] != st.epoch {
		from := int32(len(st.vals))
		st.find(field)
		*r = [2]int32{from, int32(len(st.vals))}
		st.fieldStamp[field] = st.epoch
	}
	return st.vals[r[0]:r[1]]
}

// find appends the values of a field. A field is what the pipeline says it
// is: a group of its expression, else a field of the JSON object in the text,
// else of the record.
func (st *State) find(field int32) {
	st.parse()
	if field == anyField {
		st.addAll(st.rec.Src, st.rec.Nodes[:st.body])
		st.addAll(st.json.src, st.json.nodes)
		return
	}
	for _, t := range st.pipe.targets[field] {
		if st.shape >= 0 && t.groups != nil {
			if g := t.groups[st.shape]; g > 0 && st.groups[2*g] >= 0 {
				st.vals = append(st.vals, value{kind: decode.Str, text: st.text[st.groups[2*g]:st.groups[2*g+1]]})
				return
			}
		}
		from, to := st.json.body()
		if from < to && st.walk(st.json.src, st.json.nodes, from, to, t.path) {
			return
		}
		if st.walk(st.rec.Src, st.rec.Nodes, 0, st.body, t.path) {
			return
		}
	}
}

// parse reads the log text as the pipeline says, once in a view, and says
// whether it could be read.
func (st *State) parse() bool {
	if !st.parsed {
		st.parsed = true
		if st.pipe.json {
			st.json.read(st.text)
		}
		for i, re := range st.pipe.parse {
			if m := re.find(&st.walker, st.text); m != nil {
				st.shape, st.groups = i, m
				break
			}
		}
	}
	return st.shape >= 0 || len(st.json.nodes) > 0
}

// walk appends what stands at a dotted path below the siblings from … to. A
// key that is the whole path goes before nested ones.
func (st *State) walk(src []byte, nodes []decode.Node, from, to int32, path string) bool {
	found := false
	for i := from; i < to; i = nodes[i].End {
		if n := &nodes[i]; int(n.Key.Len) == len(path) && string(src[n.Key.Off:n.Key.End()]) == path && n.KeyKind != decode.Nil {
			st.add(src, nodes, i)
			found = true
		}
	}
	if found {
		return true
	}
	for i := from; i < to; i = nodes[i].End {
		n := &nodes[i]
		k := int(n.Key.Len)
		if k < len(path) && path[k] == '.' && string(src[n.Key.Off:n.Key.End()]) == path[:k] && n.KeyKind != decode.Nil {
			found = st.descend(src, nodes, i, path[k+1:]) || found
		}
	}
	return found
}

// descend looks for a path inside a map, or inside any map of an array.
func (st *State) descend(src []byte, nodes []decode.Node, i int32, path string) bool {
	n := &nodes[i]
	switch n.Kind {
	case decode.Map:
		return st.walk(src, nodes, i+1, n.End, path)
	case decode.Array:
		found := false
		for k := i + 1; k < n.End; k = nodes[k].End {
			found = st.descend(src, nodes, k, path) || found
		}
		return found
	}
	return false
}

// add appends a node's value; of an array, each element's.
func (st *State) add(src []byte, nodes []decode.Node, i int32) {
	n := &nodes[i]
	if n.Kind == decode.Array && n.End > i+1 {
		for k := i + 1; k < n.End; k = nodes[k].End {
			st.add(src, nodes, k)
		}
		return
	}
	v := value{kind: n.Kind, num: n.Num}
	at := len(st.buf)
	switch n.Kind {
	case decode.Str, decode.Bin:
		v.text = src[n.Text.Off:n.Text.End()]
	case decode.Bool:
		st.buf = strconv.AppendBool(st.buf, n.Num != 0)
		v.text = st.buf[at:]
	case decode.Int:
		st.buf = strconv.AppendInt(st.buf, int64(n.Num), 10)
		v.text = st.buf[at:]
	case decode.Uint:
		st.buf = strconv.AppendUint(st.buf, n.Num, 10)
		v.text = st.buf[at:]
	case decode.Float:
		if f := math.Float64frombits(n.Num); !math.IsNaN(f) && !math.IsInf(f, 0) {
			st.buf = strconv.AppendFloat(st.buf, f, 'g', -1, 64)
			v.text = st.buf[at:]
		}
	}
	st.vals = append(st.vals, v)
}

// addAll appends every value that is no container.
func (st *State) addAll(src []byte, nodes []decode.Node) {
	for i := range nodes {
		if k := nodes[i].Kind; k != decode.Map && k != decode.Array {
			st.add(src, nodes, int32(i))
		}
	}
}

// fold gives a value's text folded. A value that is copied keeps it only in
// the copy, so callers pass pointers into what values gave.
func (st *State) fold(v *value) []byte {
	if v.folded == nil {
		at := len(st.buf)
		st.buf = appendFolded(st.buf, v.text)
		v.folded = st.buf[at:len(st.buf):len(st.buf)]
	}
	return v.folded
}
