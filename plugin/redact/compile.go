package redact

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/seclog/seclog/plugin/scan"
)

// Options are what the configuration says for all rules.
type Options struct {
	// Action takes the place of every rule's own action (Redact_Action); empty
	// leaves each its own.
	Action string
}

// Engine is a compiled set of rules.
//
// Concurrency: immutable, safe for concurrent use, each worker with its own
// State.
type Engine struct {
	rules    []rule
	list     []Detector
	by       []asked // indexed by scan.ID
	digits   scan.ID // the hits of runs of digits; -1 without detectors of them
	numbers  []int32 // detectors that start at digits, asked for integers too
	accounts []int32 // detectors of account numbers, which start at digits
	fewest   int     // the least digits that one of numbers takes
	keys     *Keys
	scoped   bool
	disabled []string
	pem      int32 // rule that cuts bodies of private keys line by line, -1 if none
	begin    scan.ID
	end      scan.ID
	files    []Source
	options  Options
}

// asked is whom a hit of one literal is shown to.
type asked struct {
	detectors []int32
	fields    []fieldKey
}

type fieldKey struct {
	rule int32
	key  int32 // index in rule.keys
}

// rule is a detector or a field rule made ready.
type rule struct {
	id     string
	token  []byte // what is written for it by Redact
	action actionRule
	allow  []*regexp.Regexp

	// Of detectors.
	pattern          *scan.Pattern
	group            int
	start            string
	minDigit, maxNum int // digits that a match holds; for start digits
	parts            int // groups of digits that a match has at least; the same
	checks           []check
	extend           bool
	iban             bool

	// Of field rules.
	keys   []keyPattern
	value  valueKind
	ignore *regexp.Regexp
	scope  []scope

	examples examples
	place    place
}

// Compile reads rule files in order, later ones changing earlier ones, and
// asks b for the literals that the rules begin at.
//
// Errors: the first rule that cannot be used is an error that names file, line
// and reason; nothing is left out silently.
func Compile(files []Source, keys *Keys, b *scan.Builder, o Options) (*Engine, error) {
	e := &Engine{keys: keys, files: files, options: o, pem: -1, digits: -1, fewest: manyDigits}
	forced := actionRule{}
	if o.Action != "" {
		a, err := parseAction(o.Action)
		if err != nil {
			return nil, err
		}
		forced.action = a
	}
	all, err := merge(files)
	if err != nil {
		return nil, err
	}
	e.disabled = all.disable
	for i := range all.detectors {
		d := &all.detectors[i]
		if o.Action != "" && d.action.action != DropRecord {
			d.action = forced
		}
		if err := e.detector(d, b); err != nil {
			return nil, err
		}
	}
	for i := range all.fields {
		f := &all.fields[i]
		if o.Action != "" && f.action.action != DropRecord {
			f.action = forced
		}
		if err := e.field(f, b); err != nil {
			return nil, err
		}
	}
	for _, a := range all.allow {
		re, err := regexp.Compile(a.pattern)
		if err != nil {
			return nil, a.errorf("allow pattern: %v", err)
		}
		found := slices.Contains(all.disable, a.detector)
		for i := range e.rules {
			if e.rules[i].id == a.detector {
				e.rules[i].allow = append(e.rules[i].allow, re)
				found = true
			}
		}
		if !found {
			return nil, a.errorf("allow names the detector %q, which is not there", a.detector)
		}
	}
	return e, nil
}

