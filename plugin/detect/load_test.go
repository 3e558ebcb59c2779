package detect_test

import (
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/plugin/scan"
	"github.com/tinylib/msgp/msgp"
)

const head = "title: t\nid: one\nlogsource: {product: test}\n"

func TestCompile_Refuses(t *testing.T) {
	for _, c := range []struct {
		name, rule string
		line       int
		reason     string
	}{
		{"no YAML", "title: [", 1, "no YAML"},
		{"unknown modifier", head + "detection:\n  a:\n    f|expand: '%x%'\n  condition: a", 6, `modifier "expand" is not known`},
		{"2 of", head + "detection:\n  a: {f: x}\n  condition: 2 of a*", 6, `"2" of is not allowed`},
		{"aggregation", head + "detection:\n  a: {f: x}\n  condition: a | count() > 5", 6, "aggregation"},
		{"unknown selection", head + "detection:\n  a: {f: x}\n  condition: a and b", 6, `no selection "b"`},
		{"pattern without match", head + "detection:\n  a: {f: x}\n  condition: 1 of b*", 6, `named "b*"`},
		{"parenthesis", head + "detection:\n  a: {f: x}\n  condition: (a", 6, "parenthesis"},
		{"no RE2", head + "detection:\n  a: {'f|re': '(?<=x)y'}\n  condition: a", 5, "not RE2"},
		{"bad network", head + "detection:\n  a: {'f|cidr': '10.0.0.0/99'}\n  condition: a", 5, "no network"},
		{"bad number", head + "detection:\n  a: {'f|gt': many}\n  condition: a", 5, "wants a number"},
		{"flag without re", head + "detection:\n  a: {'f|i': x}\n  condition: a", 5, "only behind re"},
		{"two operations", head + "detection:\n  a: {'f|contains|endswith': x}\n  condition: a", 5, "contradict"},
		{"map as value", head + "detection:\n  a: {f: {g: x}}\n  condition: a", 5, "is a map"},
		{"no condition", head + "detection:\n  a: {f: x}", 5, "no condition"},
		{"no logsource", "title: t\ndetection:\n  a: {f: x}\n  condition: a", 1, "no logsource"},
		{"level", head + "level: urgent\ndetection:\n  a: {f: x}\n  condition: a", 4, `no level "urgent"`},
		{"correlation", "title: t\ncorrelation: {type: event_count}", 2, "correlation"},
		{"deep", head + "detection:\n  a: {f: x}\n  condition: " + strings.Repeat("(", 5000) + "a" + strings.Repeat(")", 5000), 6, "nested deeper"},
		{"id twice", head + "detection:\n  a: {f: x}\n  condition: a\n---\n" + head + "detection:\n  a: {f: x}\n  condition: a", 8, "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b scan.Builder
			_, refused := detect.Compile([]detect.Source{{Name: "x.yml", Data: []byte(c.rule)}}, nil, &b, detect.Options{})
			if len(refused) != 1 || refused[0].File != "x.yml" || refused[0].Line != c.line || !strings.Contains(refused[0].Reason, c.reason) {
				t.Errorf("refused %+v, want line %d: %s", refused, c.line, c.reason)
			}
		})
	}
}

func TestCompile_RuleOfDocument(t *testing.T) {
	e, _ := builtin(t, detect.Options{Disable: []string{"no such id"}})
	for _, r := range e.Rules() {
		if r.Title != "Deletion of a security agent" {
			continue
		}
		if r.Severity != 73 || r.Level != "high" || r.Author != "Seclog maintainers" || r.Category[0] != "configuration" ||
			r.Tactics[0] != (detect.Attack{ID: "TA0112", Name: "Defense Impairment"}) || r.Techniques[0].ID != "T1685" {
			t.Errorf("%+v", r)
		}
		off, _ := builtin(t, detect.Options{Disable: []string{r.ID}})
		if len(off.Rules()) != len(e.Rules())-1 {
			t.Errorf("%d rules with one of %d disabled", len(off.Rules()), len(e.Rules()))
		}
		return
	}
	t.Error("the rule is missing")
}

