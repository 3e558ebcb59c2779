package detect

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// loaded is a rule that was understood, before it is compiled into an engine.
type loaded struct {
	rule *Rule
	expr *expr // normal form
}

// documents reads the YAML documents of a file. A file that is no YAML is
// refused from there on.
func documents(src Source) ([]*yaml.Node, []Refusal) {
	var docs []*yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(src.Data))
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			line, reason := yamlLine(err)
			return docs, []Refusal{{File: src.Name, Line: line, Reason: "no YAML: " + reason}}
		}
		if n.Kind == yaml.DocumentNode && len(n.Content) == 1 && n.Content[0].ShortTag() != "!!null" {
			docs = append(docs, n.Content[0])
		}
	}
}

// yamlLine takes the line out of an error of the YAML library, which gives it
// in the text only.
func yamlLine(err error) (int, string) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if num, reason, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(num); err == nil {
				return line, reason
			}
		}
	}
	return 1, text
}

// pairs gives a map's values by key.
func pairs(n *yaml.Node, what string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, faultAt(n, "%s is no map", what)
	}
	out := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if _, double := out[k.Value]; double {
			return nil, faultAt(k, "%q stands twice in %s", k.Value, what)
		}
		out[k.Value] = deref(n.Content[i+1])
	}
	return out, nil
}

// text gives a scalar, "" when there is none.
func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		return ""
	}
	return strings.TrimSpace(n.Value)
}

// texts gives a list of scalars, or a single one as a list.
func texts(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	list := n.Content
	if n.Kind == yaml.ScalarNode {
		list = []*yaml.Node{n}
	}
	var out []string
	for _, c := range list {
		if s := text(deref(c)); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// refuse makes a refusal of an error that belongs to a document.
func refuse(file string, doc *yaml.Node, rule string, err error) Refusal {
	r := Refusal{File: file, Line: doc.Line, Rule: rule, Reason: err.Error()}
	var f *fault
	if errors.As(err, &f) && f.line > 0 {
		r.Line = f.line
	}
	return r
}

// loadRules reads all rules of a file.
func (b *builder) loadRules(src Source) ([]loaded, []Refusal) {
	docs, refused := documents(src)
	var out []loaded
	for _, doc := range docs {
		l, name, err := b.loadRule(doc)
		if err != nil {
			refused = append(refused, refuse(src.Name, doc, name, err))
			continue
		}
		l.rule.File, l.rule.Line = src.Name, doc.Line
		out = append(out, l)
	}
	return out, refused
}

func (b *builder) loadRule(doc *yaml.Node) (l loaded, name string, err error) {
	m, err := pairs(doc, "the rule")
	if err != nil {
		return l, "", err
	}
	r := &Rule{
		ID: text(m["id"]), Title: text(m["title"]), Author: text(m["author"]), Description: text(m["description"]),
		Status: text(m["status"]), License: text(m["license"]), References: texts(m["references"]), Tags: texts(m["tags"]),
	}
	if name = r.ID; name == "" {
		name = r.Title
	}
	switch {
	case m["correlation"] != nil:
		return l, name, faultAt(m["correlation"], "correlation rules are not supported")
	case m["filter"] != nil:
		return l, name, faultAt(m["filter"], "filters are not supported")
	case m["action"] != nil:
		return l, name, faultAt(m["action"], "action documents are not supported: they left Sigma with version 2")
	case r.Title == "":
		return l, name, faultAt(doc, "the rule has no title")
	}
	r.ID = name
	if r.Level = strings.ToLower(text(m["level"])); r.Level == "" {
		r.Level = defaultLevel
	}
	var ok bool
	if r.Severity, ok = severity(r.Level); !ok {
		return l, name, faultAt(m["level"], "there is no level %q", r.Level)
	}
	for _, tag := range r.Tags {
		tac, technique := attackTag(tag)
		if tac.ID != "" {
			r.Tactics = append(r.Tactics, tac)
		}
		if technique.ID != "" {
			r.Techniques = append(r.Techniques, technique)
		}
	}
	if n := m["seclog"]; n != nil {
		own, err := pairs(n, "seclog")
		if err != nil {
			return l, name, err
		}
		r.Category = texts(own["category"])
	}
	if r.Logsource, err = logsource(m["logsource"], doc); err != nil {
		return l, name, err
	}
	if r.Examples, err = readExamples(m["examples"]); err != nil {
		return l, name, err
	}
	if m["detection"] == nil {
		return l, name, faultAt(doc, "the rule has no detection")
	}
	e, err := b.detection(m["detection"])
	return loaded{rule: r, expr: e}, name, err
}

// logsource reads where a rule's events come from.
func logsource(n *yaml.Node, doc *yaml.Node) (Logsource, error) {
	if n == nil {
		return Logsource{}, faultAt(doc, "there is no logsource")
	}
	m, err := pairs(n, "logsource")
	if err != nil {
		return Logsource{}, err
	}
	s := Logsource{
		Category: strings.ToLower(text(m["category"])),
		Product:  strings.ToLower(text(m["product"])),
		Service:  strings.ToLower(text(m["service"])),
	}
	if s == (Logsource{}) {
		return s, faultAt(n, "the logsource has neither category nor product nor service")
	}
	return s, nil
}

// detection reads the selections and the condition into a normal form.
func (b *builder) detection(n *yaml.Node) (*expr, error) {
	m, err := pairs(n, "detection")
	if err != nil {
		return nil, err
	}
	sel := selections{exprs: map[string]*expr{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		switch name {
		case "condition":
			continue
		case "timeframe":
			return nil, faultAt(n.Content[i], "timeframe belongs to correlation rules")
		}
		e, err := b.selection(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		sel.names = append(sel.names, name)
		sel.exprs[name] = e
	}
	cond := m["condition"]
	conditions := texts(cond)
	if len(conditions) == 0 {
		return nil, faultAt(n, "the detection has no condition")
	}
	whole := &expr{op: exprOr}
	for _, c := range conditions {
		e, err := parseCondition(c, &sel)
		if err != nil {
			return nil, faultAt(cond, "%s", err)
		}
		whole.kids = append(whole.kids, e)
	}
	budget := maxExpr
	e, ok := normal(whole, false, &budget)
	if !ok {
		return nil, faultAt(cond, "the condition is too large: more than %d places", maxExpr)
	}
	e.sortByCost(b.preds)
	return e, nil
}
