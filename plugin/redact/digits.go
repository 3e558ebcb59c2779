package redact

import (
	"regexp/syntax"

	"github.com/seclog/seclog/plugin/scan"
)

// run asks all detectors of numbers at a run of digits. Most runs are times,
// fractions and ids, so the run is parted once and each detector is asked only
// if it has enough digits and groups for it.
func (e *Engine) run(st *State, text []byte, h scan.Hit) {
	for _, rule := range e.accounts {
		if x := st.ends[rule]; x.text != st.text || x.end <= h.Pos {
			e.account(st, text, h, rule)
		}
	}
	st.part(text, h)
	if st.total < e.fewest {
		return
	}
	for _, rule := range e.numbers {
		if r := &e.rules[rule]; st.total >= r.minDigit && len(st.digits) >= r.parts {
			if x := st.ends[rule]; x.text != st.text || x.end <= h.Pos {
				e.number(st, text, rule)
			}
		}
	}
}

// account looks for an IBAN around a run of digits: its country and check
// digits begin the run, or stand a few letters before it.
func (e *Engine) account(st *State, text []byte, h scan.Hit, rule int32) {
	p, from := int(h.Pos), 0
	if x := st.ends[rule]; x.text == st.text {
		from = int(x.end)
	}
	for s := p - 2; s >= max(from, p-12); s-- {
		if !isUpper(text[s]) || !isUpper(text[s+1]) || !isDigit(text[s+2]) || s+3 >= len(text) || !isDigit(text[s+3]) {
			continue
		}
		if s > 0 && isAlnum(text[s-1]) && !escapeBefore(text, s) {
			continue
		}
		if n := iban(text[s:min(len(text), s+48)]); n > 0 && n >= p-s {
			e.take(st, text, s, s+n, rule)
			return
		}
	}
}

// part parts a run of digits into its groups, without what is no number of
// anything: dates, parts of a UUID, and what stands beside a decimal point.
func (st *State) part(text []byte, h scan.Hit) {
	st.digits = st.digits[:0]
	st.total = 0
	for i := h.Pos; i < h.End; {
		if n := date(text[i:h.End]); n > 0 {
			i += n
			continue
		}
		j := i
		for j < h.End && isDigit(text[j]) {
			j++
		}
		if end := uuidAround(text, int(i), int(j)); end > 0 {
			i = int32(end) + 1
			continue
		}
		if !(i > 1 && text[i-1] == '.' && isDigit(text[i-2]) || int(j)+1 < len(text) && text[j] == '.' && isDigit(text[j+1])) {
			st.digits = append(st.digits, group{i, j})
			st.total += int(j - i)
		}
		i = j + 1
	}
}

// date gives the length of a date at the start of a run, with what separates
// it from what follows: 2026-11-23, of the years 1900 to 2099.
func date(b []byte) int32 {
	if len(b) < 10 || b[4] != '-' || b[7] != '-' || !(b[0] == '1' && b[1] == '9' || b[0] == '2' && b[1] == '0') ||
		!isDigit(b[2]) || !isDigit(b[3]) || b[5] > '1' || !isDigit(b[6]) || b[8] > '3' || !isDigit(b[9]) || b[5] == '1' && b[6] > '2' {
		return 0
	}
	if len(b) > 10 && isDigit(b[10]) {
		return 0
	}
	return int32(min(len(b), 11))
}

// uuidAround gives the end of a UUID that has text[i:j] for a group or a part
// of one; 0 if there is none.
//
// Source: RFC 9562, section 4: 8-4-4-4-12 hexadecimal digits.
func uuidAround(text []byte, i, j int) int {
	dash := j
	if j >= len(text) || text[j] != '-' {
		// The last group, of which the digits are the first.
		if dash = i - 1; dash < 0 || text[dash] != '-' {
			return 0
		}
	}
	for _, at := range [...]int{8, 13, 18, 23} {
		s := dash - at
		if s < 0 || s+36 > len(text) || text[s+8] != '-' || text[s+13] != '-' || text[s+18] != '-' || text[s+23] != '-' {
			continue
		}
		if s > 0 && isAlnum(text[s-1]) || s+36 < len(text) && isAlnum(text[s+36]) {
			continue
		}
		k := s
		for k < s+36 && (isHex(text[k]) || k == s+8 || k == s+13 || k == s+18 || k == s+23) {
			k++
		}
		if k == s+36 {
			return k
		}
	}
	return 0
}

