package redact_test

import (
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/redact"
)

type m = decodetest.Map

func TestRedact_Records(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	for _, c := range []struct {
		name string
		body m
		want string
	}{
		{"string", m{"log", "card 4111 1111 1111 1111"}, `log="card [REDACTED:credit_card]"`},
		{"field", m{"user", "bob", "password", "hunter22"}, `user="bob" password="[REDACTED:password]"`},
		{"camel case", m{"clientSecret", "abc"}, `clientSecret="[REDACTED:secret]"`},
		{"placeholder", m{"password", "", "token", "${TOKEN}", "secret", nil}, `password="" token="${TOKEN}" secret=null`},
		{"number field", m{"password", 1234, "secret", true}, `password=null secret=true`},
		{"map field", m{"secret", m{"a", "x1", "b", []any{"y2", 3, false}}, "n", 1}, `secret.a="[REDACTED:secret]" secret.b="[REDACTED:secret]" secret.b=null secret.b=false n=1`},
		{"number", m{"n", uint64(4111111111111111), "k", 4111111111111112}, `n=null k=4111111111111112`},
		{"float", m{"n", float64(4111111111111111)}, `n=null`},
		{"nested", m{"a", m{"b", []any{"alice@example.org"}}}, `a.b="[REDACTED:email]"`},
		{"key", m{"a", m{"alice@example.org", 1}}, `a.[REDACTED:email]=1`},
		{"bytes", m{"b", []byte("token=abcDEF123456\xff")}, "b=\"token=[REDACTED:token]\""},
		{"covered placeholder", m{"secret", m{"x", "${A} alice@example.org"}}, `secret.x="${A} [REDACTED:email]"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := x.chunk(t, c.body)[0]; got != c.want {
				t.Errorf("gives %s\nwant  %s", got, c.want)
			}
		})
	}
}

func TestRedact_Actions(t *testing.T) {
	rules := `
detectors:
  - {id: card, start: digits, pattern: '\b(?:\d[ -]?){12,18}\d\b', validate: luhn, action: {mask: {keep_last: 4}}}
  - {id: mail, start: '@', pattern: '[\w.]+@[\w.]+', action: hash}
  - {id: gone, keywords: [topsecret], pattern: 'topsecret', action: drop_record}
  - {id: field, keywords: [dropme], pattern: 'dropme', action: drop_field}
fields:
  - {keys: [pin], action: drop_field}
  - {keys: [name], action: {mask: {keep_first: 1}}}
`
	x := newTool(t, redact.Options{}, yaml(rules))
	got := x.chunk(t,
		m{"log", "pay 4111-1111-1111-1111", "name", "Jonathan", "pin", 1},
		m{"a", "x@y.z", "b", "to x@y.z", "c", "x@y.zz"},
		m{"log", "topsecret"},
		m{"log", "please dropme", "pin", m{"a", 4111111111111111}, "b", "x"},
		m{"n", 4111111111111111},
	)
	if got[0] != `log="pay ****-****-****-1111" name="J*******"` || got[2] != "dropped by gone" || got[3] != `b="x"` || got[4] != "n=null" {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	var tokens []string
	for _, p := range strings.Fields(got[1]) {
		_, v, _ := strings.Cut(p, "[mail:hmac:K2:")
		tokens = append(tokens, strings.TrimSuffix(v, `]"`))
	}
	if len(tokens) != 4 || len(tokens[0]) != 22 || tokens[0] != tokens[2] || tokens[0] == tokens[3] {
		t.Errorf("tokens %q of %s", tokens, got[1])
	}
	x = newTool(t, redact.Options{Action: "redact"}, yaml(rules))
	if got := x.chunk(t, m{"log", "4111111111111111 dropme x@y.z"})[0]; got != `log="[REDACTED:card] [REDACTED:field] [REDACTED:mail]"` {
		t.Errorf("with an action for all: %s", got)
	}
}

func TestRedact_Scope(t *testing.T) {
	x := newTool(t, redact.Options{}, yaml(`
fields:
  - {keys: [amount], match: {kubernetes.namespace_name: [payments, 'pay-*']}}
`))
	in := func(ns string) m {
		return m{"log", `{"amount":"12"}`, "amount", "12", "kubernetes", m{"namespace_name", ns}}
	}
	got := x.chunk(t, in("payments"), in("web"), in("pay-eu"), m{"amount", "12"})
	for i, cut := range []bool{true, false, true, false} {
		if n := strings.Count(got[i], "[REDACTED:amount]"); (n > 0) != cut || n == 1 {
			t.Errorf("record %d: %s", i, got[i])
		}
	}
}