// TestDetect_Semantics has the edges of the specification, one by one.
func TestDetect_Semantics(t *testing.T) {
	for _, c := range []struct {
		sel, event string // event: JSON in the log text
		want       bool
	}{
		{`f: 'a\*c'`, `{"f":"a*c"}`, true},
		{`f: 'a\*c'`, `{"f":"abc"}`, false},
		{`f: 'a\\*c'`, `{"f":"a\\xxc"}`, true},
		{`f: 'a\\\*c'`, `{"f":"a\\*c"}`, true},
		{`f: 'a\\\*c'`, `{"f":"a\\xc"}`, false},
		{`f: 'C:\Windows'`, `{"f":"c:\\windows"}`, true},
		{`f|endswith: '\cmd.exe'`, `{"f":"C:\\x\\CMD.exe"}`, true},
		{`f|contains: 'dir\'`, `{"f":"C:\\dir\\x"}`, true},
		{`f|contains: 'dir\'`, `{"f":"C:dir"}`, false},
		{`f: 'a?c'`, `{"f":"aéc"}`, true},
		{`f: 'a*b*c?'`, `{"f":"axxbyybzcd"}`, true},
		{`f: ABC`, `{"f":"abc"}`, true},
		{`f|cased: ABC`, `{"f":"abc"}`, false},
		{`f|re: 'A.c'`, `{"f":"abc"}`, false},
		{`f|re|i: 'A.c'`, `{"f":"abc"}`, true},
		{`f|re|s: 'a.c'`, `{"f":"a\nc"}`, true},
		{`f|re|m: '^c$'`, `{"f":"a\nc\nd"}`, true},
		{`f: 12`, `{"f":12}`, true},
		{`f: 12`, `{"f":"12"}`, true},
		{`f: '12'`, `{"f":12}`, true},
		{`f: 12`, `{"f":"0x12"}`, false},
		{`f: 0x12`, `{"f":18}`, false},
		{`f: 0x12`, `{"f":"0x12"}`, true},
		{`f: true`, `{"f":true}`, true},
		{`f: true`, `{"f":"True"}`, true},
		{`f: true`, `{"f":1}`, true},
		{`f: false`, `{"f":true}`, false},
		{`f: null`, `{"g":1}`, true},
		{`f: null`, `{"f":null}`, true},
		{`f: null`, `{"f":""}`, false},
		{`f: ''`, `{"f":""}`, true},
		{`f: ''`, `{"g":1}`, false},
		{`f: []`, `{"g":1}`, true},
		{`f|exists: true`, `{"f":null}`, true},
		{`f|exists: false`, `{"f":null}`, false},
		{`f|exists: false`, `{"g":1}`, true},
		{`f|neq: [a, b]`, `{"f":"c"}`, true},
		{`f|neq: [a, b]`, `{"g":1}`, true},
		{`f|neq: [a, b]`, `{"f":"b"}`, false},
		{`f|cidr: 10.0.0.0/8`, `{"f":"10.200.3.4"}`, true},
		{`f|cidr: [10.0.0.0/8, 'fd00::/8']`, `{"f":"fd12::1"}`, true},
		{`f|cidr: 10.0.0.0/8`, `{"f":"::ffff:10.1.1.1"}`, true},
		{`f|cidr: 10.0.0.0/8`, `{"f":"11.1.1.1"}`, false},
		{`f|gt: 5`, `{"f":"6"}`, true},
		{`f|gte: 5.5`, `{"f":5.5}`, true},
		{`f|lt: 5`, `{"f":5}`, false},
		{`f|lte: 5`, `{"f":"five"}`, false},
		{`f|fieldref: g`, `{"f":"Root","g":"root"}`, true},
		{`f|fieldref|endswith: g`, `{"f":"my-root","g":"root"}`, true},
		{`f|fieldref: g`, `{"f":"root"}`, false},
		{`f|contains|all: [abc, xyz]`, `{"f":"xyz abc"}`, true},
		{`f|contains|all: [abc, xyz]`, `{"f":"abc"}`, false},
		{`f|contains|windash: ' -e '`, `{"f":"x –e y"}`, true},
		{`f|contains: 80`, `{"f":8080}`, true},
		{`f|contains: '808'`, `{"f":8080}`, true},
		{`f|endswith: '5e+20'`, `{"f":2.5e20}`, true},
		{`f|contains: 'fals'`, `{"f":false}`, true},
		{`a.b.c: x`, `{"a":{"b":[{"c":"y"},{"c":"x"}]}}`, true},
		{`a.b.c: x`, `{"a.b":{"c":"x"}}`, true},
		{`a.b: x`, `{"a.b":"y","a":{"b":"x"}}`, false},
		{`f: x`, `{"f":["y",["x"]]}`, true},
		{`f: kelvin`, `{"f":"\u212aelvin"}`, true},
		{`f: 'straße'`, `{"f":"STRAßE"}`, true},
		{`'|all': [kind, needle]`, `{"f":"a NEEDLE"}`, false},
		{`'|all': [event, needle]`, `{"f":"a NEEDLE"}`, true},
		{`'|re': 'nee[d]le'`, `{"f":"a needle"}`, true},
	} {
		rule := head + "detection:\n  sel:\n    " + c.sel + "\n  condition: sel\n"
		e, set := compile(t, []detect.Source{{Name: "r", Data: []byte(rule)}}, []detect.Source{{Name: "p", Data: []byte(testPipeline)}}, detect.Options{})
		d := detector{engine: e, set: set}
		chunk := msgp.AppendInt64(msgp.AppendArrayHeader(nil, 2), 1)
		chunk = msgp.AppendString(msgp.AppendMapHeader(chunk, 2), "kind")
		chunk = msgp.AppendString(msgp.AppendString(chunk, "event"), "log")
		chunk = msgp.AppendString(chunk, c.event)
		if got := len(d.run(t, chunk)) == 1; got != c.want {
			t.Errorf("%s on %s: %t, want %t", c.sel, c.event, got, c.want)
		}
	}
}