// number asks one detector for each row of groups of the run that was parted,
// from the left, longest first.
func (e *Engine) number(st *State, text []byte, rule int32) {
	r := &e.rules[rule]
	g := st.digits
	for i := 0; i < len(g); i++ {
		n, last := 0, i-1
		for last+1 < len(g) && n+int(g[last+1].end-g[last+1].start) <= r.maxNum && (last < i || g[last].end+1 == g[last+1].start) {
			last++
			n += int(g[last].end - g[last].start)
		}
		for ; last+1 >= i+r.parts && n >= r.minDigit; last-- {
			if e.groups(st, text, g, i, last, rule) {
				i = last
				break
			}
			n -= int(g[last].end - g[last].start)
		}
	}
}

// groups asks for the groups from i to last of a run.
func (e *Engine) groups(st *State, text []byte, g []group, i, last int, rule int32) bool {
	r := &e.rules[rule]
	a, b := int(g[i].start), int(g[last].end)
	for k := range r.checks {
		if c := &r.checks[k]; c.digits && c.valid(text[a:b]) < 0 {
			return false
		}
	}
	// A text of any length is looked at in a stretch around the groups.
	from, end := max(0, a-window), min(len(text), b+window)
	// The match must not reach into what else stands in the run.
	if a > 1 && isDigit(text[a-2]) && (text[a-1] == ' ' || text[a-1] == '-') {
		from = a - 1
	}
	if b+1 < len(text) && isDigit(text[b+1]) && (text[b] == ' ' || text[b] == '-') {
		end = b + 1
	}
	off := 0
	if escapeBefore(text, a) {
		off, from = a, 0
	}
	hit := scan.Hit{Pos: int32(a - off), End: int32(b - off)}
	m := st.match(r.pattern, text[off:end], hit, from)
	if len(m) < 2*r.group+2 || m[2*r.group] < 0 {
		return false
	}
	s, t := m[2*r.group]+off, m[2*r.group+1]+off
	t, ok := r.valid(text, s, t)
	return ok && e.take(st, text, s, t, rule)
}

// parted says how many separators stand between the digits of each match at
// least.
func parted(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral:
		n, between, some := 0, 0, false
		for _, c := range re.Rune {
			switch {
			case c >= '0' && c <= '9':
				n, between, some = n+between, 0, true
			case some && (c == ' ' || c == '-'):
				between++
			}
		}
		return n
	case syntax.OpCapture, syntax.OpPlus:
		return parted(re.Sub[0])
	case syntax.OpRepeat:
		return parted(re.Sub[0]) * re.Min
	case syntax.OpAlternate:
		n := manyDigits
		for _, s := range re.Sub {
			n = min(n, parted(s))
		}
		return n
	case syntax.OpConcat:
		n, between, some := 0, 0, false
		for _, s := range re.Sub {
			if least, _ := digitsOf(s); least > 0 {
				n, between, some = n+between+parted(s), 0, true
			} else if some {
				between += separators(s)
			}
		}
		return n
	}
	return 0
}

// separators says how many spaces and hyphens each match holds at least.
func separators(re *syntax.Regexp) int {
	n := 0
	switch re.Op {
	case syntax.OpLiteral:
		for _, c := range re.Rune {
			if c == ' ' || c == '-' {
				n++
			}
		}
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if re.Rune[i] != re.Rune[i+1] || re.Rune[i] != ' ' && re.Rune[i] != '-' {
				return 0
			}
		}
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return separators(re.Sub[0])
	case syntax.OpRepeat:
		return separators(re.Sub[0]) * re.Min
	case syntax.OpAlternate:
		n = manyDigits
		for _, s := range re.Sub {
			n = min(n, separators(s))
		}
	case syntax.OpConcat:
		for _, s := range re.Sub {
			n += separators(s)
		}
	}
	return n
}
