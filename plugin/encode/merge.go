package encode

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/seclog/seclog/plugin/decode"
)

// merged is what a JSON object in the log text adds to the top level. It is
// made from the text as it leaves, after every cut. Its keys are sorted, since
// that alone makes the same text the same document without much ado; this path
// is for users who ask for it and not made to be fast.
type merged struct {
	fields []mergedField
}

type mergedField struct {
	text  []byte // key and value as JSON
	where place
}

// merge reads the first field that holds a log text, if that is a JSON object.
// Keys that the record itself has stay the record's.
func (e *Encoder) merge(rec *decode.Record, around bool) *merged {
	text := e.logText(rec)
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var object map[string]any
	if dec.Decode(&object) != nil || dec.More() || !shallow(object, decode.MaxDepth-1) {
		return nil
	}
	if e.cfg.ReplaceDots {
		object, _ = undot(object).(map[string]any)
	}
	taken := map[string]bool{}
	for i, f := range rec.Fields {
		if e.plan[i] == onTop {
			taken[string(e.key(nil, rec, f.Node))] = true
		} else {
			taken["original"+string(e.key(nil, rec, f.Node))] = true
		}
	}
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	m := &merged{}
	for _, k := range keys {
		quoted := appendString(nil, []byte(k))
		where, prefix := onTop, ""
		if e.isOwned([]byte(k), around) {
			where, prefix = underOriginal, "original"
		}
		if taken[prefix+string(quoted)] {
			continue
		}
		var value bytes.Buffer
		enc := json.NewEncoder(&value)
		enc.SetEscapeHTML(false)
		if enc.Encode(object[k]) != nil {
			continue
		}
		line := append(append(quoted, ':'), bytes.TrimSuffix(value.Bytes(), []byte{'\n'})...)
		m.fields = append(m.fields, mergedField{line, where})
	}
	return m
}

// logText is the log text with its edits; empty where there is none.
func (e *Encoder) logText(rec *decode.Record) []byte {
	for _, name := range e.cfg.LogKeys {
		for _, f := range rec.Fields {
			n := &rec.Nodes[f.Node]
			if n.Kind == decode.Str && string(rec.Key(n)) == name && e.whole(f.Node) == nil {
				return bytes.TrimSpace(e.applied(rec.Text(n), f.Node, false))
			}
		}
	}
	return nil
}

// append appends the fields of one place; onTop with a comma before each,
// underOriginal with one behind each.
func (m *merged) append(dst []byte, where place) []byte {
	if m == nil {
		return dst
	}
	for _, f := range m.fields {
		if f.where != where {
			continue
		}
		if where == onTop {
			dst = append(append(dst, ','), f.text...)
		} else {
			dst = append(append(dst, f.text...), ',')
		}
	}
	return dst
}

// moves says whether any field goes under "original".
func (m *merged) moves() bool {
	return m != nil && slices.ContainsFunc(m.fields, func(f mergedField) bool { return f.where == underOriginal })
}

// shallow says whether v is nested no deeper than depth.
func shallow(v any, depth int) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, c := range v {
			if depth == 0 || !shallow(c, depth-1) {
				return false
			}
		}
	case []any:
		for _, c := range v {
			if depth == 0 || !shallow(c, depth-1) {
				return false
			}
		}
	}
	return true
}

// undot replaces dots in all keys.
func undot(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, c := range v {
			out[strings.ReplaceAll(k, ".", "_")] = undot(c)
		}
		return out
	case []any:
		for i := range v {
			v[i] = undot(v[i])
		}
	}
	return v
}
