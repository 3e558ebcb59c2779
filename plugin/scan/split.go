package scan

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxLits     = 128 // Literals of one pattern.
	maxLitBytes = 32  // A literal is cut here: longer ones are no rarer.
	maxClass    = 12  // Runes of a class that is written out as literals.
	maxFolded   = 6   // The same after folding.
	minLitBytes = 2
)

// split is an expression cut in two: each match is prefix then tail, and tail
// begins with one of lits. An alternation may give several.
type split struct {
	prefix, tail []*syntax.Regexp
	lits         []string
}

// splits covers an expression: each match is cut by one of list.
type splits struct {
	list []split
	lits []string // Those of list, without those that begin with another.
}

// findSplits finds the literals of a simplified expression; without any, the
// result is empty.
func findSplits(re *syntax.Regexp) splits {
	s := splits{list: splitSeq(flatten(nil, re), 0)}
	for _, one := range s.list {
		s.lits = append(s.lits, one.lits...)
	}
	s.lits = shortest(s.lits)
	if len(s.lits) > maxLits {
		return splits{}
	}
	return s
}

// flatten appends the parts of an expression that follow each other. Groups
// don't matter here, and x+ is x x*.
func flatten(dst []*syntax.Regexp, re *syntax.Regexp) []*syntax.Regexp {
	switch re.Op {
	case syntax.OpCapture:
		return flatten(dst, re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			dst = flatten(dst, sub)
		}
		return dst
	case syntax.OpPlus:
		dst = flatten(dst, re.Sub[0])
		return append(dst, &syntax.Regexp{Op: syntax.OpStar, Flags: re.Flags, Sub: re.Sub[:1]})
	}
	return append(dst, re)
}

// maxSplitDepth bounds the nesting of alternations that are looked into.
const maxSplitDepth = 4

// splitSeq gives the best way to cut a sequence, nil if there is none.
func splitSeq(seq []*syntax.Regexp, depth int) []split {
	var best []split
	bestScore := 0
	for i, re := range seq {
		var found []split
		if lits, _ := literalsOfSeq(seq[i:]); minLen(lits) >= minLitBytes {
			found = []split{{prefix: seq[:i], tail: seq[i:], lits: shortest(lits)}}
		} else if re.Op == syntax.OpAlternate && depth < maxSplitDepth {
			found = splitAlternate(seq, i, depth)
		}
		if score := scoreOf(found); score > bestScore {
			best, bestScore = found, score
		}
	}
	return best
}

func splitAlternate(seq []*syntax.Regexp, i, depth int) []split {
	var found []split
	for _, branch := range seq[i].Sub {
		inner := splitSeq(flatten(nil, branch), depth+1)
		if inner == nil {
			return nil
		}
		for _, one := range inner {
			found = append(found, split{
				prefix: slices.Concat(seq[:i], one.prefix),
				tail:   slices.Concat(one.tail, seq[i+1:]),
				lits:   one.lits,
			})
		}
	}
	return found
}

// scoreOf is higher for literals that are longer and fewer, and that stand at
// a bounded distance from the start of the match.
func scoreOf(list []split) int {
	score, n := 0, 0
	for i, one := range list {
		s := 16 * min(minLen(one.lits), 6)
		if longestOfSeq(one.prefix) < 0 {
			s -= 12
		}
		if i == 0 || s < score {
			score = s
		}
		n += len(one.lits)
	}
	if len(list) == 0 || n > maxLits {
		return 0
	}
	for ; n > 1; n /= 2 {
		score -= 2
	}
	return max(score, 1)
}

func minLen(lits []string) int {
	least := 0
	for i, lit := range lits {
		if i == 0 || len(lit) < least {
			least = len(lit)
		}
	}
	return least
}

// shortest sorts literals and drops each that begins with another one: the
// shorter one stands wherever the longer one does.
func shortest(lits []string) []string {
	lits = slices.Clone(lits)
	slices.Sort(lits)
	kept := lits[:0]
	for _, lit := range lits {
		if n := len(kept); n == 0 || !strings.HasPrefix(lit, kept[n-1]) {
			kept = append(kept, lit)
		}
	}
	return kept
}

