package redact

import (
	"bytes"
	"math"
	"strconv"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/scan"
)

// window is how far around a hit a text is shown to a pattern.
const window = 16 << 10 // 16 KB: the longest token, a JWT with claims

// group is a run of digits inside a hit.
type group struct{ start, end int32 }

// detect asks one detector at one hit of a literal.
func (e *Engine) detect(st *State, text []byte, h scan.Hit, rule int32) {
	from := 0
	if x := st.ends[rule]; x.text == st.text {
		if from = int(x.end); from > int(h.Pos) {
			return
		}
	}
	// A text of any length is looked at in a stretch around the hit. Where it
	// ends is the pattern's to say: neighbouring hits share it, and so what they
	// learn of a text without a match.
	if e.keyword(st, text, h, rule, max(from, int(h.Pos)-window)) {
		return
	}
	// Behind an escape the letter before the hit is no part of a word.
	if cut := escapeBefore(text, int(h.Pos)); cut {
		h2 := scan.Hit{ID: h.ID, Pos: 0, End: h.End - h.Pos}
		n := len(st.spans)
		e.keyword(st, text[h.Pos:], h2, rule, 0)
		st.ends[rule].end += h.Pos
		for ; n < len(st.spans); n++ {
			st.spans[n].start += h.Pos
			st.spans[n].end += h.Pos
		}
	}
}

// keyword asks the pattern around a literal.
func (e *Engine) keyword(st *State, text []byte, h scan.Hit, rule int32, from int) bool {
	r := &e.rules[rule]
	m := st.match(r.pattern, text, h, from)
	// What begins before this hit and holds the next one holds this one too,
	// so a later hit need not look as far back again.
	if len(m) == 0 {
		st.ends[rule] = ended{st.text, h.Pos}
		return false
	}
	st.ends[rule] = ended{st.text, int32(m[0])}
	if len(m) < 2*r.group+2 || m[2*r.group] < 0 {
		return false
	}
	s, t := m[2*r.group], m[2*r.group+1]
	if r.extend {
		t = pemEnd(text, t)
	}
	if end, ok := r.valid(text, s, t); ok {
		return e.take(st, text, s, end, rule)
	}
	if len(r.checks) == 0 {
		return false
	}
	// The same match would be refused again at each hit inside it, and would
	// hide one that begins there.
	st.ends[rule].end = int32(m[0]) + 1
	return e.fewer(st, text, s, t, rule)
}

// fewer tries a refused value again with fewer groups, from either end.
func (e *Engine) fewer(st *State, text []byte, s, t int, rule int32) bool {
	r := &e.rules[rule]
	st.groups = st.groups[:0]
	for i := s; i < t; {
		j := i
		for j < t && text[j] != ' ' && text[j] != '-' {
			j++
		}
		st.groups = append(st.groups, group{int32(i), int32(j)})
		if len(st.groups) > 24 {
			return false
		}
		i = j + 1
	}
	g := st.groups
	for n := len(g) - 1; n > 0; n-- {
		for i := 0; i+n <= len(g); i++ {
			a, b := int(g[i].start), int(g[i+n-1].end)
			if a >= b {
				continue
			}
			if _, ok := r.valid(text, a, b); !ok {
				continue
			}
			// The pattern must take the groups for themselves.
			part := scan.Hit{Pos: int32(a), End: int32(b)}
			m := st.match(r.pattern, text[:b], part, a)
			if len(m) >= 2 && m[0] <= a && m[1] >= b {
				return e.take(st, text, a, b, rule)
			}
		}
	}
	return false
}

// valid runs the checks and gives where the value ends.
func (r *rule) valid(text []byte, s, t int) (int, bool) {
	if s >= t {
		return t, false
	}
	for i := range r.checks {
		c := &r.checks[i]
		if c.before != nil && !c.before(text, s) {
			return t, false
		}
		n := c.valid(text[s:t])
		if n < 0 {
			return t, false
		}
		t = s + n
	}
	return t, true
}

// escapeBefore says whether the byte before pos ends an escape (\n, \u0026,
// %3D), so that it is no letter of a word.
func escapeBefore(text []byte, pos int) bool {
	if pos >= 2 && text[pos-2] == '\\' {
		switch text[pos-1] {
		case 'n', 't', 'r', 'b', 'f':
			return true
		}
	}
	if pos >= 3 && text[pos-3] == '%' && isHex(text[pos-2]) && isHex(text[pos-1]) {
		return true
	}
	return pos >= 6 && text[pos-6] == '\\' && text[pos-5] == 'u' && isHex(text[pos-4]) && isHex(text[pos-1])
}

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// take keeps a value unless it is allowed, with its ends set so that no escape
// is torn and no quote is eaten.
func (e *Engine) take(st *State, text []byte, s, t int, rule int32) bool {
	r := &e.rules[rule]
	if r.allows(text[s:t]) {
		return false
	}
	s = afterEscape(text, s, t)
	for t > s && t < len(text) && text[t-1] == '\\' {
		t--
	}
	if s >= t {
		return false
	}
	st.ends[rule] = ended{st.text, int32(t)}
	if bytes.IndexByte(text[s:t], '"') < 0 {
		st.spans = append(st.spans, span{int32(s), int32(t), rule, jsonNumber(text, s, t), false})
		return true
	}
	// A quote inside would leave JSON broken: what stands between quotes goes,
	// what holds JSON together stays.
	for s < t {
		q := bytes.IndexByte(text[s:t], '"')
		end := t
		if q >= 0 {
			end = s + q
		}
		next := end + 1
		for end > s && text[end-1] == '\\' && q >= 0 {
			end--
		}
		if bytes.ContainsFunc(text[s:end], func(c rune) bool {
			return c >= 0x80 || isAlnum(byte(c))
		}) {
			st.spans = append(st.spans, span{int32(s), int32(end), rule, jsonNumber(text, s, end), false})
		}
		s = next
	}
	return true
}

