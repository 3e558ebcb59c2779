package opensearch

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// oracle reads a bulk answer with encoding/json.
func oracle(data []byte) (items []itemAnswer, typ string, ok bool) {
	if !json.Valid(data) || repeatsKey(data) {
		return nil, "", false
	}
	var whole map[string]any
	if json.Unmarshal(data, &whole) != nil || whole == nil {
		return nil, "", false
	}
	name := func(v any) string {
		s, isText := v.(string)
		if !isText {
			return unknownType
		}
		return typeOf([]byte(s))
	}
	failure := func(v any) (it itemAnswer, ok bool) {
		switch v := v.(type) {
		case string:
			return itemAnswer{typ: unknownType}, true
		case map[string]any:
			it.typ = name(v["type"])
			if reason, isText := v["reason"].(string); isText {
				it.hint = hintOf([]byte(reason))
			}
			return it, true
		}
		return it, false
	}
	full := func(v any) (it itemAnswer, ok bool) {
		it, ok = failure(v)
		if m, isMap := v.(map[string]any); ok && isMap {
			for inner := m["caused_by"]; inner != nil; inner = nil {
				if c, isMap := inner.(map[string]any); isMap {
					if !causesFit(c) {
						return it, false
					}
					it.cause = name(c["type"])
				}
			}
		}
		return it, ok
	}
	if e, there := whole["error"]; there {
		it, ok := full(e)
		if !ok {
			return nil, "", false
		}
		typ = it.typ
	}
	if v, there := whole["items"]; there {
		list, isList := v.([]any)
		if !isList {
			return nil, "", false
		}
		for _, v := range list {
			m, isMap := v.(map[string]any)
			op, isOp := m["create"].(map[string]any)
			create := isOp
			if !isOp {
				op, isOp = m["index"].(map[string]any)
			}
			status, isNumber := op["status"].(float64)
			if !isMap || len(m) != 1 || !isOp || !isNumber || status != float64(int(status)) || status < 100 || status > 599 {
				return nil, "", false
			}
			var it itemAnswer
			if e, there := op["error"]; there {
				var ok bool
				if it, ok = full(e); !ok {
					return nil, "", false
				}
			}
			it.status, it.create = int(status), create
			items = append(items, it)
		}
	}
	return items, typ, true
}

// causesFit tells whether what is nested as cause has the form that is read.
func causesFit(m map[string]any) bool {
	c, isMap := m["caused_by"].(map[string]any)
	return !isMap || causesFit(c)
}

// repeatsKey tells whether an object of valid JSON has a key twice.
func repeatsKey(data []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var keys []map[string]bool // nil for an array
	var isKey []bool
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return false
		}
		if err != nil {
			return true
		}
		n := len(keys) - 1
		if d, isDelim := tok.(json.Delim); isDelim && (d == '}' || d == ']') {
			keys, isKey = keys[:n], isKey[:n]
			if n--; n >= 0 && keys[n] != nil {
				isKey[n] = true
			}
			continue
		}
		if n >= 0 && keys[n] != nil && isKey[n] {
			k := tok.(string)
			if keys[n][k] {
				return true
			}
			keys[n][k], isKey[n] = true, false
			continue
		}
		switch tok {
		case json.Delim('{'):
			keys, isKey = append(keys, map[string]bool{}), append(isKey, true)
		case json.Delim('['):
			keys, isKey = append(keys, nil), append(isKey, false)
		default:
			if n >= 0 && keys[n] != nil {
				isKey[n] = true
			}
		}
	}
}

