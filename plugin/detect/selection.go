package detect

import (
	"fmt"
	"net/netip"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/seclog/seclog/plugin/scan"
	"go.yaml.in/yaml/v3"
)

// fault is why a rule or pipeline is refused, and where.
type fault struct {
	line   int
	reason string
}

func (f *fault) Error() string { return f.reason }

func faultAt(n *yaml.Node, format string, args ...any) error {
	return &fault{line: n.Line, reason: fmt.Sprintf(format, args...)}
}

// builder collects what all rules share: fields and predicates.
type builder struct {
	fields   []string
	fieldIDs map[string]int32
	preds    []predicate
	predIDs  map[string]int32
}

func newBuilder() *builder {
	return &builder{fields: []string{""}, fieldIDs: map[string]int32{"": anyField}, predIDs: map[string]int32{}}
}

func (b *builder) field(name string) int32 {
	id, ok := b.fieldIDs[name]
	if !ok {
		id = int32(len(b.fields))
		b.fields = append(b.fields, name)
		b.fieldIDs[name] = id
	}
	return id
}

// pred gives the expression of a predicate, the one there is when an equal
// one was asked for before.
func (b *builder) pred(p predicate) *expr {
	key := p.key()
	id, ok := b.predIDs[key]
	if !ok {
		p.findWitnesses()
		id = int32(len(b.preds))
		b.preds = append(b.preds, p)
		b.predIDs[key] = id
	}
	return &expr{op: exprPred, pred: id}
}

// selection reads one named part of a detection.
func (b *builder) selection(n *yaml.Node) (*expr, error) {
	switch n = deref(n); n.Kind {
	case yaml.MappingNode:
		if len(n.Content) == 0 {
			return nil, faultAt(n, "the selection is empty")
		}
		all := &expr{op: exprAnd}
		for i := 0; i+1 < len(n.Content); i += 2 {
			e, err := b.item(n.Content[i], n.Content[i+1])
			if err != nil {
				return nil, err
			}
			all.kids = append(all.kids, e)
		}
		return all, nil
	case yaml.SequenceNode:
		if len(n.Content) == 0 {
			return nil, faultAt(n, "the selection is empty")
		}
		any := &expr{op: exprOr}
		for _, c := range n.Content {
			var e *expr
			var err error
			switch c = deref(c); c.Kind {
			case yaml.MappingNode:
				e, err = b.selection(c)
			case yaml.ScalarNode:
				e, err = b.value(c, anyField, modifiers{op: "contains"})
			default:
				err = faultAt(c, "a list within a list of selections is not allowed")
			}
			if err != nil {
				return nil, err
			}
			any.kids = append(any.kids, e)
		}
		return any, nil
	case yaml.ScalarNode:
		return b.value(n, anyField, modifiers{op: "contains"})
	}
	return nil, faultAt(n, "the selection is neither a map nor a list")
}

// modifiers are what stands behind a field's name.
type modifiers struct {
	op                              string // "", contains, startswith, endswith, re, cidr, exists, lt, lte, gt, gte
	all, cased, negate, dash, field bool
	flags                           string // of re
}

func parseModifiers(key *yaml.Node, names []string) (modifiers, error) {
	var m modifiers
	for _, name := range names {
		switch name {
		case "contains", "startswith", "endswith", "re", "cidr", "exists", "lt", "lte", "gt", "gte":
			if m.op != "" {
				return m, faultAt(key, "the modifiers %s and %s contradict each other", m.op, name)
			}
			m.op = name
		case "i", "m", "s":
			if m.op != "re" {
				return m, faultAt(key, "the modifier %s stands only behind re", name)
			}
			m.flags += name
		case "all":
			m.all = true
		case "cased":
			m.cased = true
		case "neq":
			m.negate = true
		case "windash":
			m.dash = true
		case "fieldref":
			m.field = true
		default:
			return m, faultAt(key, "the modifier %q is not known", name)
		}
	}
	isText := m.op == "" || m.op == "contains" || m.op == "startswith" || m.op == "endswith"
	if !isText && (m.cased || m.dash || m.field) || m.field && m.dash {
		return m, faultAt(key, "the modifiers of %q do not go together", key.Value)
	}
	return m, nil
}

