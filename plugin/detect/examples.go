package detect

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/scan"
	"github.com/tinylib/msgp/msgp"
	"go.yaml.in/yaml/v3"
)

// readExamples reads a rule's examples: texts, which become the field log of a
// record, or maps, which are records.
func readExamples(n *yaml.Node) (ex Examples, err error) {
	if n == nil {
		return ex, nil
	}
	m, err := pairs(n, "examples")
	if err != nil {
		return ex, err
	}
	for name, list := range m {
		if name != "match" && name != "ignore" {
			return ex, faultAt(list, "examples are match and ignore, not %q", name)
		}
		if list.Kind != yaml.SequenceNode {
			return ex, faultAt(list, "examples.%s is no list", name)
		}
		for _, c := range list.Content {
			c = deref(c)
			body, err := exampleBody(c)
			if err != nil {
				return ex, err
			}
			e := Example{Line: c.Line, Body: body}
			if name == "match" {
				ex.Match = append(ex.Match, e)
			} else {
				ex.Ignore = append(ex.Ignore, e)
			}
		}
	}
	return ex, nil
}

func exampleBody(n *yaml.Node) ([]byte, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		b := msgp.AppendMapHeader(nil, 1)
		b = msgp.AppendString(b, "log")
		return msgp.AppendString(b, n.Value), nil
	case yaml.MappingNode:
		return appendYAML(nil, n, 0)
	}
	return nil, faultAt(n, "an example is a log text or a record")
}

// appendYAML appends a YAML value as msgpack.
func appendYAML(b []byte, n *yaml.Node, depth int) ([]byte, error) {
	n = deref(n)
	if depth >= decode.MaxDepth || len(b) > 1<<20 {
		return nil, faultAt(n, "the example is too large or nested too deep")
	}
	var err error
	switch n.Kind {
	case yaml.MappingNode:
		b = msgp.AppendMapHeader(b, uint32(len(n.Content)/2))
		for i := 0; i+1 < len(n.Content); i += 2 {
			b = msgp.AppendString(b, n.Content[i].Value)
			if b, err = appendYAML(b, n.Content[i+1], depth+1); err != nil {
				return nil, err
			}
		}
		return b, nil
	case yaml.SequenceNode:
		b = msgp.AppendArrayHeader(b, uint32(len(n.Content)))
		for _, c := range n.Content {
			if b, err = appendYAML(b, c, depth+1); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	switch n.ShortTag() {
	case "!!null":
		return msgp.AppendNil(b), nil
	case "!!bool":
		yes, err := strconv.ParseBool(n.Value)
		if err == nil {
			return msgp.AppendBool(b, yes), nil
		}
	case "!!int":
		if i, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return msgp.AppendInt64(b, i), nil
		}
	case "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return msgp.AppendFloat64(b, f), nil
		}
	}
	return msgp.AppendString(b, n.Value), nil
}

// RunExamples runs each rule's examples through the engine and gives those
// whose answer is wrong. Bind comes first.
func (e *Engine) RunExamples() []Refusal {
	if e.set == nil {
		return []Refusal{{Reason: "examples need a bound scan"}}
	}
	var out []Refusal
	var st State
	for i, r := range e.rules {
		for _, ex := range r.Examples.Match {
			if why := e.example(&st, int32(i), ex, true); why != "" {
				out = append(out, Refusal{File: r.File, Line: ex.Line, Rule: r.ID, Reason: why})
			}
		}
		for _, ex := range r.Examples.Ignore {
			if why := e.example(&st, int32(i), ex, false); why != "" {
				out = append(out, Refusal{File: r.File, Line: ex.Line, Rule: r.ID, Reason: why})
			}
		}
	}
	return out
}

// example says what is wrong with a rule's answer to one of its examples.
func (e *Engine) example(st *State, rule int32, ex Example, want bool) string {
	var chunk []byte
	chunk = msgp.AppendArrayHeader(chunk, 2)
	chunk = msgp.AppendInt64(chunk, 0)
	chunk = append(chunk, ex.Body...)
	var reader decode.Reader
	var rec decode.Record
	reader.Reset(chunk)
	if ok, err := reader.Next(&rec); err != nil || !ok {
		return fmt.Sprintf("the example cannot be read as a record: %v", err)
	}
	fired := e.Detect(st, &rec, e.scanRecord(&rec))
	if slices.Contains(fired, rule) == want {
		return ""
	}
	if want {
		return "does not fire on its example"
	}
	return "fires on an example that it must ignore"
}

// scanRecord finds the hits in all strings of a record.
func (e *Engine) scanRecord(rec *decode.Record) []scan.Found {
	var found []scan.Found
	for i := range rec.Nodes {
		n := &rec.Nodes[i]
		if n.KeyKind == decode.Str {
			if hits := e.set.Scan(rec.Key(n), nil); len(hits) > 0 {
				found = append(found, scan.Found{Node: int32(i), Key: true, Hits: hits})
			}
		}
		switch n.Kind {
		case decode.Str, decode.Bin, decode.Ext:
			if hits := e.set.Scan(rec.Text(n), nil); len(hits) > 0 {
				found = append(found, scan.Found{Node: int32(i), Hits: hits})
			}
		}
	}
	return found
}
