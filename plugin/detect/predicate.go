package detect

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/scan"
)

type predOp uint8

const (
	predMatch  predOp = iota // a Sigma string: pattern
	predNumber               // a number, or a string that is its text
	predBool                 // a bool, its text, or 1 or 0
	predNull                 // null, or no such field
	predExists               // the field is there, be it null
	predLess                 // numbers: value < num, and so on
	predLessEq
	predGreater
	predGreaterEq
	predCIDR
	predRegex
	predField // the value of another field
)

// anyField stands for every value of the record, as keywords look at.
const anyField = 0

// predicate is one test of one field's values, true when any value passes.
// Equal ones are shared by all rules.
type predicate struct {
	op        predOp
	cased     bool
	field     int32
	other     int32       // predField
	kind      patternKind // predField: equal, prefix, suffix or contains
	pattern   pattern     // predMatch
	num       float64     // predNumber and comparisons; predBool: 1 for true
	text      []byte      // predNumber, folded
	prefix    netip.Prefix
	regex     *scan.Pattern
	witnesses []string
}

// key tells predicates apart.
func (p *predicate) key() string {
	re := ""
	if p.regex != nil {
		re = p.regex.String()
	}
	return fmt.Sprintf("%d %t %d %d %d|%d %q %v|%x %q %v %q", p.op, p.cased, p.field, p.other, p.kind,
		p.pattern.kind, p.pattern.lit, p.pattern.elems, math.Float64bits(p.num), p.text, p.prefix, re)
}

func (p *predicate) cost() int {
	c := 1
	switch p.op {
	case predMatch:
		c = 2 + int(p.pattern.kind)
	case predCIDR:
		c = 10
	case predField:
		c = 12
	case predRegex:
		c = 1000
	}
	if p.field == anyField {
		c += 200
	}
	return c
}

// needsField says whether the predicate is true only where its field is.
func (p *predicate) needsField() bool { return p.op != predNull && p.field != anyField }

// findWitnesses works out the literals that the predicate cannot do without.
func (p *predicate) findWitnesses() {
	switch p.op {
	case predMatch:
		best := ""
		for _, part := range p.pattern.parts {
			if w := witness(part); len(w) > len(best) {
				best = w
			}
		}
		if best != "" {
			p.witnesses = []string{best}
		}
	case predRegex:
		lits := p.regex.Literals()
		for _, l := range lits {
			w := witness(l)
			if w == "" {
				p.witnesses = nil
				return
			}
			p.witnesses = append(p.witnesses, w)
		}
	}
}

// value is one value of a field.
type value struct {
	kind   decode.Kind
	num    uint64
	text   []byte // of scalars; numbers and bools as they are written in JSON
	folded []byte // of text, made when first asked for
}

// scalar says whether the value has a text.
func (v *value) scalar() bool {
	switch v.kind {
	case decode.Str, decode.Bin, decode.Bool, decode.Int, decode.Uint, decode.Float:
		return true
	}
	return false
}

// number gives the value as a number: numbers themselves, and strings that
// are one.
func (v *value) number() (float64, bool) {
	switch v.kind {
	case decode.Int:
		return float64(int64(v.num)), true
	case decode.Uint:
		return float64(v.num), true
	case decode.Float:
		f := math.Float64frombits(v.num)
		return f, !math.IsNaN(f)
	case decode.Str, decode.Bin:
		if len(v.text) == 0 || len(v.text) > 32 || v.text[0] > '9' {
			return 0, false
		}
		f, err := strconv.ParseFloat(string(v.text), 64)
		return f, err == nil && !strings.ContainsAny(string(v.text), "xX_nN")
	}
	return 0, false
}

// holds evaluates the predicate in the state's current view.
func (p *predicate) holds(st *State) bool {
	vals := st.values(p.field)
	switch p.op {
	case predExists:
		return len(vals) > 0
	case predNull:
		if len(vals) == 0 {
			return true
		}
		for i := range vals {
			if vals[i].kind == decode.Nil {
				return true
			}
		}
		return false
	case predField:
		return p.holdsField(st, vals, st.values(p.other))
	}
	for i := range vals {
		if v := &vals[i]; v.scalar() && p.passes(st, v) {
			return true
		}
	}
	return false
}

// passes says whether one scalar passes.
func (p *predicate) passes(st *State, v *value) bool {
	switch p.op {
	case predMatch:
		if p.cased {
			return p.pattern.match(v.text)
		}
		return p.pattern.match(st.fold(v))
	case predNumber:
		if v.kind == decode.Str || v.kind == decode.Bin {
			return bytes.Equal(st.fold(v), p.text)
		}
		f, ok := v.number()
		return ok && f == p.num
	case predBool:
		switch v.kind {
		case decode.Bool:
			return float64(v.num) == p.num
		case decode.Str, decode.Bin:
			return string(st.fold(v)) == string(p.text)
		}
		f, ok := v.number()
		return ok && f == p.num
	case predLess, predLessEq, predGreater, predGreaterEq:
		f, ok := v.number()
		return ok && (p.op == predLess && f < p.num || p.op == predLessEq && f <= p.num ||
			p.op == predGreater && f > p.num || p.op == predGreaterEq && f >= p.num)
	case predCIDR:
		if len(v.text) > 64 || len(v.text) < 2 {
			return false
		}
		addr, err := netip.ParseAddr(string(v.text))
		return err == nil && p.prefix.Contains(addr.Unmap().WithZone(""))
	case predRegex:
		return p.regex.Match(&st.scratch, v.text)
	}
	return false
}

func (p *predicate) holdsField(st *State, left, right []value) bool {
	for i := range left {
		for k := range right {
			a, b := &left[i], &right[k]
			if !a.scalar() || !b.scalar() {
				continue
			}
			x, y := a.text, b.text
			if !p.cased {
				x, y = st.fold(a), st.fold(b)
			}
			switch p.kind {
			case patternEqual:
				if bytes.Equal(x, y) {
					return true
				}
			case patternPrefix:
				if bytes.HasPrefix(x, y) {
					return true
				}
			case patternSuffix:
				if bytes.HasSuffix(x, y) {
					return true
				}
			default:
				if bytes.Contains(x, y) {
					return true
				}
			}
		}
	}
	return false
}
