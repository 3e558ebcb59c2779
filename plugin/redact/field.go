package redact

import (
	"bytes"
	"math/bits"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/scan"
)

// valueKind says how far a value reaches where no quote ends it.
type valueKind uint8

const (
	word    valueKind = iota // to the next blank or delimiter
	cookies                  // a list of words with ';' between them
	line                     // to the end of the line
)

// maxBlanks bounds blanks between key, separator and value.
const maxBlanks = 16

// carrier is how a key stands in a text.
type carrier struct {
	key     []byte
	flag    bool // -x or --xy: a blank parts key and value
	quoted  bool // a quote follows the key: JSON, maybe inside JSON
	xml     bool // <key>
	url     bool // behind ? or &
	colon   bool
	slashes int // backslashes before the key's closing quote
}

// fieldAt looks whether the hit is part of a key, and cuts what it names.
func (e *Engine) fieldAt(st *State, rec *decode.Record, text []byte, h scan.Hit, keys []fieldKey) {
	var c carrier
	end := int(h.End)
	for end < len(text) && isKeyByte(text[end]) {
		if end++; end-int(h.End) > maxKeyLen {
			return
		}
	}
	at, ok := c.separator(text, int(h.Pos), end)
	if !ok {
		return
	}
	start := int(h.Pos)
	for start > 0 && isKeyByte(text[start-1]) {
		if start--; int(h.Pos)-start > maxKeyLen {
			return
		}
	}
	start = afterEscape(text, start, int(h.Pos)+1)
	if start >= 1 && text[start-1] == '%' && start+2 <= int(h.Pos) && isHex(text[start]) && isHex(text[start+1]) {
		start += 2
	}
	for start < int(h.Pos) && (text[start] == '-' || text[start] == '.') {
		start++
	}
	c.key = text[start:end]
	if len(c.key) > maxKeyLen {
		return
	}
	c.flag = start > 0 && text[start-1] == '-' && (start < 2 || text[start-2] == '-' || !isAlnum(text[start-2]))
	c.xml = start > 0 && text[start-1] == '<'
	c.url = start > 0 && (text[start-1] == '?' || text[start-1] == '&')
	if at, ok = c.begin(text, at); !ok {
		return
	}
	for _, fk := range keys {
		if e.rules[fk.rule].keys[fk.key].matchKey(&st.key, c.key) && e.inScope(st, rec, fk.rule) {
			e.value(st, text, at, &c, fk.rule)
			return
		}
	}
}

// isKeyByte says whether c can be part of a key.
func isKeyByte(c byte) bool {
	return isAlnum(c) || c == '_' || c == '-' || c == '.' || c == '$' || c >= 0x80
}

// separator reads what stands behind a key: closing quote at any depth of
// escapes, bracket, blanks. It says no early for words in prose.
func (c *carrier) separator(text []byte, pos, i int) (int, bool) {
	j := i
	for j < len(text) && text[j] == '\\' {
		j++
	}
	switch {
	case j < len(text) && (text[j] == '"' || text[j] == '\''):
		c.quoted, c.slashes = true, j-i
		i = j + 1
	case bytes.HasPrefix(text[i:], []byte("&quot;")):
		c.quoted = true
		i += 6
	case bytes.HasPrefix(text[i:], []byte("%22")):
		c.quoted = true
		i += 3
	}
	if i < len(text) && text[i] == ']' {
		i++
	} else if i+2 < len(text) && text[i] == '%' && text[i+1] == '5' && text[i+2]|0x20 == 'd' {
		i += 3
	}
	if i >= len(text) {
		return i, false
	}
	switch text[i] {
	case '=', ':', ' ', '\t', '>', '%', ',', '\\', '\n', '\r':
		return i, true
	}
	return i, false
}

