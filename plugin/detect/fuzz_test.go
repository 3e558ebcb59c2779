package detect_test

import (
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/plugin/scan"
	"github.com/tinylib/msgp/msgp"
)

// FuzzCompile feeds any text as rule and as pipeline: either is understood or
// refused with a reason, and what is understood runs.
func FuzzCompile(f *testing.F) {
	for _, s := range append(read(f, "detection/*/*.yml"), read(f, "pipelines/*.yml")...) {
		f.Add(string(s.Data))
	}
	f.Add("title: a\nlogsource: {product: x}\ndetection: &d\n  a: *d\n  condition: a")
	f.Add("title: a\nlogsource: {product: x}\ndetection:\n  a: [&x [*x]]\n  condition: a")
	f.Fuzz(func(t *testing.T, text string) {
		src := []detect.Source{{Name: "f", Data: []byte(text)}}
		var b scan.Builder
		e, refused := detect.Compile(src, append(src, detect.Source{Name: "p", Data: []byte(testPipeline)}), &b, detect.Options{AnyLogsource: true})
		for _, r := range refused {
			if r.Reason == "" || r.File == "" {
				t.Errorf("refusal without file or reason: %+v", r)
			}
		}
		set := b.Build()
		e.Bind(set)
		e.RunExamples()
		d := detector{engine: e, set: set}
		for _, line := range []string{text, `{"kind":"event","a":[1,{"b":null}]}`} {
			chunk := msgp.AppendInt64(msgp.AppendArrayHeader(nil, 2), 1)
			chunk = msgp.AppendString(msgp.AppendMapHeader(chunk, 1), "log")
			d.run(t, msgp.AppendString(chunk, line))
		}
	})
}

// FuzzCondition feeds any condition over three selections. A condition that
// is understood must not change when it is put into parentheses or negated
// twice.
func FuzzCondition(f *testing.F) {
	for _, s := range []string{"a", "a and b or not _c", "1 of them", "all of a*", "not (a or b)", "2 of them", "a | count() > 3", "(a", "a b", "not", "1 of", "((((a))))"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, condition string) {
		if strings.ContainsAny(condition, "\n\r'\x00") || !isPlain(condition) {
			return
		}
		rule := func(c string) []detect.Source {
			return []detect.Source{{Name: "r", Data: []byte("title: r\nlogsource: {product: test}\ndetection:\n  a: {f1: x}\n  b: {f1|contains: y}\n  _c: {f2: null}\n  condition: '" + c + "'\n")}}
		}
		var answers [3][]bool
		for i, c := range []string{condition, "(" + condition + ")", "not not (" + condition + ")"} {
			var b scan.Builder
			e, refused := detect.Compile(rule(c), []detect.Source{{Name: "p", Data: []byte(testPipeline)}}, &b, detect.Options{})
			if len(refused) > 0 {
				return
			}
			d := detector{engine: e, set: b.Build()}
			for _, event := range []map[string]string{{}, {"f1": "x"}, {"f1": "y", "f2": "z"}, {"f1": "n", "f2": "z"}} {
				for _, chunk := range shapes(event, false) {
					answers[i] = append(answers[i], len(d.run(t, chunk)) > 0)
				}
			}
		}
		for k := range answers[0] {
			if answers[0][k] != answers[1][k] || answers[0][k] != answers[2][k] {
				t.Fatalf("%q: %v", condition, answers)
			}
		}
	})
}

// isPlain says whether a text is printable ASCII.
func isPlain(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0
}