// afterEscape moves a start out of an escape such as \n or \u0026.
func afterEscape(text []byte, s, t int) int {
	if s > 0 && text[s-1] == '\\' && s < t {
		n := 0
		for i := s - 1; i >= 0 && text[i] == '\\'; i-- {
			n++
		}
		if n%2 == 1 {
			if text[s] == 'u' && s+5 <= t {
				return s + 5
			}
			return s + 1
		}
	}
	return s
}

// jsonNumber says whether text[s:t] is a number that stands as a value of its
// own in JSON.
func jsonNumber(text []byte, s, t int) bool {
	if !isNumber(text[s:t]) {
		return false
	}
	i, j := s-1, t
	for i >= 0 && isBlank(text[i]) {
		i--
	}
	for j < len(text) && isBlank(text[j]) {
		j++
	}
	if i < 0 || j >= len(text) {
		return false
	}
	switch text[j] {
	case ',', ']', '}':
	default:
		return false
	}
	switch text[i] {
	case ':':
		for i--; i >= 0 && isBlank(text[i]); i-- {
		}
		return i >= 0 && text[i] == '"'
	case ',', '[':
		for _, c := range text {
			if !isBlank(c) {
				return c == '{' || c == '['
			}
		}
	}
	return false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// isNumber says whether v is a number as JSON writes it.
func isNumber(v []byte) bool {
	i := 0
	if i < len(v) && v[i] == '-' {
		i++
	}
	digits := i
	for i < len(v) && isDigit(v[i]) {
		i++
	}
	if i == digits {
		return false
	}
	if i < len(v) && v[i] == '.' {
		frac := i + 1
		for i++; i < len(v) && isDigit(v[i]); i++ {
		}
		if i == frac {
			return false
		}
	}
	if i < len(v) && v[i]|0x20 == 'e' {
		i++
		if i < len(v) && (v[i] == '+' || v[i] == '-') {
			i++
		}
		exp := i
		for ; i < len(v) && isDigit(v[i]); i++ {
		}
		if i == exp {
			return false
		}
	}
	return i == len(v)
}

// longInt is the least integer that is looked at as a number of 12 digits.
const longInt = 100_000_000_000

// loose looks at what the scan does not see: numbers of twelve digits and
// more, as values and as keys, and lines of a private key.
func (e *Engine) loose(st *State, rec *decode.Record) {
	for i := range rec.Nodes {
		n := &rec.Nodes[i]
		switch n.Kind {
		case decode.Str:
			if e.pem >= 0 && (len(st.lines.open) > 0 || n.Text.Len >= 64 && n.Text.Len <= 78) {
				e.bodyLine(st, rec, int32(i))
			}
		case decode.Int:
			if v := int64(n.Num); v >= longInt || v <= -longInt {
				e.integer(st, rec, int32(i), false, v < 0, magnitude(v))
			}
		case decode.Uint:
			if n.Num >= longInt {
				e.integer(st, rec, int32(i), false, false, n.Num)
			}
		case decode.Float:
			if f := math.Abs(math.Float64frombits(n.Num)); f >= longInt && f < 1<<63 && f == math.Trunc(f) {
				e.integer(st, rec, int32(i), false, false, uint64(f))
			}
		}
		if n.KeyKind == decode.Int || n.KeyKind == decode.Uint {
			if k := rec.Key(n); len(k) == 9 {
				v := uint64(0)
				for _, c := range k[1:] {
					v = v<<8 | uint64(c)
				}
				if n.KeyKind == decode.Int {
					v = magnitude(int64(v))
				}
				if v >= longInt {
					e.integer(st, rec, int32(i), true, false, v)
				}
			}
		}
	}
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// integer shows a number to the detectors of digits.
func (e *Engine) integer(st *State, rec *decode.Record, node int32, key, negative bool, v uint64) {
	st.num = strconv.AppendUint(st.num[:0], v, 10)
	st.spans = st.spans[:0]
	st.next(len(e.rules))
	st.part(st.num, scan.Hit{End: int32(len(st.num))})
	for _, d := range e.numbers {
		if e.number(st, st.num, d); len(st.spans) == 0 {
			continue
		}
		r := &e.rules[d]
		if r.action.action == DropRecord {
			st.edits.drop(d)
			return
		}
		x := Edit{Node: node, Key: key, Whole: true, Detector: d, Action: r.action.action, Text: null}
		if key {
			x.Text = e.write(st, d, st.num)
		}
		st.edits.List = append(st.edits.List, x)
		return
	}
}
