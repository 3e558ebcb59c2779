package encode_test

import (
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/encode"
	"github.com/seclog/seclog/plugin/redact"
)

func TestAppend_OwnID(t *testing.T) {
	const none = ""
	whole, part := cut(0, -1, -1, "[REDACTED:x]"), cut(0, 0, 1, "x")
	for name, c := range map[string]struct {
		path   []string
		body   rec
		edit   *redact.Edit
		report bool
		want   string
	}{
		"text":                {path: []string{"id"}, body: rec{"id", "a/b.c:d-e_f+~", "log", "x"}, want: "a/b.c:d-e_f+~"},
		"number":              {path: []string{"id"}, body: rec{"log", "x", "id", 42}, want: "42"},
		"negative":            {path: []string{"id"}, body: rec{"id", -42}, want: "-42"},
		"largest":             {path: []string{"id"}, body: rec{"id", uint64(1<<64 - 1)}, want: "18446744073709551615"},
		"inside":              {path: []string{"a", "b"}, body: rec{"a", rec{"c", 1, "b", "x1"}}, want: "x1"},
		"key with a dot":      {path: []string{"a", "b"}, body: rec{"a.b", "x1"}, want: "x1"},
		"512 bytes":           {path: []string{"id"}, body: rec{"id", strings.Repeat("i", 512)}, want: strings.Repeat("i", 512)},
		"513 bytes":           {path: []string{"id"}, body: rec{"id", strings.Repeat("i", 513)}, want: none},
		"not there":           {path: []string{"id"}, body: rec{"log", "x"}, want: none},
		"empty":               {path: []string{"id"}, body: rec{"id", ""}, want: none},
		"a map":               {path: []string{"id"}, body: rec{"id", rec{}}, want: none},
		"a float":             {path: []string{"id"}, body: rec{"id", 1.5}, want: none},
		"nil":                 {path: []string{"id"}, body: rec{"id", nil}, want: none},
		"forges a line":       {path: []string{"id"}, body: rec{"id", "a\"}}\n{\"delete\":{\"_index\":\"x\",\"_id\":\"y"}, want: none},
		"backslash":           {path: []string{"id"}, body: rec{"id", `a\u0022`}, want: none},
		"space":               {path: []string{"id"}, body: rec{"id", "a b"}, want: none},
		"beyond ASCII":        {path: []string{"id"}, body: rec{"id", "é"}, want: none},
		"cut whole":           {path: []string{"id"}, body: rec{"id", "secret"}, edit: &whole, want: none},
		"cut in part":         {path: []string{"id"}, body: rec{"id", "secret"}, edit: &part, want: none},
		"found, but reported": {path: []string{"id"}, body: rec{"id", "secret"}, edit: &part, report: true, want: "secret"},
		"no key is asked for": {body: rec{"id", "a"}, want: none},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings(t, "logs")
			cfg.IDKey = c.path
			var r decode.Reader
			var record decode.Record
			r.Reset(new(decodetest.Chunk).Record(when, c.body).Record(when, rec{"log", "next"}).Bytes())
			if ok, err := r.Next(&record); !ok || err != nil {
				t.Fatal(ok, err)
			}
			in := encode.Input{Record: &record, First: int64(when.Sec), ID: [encode.IDSize]byte([]byte(strings.Repeat("o", encode.IDSize))), Report: c.report}
			if c.edit != nil {
				in.Edits = &redact.Edits{List: []redact.Edit{*c.edit}}
			}
			e := encode.New(cfg)
			body, doc := e.Append(nil, &in)
			framed := c.want
			if framed == none {
				framed = string(in.ID[:])
			}
			if got := string(body[doc.Off:doc.JSON]); doc.ID != c.want || got != "logs "+framed+"\n" {
				t.Errorf("id %q, framing %q, want %q", doc.ID, got, c.want)
			}
			// The next record without one has ours again.
			if ok, err := r.Next(&record); !ok || err != nil {
				t.Fatal(ok, err)
			}
			in.Edits = nil
			body, doc = e.Append(body, &in)
			if got := string(body[doc.Off:doc.JSON]); doc.ID != none || got != "logs "+string(in.ID[:])+"\n" {
				t.Errorf("next: id %q, framing %q", doc.ID, got)
			}
		})
	}
}
