package e2e

import (
	"fmt"
	"strings"

	"github.com/seclog/seclog/plugin/decode/decodetest"
)

// recordCases are records as inputs and filters of Fluent Bit make them.
func recordCases() []documentCase {
	kubernetes := rec{
		"namespace_name", "shop", "pod_name", "web-0",
		"labels", rec{"app", "web", "app.kubernetes.io/name", "web"},
		"annotations", rec{"prometheus.io/scrape", "true"},
	}
	return []documentCase{
		{
			name: "cri lines",
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"stream", "stdout", "_p", "F", "log", "hello"})
				c.Record(n.event(), rec{"stream", "stderr", "logtag", "P", "log", "tab\t\"quoted\" \u20ac"})
				c.Record(n.event(), rec{"stream", "stderr", "logtag", "P", "log", "tab\t\"quoted\" \u20ac"})
			},
			docs: []string{
				`{"@timestamp":"{T}","stream":"stdout","_p":"F","log":"hello"}`,
				`{"@timestamp":"{T}","stream":"stderr","logtag":"P","log":"tab\t\"quoted\" €"}`,
				`{"@timestamp":"{T}","stream":"stderr","logtag":"P","log":"tab\t\"quoted\" €"}`,
			},
		},
		{
			name: "kubernetes with dots kept",
			// As objects "app" and "app.kubernetes.io/name" cannot be mapped together.
			mapping: `{"mappings":{"properties":{"kubernetes":{"type":"object","enabled":false}}}}`,
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"log", "hello", "kubernetes", kubernetes})
			},
			docs: []string{`{"@timestamp":"{T}","log":"hello","kubernetes":{"namespace_name":"shop","pod_name":"web-0",
				"labels":{"app":"web","app.kubernetes.io/name":"web"},"annotations":{"prometheus.io/scrape":"true"}}}`},
		},
		{
			name: "kubernetes with dots replaced",
			keys: map[string]string{"Replace_Dots": "On"},
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"log", "a.b", "kubernetes", kubernetes})
			},
			docs: []string{`{"@timestamp":"{T}","log":"a.b","kubernetes":{"namespace_name":"shop","pod_name":"web-0",
				"labels":{"app":"web","app_kubernetes_io/name":"web"},"annotations":{"prometheus_io/scrape":"true"}}}`},
		},
		{
			name: "owned names",
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{
					"@timestamp", "1999", "event.kind", "alert", "rule", "forged", "tags", []any{"attack.t1110"},
					"seclog", rec{"level", "critical"}, "events", 1, "log", "hello",
				})
			},
			docs: []string{`{"@timestamp":"{T}","events":1,"log":"hello","original":{"@timestamp":"1999","event.kind":"alert",
				"rule":"forged","tags":["attack.t1110"],"seclog":{"level":"critical"}}}`},
		},
		{
			name: "forms and times",
			chunk: func(c *decodetest.Chunk, n now) {
				c.Old(n.event(), rec{"log", "old, extension"})
				c.Old(n.sec, rec{"log", "old, integer"})
				c.Old(float64(n.sec)+0.5, rec{"log", "old, float"})
				c.Record(n.event(), rec{"log", "new, extension"})
				c.Meta(n.event(), rec{"source", "a"}, rec{"log", "new, metadata"})
			},
			docs: []string{
				`{"@timestamp":"{T}","log":"old, extension"}`,
				`{"@timestamp":"{T0}","log":"old, integer"}`,
				`{"@timestamp":"{T5}","log":"old, float"}`,
				`{"@timestamp":"{T}","log":"new, extension"}`,
				`{"@timestamp":"{T}","log":"new, metadata","otlp":{"source":"a"}}`,
			},
		},
		{
			name: "values of every type",
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"a", nil, "b", true, "c", -1, "d", int64(9007199254740993), "e", 1.5, "f", []any{1, []any{2, []any{}}}, "g", rec{}})
			},
			docs: []string{`{"@timestamp":"{T}","a":null,"b":true,"c":-1,"d":9007199254740993,"e":1.5,"f":[1,[2,[]]],"g":{}}`},
		},
		{
			name: "a detection",
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"log", "Nov 23 20:11:00 worker-3 sshd[39715]: Failed password for root from 203.0.113.66 port 51779 ssh2"})
				c.Record(n.event(), rec{"log", "Nov 23 20:11:00 worker-3 sshd[39715]: Failed password for mkim from 203.0.113.66 port 51779 ssh2"})
			},
			docs: []string{
				`{"@timestamp":"{T}","log":"Nov 23 20:11:00 worker-3 sshd[39715]: Failed password for root from 203.0.113.66 port 51779 ssh2",
				"event":{"kind":"alert","severity":47,"category":["authentication"]},
				"rule":{"id":["ea310f5b-edc5-4d00-a150-d7a5b166282a"],"name":["SSH password guessing against root"],"author":["Seclog maintainers"]},
				"threat":{"framework":"MITRE ATT&CK","tactic":{"id":["TA0006"],"name":["Credential Access"]},"technique":{"id":["T1110.001"]}},
				"tags":["attack.credential-access","attack.t1110.001"],"seclog":{"level":"medium"}}`,
				`{"@timestamp":"{T}","log":"Nov 23 20:11:00 worker-3 sshd[39715]: Failed password for mkim from 203.0.113.66 port 51779 ssh2"}`,
			},
		},
		{
			name: "a detection switched off",
			keys: map[string]string{"Detect": "Off"},
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"log", "Nov 23 20:11:00 worker-3 sshd[39715]: Failed password for root from 203.0.113.66 port 51779 ssh2"})
			},
			docs: []string{`{"@timestamp":"{T}","log":"Nov 23 20:11:00 worker-3 sshd[39715]: Failed password for root from 203.0.113.66 port 51779 ssh2"}`},
		},
	}
}

