package encode_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/plugin/encode"
	"github.com/seclog/seclog/plugin/redact"
)

type rec = decodetest.Map

var when = decodetest.EventTime{Sec: 1_795_464_660, Nsec: 123_456_789} // 2026-11-23T20:11:00

func settings(tb testing.TB, index string) *encode.Config {
	tb.Helper()
	p, err := config.ParseIndexPattern(index)
	if err != nil {
		tb.Fatal(err)
	}
	return &encode.Config{
		TimeKey: "@timestamp", TimeNanos: true, LogKeys: []string{"log"},
		Index: encode.NewIndex(p, 30*24*time.Hour, 3),
		Framing: encode.Framing{
			Open:  func(dst []byte, index, id string) []byte { return fmt.Appendf(dst, "%s %s\n", index, id) },
			Close: func(dst []byte) []byte { return append(dst, '\n') },
		},
		Rules: []*detect.Rule{
			{ID: "r1", Title: "Guessing", Author: "A", Level: "medium", Severity: 47, Tags: []string{"attack.t1110"}, Category: []string{"authentication"},
				Tactics: []detect.Attack{{ID: "TA0006", Name: "Credential Access"}}, Techniques: []detect.Attack{{ID: "T1110"}}},
			{ID: "r2", Title: "Root \"login\"", Author: "A", Level: "high", Severity: 73, Tags: []string{"attack.t1110", "attack.t1078"}, Category: []string{"authentication", "session"}},
		},
		Detectors: []string{"credit_card", "email"},
	}
}

// documents encodes all records of a chunk and gives the documents alone.
func documents(tb testing.TB, cfg *encode.Config, chunk []byte, change func(int, *encode.Input)) (docs []string, indices []string) {
	tb.Helper()
	var r decode.Reader
	var rc decode.Record
	r.Reset(chunk)
	e := encode.New(cfg)
	var body []byte
	for i := 0; ; i++ {
		ok, err := r.Next(&rc)
		if err != nil {
			tb.Fatal(err)
		}
		if !ok {
			return docs, indices
		}
		in := encode.Input{Record: &rc, First: int64(when.Sec), Tag: []byte("kube.x")}
		if change != nil {
			change(i, &in)
		}
		var d encode.Doc
		body, d = e.Append(body, &in)
		docs = append(docs, strings.TrimSuffix(string(body[d.JSON:d.End]), "\n"))
		indices = append(indices, d.Index)
	}
}

func cut(node int32, start, end int32, text string) redact.Edit {
	return redact.Edit{Node: node, Start: start, End: end, Text: []byte(text)}
}

