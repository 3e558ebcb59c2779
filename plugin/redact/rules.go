package redact

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Source is one rule file.
type Source struct {
	Name string // as errors name it
	Data []byte
}

// maxFile bounds a rule file; the built-in ones have a few thousand bytes.
const maxFile = 4 << 20 // 4 MB

// ruleError is what is wrong with a rule, and where.
type ruleError struct {
	file string
	line int
	text string
}

func (e *ruleError) Error() string {
	return fmt.Sprintf("%s:%d: %s", e.file, e.line, e.text)
}

// place is where a rule begins.
type place struct {
	file string
	line int
}

func (p place) errorf(format string, args ...any) error {
	return &ruleError{file: p.file, line: p.line, text: fmt.Sprintf(format, args...)}
}

// ruleFile is one file as it is written.
type ruleFile struct {
	detectors []detectorRule
	fields    []fieldRule
	allow     []allowRule
	disable   []string
}

type examples struct{ match, ignore []string }

type detectorRule struct {
	place
	id, about string
	start     string // "digits", "@" or empty
	keywords  []string
	pattern   string
	group     string
	validate  []string
	extend    string
	action    actionRule
	examples  examples
}

type fieldRule struct {
	place
	id, about string
	keys      []string
	value     string
	ignore    string
	action    actionRule
	match     []scopeRule
	examples  examples
}

type scopeRule struct {
	path   string
	values []string
}

type allowRule struct {
	place
	detector, pattern string
}

type actionRule struct {
	action              Action
	keepFirst, keepLast int
}

// reader reads the nodes of one file. Its first error stays.
type reader struct {
	file string
	err  error
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	if r.err == nil {
		r.err = place{r.file, n.Line}.errorf(format, args...)
	}
}

// parse reads one rule file strictly: unknown keys, repeated keys, anchors and
// values of another kind are refused.
func parse(src Source) (*ruleFile, error) {
	r := &reader{file: src.Name}
	if len(src.Data) > maxFile {
		return nil, place{src.Name, 1}.errorf("the file has %d bytes, at most %d are read", len(src.Data), maxFile)
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(string(src.Data)))
	if err := dec.Decode(&doc); err != nil {
		if strings.TrimSpace(string(src.Data)) == "" || err.Error() == "EOF" {
			return &ruleFile{}, nil
		}
		return nil, yamlError(src.Name, err)
	}
	var more yaml.Node
	if err := dec.Decode(&more); err == nil {
		return nil, place{src.Name, more.Line}.errorf("a second document; a rule file is one")
	}
	f := &ruleFile{}
	if len(doc.Content) == 0 {
		return f, nil
	}
	r.mapping(doc.Content[0], "the file", func(key string, v *yaml.Node) bool {
		switch key {
		case "detectors":
			r.each(v, key, func(n *yaml.Node) { f.detectors = append(f.detectors, r.detector(n)) })
		case "fields":
			r.each(v, key, func(n *yaml.Node) { f.fields = append(f.fields, r.field(n)) })
		case "allow":
			r.each(v, key, func(n *yaml.Node) { f.allow = append(f.allow, r.allow(n)) })
		case "disable":
			f.disable = r.strings(v, key)
		default:
			return false
		}
		return true
	})
	return f, r.err
}

// yamlLine finds the line in an error of the YAML library, which has no other
// way to tell it.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

func yamlError(file string, err error) error {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		if line, bad := strconv.Atoi(m[1]); bad == nil {
			return place{file, line}.errorf("%s", m[2])
		}
	}
	return place{file, 1}.errorf("%s", strings.TrimPrefix(err.Error(), "yaml: "))
}

// plain refuses what would make a node stand for something else.
func (r *reader) plain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		r.fail(n, "anchors and aliases are not read in rule files")
		return false
	}
	return r.err == nil
}

func (r *reader) mapping(n *yaml.Node, what string, set func(key string, v *yaml.Node) bool) {
	if !r.plain(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s must be a map", what)
		return
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if !r.plain(k) {
			return
		}
		if seen[k.Value] {
			r.fail(k, "%s has the key %q twice", what, k.Value)
			return
		}
		seen[k.Value] = true
		if !set(k.Value, v) {
			r.fail(k, "%s has no key %q", what, k.Value)
		}
		if r.err != nil {
			return
		}
	}
}

func (r *reader) each(n *yaml.Node, what string, item func(*yaml.Node)) {
	if !r.plain(n) {
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "%s must be a list", what)
		return
	}
	for _, c := range n.Content {
		if item(c); r.err != nil {
			return
		}
	}
}

func (r *reader) string(n *yaml.Node, what string) string {
	if !r.plain(n) {
		return ""
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.fail(n, "%s must be a text", what)
		return ""
	}
	return n.Value
}

// strings reads a list of texts; one text alone stands for a list of it.
func (r *reader) strings(n *yaml.Node, what string) (list []string) {
	if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		return []string{r.string(n, what)}
	}
	r.each(n, what, func(c *yaml.Node) { list = append(list, r.string(c, "an entry of "+what)) })
	return list
}