// begin reads the separator at i and gives where the value begins.
func (c *carrier) begin(text []byte, i int) (int, bool) {
	blanks := i
	for i < len(text) && (isBlank(text[i]) && (c.quoted || text[i] != '\n')) && i-blanks < maxBlanks {
		i++
	}
	spaced := i > blanks
	if i >= len(text) {
		return i, false
	}
	rest := text[i:]
	switch {
	case rest[0] == '=':
		i++
		if i < len(text) && text[i] == '>' {
			i++
		} else if i < len(text) && text[i] == '=' {
			return i, false // a comparison
		}
	case rest[0] == ':':
		c.colon = true
		i++
		if i < len(text) && text[i] == '=' {
			i++
		} else if i+1 < len(text) && (text[i] == ':' || text[i] == '/' && text[i+1] == '/') {
			return i, false
		}
	case hasFold(rest, "%3d"), hasFold(rest, "%3a"):
		i += 3
	case hasFold(rest, `\u003d`), hasFold(rest, `\u003e`) && c.xml:
		i += 6
	case rest[0] == '>' && c.xml && !spaced:
		i++
	case c.flag && spaced:
		return i, rest[0] != '-' && rest[0] != '|' && rest[0] != '>'
	case c.flag && c.quoted && rest[0] == ',':
		i++
	default:
		return i, false
	}
	from := i
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || c.quoted && isBlank(text[i])) && i-from < maxBlanks {
		i++
	}
	if i >= len(text) {
		return i, false
	}
	// In key= next=1 the value is empty.
	if i > from && !spaced && !c.colon && !c.quoted {
		return i, false
	}
	return i, true
}

func hasFold(text []byte, s string) bool {
	if len(text) < len(s) {
		return false
	}
	for i := range len(s) {
		if lower(text[i]) != s[i] {
			return false
		}
	}
	return true
}

// value cuts the value at i.
func (e *Engine) value(st *State, text []byte, i int, c *carrier, rule int32) {
	r := &e.rules[rule]
	if i+1 < len(text) && (text[i]|0x20 == 'b' || text[i]|0x20 == 'u' || text[i]|0x20 == 'r') && (text[i+1] == '\'' || text[i+1] == '"') {
		i++ // b'…' and u'…' of Python
	}
	if c.quoted && (text[i] == '{' || text[i] == '[') {
		st.from, st.to = int32(i), int32(e.container(st, text, i, rule))
		return
	}
	if !c.quoted && c.closes(text, i) {
		return // the text around ends where the value would begin
	}
	s, t, quoted := extent(text, i, r.value, c)
	s = schemeEnd(text, s, t, quoted, c, &t)
	if s >= t {
		return
	}
	v := text[s:t]
	if placeholder(v) || !quoted && (proseValue(v) || bytes.EqualFold(v, c.key)) || r.ignores(v) || r.allows(v) {
		return
	}
	null := false
	if !quoted && c.quoted {
		null = isNumber(v) && followsValue(text, t)
	}
	st.spans = append(st.spans, span{int32(s), int32(t), rule, null, true})
	st.from, st.to = int32(s), int32(t)
}

// lookBack bounds how far before a key a quote is looked for.
const lookBack = 256

// closes says whether the quote at i ends a string that the key stands in, as
// in {"msg":"password="}, where there is no value at all.
func (c *carrier) closes(text []byte, i int) bool {
	j := i
	for j < len(text) && text[j] == '\\' {
		j++
	}
	if j >= len(text) || text[j] != '"' {
		return false
	}
	k := j + 1
	for k < len(text) && isBlank(text[k]) {
		k++
	}
	if k < len(text) && text[k] != ',' && text[k] != '}' && text[k] != ']' {
		return false
	}
	for k = i - 1; k >= 0 && k >= i-lookBack; k-- {
		if text[k] != '"' {
			continue
		}
		for k > 0 && text[k-1] == '\\' {
			k--
		}
		for k > 0 && isBlank(text[k-1]) {
			k--
		}
		return k == 0 || text[k-1] == ':' || text[k-1] == ',' || text[k-1] == '[' || text[k-1] == '{'
	}
	return false
}

// followsValue says whether a JSON value can end at t.
func followsValue(text []byte, t int) bool {
	for t < len(text) && isBlank(text[t]) {
		t++
	}
	return t >= len(text) || text[t] == ',' || text[t] == '}' || text[t] == ']'
}