// TestDetect_Logsource has which rules run where.
func TestDetect_Logsource(t *testing.T) {
	pipes := []detect.Source{{Name: "p", Data: []byte("logsource: {product: linux, service: sshd}\nwhen: [{field: unit, in: [sshd]}]")}}
	for _, c := range []struct {
		source, detection string
		unit              string
		any, want         bool
	}{
		{"product: linux, service: sshd", "{f: xyz}", "sshd", false, true},
		{"product: linux, service: sshd", "{f: xyz}", "cron", false, false},
		{"product: linux, service: sshd", "{f: xyz}", "cron", true, true},
		{"product: linux", "{f: xyz}", "sshd", false, true},
		{"product: linux, category: process_creation", "{f: xyz}", "sshd", false, true},
		{"product: windows", "{f: xyz}", "sshd", false, false},
		{"product: windows", "{f: xyz}", "sshd", true, true},
		{"category: webserver", "{f: xyz}", "sshd", false, false},
		{"product: linux", "[xyz]", "sshd", false, true},
		{"product: linux, category: process_creation", "[xyz]", "sshd", true, false},
		{"product: windows", "[xyz]", "sshd", true, false},
		{"product: windows", "{g: null}", "sshd", true, false},
		{"product: linux", "{g: null}", "sshd", true, true},
	} {
		rule := "title: t\nlogsource: {" + c.source + "}\ndetection:\n  sel: " + c.detection + "\n  condition: sel\n"
		e, set := compile(t, []detect.Source{{Name: "r", Data: []byte(rule)}}, pipes, detect.Options{AnyLogsource: c.any})
		d := detector{engine: e, set: set}
		chunk := msgp.AppendInt64(msgp.AppendArrayHeader(nil, 2), 1)
		chunk = msgp.AppendMapHeader(chunk, 2)
		for _, kv := range [][2]string{{"unit", c.unit}, {"f", "xyz"}} {
			chunk = msgp.AppendString(msgp.AppendString(chunk, kv[0]), kv[1])
		}
		if got := len(d.run(t, chunk)) == 1; got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

// TestDetect_Them has that names which begin with '_' are left out.
func TestDetect_Them(t *testing.T) {
	for condition, want := range map[string]bool{"1 of them": false, "all of them": false, "1 of *": false, "1 of _*": true, "_x": true, "any of _x": true} {
		rule := head + "detection:\n  a: {f: abc}\n  _x: {f: xyz}\n  condition: '" + condition + "'\n"
		e, set := compile(t, []detect.Source{{Name: "r", Data: []byte(rule)}}, []detect.Source{{Name: "p", Data: []byte(testPipeline)}}, detect.Options{})
		d := detector{engine: e, set: set}
		chunk := msgp.AppendInt64(msgp.AppendArrayHeader(nil, 2), 1)
		chunk = msgp.AppendString(msgp.AppendMapHeader(chunk, 2), "kind")
		chunk = msgp.AppendString(msgp.AppendString(chunk, "event"), "f")
		if got := len(d.run(t, msgp.AppendString(chunk, "xyz"))) == 1; got != want {
			t.Errorf("%s: %t", condition, got)
		}
	}
}