// merge puts the files together: an id met again in a later file replaces the
// earlier rule in its place, disable takes rules out.
func merge(files []Source) (*ruleFile, error) {
	all := &ruleFile{}
	for _, src := range files {
		f, err := parse(src)
		if err != nil {
			return nil, err
		}
		here := map[string]place{}
		for _, d := range f.detectors {
			if old, ok := here[d.id]; ok {
				return nil, d.errorf("id %q is already taken at line %d", d.id, old.line)
			}
			here[d.id] = d.place
			all.drop(d.id, true)
			if i := slices.IndexFunc(all.detectors, func(o detectorRule) bool { return o.id == d.id }); i >= 0 {
				all.detectors[i] = d
			} else {
				all.detectors = append(all.detectors, d)
			}
		}
		for _, r := range f.fields {
			if r.id == "" {
				r.id = fieldID(r.keys[0])
				if !validID(r.id) {
					return nil, r.errorf("give this field rule an id; none can be made from its first key %q", r.keys[0])
				}
			} else if old, ok := here[r.id]; ok {
				return nil, r.errorf("id %q is already taken at line %d", r.id, old.line)
			}
			here[r.id] = r.place
			if i := slices.IndexFunc(all.fields, func(o fieldRule) bool { return o.id == r.id && o.file != r.file }); i >= 0 {
				all.fields[i] = r
			} else {
				all.fields = append(all.fields, r)
			}
			all.detectors = slices.DeleteFunc(all.detectors, func(d detectorRule) bool { return d.id == r.id && d.file != r.file })
		}
		all.allow = append(all.allow, f.allow...)
		for _, id := range f.disable {
			all.drop(id, false)
			all.disable = append(all.disable, id)
		}
	}
	return all, nil
}

func (f *ruleFile) drop(id string, fieldsOnly bool) {
	if !fieldsOnly {
		f.detectors = slices.DeleteFunc(f.detectors, func(d detectorRule) bool { return d.id == id })
	}
	f.fields = slices.DeleteFunc(f.fields, func(d fieldRule) bool { return d.id == id })
}

// fieldID makes an id from a key: *_token gives token.
func fieldID(key string) string {
	id := strings.ToLower(strings.ReplaceAll(key, "*", ""))
	return strings.Trim(strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return '_'
		}
		return r
	}, id), "_.")
}

func (e *Engine) add(r rule, about string, field bool) (int32, error) {
	if r.action.action == Hash && (e.keys == nil || len(e.keys.list) == 0) {
		return 0, r.place.errorf("%s hashes, which needs a Key_File", r.id)
	}
	r.token = []byte("[REDACTED:" + r.id + "]")
	e.rules = append(e.rules, r)
	e.list = append(e.list, Detector{ID: r.id, About: about, Field: field, File: r.place.file, Line: r.place.line})
	return int32(len(e.rules) - 1), nil
}

func (e *Engine) ask(id scan.ID) *asked {
	for int(id) >= len(e.by) {
		e.by = append(e.by, asked{})
	}
	return &e.by[id]
}