func TestAppend(t *testing.T) {
	const at = `{"@timestamp":"2026-11-23T20:11:00.123456789Z"`
	for _, c := range []struct {
		name   string
		body   any
		change func(*encode.Config, *encode.Input)
		want   string
	}{
		{"plain", rec{"log", "hello", "n", 5, "t", true, "z", nil}, nil, at + `,"log":"hello","n":5,"t":true,"z":null}`},
		{"escapes", rec{"log", "a\"b\\c\n\r\t\x00\x1f\x7f é 한 \u2028 end of a longer text"}, nil, at + `,"log":"a\"b\\c\n\r\t\u0000\u001f` + "\x7f" + ` é 한 ` + "\u2028" + ` end of a longer text"}`},
		{"invalid UTF-8", rec{"log", "a\xffb\xc3", "k\xff", "v"}, nil, at + `,"log":"a` + "\ufffd" + `b` + "\ufffd" + `","k` + "\ufffd" + `":"v"}`},
		{"numbers", rec{"a", int64(math.MinInt64), "b", uint64(math.MaxUint64), "c", 1.0, "d", 1e300, "e", math.NaN(), "f", math.Inf(-1), "g", float32(0.5), "h", -0.0001}, nil,
			at + `,"a":-9223372036854775808,"b":18446744073709551615,"c":1.0,"d":1e+300,"e":null,"f":null,"g":0.5,"h":-0.0001}`},
		{"bin", rec{"text", []byte("text"), "bytes", []byte{0xff, 0xfe}}, nil, at + `,"text":"text","bytes":"//4="}`},
		{"nested", rec{"m", rec{"a", []any{1, rec{}, []any{}}, "b", rec{"c", "d"}}}, nil, at + `,"m":{"a":[1,{},[]],"b":{"c":"d"}}}`},
		{"repeated keys keep the last", rec{"a", 1, "b", rec{"x", 1, "y", 2, "x", 3}, "a", 2}, nil, at + `,"b":{"y":2,"x":3},"a":2}`},
		{"keys that are no strings", rec{5, "a", "5", "b", true, "c", nil, "d", 1.5, "e"}, nil, at + `,"5":"b","true":"c","null":"d","1.5":"e"}`},
		{"owned names", rec{"event", "x", "log", "a", "seclog.level", "y", "eventful", "z", "tags", 1, "@timestamp", "never", "original", 2}, nil,
			at + `,"log":"a","eventful":"z","original":{"event":"x","seclog.level":"y","tags":1,"@timestamp":"never","original":2}}`},
		{"tag", rec{"log", "a", "tag", "forged"}, func(c *encode.Config, _ *encode.Input) { c.TagKey = "tag" }, at + `,"tag":"kube.x","log":"a","original":{"tag":"forged"}}`},
		{"dots", rec{"a.b", rec{"c.d", 1, "c_d", 2}}, func(c *encode.Config, _ *encode.Input) { c.ReplaceDots = true }, at + `,"a_b":{"c_d":2}}`},
		{"milliseconds", rec{"log", "a"}, func(c *encode.Config, _ *encode.Input) { c.TimeNanos = false }, `{"@timestamp":"2026-11-23T20:11:00.123Z","log":"a"}`},
		{"cuts", rec{"log", "card 4111 and a@b.c!", "n", 4111}, func(_ *encode.Config, in *encode.Input) {
			in.Edits = &redact.Edits{List: []redact.Edit{cut(0, 5, 9, `[REDACTED:"x"]`), {Node: 0, Start: 14, End: 19, Detector: 1, Text: []byte("*")}, {Node: 1, Whole: true}}}
		}, at + `,"log":"card [REDACTED:\"x\"] and *!","n":null,"seclog":{"redacted":{"credit_card":2,"email":1}}}`},
		{"a cut in bytes", rec{"b", []byte("\xffsecret\xff")}, func(_ *encode.Config, in *encode.Input) {
			in.Edits = &redact.Edits{List: []redact.Edit{cut(0, 1, 7, "-")}}
		}, at + `,"b":"/y3/","seclog":{"redacted":{"credit_card":1}}}`},
		{"a cut in a key", rec{"a@b.c", 1, "x", 2}, func(_ *encode.Config, in *encode.Input) {
			in.Edits = &redact.Edits{List: []redact.Edit{{Node: 0, Key: true, End: 5, Detector: 1, Text: []byte("K")}}}
		}, at + `,"K":1,"x":2,"seclog":{"redacted":{"email":1}}}`},
		{"a dropped field", rec{"a", 1, "m", rec{"b", 2, "c", 3}}, func(_ *encode.Config, in *encode.Input) {
			in.Edits = &redact.Edits{List: []redact.Edit{{Node: 0, Whole: true, Action: redact.DropField}, {Node: 2, Whole: true, Action: redact.DropField}}}
		}, at + `,"m":{"c":3},"seclog":{"redacted":{"credit_card":2}}}`},
		{"report", rec{"log", "4111"}, func(_ *encode.Config, in *encode.Input) {
			in.Edits, in.Report = &redact.Edits{List: []redact.Edit{cut(0, 0, 4, "-")}}, true
		}, at + `,"log":"4111","seclog":{"redacted":{"credit_card":1}}}`},
		{"an edit that does not fit cuts all", rec{"log", "4111"}, func(_ *encode.Config, in *encode.Input) {
			in.Edits = &redact.Edits{List: []redact.Edit{cut(0, 0, 40, "-")}}
		}, at + `,"log":"[REDACTED]","seclog":{"redacted":{"credit_card":1}}}`},
		{"alert", rec{"log", "x"}, func(_ *encode.Config, in *encode.Input) { in.Fired = []int32{0, 1} },
			at + `,"log":"x","event":{"kind":"alert","severity":73,"category":["authentication","session"]},"rule":{"id":["r1","r2"],"name":["Guessing","Root \"login\""],"author":["A"]},` +
				`"threat":{"framework":"MITRE ATT&CK","tactic":{"id":["TA0006"],"name":["Credential Access"]},"technique":{"id":["T1110"]}},"tags":["attack.t1110","attack.t1078"],"seclog":{"level":"high"}}`},
		{"merged", rec{"log", `{"b":1.50,"a":{"x":"<","x":2},"event":3,"stream":4}`, "stream", "out"}, func(c *encode.Config, _ *encode.Input) { c.MergeLog = true },
			at + `,"log":"{\"b\":1.50,\"a\":{\"x\":\"<\",\"x\":2},\"event\":3,\"stream\":4}","stream":"out","a":{"x":2},"b":1.50,"original":{"event":3}}`},
		{"no JSON to merge", rec{"log", `{"a":`}, func(c *encode.Config, _ *encode.Input) { c.MergeLog = true }, at + `,"log":"{\"a\":"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := settings(t, "seclog-%Y.%m.%d")
			if c.change != nil {
				c.change(cfg, &encode.Input{})
			}
			got, _ := documents(t, cfg, new(decodetest.Chunk).Record(when, c.body).Bytes(), func(_ int, in *encode.Input) {
				if c.change != nil {
					c.change(&encode.Config{}, in)
				}
			})
			if d := cmp.Diff(c.want, got[0]); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			oneKeyEach(t, got[0])
		})
	}
}

func TestAppend_OTLP(t *testing.T) {
	chunk := new(decodetest.Chunk).
		GroupStart(rec{"attributes", rec{"service.name", "svc"}}, rec{"name", "sc"}).
		Meta(when, rec{"otlp", rec{"severity_text", "INFO"}}, rec{"log", "a", "resource", "own"}).
		GroupEnd().
		Record(when, rec{"log", "b", "resource", "own"}).Bytes()
	got, _ := documents(t, settings(t, "seclog"), chunk, nil)
	const at = `{"@timestamp":"2026-11-23T20:11:00.123456789Z"`
	want := []string{
		at + `,"log":"a","original":{"resource":"own"},"resource":{"attributes":{"service.name":"svc"}},"scope":{"name":"sc"},"otlp":{"severity_text":"INFO"}}`,
		at + `,"log":"b","resource":"own"}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestIndex(t *testing.T) {
	k8s := func(ns any) rec { return rec{"log", "a", "kubernetes", rec{"namespace_name", ns}} }
	for _, c := range []struct {
		name, pattern string
		sec           uint32
		body          rec
		want          string
	}{
		{"day", "seclog-%Y.%m.%d", when.Sec, rec{"a", 1}, "seclog-2026.11.23"},
		{"all directives", "x%y%j-%G.%V.%u-%H%M", when.Sec, rec{"a", 1}, "x26327-2026.48.1-2011"},
		{"too old", "seclog-%Y", when.Sec - 31*86400, rec{"a", 1}, encode.OutOfRange},
		{"1970", "seclog-%Y", 0, rec{"a", 1}, encode.OutOfRange},
		{"ahead", "seclog-%Y", when.Sec + 2*86400, rec{"a", 1}, encode.OutOfRange},
		{"age without a time in the name", "seclog", 0, rec{"a", 1}, "seclog"},
		{"field", "seclog-$kubernetes['namespace_name']-%Y", when.Sec, k8s("Pay ments/../é"), "seclog-pay_ments_..___-2026"},
		{"field is a number", "seclog-$kubernetes['namespace_name']", when.Sec, k8s(17), "seclog-17"},
		{"field is a map", "seclog-$kubernetes['namespace_name']", when.Sec, k8s(rec{"a", 1}), encode.Fallback},
		{"field is missing", "seclog-$kubernetes['namespace_name']", when.Sec, rec{"a", 1}, encode.Fallback},
		{"flat key", "seclog-$kubernetes['namespace_name']", when.Sec, rec{"kubernetes.namespace_name", "flat"}, "seclog-flat"},
		{"long value", "seclog-$a", when.Sec, rec{"a", strings.Repeat("x", 1000)}, "seclog-" + strings.Repeat("x", 100)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got := documents(t, settings(t, c.pattern), new(decodetest.Chunk).Record(decodetest.EventTime{Sec: c.sec}, c.body).Bytes(), nil)
			if got[0] != c.want {
				t.Errorf("got %q, want %q", got[0], c.want)
			}
		})
	}
	t.Run("too many names", func(t *testing.T) {
		c := new(decodetest.Chunk)
		for i := range 6 {
			c.Record(when, rec{"a", fmt.Sprint("n", i%4)})
		}
		_, got := documents(t, settings(t, "x-$a"), c.Bytes(), nil)
		want := []string{"x-n0", "x-n1", "x-n2", encode.Fallback, "x-n0", "x-n1"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	})
	t.Run("a value that was cut", func(t *testing.T) {
		chunk := new(decodetest.Chunk).Record(when, rec{"a", "alice@example.com"}).Bytes()
		_, got := documents(t, settings(t, "x-$a"), chunk, func(_ int, in *encode.Input) {
			in.Edits = &redact.Edits{List: []redact.Edit{cut(0, 0, 17, "[REDACTED:email]")}}
		})
		if got[0] != "x-_redacted_email_" {
			t.Errorf("got %q", got[0])
		}
	})
}

// TestAppend_CacheChangesNothing writes random chunks whose records repeat
// fields, once with what was remembered and once without.
func TestAppend_CacheChangesNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		c := new(decodetest.Chunk)
		for range 20 {
			c.Record(when, randomRecord(rnd))
		}
		edits := map[int]*redact.Edits{}
		for i := range 20 {
			if rnd.IntN(3) == 0 {
				edits[i] = &redact.Edits{List: []redact.Edit{{Node: 0, Whole: true, Text: []byte("cut")}}}
			}
		}
		cfg := settings(t, "seclog")
		change := func(i int, in *encode.Input) { in.Edits = edits[i] }
		got, _ := documents(t, cfg, c.Bytes(), change)
		var r decode.Reader
		var rc decode.Record
		r.Reset(c.Bytes())
		for i := range got {
			if ok, err := r.Next(&rc); !ok || err != nil {
				t.Fatal(ok, err)
			}
			in := encode.Input{Record: &rc, First: int64(when.Sec), Edits: edits[i]}
			body, d := encode.New(cfg).Append(nil, &in)
			if want := strings.TrimSuffix(string(body[d.JSON:d.End]), "\n"); got[i] != want {
				t.Fatalf("record %d\ngot  %s\nwant %s", i, got[i], want)
			}
			oneKeyEach(t, got[i])
		}
	}
}

