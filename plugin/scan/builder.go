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
// least 9 digits.
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
