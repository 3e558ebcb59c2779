// Package scan finds the literals of all rules in one pass over a text, and
// confirms a hit with an automaton before any regular expression runs.
//
// A Builder collects literals from every engine, its Set finds all of them at
// once, and each engine reads the hits that carry its own IDs. A Pattern is a
// regular expression that knows which literals a match must hold; it is asked
// only at their hits:
//
//	p, _ := scan.Compile(`(?i)api_key=([0-9a-f]{32})`)
//	var b scan.Builder
//	for _, lit := range p.Literals() { b.Literal(lit) }
//	set := b.Build()
//	for _, hit := range set.Scan(text, nil) { p.FindAt(&scratch, text, hit, 0, nil) }
//
// The pass never misses: each occurrence of a literal, in any letter case, is
// a hit. The package is a leaf: it imports no other stage.
package scan

import (
	"math/bits"
	"slices"
	"unicode/utf8"
)

// ID is the number of a literal, dense from 0 in the order of first asking.
type ID int32

// NoID stands for a literal that cannot be searched for: shorter than 2 bytes.
const NoID ID = -1

// Hit is one place of a literal in a text.
type Hit struct {
	// ID says which literal stands there.
	ID ID
	// Pos and End are the place in bytes, text[Pos:End]. End-Pos differs from
	// the literal's length where the text writes s as ſ or k as the Kelvin sign.
	Pos, End int32
}

// Builder collects the literals of all engines for one Set. The zero value is
// ready.
//
// *Concurrency:* not safe for concurrent use.
type Builder struct {
	ids    map[string]ID
	lits   []string // Folded; "" for the IDs of Digits and At.
	digits ID       // ID+1, so that zero says not asked for.
	at     ID       // The same for '@'.
}

// Literal asks for a literal and gives its ID. Letter case is ignored, and the
// same literal gets the same ID. A literal shorter than 2 bytes gets NoID.
func (b *Builder) Literal(lit string) ID {
	lit = fold(lit)
	if len(lit) < 2 {
		return NoID
	}
	if id, ok := b.ids[lit]; ok {
		return id
	}
	if b.ids == nil {
		b.ids = make(map[string]ID)
	}
	id := b.next(lit)
	b.ids[lit] = id
	return id
}

// Digits asks for runs of digits and gives their ID, the same each time. A hit
// is a maximal run of digits with single ' ' or '-' between them that holds at
// least 9 digits and is not only the fraction of a decimal number.
func (b *Builder) Digits() ID {
	if b.digits == 0 {
		b.digits = b.next("") + 1
	}
	return b.digits - 1
}

// At asks for the places of '@' and gives their ID, the same each time.
func (b *Builder) At() ID {
	if b.at == 0 {
		b.at = b.next("") + 1
	}
	return b.at - 1
}

func (b *Builder) next(lit string) ID {
	b.lits = append(b.lits, lit)
	return ID(len(b.lits) - 1)
}

// Build makes the Set of what was asked for so far.
func (b *Builder) Build() *Set {
	s := &Set{lits: slices.Clone(b.lits), digits: b.digits, at: b.at}
	costs := gramCosts()
	byGram := map[uint32][]entry{}
	enter := func(gram uint32, e entry) {
		h := gramHash(gram)
		if !slices.Contains(byGram[h], e) {
			byGram[h] = append(byGram[h], e)
		}
	}
	for id, lit := range s.lits {
		if lit == "" {
			continue
		}
		s.wide = s.wide || hasWide(lit)
		s.stamped = s.stamped || onlyStamp(lit)
		exact := !hasFreeCase(lit)
		forms := []string{lit}
		if !exact {
			forms = caseForms(lit)
		}
		for _, form := range forms {
			e := entry{key: wordKeyOf(form), lit: form, id: ID(id), exact: exact}
			if four, ok := enterGrams(e, costs, enter); ok {
				s.fours[four>>6] |= 1 << (four & 63)
			}
		}
	}
	for h, list := range byGram {
		s.bits[h>>6] |= 1 << (h & 63)
		for _, e := range list {
			if len(e.lit) < 4 {
				s.short[h>>6] |= 1 << (h & 63)
			}
		}
	}
	total := 0
	for word, set := range s.bits {
		s.before[word] = uint32(total)
		for ; set != 0; set &= set - 1 {
			h := uint32(word)<<6 | uint32(bits.TrailingZeros64(set))
			s.starts = append(s.starts, uint32(len(s.entries)))
			s.entries = append(s.entries, byGram[h]...)
			total++
		}
	}
	s.starts = append(s.starts, uint32(len(s.entries)))
	return s
}

// enterGrams enters a literal by two neighbouring grams, the rarest pair of it.
// A literal that is too short for two takes any byte beside it; for the others
// it gives the hash of the pair's 4 bytes.
func enterGrams(e entry, costs map[uint32]int, enter func(gram uint32, e entry)) (four uint32, ok bool) {
	at := func(i int) uint32 { return uint32(e.lit[i] | 0x20) }
	gram := func(i int) uint32 { return at(i) | at(i+1)<<8 | at(i+2)<<16 }
	switch n := len(e.lit); {
	case n >= 4:
		best := 0
		for i := 1; i+4 <= n; i++ {
			if costs[gram(i)]+costs[gram(i+1)] < costs[gram(best)]+costs[gram(best+1)] {
				best = i
			}
		}
		e.off = int32(best)
		enter(gram(best), e)
		e.off++
		enter(gram(best+1), e)
		return fourHash(at(best) | at(best+1)<<8 | at(best+2)<<16 | at(best+3)<<24), true
	case n == 3:
		enter(gram(0), e)
		e.off = 1
		for c := range uint32(256) {
			enter(at(1)|at(2)<<8|(c|0x20)<<16, e)
		}
	default:
		for c := range uint32(256) {
			e.off = 0
			enter(at(0)|at(1)<<8|(c|0x20)<<16, e)
			e.off = -1
			enter(c|0x20|at(0)<<8|at(1)<<16, e)
		}
	}
	return 0, false
}

// caseForms gives the beginnings of a literal in all letter cases, as far as
// 4 bytes reach; ASCII letters stay as they are.
func caseForms(lit string) []string {
	forms := []string{""}
	for len(lit) > 0 && minLen(forms) < 4 {
		r, n := utf8.DecodeRuneInString(lit)
		cases := []string{lit[:n]}
		if r >= utf8.RuneSelf && r != utf8.RuneError {
			cases = nil
			for _, f := range orbit(r) {
				cases = append(cases, string(f))
			}
		}
		forms = cross(forms, cases)
		lit = lit[n:]
	}
	return forms
}
