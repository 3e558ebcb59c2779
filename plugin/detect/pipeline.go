package detect

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// condition says which records are a pipeline's log source: those with a
// literal in the log text, or with a field, which has one of some values where
// they are given.
type condition struct {
	literal string
	path    string
	in      map[string]bool // folded; nil: any value
}

// pipeline says which records are a log source, and where its fields are.
type pipeline struct {
	file     string
	sources  []Logsource
	when     []condition
	parse    []*shape
	json     bool
	mustRead bool // only records whose text can be read by parse or json
	fields   map[string][]string

	targets [][]target // by field: where it may be, in the order of trying
	open    []int32    // rules of the log source without witness
	all     []int32    // rules of the log source
	member  []uint64   // all, as a bitset
}

// target is one place where a field may be.
type target struct {
	path   string
	groups []int // by expression: number of the group of that name, 0 for none; nil for none in any
}

// loadPipelines reads all pipelines of a file.
func loadPipelines(src Source) ([]*pipeline, []Refusal) {
	docs, refused := documents(src)
	var out []*pipeline
	for _, doc := range docs {
		p, err := loadPipeline(doc)
		if err != nil {
			refused = append(refused, refuse(src.Name, doc, "", err))
			continue
		}
		p.file = src.Name
		out = append(out, p)
	}
	return out, refused
}

func loadPipeline(doc *yaml.Node) (*pipeline, error) {
	m, err := pairs(doc, "the pipeline")
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(doc.Content); i += 2 {
		switch k := doc.Content[i]; k.Value {
		case "logsource", "when", "parse", "json", "must_read", "fields", "about":
		default:
			return nil, faultAt(k, "a pipeline has no key %q", k.Value)
		}
	}
	p := &pipeline{json: text(m["json"]) == "true", mustRead: text(m["must_read"]) == "true", fields: map[string][]string{}}
	sources := []*yaml.Node{m["logsource"]}
	if n := m["logsource"]; n != nil && n.Kind == yaml.SequenceNode {
		sources = n.Content
	}
	for _, n := range sources {
		s, err := logsource(n, doc)
		if err != nil {
			return nil, err
		}
		p.sources = append(p.sources, s)
	}
	when := m["when"]
	if when == nil || when.Kind != yaml.SequenceNode || len(when.Content) == 0 {
		return nil, faultAt(doc, "the pipeline has no list when")
	}
	for _, n := range when.Content {
		c, err := loadWhen(deref(n))
		if err != nil {
			return nil, err
		}
		p.when = append(p.when, c)
	}
	for _, expression := range texts(m["parse"]) {
		re, err := newShape(expression)
		if err != nil {
			return nil, faultAt(m["parse"], "parse is not RE2: %s", err)
		}
		p.parse = append(p.parse, re)
	}
	if n := m["fields"]; n != nil {
		fields, err := pairs(n, "fields")
		if err != nil {
			return nil, err
		}
		for name, places := range fields {
			if p.fields[name] = texts(places); len(p.fields[name]) == 0 {
				return nil, faultAt(places, "the field %q has no place", name)
			}
		}
	}
	if p.mustRead && !p.json && len(p.parse) == 0 {
		return nil, faultAt(m["must_read"], "must_read needs parse or json")
	}
	return p, nil
}

func loadWhen(n *yaml.Node) (c condition, err error) {
	m, err := pairs(n, "a condition of when")
	if err != nil {
		return c, err
	}
	c.literal, c.path = "", text(m["field"])
	if t := m["text"]; t != nil {
		c.literal = t.Value
	}
	for k := range m {
		if k != "text" && k != "field" && k != "in" {
			return c, faultAt(n, "a condition of when has no key %q", k)
		}
	}
	if (c.literal == "") == (c.path == "") {
		return c, faultAt(n, "a condition of when has either text or field")
	}
	if in := m["in"]; in != nil {
		if c.path == "" {
			return c, faultAt(in, "in goes with field")
		}
		c.in = map[string]bool{}
		for _, v := range texts(in) {
			c.in[string(appendFolded(nil, []byte(v)))] = true
		}
		if len(c.in) == 0 {
			return c, faultAt(in, "in has no values")
		}
	}
	if c.literal != "" && len(c.literal) < minWitness {
		return c, faultAt(n, "the text %q is shorter than %d bytes", c.literal, minWitness)
	}
	return c, nil
}

// resolve works out where each field may be.
func (p *pipeline) resolve(fields []string) {
	p.targets = make([][]target, len(fields))
	for i, name := range fields {
		places := append([]string(nil), p.fields[name]...)
		places = append(places, name)
		if plain := strings.ReplaceAll(name, " ", ""); plain != name {
			places = append(places, p.fields[plain]...)
			places = append(places, plain)
		}
		for _, place := range places {
			t := target{path: place}
			for k, re := range p.parse {
				if g := re.SubexpIndex(place); g > 0 {
					if t.groups == nil {
						t.groups = make([]int, len(p.parse))
					}
					t.groups[k] = g
				}
			}
			p.targets[i] = append(p.targets[i], t)
		}
	}
}

// takes says whether a rule belongs to the log source. A rule that needs a
// field belongs where nothing it names is contradicted and something is
// confirmed: without the field it stays silent anyway. A strict rule, of
// keywords or of negations only, must be confirmed in all that it names.
func (p *pipeline) takes(r Logsource, strict bool) bool {
	for _, s := range p.sources {
		same, missing, other := 0, 0, 0
		for _, pair := range [3][2]string{{r.Category, s.Category}, {r.Product, s.Product}, {r.Service, s.Service}} {
			switch {
			case pair[0] == "":
			case pair[0] == pair[1]:
				same++
			case pair[1] == "":
				missing++
			default:
				other++
			}
		}
		if other == 0 && same > 0 && (!strict || missing == 0) {
			return true
		}
	}
	return false
}