func TestScanAnswer(t *testing.T) {
	tests := []struct {
		name, in string
		want     []itemAnswer
		typ      string
		bad      bool
	}{
		{name: "good", in: `{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":200}}]}`, want: []itemAnswer{{create: true, status: 201}, {create: true, status: 200}}},
		{name: "unasked fields and space", in: " {\n\"took\":3.5e1,\"items\" : [ {\"create\": {\"_index\":\"a\\\"b\",\"_shards\":{\"x\":[1,null,true]},\"status\":201 } } ] }\n", want: []itemAnswer{{create: true, status: 201}}},
		{name: "error with cause and reason", in: `{"items":[{"create":{"error":{"type":"illegal_argument_exception","reason":"pipeline with id [x] does not exist","caused_by":{"type":"max_bytes_length_exceeded_exception","reason":"secret"}},"status":400}}]}`, want: []itemAnswer{{create: true, status: 400, typ: illegalArgument, cause: "max_bytes_length_exceeded_exception", hint: hintIndex}}},
		{name: "whole error", in: `{"error":{"root_cause":[{"type":"x","reason":"y"}],"type":"json_e_o_f_exception","reason":"z"},"status":400}`, typ: "json_e_o_f_exception"},
		{name: "error is text", in: `{"error":"no","status":400}`, typ: unknownType},
		{name: "type with escapes from a terminal", in: `{"items":[{"create":{"status":400,"error":{"type":"\u001b[31m\n[error]"}}}]}`, want: []itemAnswer{{create: true, status: 400, typ: unknownType}}},
		{name: "escaped key", in: `{"it\u0065ms":[{"create":{"status":201}}]}`, want: []itemAnswer{{create: true, status: 201}}},
		{name: "both operations", in: `{"items":[{"index":{"status":201}},{"create":{"status":201}}]}`, want: []itemAnswer{{status: 201}, {create: true, status: 201}}},
		{name: "other operation", in: `{"items":[{"delete":{"status":201}}]}`, bad: true},
		{name: "two operations", in: `{"items":[{"create":{"status":201},"create":{"status":201}}]}`, bad: true},
		{name: "no status", in: `{"items":[{"create":{}}]}`, bad: true},
		{name: "odd status", in: `{"items":[{"create":{"status":20}}]}`, bad: true},
		{name: "long status", in: `{"items":[{"create":{"status":2010}}]}`, bad: true},
		{name: "items twice", in: `{"items":[],"items":[{"create":{"status":201}}]}`, bad: true},
		{name: "cut", in: `{"items":[{"create":{"status":201}}`, bad: true},
		{name: "more behind", in: `{"items":[]}{}`, bad: true},
		{name: "empty", in: ``, bad: true},
		{name: "page", in: `<html></html>`, bad: true},
		{name: "deep", in: `{"x":` + strings.Repeat("[", 100000), bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a bulkAnswer
			err := scanAnswer([]byte(tt.in), &a)
			if (err != nil) != tt.bad {
				t.Fatalf("error = %v, want error: %v", err, tt.bad)
			}
			if tt.bad {
				return
			}
			if d := cmp.Diff(tt.want, append([]itemAnswer(nil), a.items...), cmp.AllowUnexported(itemAnswer{})); d != "" || a.typ != tt.typ {
				t.Errorf("type %q, want %q; items differ (-want +got):\n%s", a.typ, tt.typ, d)
			}
		})
	}
}

func FuzzScanAnswer(f *testing.F) {
	for _, s := range []string{
		`{"errors":true,"items":[{"create":{"status":201}},{"create":{"error":{"type":"mapper_parsing_exception","caused_by":{"type":"x","caused_by":{}}},"status":400}}]}`,
		`{"error":{"type":"a","reason":"Limit of total fields"},"status":400}`, `{"items":[]}`, `{}`, `[]`, `{"items":[{"create":{"status":1e2}}]}`,
		`{"a":-0.1E+5,"b":"\ud800","items":[{"create":{"status":429,"error":"x"}}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var a bulkAnswer
		err := scanAnswer(data, &a)
		if err == nil && !json.Valid(data) {
			t.Fatalf("taken, but no JSON: %q", data)
		}
		if bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) > answerDepth/2 || !utf8.Valid(data) {
			return // what nests deeper may be refused
		}
		items, typ, ok := oracle(data)
		if err != nil {
			if ok && !exoticStatus(data) {
				t.Fatalf("refused, but encoding/json reads it: %q", data)
			}
			return
		}
		if repeatsKey(data) {
			return // keys that do not matter may repeat
		}
		if !ok {
			t.Fatalf("taken, but encoding/json does not: %q", data)
		}
		if d := cmp.Diff(items, append([]itemAnswer(nil), a.items...), cmp.AllowUnexported(itemAnswer{})); d != "" || typ != a.typ {
			t.Fatalf("%q: type %q, want %q (-want +got):\n%s", data, a.typ, typ, d)
		}
	})
}

// exoticStatus tells whether a number is written in a way that no server writes
// a status, such as 2e2; such answers are refused.
func exoticStatus(data []byte) bool {
	return bytes.ContainsAny(data, ".eE") && bytes.Contains(data, []byte("status")) && hasExotic(data)
}

func hasExotic(data []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	for {
		tok, err := dec.Token()
		if err != nil {
			return false
		}
		if n, isNumber := tok.(json.Number); isNumber && strings.ContainsAny(string(n), ".eE") {
			return true
		}
	}
}

func BenchmarkScanAnswer(b *testing.B) {
	data := []byte(`{"errors":false,"items":[` + strings.Repeat(`{"create":{"status":201}},`, 4999) + `{"create":{"status":201}}]}`)
	var a bulkAnswer
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := scanAnswer(data, &a); err != nil || len(a.items) != 5000 {
			b.Fatal(err, len(a.items))
		}
	}
}