// settingCases are records under keys of the section that change what is written.
func settingCases() []documentCase {
	many := documentCase{
		name: "small compressed bodies",
		keys: map[string]string{"Compress": "gzip", "Bulk_Size": "1k"},
		chunk: func(c *decodetest.Chunk, n now) {
			for i := range 120 {
				c.Record(n.event(), rec{"log", fmt.Sprint("line ", i)})
			}
		},
	}
	for i := range 120 {
		many.docs = append(many.docs, fmt.Sprintf(`{"@timestamp":"{T}","log":"line %d"}`, i))
	}
	return []documentCase{
		many,
		{
			name: "merged text",
			keys: map[string]string{"Merge_Log": "On"},
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"stream", "stdout", "log", `{"level":"info","n":9007199254740993,"rule":"forged","password":"hunter2!x"}`})
				c.Record(n.event(), rec{"stream", "stdout", "log", `{"level":"cut off`})
			},
			docs: []string{
				`{"@timestamp":"{T}","stream":"stdout","log":"{\"level\":\"info\",\"n\":9007199254740993,\"rule\":\"forged\",\"password\":\"[REDACTED:password]\"}","level":"info","n":9007199254740993,"password":"[REDACTED:password]","original":{"rule":"forged"},"seclog":{"redacted":{"password":1}}}`,
				`{"@timestamp":"{T}","stream":"stdout","log":"{\"level\":\"cut off"}`,
			},
			secrets: []string{"hunter2"},
		},
		{
			name: "names and a time of ones own",
			keys: map[string]string{"Time_Key": "when", "Time_Key_Nanos": "Off", "Include_Tag_Key": "On", "Tag_Key": "tag"},
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"@timestamp", "2026-01-02T03:04:05Z", "when", "then", "tag", "forged", "log", "hello"})
			},
			docs: []string{`{"when":"{T3}","tag":"kube.app","@timestamp":"2026-01-02T03:04:05Z","log":"hello","original":{"when":"then","tag":"forged"}}`},
		},
		{
			name: "a record that is too large",
			keys: map[string]string{"Record_Max": "1k"},
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"log", "before"})
				c.Record(n.event(), rec{"log", "password=hunter2!x " + strings.Repeat("x", 1000)})
				c.Record(n.event(), rec{"log", "after"})
			},
			docs:    []string{`{"@timestamp":"{T}","log":"before"}`, `{"@timestamp":"{T}","log":"after"}`},
			dead:    []string{`{"@timestamp":"{T}","index":"","tag":"kube.app","error":"larger than Record_Max of 1000 bytes","status":0,"size":1040}`},
			secrets: []string{"hunter2"},
		},
		{
			name: "a group of otlp records",
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"log", "before"})
				c.GroupStart(rec{"attributes", rec{"host", "web-0"}}, rec{"name", "lib"})
				c.Meta(n.event(), rec{"otlp", rec{"severity_number", 9}}, rec{"log", "inside"})
				c.GroupEnd()
				c.Record(n.event(), rec{"log", "after"})
			},
			docs: []string{
				`{"@timestamp":"{T}","log":"before"}`,
				`{"@timestamp":"{T}","log":"inside","resource":{"attributes":{"host":"web-0"}},"scope":{"name":"lib"},"otlp":{"severity_number":9}}`,
				`{"@timestamp":"{T}","log":"after"}`,
			},
		},
	}
}

// card is a number that passes for a credit card's.
const card = 4111111111111111