func TestRedact_AllowDisableReplace(t *testing.T) {
	own := yaml(`
detectors:
  - {id: us_ssn, keywords: [number-], pattern: 'number-\d+'}
allow:
  - {detector: email, pattern: '@example\.(com|org)$'}
disable: [rrn, password]
`)
	x := newTool(t, redact.Options{}, append(builtin(t), own)...)
	for in, want := range map[string]string{
		"a@example.com b@corp.kr":          "a@example.com [REDACTED:email]",
		"ssn 219-09-9999 number-12":        "ssn 219-09-9999 [REDACTED:us_ssn]",
		"900101-1234567":                   "900101-1234567",
		"password=hunter22 token=abC123dE": "password=hunter22 token=[REDACTED:token]",
	} {
		if got := x.text(in); got != want {
			t.Errorf("%s\n gives %s\n want  %s", in, got, want)
		}
	}
	if d := x.engine.Disabled(); len(d) != 2 || d[0] != "rrn" {
		t.Errorf("disabled %q", d)
	}
}

// keyLines are three lines of a key's body and its short last one; none is a
// key that anyone uses.
var keyLines = []string{
	"MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MaXwgYoGZ5Nq2kXe",
	"Tz8qL0vB4nWmR7yKp1sXcD9fGhJ2kL3mN5bV6cX7zA8sQ9wE0rT1yU2iO3pP4aS5",
	"dF6gH7jK8lZ9xC0vB1nM2qW3eR4tY5uI6oP7aS8dF9gH0jK1lZ2xC3vB4nM5qW6e",
	"R4tY5uI6==",
}

func TestRedact_KeyLineByLine(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	rec := func(path, log string) any { return m{"log", log, "stream", "stderr", "log_path", path} }
	got := x.chunk(t,
		rec("/a", "-----BEGIN RSA PRIVATE KEY-----"),
		rec("/b", "-----BEGIN CERTIFICATE-----"),
		rec("/a", keyLines[0]), rec("/b", keyLines[1]), rec("/a", keyLines[3]),
		rec("/a", "a word between"), rec("/b", "short=="),
		rec("/a", "-----END RSA PRIVATE KEY-----"), rec("/a", "done"),
		rec("/c", keyLines[2]),
	)
	for i, cut := range []bool{true, false, true, false, true, false, false, false, false, true} {
		if strings.Contains(got[i], "[REDACTED:private_key]") != cut {
			t.Errorf("record %d: %s", i, got[i])
		}
	}
	// The next chunk knows nothing of this one.
	x.chunk(t, rec("/a", "-----BEGIN RSA PRIVATE KEY-----"))
	if got := x.chunk(t, rec("/a", "short=="))[0]; strings.Contains(got, "REDACTED") {
		t.Errorf("a chunk remembers another: %s", got)
	}
	// One long line in parts, as CRI cuts it.
	body := strings.Join(keyLines, `\n`)
	got = x.chunk(t, rec("/a", `{"k":"-----BEGIN PRIVATE KEY-----\n`+body), rec("/a", body+`\n-----END PRIVATE KEY-----","x":1}`))
	for _, g := range got {
		if strings.Contains(g, keyLines[0][8:20]) || strings.Contains(g, keyLines[3]) {
			t.Errorf("a part is left: %s", g)
		}
	}
	if !strings.HasSuffix(got[1][:strings.Index(got[1], " stream")], `\"x\":1}"`) {
		t.Errorf("the rest went too: %s", got[1])
	}
	// Lines of other things that have the same length.
	for _, line := range []string{
		strings.Repeat("0123456789abcdef", 4), strings.Repeat("=", 64), strings.Repeat("A", 76),
		"usr/lib/x86/64/linux/gnu/libexec/very/deep/path/of/a/file/that/i", "com/example/service/handler/AbstractBeanFactoryProxyHandlerImpl1",
	} {
		if got := x.chunk(t, rec("/d", line))[0]; strings.Contains(got, "REDACTED") {
			t.Errorf("%d characters: %s", len(line), got)
		}
	}
}

func TestRedact_ManyFieldsAndHitsStayLinear(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	var inner m
	for range 1_000 {
		inner = append(inner, "password", "alice@example.org password=x1y2z3")
	}
	got := x.chunk(t, m{"secret", inner, "text", strings.Repeat("alice@example.org ghp_ password=abc123 ", 20_000)})
	if strings.Contains(got[0], "alice") || strings.Contains(got[0], "abc123") {
		t.Error("something is left")
	}
}

func TestRedact_NothingFoundAllocatesNothing(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	var c decodetest.Chunk
	c.Record(decodetest.EventTime{Sec: 1}, m{"log", "GET /api/tokens 200 forgot password", "n", 1795464660123, "kubernetes", m{"pod_name", "token-service"}})
	var r decode.Reader
	var rec decode.Record
	r.Reset(c.Bytes())
	if ok, err := r.Next(&rec); !ok || err != nil {
		t.Fatal(err)
	}
	found := x.found(&rec)
	x.engine.Redact(&x.state, &rec, found)
	if n := testing.AllocsPerRun(100, func() { x.engine.Redact(&x.state, &rec, found) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