// extent gives the value that begins at i, without its quotes.
func extent(text []byte, i int, kind valueKind, c *carrier) (s, t int, quoted bool) {
	j := i
	for j < len(text) && text[j] == '\\' {
		j++
	}
	if j < len(text) && j-i == level(j-i) && (text[j] == '"' || text[j] == '\'' || text[j] == '`' && j == i) {
		return j + 1, quoteEnd(text, j+1, j-i, text[j]), true
	}
	if bytes.HasPrefix(text[i:], []byte("&quot;")) {
		if n := bytes.Index(text[i+6:], []byte("&quot;")); n >= 0 {
			return i + 6, i + 6 + n, true
		}
	}
	if hasFold(text[i:], "%22") {
		if n := bytes.Index(text[i+3:], []byte("%22")); n >= 0 {
			return i + 3, i + 3 + n, true
		}
	}
	if c.xml {
		if n := bytes.IndexByte(text[i:], '<'); n >= 0 {
			return i, i + n, true
		}
	}
	switch kind {
	case line:
		return i, lineEnd(text, i), false
	case cookies:
		return i, listEnd(text, i, ';', c), false
	}
	return i, wordEnd(text, i, c), false
}

// level gives how many of n backslashes before a quote belong to the quote:
// 0, 1, 3, 7, … for the quotes of a text, of JSON in it, of JSON in that. The
// others are escaped backslashes, part of the text before.
func level(n int) int {
	return 1<<bits.TrailingZeros(^uint(n)) - 1
}

// quoteEnd gives where the value ends that a quote of level n began: at the
// next quote of that level, or of a text around it.
func quoteEnd(text []byte, i, n int, q byte) int {
	outer := -1
	if q != '"' {
		outer = around(text, i)
	}
	run := 0
	for ; i < len(text); i++ {
		switch text[i] {
		case '\\':
			run++
			continue
		case q:
			if l := level(run); l <= n {
				return i - l
			}
		case '"':
			// A quote of the text around, JSON around '…' for one.
			if l := level(run); q != '"' && l <= outer {
				return i - l
			}
		}
		run = 0
	}
	return len(text) - run
}

// around gives the level of the double quotes of the text that i stands in,
// from the next one before it; -1 where there is none.
func around(text []byte, i int) int {
	for k := i - 1; k >= 0 && k >= i-lookBack; k-- {
		if text[k] != '"' {
			continue
		}
		run := 0
		for k > run && text[k-1-run] == '\\' {
			run++
		}
		return level(run)
	}
	if i > lookBack {
		return 0
	}
	return -1
}

// lineEnd gives the end of the line, also where it is written \n, or the
// quote around it.
func lineEnd(text []byte, i int) int {
	for ; i < len(text); i++ {
		switch text[i] {
		case '\n', '\r', '"':
			return i
		case '\\':
			if stopsAtEscape(text, i) {
				return i
			}
		}
	}
	return i
}

// listEnd gives the end of words that sep and a blank join.
func listEnd(text []byte, i int, sep byte, c *carrier) int {
	for {
		end := cookieEnd(text, i, sep)
		if end+2 < len(text) && text[end] == sep && text[end+1] == ' ' {
			i = end + 2
			continue
		}
		return end
	}
}

// cookieEnd gives the end of one name=value.
func cookieEnd(text []byte, i int, sep byte) int {
	for ; i < len(text); i++ {
		switch x := text[i]; {
		case x == sep, x <= ' ', x == '"', x == '\'', x == '`':
			return i
		case x == '\\' && stopsAtEscape(text, i):
			return i
		}
	}
	return i
}

// stopsAtEscape says whether the backslash at i begins an escape that ends a
// word: a quote or an end of line of the text around, or & < > as JSON writes
// them.
func stopsAtEscape(text []byte, i int) bool {
	j := i
	for j < len(text) && text[j] == '\\' {
		j++
	}
	if j == len(text) {
		return true
	}
	switch text[j] {
	case '"', '\'', 'n', 'r', 't':
		return true
	case 'u':
		return j+4 < len(text) && text[j+1] == '0' && text[j+2] == '0'
	}
	return false
}

