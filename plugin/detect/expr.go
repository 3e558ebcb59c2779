package detect

import (
	"math"
	"slices"
	"strings"
)

type exprOp uint8

const (
	exprFalse exprOp = iota
	exprTrue
	exprPred
	exprNotPred
	exprNot
	exprAnd
	exprOr
)

// expr is a rule's logic over predicates, while it is being compiled.
type expr struct {
	op   exprOp
	pred int32
	kids []*expr
}

// maxExpr bounds the places of one rule's expression, which repeated
// references to large selections could blow up.
const maxExpr = 1 << 16

// normal gives the expression in negation normal form: "not" stands only at
// predicates, and/or are flat, constants are gone unless they are all of it.
// It is false when the expression grows beyond maxExpr.
func normal(e *expr, negate bool, budget *int) (*expr, bool) {
	if *budget--; *budget < 0 {
		return nil, false
	}
	switch e.op {
	case exprFalse, exprTrue:
		if (e.op == exprTrue) != negate {
			return &expr{op: exprTrue}, true
		}
		return &expr{op: exprFalse}, true
	case exprPred, exprNotPred:
		if (e.op == exprPred) != negate {
			return &expr{op: exprPred, pred: e.pred}, true
		}
		return &expr{op: exprNotPred, pred: e.pred}, true
	case exprNot:
		return normal(e.kids[0], !negate, budget)
	}
	out := &expr{op: e.op}
	if negate {
		out.op = exprAnd + exprOr - e.op
	}
	neutral, ruling := exprTrue, exprFalse
	if out.op == exprOr {
		neutral, ruling = ruling, neutral
	}
	for _, kid := range e.kids {
		k, ok := normal(kid, negate, budget)
		switch {
		case !ok:
			return nil, false
		case k.op == ruling:
			return k, true
		case k.op == neutral:
		case k.op == out.op:
			out.kids = append(out.kids, k.kids...)
		default:
			out.kids = append(out.kids, k)
		}
	}
	switch len(out.kids) {
	case 0:
		return &expr{op: neutral}, true
	case 1:
		return out.kids[0], true
	}
	return out, true
}

// cost says how dear it is to evaluate an expression, so that a cheap part
// decides first.
func (e *expr) cost(preds []predicate) int {
	switch e.op {
	case exprPred, exprNotPred:
		return preds[e.pred].cost()
	}
	sum := 0
	for _, k := range e.kids {
		sum += k.cost(preds)
	}
	return sum
}

// sortByCost puts cheap parts first. Their order does not change the result.
func (e *expr) sortByCost(preds []predicate) {
	for _, k := range e.kids {
		k.sortByCost(preds)
	}
	slices.SortStableFunc(e.kids, func(a, b *expr) int { return a.cost(preds) - b.cost(preds) })
}

// maxWitnesses bounds the literals that wake one rule.
const maxWitnesses = 4096

// witnesses gives literals of which at least one stands in every record on
// which the normal form e is true; none when there is no such set.
func (e *expr) witnesses(preds []predicate) []string {
	switch e.op {
	case exprPred:
		return preds[e.pred].witnesses
	case exprAnd:
		var best []string
		for _, k := range e.kids {
			if w := k.witnesses(preds); len(w) > 0 && rarity(w) > rarity(best) {
				best = w
			}
		}
		return best
	case exprOr:
		var all []string
		for _, k := range e.kids {
			w := k.witnesses(preds)
			if len(w) == 0 || len(all)+len(w) > maxWitnesses {
				return nil
			}
			all = append(all, w...)
		}
		return all
	}
	return nil
}

// rarity guesses how seldom a set of literals is hit: the shortest decides,
// then their number.
func rarity(lits []string) float64 {
	if len(lits) == 0 {
		return 0
	}
	least := math.MaxInt
	for _, l := range lits {
		least = min(least, len(l))
	}
	return float64(min(least, 24)) + 1/float64(1+len(lits))
}

// fields gives fields of which at least one is present in every record on
// which the normal form e is true; none when there is no such set.
func (e *expr) fields(preds []predicate) []int32 {
	switch e.op {
	case exprPred:
		if p := &preds[e.pred]; p.needsField() {
			return []int32{p.field}
		}
	case exprAnd:
		var best []int32
		for _, k := range e.kids {
			if f := k.fields(preds); len(f) > 0 && (best == nil || len(f) < len(best)) {
				best = f
			}
		}
		return best
	case exprOr:
		var all []int32
		for _, k := range e.kids {
			f := k.fields(preds)
			if len(f) == 0 {
				return nil
			}
			all = append(all, f...)
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	return nil
}

// code is one place of a compiled expression, in preorder; end is the index
// one past the whole of it.
type code struct {
	op   exprOp
	pred int32
	end  int32
}

// appendCode appends a normal form.
func (e *expr) appendCode(dst []code) []code {
	at := len(dst)
	dst = append(dst, code{op: e.op, pred: e.pred})
	for _, k := range e.kids {
		dst = k.appendCode(dst)
	}
	dst[at].end = int32(len(dst))
	return dst
}

// minWitness is the least length of a literal that may wake rules: shorter
// ones stand in nearly every line.
const minWitness = 3

// witness gives the longest piece of a literal that stands as it is wherever
// the text has the literal: also within JSON text, where some bytes are
// escaped, and never within a number or a bool, whose text is made by us and
// which the scan does not see.
func witness(lit string) string {
	best := ""
	for _, piece := range strings.FieldsFunc(lit, func(r rune) bool { return r < 0x20 || r >= 0x7f || r == '"' || r == '\\' }) {
		piece = strings.ToLower(piece)
		if len(piece) < max(minWitness, len(best)+1) || strings.Trim(piece, "0123456789+-.e") == "" {
			continue
		}
		if strings.Contains("true", piece) || strings.Contains("false", piece) {
			continue
		}
		best = piece
	}
	return best
}