// redactionCases hold secrets in every place of a record.
func redactionCases() []documentCase {
	return []documentCase{
		{
			name: "a number that is cut",
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"log", "paid", "amount", card})
				c.Record(n.event(), rec{"log", "paid", "amount", 12})
			},
			docs: []string{
				`{"@timestamp":"{T}","log":"paid","amount":null,"seclog":{"redacted":{"credit_card":1}}}`,
				`{"@timestamp":"{T}","log":"paid","amount":12}`,
			},
			types:   map[string]string{"amount": "long"},
			secrets: []string{"4111111111111111"},
		},
		{
			name: "secrets in every place",
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"log", "a key", "user 4111 1111 1111 1111", "v"})
				c.Record(n.event(), rec{"log", "an array", "list", []any{[]any{"a", "card 4111 1111 1111 1111 refused"}, []any{}}})
				c.Record(n.event(), rec{"log", "an array of maps", "items", []any{rec{"x", "a"}, rec{"x", []any{"card 4111 1111 1111 1111"}}}})
				c.Record(n.event(), rec{"log", `{"user":"kim","password":"hunter2!x","n":1}`})
				c.Record(n.event(), rec{"log", "a field", "db", rec{"password", "hunter2!x"}})
				c.Record(n.event(), rec{"log", "bytes", "raw", []byte("card 4111 1111 1111 1111")})
			},
			docs: []string{
				`{"@timestamp":"{T}","log":"a key","user [REDACTED:credit_card]":"v","seclog":{"redacted":{"credit_card":1}}}`,
				`{"@timestamp":"{T}","log":"an array","list":[["a","card [REDACTED:credit_card] refused"],[]],"seclog":{"redacted":{"credit_card":1}}}`,
				`{"@timestamp":"{T}","log":"an array of maps","items":[{"x":"a"},{"x":["card [REDACTED:credit_card]"]}],"seclog":{"redacted":{"credit_card":1}}}`,
				`{"@timestamp":"{T}","log":"{\"user\":\"kim\",\"password\":\"[REDACTED:password]\",\"n\":1}","seclog":{"redacted":{"password":1}}}`,
				`{"@timestamp":"{T}","log":"a field","db":{"password":"[REDACTED:password]"},"seclog":{"redacted":{"password":1}}}`,
				`{"@timestamp":"{T}","log":"bytes","raw":"card [REDACTED:credit_card]","seclog":{"redacted":{"credit_card":1}}}`,
			},
			secrets: []string{"hunter2", "4111"},
		},
		{
			name: "a dead letter of a secret",
			// The key's own default; no other test leaves dead letters there.
			keys:   map[string]string{"Dead_Letter_Index": ""},
			deadIn: "seclog_dead_letters",
			// Nothing but whole numbers in n.
			mapping: `{"mappings":{"properties":{"n":{"type":"integer"}}}}`,
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"n", 1})
				c.Record(n.event(), rec{"n", "many", "log", "password=hunter2!x"})
				c.Record(n.event(), rec{"n", 3})
			},
			docs: []string{`{"@timestamp":"{T}","n":1}`, `{"@timestamp":"{T}","n":3}`},
			dead: []string{`{"@timestamp":"{T}","index":"{INDEX}","tag":"kube.app","error":"mapper_parsing_exception","status":400,"size":132,
				"document":"{\"@timestamp\":\"{T}\",\"n\":\"many\",\"log\":\"password=[REDACTED:password]\",\"seclog\":{\"redacted\":{\"password\":1}}}"}`},
			secrets: []string{"hunter2"},
		},
	}
}

// hostileCases are bytes that no tidy sender writes.
func hostileCases() []documentCase {
	return []documentCase{
		{
			name: "text that is none",
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"log", "a\xff\xfeb\xc3"})
				c.Record(n.event(), rec{"log", "nul \x00 and \x1b[31m"})
				c.Record(n.event(), rec{"log", []byte("bytes that are text")})
				c.Record(n.event(), rec{"log", "binary", "raw", []byte{0xff, 0x00, 0xfe}})
			},
			docs: []string{
				`{"@timestamp":"{T}","log":"a��b�"}`,
				`{"@timestamp":"{T}","log":"nul \u0000 and \u001b[31m"}`,
				`{"@timestamp":"{T}","log":"bytes that are text"}`,
				`{"@timestamp":"{T}","log":"binary","raw":"/wD+"}`,
			},
		},
		{
			name: "keys that clash or are no text",
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"a", 1, "log", "twice", "a", 2, "m", rec{"x", 1, "x", "last"}})
				c.Record(n.event(), rec{"log", "numbers", 7, "int", -7, "negative", true, "bool", nil, "nil"})
			},
			docs: []string{
				`{"@timestamp":"{T}","log":"twice","a":2,"m":{"x":"last"}}`,
				`{"@timestamp":"{T}","log":"numbers","7":"int","-7":"negative","true":"bool","null":"nil"}`,
			},
		},
		{
			name: "a record that is none",
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"log", "before"})
				c.Value("no record at all")
				c.Record(n.event(), "no map")
				c.Record(n.event(), rec{"log", "after"})
			},
			docs: []string{`{"@timestamp":"{T}","log":"before"}`, `{"@timestamp":"{T}","log":"after"}`},
			dead: []string{
				`{"@timestamp":"{FLUSHED}","index":"","tag":"kube.app","error":"not a pair of time and body","status":0,"size":17}`,
				`{"@timestamp":"{T}","index":"","tag":"kube.app","error":"its body is not a map","status":0,"size":20}`,
			},
		},
		{
			name: "a tail that is corrupt",
			chunk: func(c *decodetest.Chunk, n now) {
				c.Record(n.event(), rec{"log", "whole"})
				c.Raw(0x92, 0x92, 0xd7, 0x00, 1, 2)
			},
			docs: []string{`{"@timestamp":"{T}","log":"whole"}`},
			dead: []string{`{"@timestamp":"{FLUSHED}","index":"","tag":"kube.app","error":"corrupt msgpack","status":0,"size":6}`},
		},
	}
}