// wordEnd gives the end of an unquoted value. A comma or semicolon inside a
// password is told from one that parts values by what follows it.
func wordEnd(text []byte, i int, c *carrier) int {
	start, depth := i, 0
loop:
	for ; i < len(text); i++ {
		switch x := text[i]; x {
		case '"', '`', '<', '\n':
			break loop
		case ' ', '\t', '\r', '\v', '\f':
			if depth == 0 || !placeholderOpen(text[start:i]) {
				break loop
			}
		case '&':
			break loop
		case '#':
			if c.url {
				break loop
			}
		case '\\':
			if stopsAtEscape(text, i) {
				break loop
			}
		case '\'':
			if i+1 >= len(text) || !isAlnum(text[i+1]) {
				break loop
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth == 0 && endsWord(text, i+1) {
				break loop
			}
			if depth > 0 {
				depth--
			}
		case ',', ';':
			if endsWord(text, i+1) || beginsPair(text, i+1) {
				break loop
			}
		case '|', '>':
			if endsWord(text, i+1) {
				break loop
			}
		}
	}
	for i > start && (text[i-1] == '.' || text[i-1] == ':' || text[i-1] == '!' || text[i-1] == '?') && !c.url {
		if text[i-1] == ':' {
			return start // user: is the next key
		}
		i--
	}
	return i
}

// placeholderOpen says that a value is a template such as {{ .Values.x }},
// which may hold blanks.
func placeholderOpen(v []byte) bool {
	return bytes.HasPrefix(v, []byte("{{")) || bytes.HasPrefix(v, []byte("${")) || bytes.HasPrefix(v, []byte("$(")) || bytes.HasPrefix(v, []byte("[REDACTED"))
}

// endsWord says whether a delimiter before i ends a word for good.
func endsWord(text []byte, i int) bool {
	if i >= len(text) {
		return true
	}
	switch text[i] {
	case ' ', '\t', '\r', '\n', ',', ';', '"', '\'', '`', ')', ']', '}', '<', '>', '&', '\\', '|', '.', ':':
		return true
	}
	return false
}

// beginsPair says whether another key=value or "key" begins at i.
func beginsPair(text []byte, i int) bool {
	for j := i; j < len(text) && j-i < 64; j++ {
		if isKeyByte(text[j]) {
			continue
		}
		return j > i && (text[j] == '=' || text[j] == ':')
	}
	return false
}

// schemes are words before the secret of an authorization.
var schemes = [...]string{"bearer", "basic", "token", "apikey", "bot", "negotiate", "ntlm", "digest", "splunk", "key", "aws4-hmac-sha256"}

// schemeEnd leaves the scheme of an authorization where it is: the word behind
// it is the secret, or the list behind it.
func schemeEnd(text []byte, s, t int, quoted bool, c *carrier, end *int) int {
	for i := range schemes {
		w := schemes[i]
		if !hasFold(text[s:], w) {
			continue
		}
		n := s + len(w)
		if n >= len(text) || text[n] != ' ' || quoted && n >= t {
			continue
		}
		for n < len(text) && text[n] == ' ' {
			n++
		}
		if quoted || t > n {
			return min(n, t)
		}
		if w == "digest" || w == "aws4-hmac-sha256" {
			*end = lineEnd(text, n)
		} else {
			*end = wordEnd(text, n, c)
		}
		return n
	}
	return s
}

// container cuts every leaf of a JSON map or array that begins at i, and gives
// where it ends.
func (e *Engine) container(st *State, text []byte, i int, rule int32) int {
	r := &e.rules[rule]
	depth := 0
	for i < len(text) {
		switch c := text[i]; {
		case c == '{' || c == '[':
			if depth++; depth > 64 {
				return i
			}
			i++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i
			}
			i++
		case c == '"' || c == '\\':
			j := i
			for j < len(text) && text[j] == '\\' {
				j++
			}
			if j >= len(text) || text[j] != '"' {
				return i
			}
			s := j + 1
			t := quoteEnd(text, s, j-i, '"')
			n := min(t+j-i+1, len(text))
			k := n
			for k < len(text) && isBlank(text[k]) {
				k++
			}
			if i = n; k < len(text) && text[k] == ':' {
				continue // a key
			}
			if v := text[s:t]; !placeholder(v) && !r.ignores(v) && !r.allows(v) {
				st.spans = append(st.spans, span{int32(s), int32(t), rule, false, true})
			}
		case c == '-' || isDigit(c):
			j := i
			for j < len(text) && (isDigit(text[j]) || text[j] == '-' || text[j] == '+' || text[j] == '.' || text[j]|0x20 == 'e') {
				j++
			}
			if isNumber(text[i:j]) {
				st.spans = append(st.spans, span{int32(i), int32(j), rule, true, true})
			}
			i = j
		default:
			i++
		}
	}
	return i
}