func (r *reader) int(n *yaml.Node, what string) int {
	i, err := strconv.Atoi(r.string(n, what))
	if r.err == nil && (err != nil || i < 0 || i > 64) {
		r.fail(n, "%s must be a number from 0 to 64", what)
	}
	return i
}

func (r *reader) detector(n *yaml.Node) detectorRule {
	d := detectorRule{place: place{r.file, n.Line}}
	r.mapping(n, "a detector", func(key string, v *yaml.Node) bool {
		switch key {
		case "id":
			d.id = r.id(v)
		case "about":
			d.about = r.string(v, key)
		case "start":
			if d.start = r.string(v, key); d.start != "digits" && d.start != "@" {
				r.fail(v, "start must be digits or '@'; for other texts use keywords")
			}
		case "keywords":
			d.keywords = r.strings(v, key)
		case "pattern":
			d.pattern = r.string(v, key)
		case "group":
			d.group = r.string(v, key)
		case "validate":
			d.validate = r.strings(v, key)
		case "extend":
			if d.extend = r.string(v, key); d.extend != "pem" {
				r.fail(v, "extend must be pem")
			}
		case "action":
			d.action = r.action(v)
		case "examples":
			d.examples = r.examples(v)
		default:
			return false
		}
		return true
	})
	if r.err == nil && (d.id == "" || d.pattern == "") {
		r.fail(n, "a detector needs id and pattern")
	}
	return d
}

func (r *reader) field(n *yaml.Node) fieldRule {
	f := fieldRule{place: place{r.file, n.Line}}
	r.mapping(n, "a field rule", func(key string, v *yaml.Node) bool {
		switch key {
		case "id":
			f.id = r.id(v)
		case "about":
			f.about = r.string(v, key)
		case "keys":
			f.keys = r.strings(v, key)
		case "value":
			switch f.value = r.string(v, key); f.value {
			case "word", "cookies", "line":
			default:
				r.fail(v, "value must be word, cookies or line")
			}
		case "ignore":
			f.ignore = r.string(v, key)
		case "action":
			f.action = r.action(v)
		case "match":
			r.mapping(v, "match", func(path string, v *yaml.Node) bool {
				f.match = append(f.match, scopeRule{path, r.strings(v, "match of "+path)})
				return path != ""
			})
		case "examples":
			f.examples = r.examples(v)
		default:
			return false
		}
		return true
	})
	if r.err == nil && len(f.keys) == 0 {
		r.fail(n, "a field rule needs keys")
	}
	return f
}

func (r *reader) allow(n *yaml.Node) allowRule {
	a := allowRule{place: place{r.file, n.Line}}
	r.mapping(n, "an allow entry", func(key string, v *yaml.Node) bool {
		switch key {
		case "detector":
			a.detector = r.string(v, key)
		case "pattern":
			a.pattern = r.string(v, key)
		default:
			return false
		}
		return true
	})
	if r.err == nil && (a.detector == "" || a.pattern == "") {
		r.fail(n, "an allow entry needs detector and pattern")
	}
	return a
}

func (r *reader) examples(n *yaml.Node) (e examples) {
	r.mapping(n, "examples", func(key string, v *yaml.Node) bool {
		switch key {
		case "match":
			e.match = r.strings(v, key)
		case "ignore":
			e.ignore = r.strings(v, key)
		default:
			return false
		}
		return true
	})
	return e
}

// id reads an identifier. Its alphabet is what may stand inside [REDACTED:id]
// in any carrier: no quote, no bracket, no blank.
func (r *reader) id(n *yaml.Node) string {
	id := r.string(n, "id")
	if r.err == nil && !validID(id) {
		r.fail(n, "id %q must be 1 to 64 of a-z, 0-9, _, - and .", id)
	}
	return id
}

func validID(id string) bool {
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return id != "" && len(id) <= 64
}

// action reads an action: its name, or {mask: {keep_first: n, keep_last: n}}.
func (r *reader) action(n *yaml.Node) actionRule {
	if n.Kind == yaml.ScalarNode {
		a, err := parseAction(r.string(n, "action"))
		if err != nil {
			r.fail(n, "%v", err)
		}
		return actionRule{action: a}
	}
	a := actionRule{action: Mask}
	r.mapping(n, "action", func(key string, v *yaml.Node) bool {
		if key != "mask" {
			return false
		}
		r.mapping(v, "mask", func(key string, v *yaml.Node) bool {
			switch key {
			case "keep_first":
				a.keepFirst = r.int(v, key)
			case "keep_last":
				a.keepLast = r.int(v, key)
			default:
				return false
			}
			return true
		})
		return true
	})
	if r.err == nil && len(n.Content) == 0 {
		r.fail(n, "action is empty")
	}
	return a
}

func parseAction(name string) (Action, error) {
	for i, n := range actionNames {
		if n != name {
			continue
		}
		if Action(i) == Encrypt {
			return Redact, fmt.Errorf("action encrypt is not there yet in this version; use hash or redact")
		}
		return Action(i), nil
	}
	return Redact, fmt.Errorf("unknown action %q; allowed are redact, mask, hash, drop_field, drop_record", name)
}
