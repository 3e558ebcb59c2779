package redact_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/redact"
	"github.com/seclog/seclog/plugin/scan"
	"github.com/seclog/seclog/rules"
)

// tool is an engine with its set, as a flush has them.
type tool struct {
	engine *redact.Engine
	set    *scan.Set
	state  redact.State
}

func builtin(t testing.TB) []redact.Source {
	t.Helper()
	names, err := fs.Glob(rules.FS, "redaction/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no built-in rules: %v", err)
	}
	var files []redact.Source
	for _, name := range names {
		data, err := fs.ReadFile(rules.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, redact.Source{Name: name, Data: data})
	}
	return files
}

func testKeys(t testing.TB) *redact.Keys {
	t.Helper()
	k, err := redact.ParseKeys("keys", []byte("# now\nK2 MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\nK1 MDEyMzQ1Njc4OWFiY2RlZg\n"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newTool(t testing.TB, o redact.Options, files ...redact.Source) *tool {
	t.Helper()
	var b scan.Builder
	e, err := redact.Compile(files, testKeys(t), &b, o)
	if err != nil {
		t.Fatal(err)
	}
	return &tool{engine: e, set: b.Build()}
}

func yaml(text string) redact.Source { return redact.Source{Name: "own.yaml", Data: []byte(text)} }

func (x *tool) text(text string) string {
	return string(x.engine.RedactText(&x.state, []byte(text), x.set.Scan([]byte(text), nil), nil))
}

// found scans a record as a flush does.
func (x *tool) found(rec *decode.Record) []scan.Found {
	var list []scan.Found
	for i := range rec.Nodes {
		n := &rec.Nodes[i]
		if hits := x.set.Scan(rec.Key(n), nil); len(hits) > 0 && n.KeyKind == decode.Str {
			list = append(list, scan.Found{Node: int32(i), Key: true, Hits: hits})
		}
		if n.Kind == decode.Str || n.Kind == decode.Bin || n.Kind == decode.Ext {
			if hits := x.set.Scan(rec.Text(n), nil); len(hits) > 0 {
				list = append(list, scan.Found{Node: int32(i), Hits: hits})
			}
		}
	}
	return list
}

// chunk redacts records and writes each as its leaves: path=value, where
// strings stand in quotes.
func (x *tool) chunk(t testing.TB, bodies ...any) []string {
	t.Helper()
	var c decodetest.Chunk
	for _, b := range bodies {
		c.Record(decodetest.EventTime{Sec: 1}, b)
	}
	var r decode.Reader
	var rec decode.Record
	var out []string
	r.Reset(c.Bytes())
	for {
		ok, err := r.Next(&rec)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		edits := x.engine.Redact(&x.state, &rec, x.found(&rec))
		checkOrder(t, &rec, edits)
		if edits.DropRecord {
			out = append(out, "dropped by "+x.engine.Detectors()[edits.DropBy].ID)
			continue
		}
		out = append(out, leaves(&rec, edits))
	}
}

// checkOrder holds what is promised of Edits.List.
func checkOrder(t testing.TB, rec *decode.Record, edits *redact.Edits) {
	t.Helper()
	for i, e := range edits.List {
		n := &rec.Nodes[e.Node]
		size := int32(n.Text.Len)
		if e.Key {
			size = int32(n.Key.Len)
		}
		if !e.Whole && (e.Start < 0 || e.Start >= e.End || e.End > size) {
			t.Fatalf("edit %d reaches %d..%d of %d bytes", i, e.Start, e.End, size)
		}
		if i == 0 {
			continue
		}
		p := edits.List[i-1]
		switch {
		case p.Node > e.Node, p.Node == e.Node && !p.Key && e.Key:
			t.Fatalf("edit %d is out of order", i)
		case p.Node == e.Node && p.Key == e.Key && (p.Whole || e.Whole || e.Start < p.End):
			t.Fatalf("edit %d overlaps the one before", i)
		}
	}
}

func leaves(rec *decode.Record, edits *redact.Edits) string {
	text := func(node int32, key bool, raw string) string {
		at := 0
		out := ""
		for _, e := range edits.List {
			if e.Node != node || e.Key != key {
				continue
			}
			if e.Whole {
				return string(e.Text)
			}
			out += raw[at:e.Start] + string(e.Text)
			at = int(e.End)
		}
		return out + raw[at:]
	}
	whole := func(node int32) *redact.Edit {
		for i := range edits.List {
			if e := &edits.List[i]; e.Node == node && e.Whole && !e.Key {
				return e
			}
		}
		return nil
	}
	var parts []string
	var walk func(node int32, path string)
	walk = func(node int32, path string) {
		n := &rec.Nodes[node]
		if key := text(node, true, string(rec.Key(n))); key != "" {
			path = strings.TrimPrefix(path+"."+key, ".")
		}
		e := whole(node)
		if e != nil && e.Action == redact.DropField {
			return
		}
		switch n.Kind {
		case decode.Map, decode.Array:
			for i := node + 1; i < n.End; i = rec.Nodes[i].End {
				walk(i, path)
			}
		case decode.Str, decode.Bin, decode.Ext:
			parts = append(parts, fmt.Sprintf("%s=%q", path, text(node, false, string(rec.Text(n)))))
		default:
			v := fmt.Sprint(n.Kind == decode.Nil, n.Num)
			switch n.Kind {
			case decode.Int, decode.Uint:
				v = fmt.Sprint(int64(n.Num))
			case decode.Bool:
				v = fmt.Sprint(n.Num == 1)
			case decode.Nil:
				v = "null"
			}
			if e != nil {
				v = string(e.Text)
			}
			parts = append(parts, path+"="+v)
		}
	}
	for i := int32(0); int(i) < len(rec.Nodes); i = rec.Nodes[i].End {
		walk(i, "")
	}
	return strings.Join(parts, " ")
}