// A record without fields that begins a chunk has nothing of the chunk before.
func TestForget_RecordWithoutFields(t *testing.T) {
	e := encode.New(settings(t, "x"))
	var r decode.Reader
	var rc decode.Record
	var body []byte
	for _, fields := range []rec{{"event", "x"}, {}} {
		r.Reset(new(decodetest.Chunk).Record(when, fields).Bytes())
		if ok, err := r.Next(&rc); !ok || err != nil {
			t.Fatal(ok, err)
		}
		e.Forget()
		body, _ = e.Append(body[:0], &encode.Input{Record: &rc})
	}
	if bytes.Contains(body, []byte("original")) {
		t.Errorf("%s", body)
	}
}

func randomRecord(rnd *rand.Rand) rec {
	names := []any{"a", "b", "log", "event", "tags", "x.y", "event.z", "\xff", "\xfe", 5, "5", "original"}
	var m rec
	for range rnd.IntN(6) + 1 {
		m = append(m, names[rnd.IntN(len(names))], randomValue(rnd, 3))
	}
	return m
}

func randomValue(rnd *rand.Rand, depth int) any {
	switch n := rnd.IntN(8); {
	case n == 0 && depth > 0:
		var m rec
		for range rnd.IntN(4) {
			m = append(m, string(rune('a'+rnd.IntN(3))), randomValue(rnd, depth-1))
		}
		return m
	case n == 1 && depth > 0:
		a := []any{}
		for range rnd.IntN(4) {
			a = append(a, randomValue(rnd, depth-1))
		}
		return a
	case n == 2:
		return rnd.Int64()
	case n == 3:
		return []byte{byte(rnd.IntN(256)), 'x'}
	default:
		return []string{"", "one", "two \"quoted\"", "\xff\xfe", "한국어 텍스트", "longer text without anything"}[rnd.IntN(6)]
	}
}