func (e *Engine) detector(d *detectorRule, b *scan.Builder) error {
	p, err := scan.Compile(d.pattern)
	if err != nil {
		return d.errorf("%s: pattern: %v", d.id, err)
	}
	r := rule{id: d.id, action: d.action, pattern: p, start: d.start, extend: d.extend != "", examples: d.examples, place: d.place}
	if re, err := regexp.Compile(d.pattern); err == nil && re.MatchString("") {
		return d.errorf("%s: the pattern matches the empty text", d.id)
	}
	if d.group != "" {
		if r.group = slices.Index(p.SubexpNames(), d.group); r.group < 0 {
			n, err := strconv.Atoi(d.group)
			if err != nil || n < 0 || n > p.NumSubexp() {
				return d.errorf("%s: the pattern has no group %q", d.id, d.group)
			}
			r.group = n
		}
	}
	for _, name := range d.validate {
		c, err := newCheck(name)
		if err != nil {
			return d.errorf("%s: %v", d.id, err)
		}
		r.checks = append(r.checks, c)
		r.iban = r.iban || name == "iban"
	}
	if d.start != "" && len(d.keywords) > 0 {
		return d.errorf("%s: start and keywords exclude each other", d.id)
	}
	tree, err := syntax.Parse(d.pattern, syntax.Perl)
	if err != nil {
		return d.errorf("%s: pattern: %v", d.id, err)
	}
	r.minDigit, r.maxNum = digitsOf(tree)
	r.parts = 1 + parted(tree)
	if d.start == "digits" && r.maxNum < 9 {
		return d.errorf("%s: start: digits finds runs of 9 and more digits, the pattern has at most %d; use keywords", d.id, r.maxNum)
	}
	index, err := e.add(r, d.about, false)
	if err != nil {
		return err
	}
	var ids []scan.ID
	switch d.start {
	case "digits":
		e.digits = b.Digits()
		if r.iban {
			e.accounts = append(e.accounts, index)
		} else {
			e.numbers = append(e.numbers, index)
			e.fewest = min(e.fewest, r.minDigit)
		}
	case "@":
		ids = append(ids, b.At())
	default:
		words := d.keywords
		if len(words) == 0 {
			if words = p.Literals(); len(words) == 0 {
				return d.errorf("%s: no literal can be made out in the pattern; name what must stand in the text with keywords", d.id)
			}
		}
		for _, w := range words {
			id := b.Literal(w)
			if id < 0 {
				return d.errorf("%s: keyword %q is shorter than 2 characters", d.id, w)
			}
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if a := e.ask(id); !slices.Contains(a.detectors, index) {
			a.detectors = append(a.detectors, index)
		}
	}
	if d.extend == "pem" {
		// Headers and footers of any kind are followed, so that lines of a
		// certificate are told from lines of a key.
		e.pem, e.begin, e.end = index, b.Literal("-----BEGIN "), b.Literal("-----END ")
	}
	return nil
}

func (e *Engine) field(f *fieldRule, b *scan.Builder) error {
	r := rule{id: f.id, action: f.action, examples: f.examples, place: f.place}
	switch f.value {
	case "cookies":
		r.value = cookies
	case "line":
		r.value = line
	}
	if f.ignore != "" {
		re, err := regexp.Compile(f.ignore)
		if err != nil {
			return f.errorf("%s: ignore: %v", f.id, err)
		}
		r.ignore = re
	}
	for _, m := range f.match {
		if len(m.values) == 0 {
			return f.errorf("%s: match of %s names no value", f.id, m.path)
		}
		r.scope = append(r.scope, scope{path: bytes.Split([]byte(m.path), []byte(".")), values: m.values})
		e.scoped = true
	}
	var literals [][]string
	for _, k := range f.keys {
		p, lits, err := newKeyPattern(k)
		if err != nil {
			return f.errorf("%s: key %q: %v", f.id, k, err)
		}
		r.keys = append(r.keys, p)
		literals = append(literals, lits)
	}
	about := f.about
	if about == "" {
		about = "Values named " + strings.Join(f.keys, ", ")
	}
	index, err := e.add(r, about, true)
	if err != nil {
		return err
	}
	for i, lits := range literals {
		for _, lit := range lits {
			a := e.ask(b.Literal(lit))
			a.fields = append(a.fields, fieldKey{rule: index, key: int32(i)})
		}
	}
	return nil
}

// Detectors are all rules in the order that Edit.Detector counts in.
//
// Bytes: shared, not to be changed.
func (e *Engine) Detectors() []Detector { return e.list }

// Disabled are the ids that files switch off, among them ids of detection
// rules.
//
// Bytes: shared, not to be changed.
func (e *Engine) Disabled() []string { return e.disabled }

// manyDigits stands for no bound.
const manyDigits = 1 << 20

// digitsOf gives the least and the most digits that a match can hold.
func digitsOf(re *syntax.Regexp) (least, most int) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, c := range re.Rune {
			if c >= '0' && c <= '9' {
				least++
			}
		}
		return least, least
	case syntax.OpCharClass:
		inside, outside := false, false
		for i := 0; i+1 < len(re.Rune); i += 2 {
			lo, hi := re.Rune[i], re.Rune[i+1]
			inside = inside || lo <= '9' && hi >= '0'
			outside = outside || lo < '0' || hi > '9'
		}
		switch {
		case inside && !outside:
			return 1, 1
		case inside:
			return 0, 1
		}
		return 0, 0
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 0, 1
	case syntax.OpCapture:
		return digitsOf(re.Sub[0])
	case syntax.OpConcat:
		for _, s := range re.Sub {
			a, b := digitsOf(s)
			least, most = least+a, min(most+b, manyDigits)
		}
		return least, most
	case syntax.OpAlternate:
		least = manyDigits
		for _, s := range re.Sub {
			a, b := digitsOf(s)
			least, most = min(least, a), max(most, b)
		}
		return least, most
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		a, b := digitsOf(re.Sub[0])
		lo, hi := 0, -1
		switch re.Op {
		case syntax.OpPlus:
			lo = 1
		case syntax.OpQuest:
			hi = 1
		case syntax.OpRepeat:
			lo, hi = re.Min, re.Max
		}
		if hi < 0 {
			hi = manyDigits
		}
		return a * lo, min(b*hi, manyDigits)
	}
	return 0, 0
}