// item reads one field of a selection with its value or list of values.
func (b *builder) item(key, n *yaml.Node) (*expr, error) {
	key, n = deref(key), deref(n)
	if key.Kind != yaml.ScalarNode {
		return nil, faultAt(key, "the field's name is not a text")
	}
	parts := strings.Split(key.Value, "|")
	m, err := parseModifiers(key, parts[1:])
	if err != nil {
		return nil, err
	}
	field := b.field(parts[0])
	if parts[0] == "" {
		if m.op == "" {
			m.op = "contains"
		}
		if m.op == "exists" || m.field {
			return nil, faultAt(key, "the modifiers of %q need a field", key.Value)
		}
	}
	vals := []*yaml.Node{n}
	switch n.Kind {
	case yaml.SequenceNode:
		vals = n.Content
	case yaml.MappingNode:
		return nil, faultAt(n, "the value of %q is a map", key.Value)
	}
	out := &expr{op: exprOr}
	if m.all {
		out.op = exprAnd
	}
	for _, v := range vals {
		e, err := b.value(deref(v), field, m)
		if err != nil {
			return nil, err
		}
		out.kids = append(out.kids, e)
	}
	if len(vals) == 0 {
		if field == anyField {
			return nil, faultAt(n, "the list of keywords is empty")
		}
		out = b.pred(predicate{op: predNull, field: field}) // an empty list means null
	}
	if m.negate {
		out = &expr{op: exprNot, kids: []*expr{out}}
	}
	return out, nil
}

// value reads one value of a field.
func (b *builder) value(n *yaml.Node, field int32, m modifiers) (*expr, error) {
	if n.Kind != yaml.ScalarNode {
		return nil, faultAt(n, "a value is neither text nor number, bool or null")
	}
	tag := n.ShortTag()
	p := predicate{field: field, cased: m.cased}
	switch m.op {
	case "re":
		return b.regex(n, p, m.flags)
	case "exists":
		yes, err := strconv.ParseBool(strings.ToLower(n.Value))
		if err != nil {
			return nil, faultAt(n, "exists wants true or false, not %q", n.Value)
		}
		p.op = predExists
		if e := b.pred(p); yes {
			return e, nil
		} else {
			return &expr{op: exprNot, kids: []*expr{e}}, nil
		}
	case "cidr":
		prefix, err := netip.ParsePrefix(n.Value)
		if err != nil {
			return nil, faultAt(n, "%q is no network", n.Value)
		}
		p.op, p.prefix = predCIDR, prefix.Masked()
		return b.pred(p), nil
	case "lt", "lte", "gt", "gte":
		f, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || f != f {
			return nil, faultAt(n, "%s wants a number, not %q", m.op, n.Value)
		}
		p.num = f
		p.op = map[string]predOp{"lt": predLess, "lte": predLessEq, "gt": predGreater, "gte": predGreaterEq}[m.op]
		return b.pred(p), nil
	}
	if tag == "!!null" {
		if m.op != "" || m.field || field == anyField {
			return nil, faultAt(n, "null does not go with modifiers")
		}
		return b.pred(predicate{op: predNull, field: field}), nil
	}
	if m.field {
		p.op, p.other = predField, b.field(n.Value)
		if p.other == anyField {
			return nil, faultAt(n, "fieldref wants a field")
		}
		p.kind = map[string]patternKind{"": patternEqual, "contains": patternContains, "startswith": patternPrefix, "endswith": patternSuffix}[m.op]
		return b.pred(p), nil
	}
	if m.op == "" && !m.cased {
		if e := b.plain(n, tag, p); e != nil {
			return e, nil
		}
	}
	elems := []rune(n.Value)
	if tag == "!!str" {
		elems = parseElements(n.Value)
	}
	if m.dash {
		elems = withDashes(elems)
	}
	if m.op == "contains" || m.op == "endswith" {
		elems = append([]rune{elemStar}, elems...)
	}
	if m.op == "contains" || m.op == "startswith" {
		elems = append(elems, elemStar)
	}
	p.op, p.pattern = predMatch, newPattern(elems, m.cased)
	return b.pred(p), nil
}

// plain reads a number or a bool that stands without modifiers; nil for text.
// Numbers in other notations than decimal are text.
func (b *builder) plain(n *yaml.Node, tag string, p predicate) *expr {
	switch tag {
	case "!!bool":
		p.op, p.text = predBool, []byte(strings.ToLower(n.Value))
		if string(p.text) == "true" {
			p.num = 1
		}
	case "!!int", "!!float":
		f, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || strings.Trim(n.Value, "+-.0123456789eE") != "" {
			return nil
		}
		p.op, p.num, p.text = predNumber, f, []byte(strings.ToLower(n.Value))
	default:
		return nil
	}
	return b.pred(p)
}

func (b *builder) regex(n *yaml.Node, p predicate, flags string) (*expr, error) {
	expression := n.Value
	if flags != "" {
		expression = "(?" + flags + ")" + expression
	}
	re, err := scan.Compile(expression)
	if err != nil {
		reason := err.Error()
		if e, ok := err.(*syntax.Error); ok {
			reason = string(e.Code) + ": " + e.Expr
		}
		return nil, faultAt(n, "the expression %q is not RE2: %s", n.Value, reason)
	}
	p.op, p.regex = predRegex, re
	return b.pred(p), nil
}

// deref follows an alias. Aliases to aliases do not occur in YAML.
func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}