// oneKeyEach fails unless the document is JSON in valid UTF-8 with each key once.
func oneKeyEach(t *testing.T, doc string) {
	t.Helper()
	if !json.Valid([]byte(doc)) || strings.ToValidUTF8(doc, "") != doc {
		t.Fatalf("not JSON: %s", doc)
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(doc)))
	var walk func() error
	walk = func() error {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		d, ok := tok.(json.Delim)
		if !ok {
			return nil
		}
		seen := map[any]bool{}
		for dec.More() {
			if d == '{' {
				k, err := dec.Token()
				if err != nil {
					return err
				}
				if seen[k] {
					return fmt.Errorf("key %q twice", k)
				}
				seen[k] = true
			}
			if err := walk(); err != nil {
				return err
			}
		}
		_, err = dec.Token()
		return err
	}
	if err := walk(); err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("%v in %s", err, doc)
	}
}

// FuzzAppend takes any bytes as a chunk: every record that decodes makes a
// valid document with each key once.
func FuzzAppend(f *testing.F) {
	f.Add(new(decodetest.Chunk).Record(when, rec{"log", "a", "event", rec{"x", 1.5}}).Bytes())
	f.Add(new(decodetest.Chunk).GroupStart(rec{"a", "b"}, rec{}).Meta(when, rec{"m", 1}, rec{"a", []byte{1}}).GroupEnd().Bytes())
	f.Fuzz(func(t *testing.T, chunk []byte) {
		cfg := settings(t, "seclog-%Y-$log")
		cfg.MergeLog = true
		var r decode.Reader
		var rc decode.Record
		r.Reset(chunk)
		e := encode.New(cfg)
		var body []byte
		for {
			ok, err := r.Next(&rc)
			if !ok {
				return
			}
			if err != nil {
				e.Forget()
				continue
			}
			var d encode.Doc
			body, d = e.Append(body, &encode.Input{Record: &rc, First: int64(when.Sec)})
			oneKeyEach(t, strings.TrimSuffix(string(body[d.JSON:d.End]), "\n"))
		}
	})
}