// literalsOfSeq gives folded literals with one of which each match of the
// sequence begins. Exact says that the literals are all that can match.
func literalsOfSeq(seq []*syntax.Regexp) (lits []string, exact bool) {
	lits = []string{""}
	for _, re := range seq {
		next, exact := literalsOf(re)
		// Past 3 bytes a literal is rare enough: more of them cost more than
		// longer ones save.
		if n := len(lits) * len(next); n > 4*maxLits || minLen(lits) > 2 && n > 16 && n > len(lits) {
			return lits, false
		}
		lits = cross(lits, next)
		if minLen(lits) > maxLitBytes {
			return cut(lits, maxLitBytes), false
		}
		if len(lits) > maxLits {
			return cut(lits, minLen(lits)), false
		}
		if !exact {
			return lits, false
		}
	}
	return lits, true
}

// literalsOf is literalsOfSeq for one part.
func literalsOf(re *syntax.Regexp) (lits []string, exact bool) {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText,
		syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return []string{""}, true
	case syntax.OpLiteral:
		var sb strings.Builder
		for _, r := range re.Rune {
			if r == utf8.RuneError { // Stands for broken bytes too.
				return []string{sb.String()}, false
			}
			sb.WriteRune(foldRune(r))
		}
		return []string{sb.String()}, true
	case syntax.OpCharClass:
		return literalsOfClass(re.Rune)
	case syntax.OpCapture, syntax.OpConcat, syntax.OpPlus:
		return literalsOfSeq(flatten(nil, re))
	case syntax.OpQuest:
		lits, exact := literalsOf(re.Sub[0])
		if !exact || len(lits) >= maxLits {
			return []string{""}, false
		}
		return append([]string{""}, lits...), true
	case syntax.OpAlternate:
		exact := true
		for _, sub := range re.Sub {
			more, ok := literalsOf(sub)
			lits, exact = append(lits, more...), exact && ok
		}
		slices.Sort(lits)
		lits = slices.Compact(lits)
		if len(lits) > maxLits {
			return cut(lits, minLen(lits)), false
		}
		return lits, exact
	}
	return []string{""}, false
}

func literalsOfClass(ranges []rune) (lits []string, exact bool) {
	n := 0
	for i := 0; i+1 < len(ranges); i += 2 {
		n += int(ranges[i+1]-ranges[i]) + 1
		if n > maxClass || ranges[i] <= utf8.RuneError && utf8.RuneError <= ranges[i+1] {
			return []string{""}, false
		}
	}
	if n == 0 { // Matches nothing.
		return []string{""}, false
	}
	for i := 0; i+1 < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			lits = append(lits, string(foldRune(r)))
		}
	}
	slices.Sort(lits)
	lits = slices.Compact(lits)
	if len(lits) > maxFolded {
		return []string{""}, false
	}
	return lits, true
}

// cross joins each of a with each of b.
func cross(a, b []string) []string {
	if len(b) == 1 && b[0] == "" {
		return a
	}
	joined := make([]string, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			joined = append(joined, x+y)
		}
	}
	slices.Sort(joined)
	return slices.Compact(joined)
}

// cut shortens literals to n bytes, at a rune's start.
func cut(lits []string, n int) []string {
	out := make([]string, 0, len(lits))
	for _, lit := range lits {
		if len(lit) > n {
			end := n
			for end > 0 && !utf8.RuneStart(lit[end]) {
				end--
			}
			lit = lit[:end]
		}
		out = append(out, lit)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// longestOfSeq gives the most bytes that a sequence can match, -1 for no limit.
func longestOfSeq(seq []*syntax.Regexp) int {
	total := 0
	for _, re := range seq {
		n := longestOf(re)
		if n < 0 {
			return -1
		}
		total += n
	}
	return total
}

func longestOf(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral:
		n := 0
		for _, r := range re.Rune {
			w := runeLen(r)
			if re.Flags&syntax.FoldCase != 0 {
				for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
					w = max(w, runeLen(f))
				}
			}
			n += w
		}
		return n
	case syntax.OpCharClass:
		if len(re.Rune) == 0 {
			return 0
		}
		return runeLen(re.Rune[len(re.Rune)-1])
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return utf8.UTFMax
	case syntax.OpCapture, syntax.OpQuest:
		return longestOf(re.Sub[0])
	case syntax.OpConcat:
		return longestOfSeq(re.Sub)
	case syntax.OpAlternate:
		most := 0
		for _, sub := range re.Sub {
			n := longestOf(sub)
			if n < 0 {
				return -1
			}
			most = max(most, n)
		}
		return most
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		return -1
	}
	return 0
}

func runeLen(r rune) int {
	if n := utf8.RuneLen(r); n > 0 {
		return n
	}
	return utf8.RuneLen(utf8.RuneError)
}
