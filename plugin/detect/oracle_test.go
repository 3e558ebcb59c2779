package detect_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/detect"
	"github.com/tinylib/msgp/msgp"
)

// The oracle evaluates selections as the specification says, value by value,
// on events that are maps of text and numbers, without any index.

type test struct {
	field, op string
	vals      []string
	all       bool
}

type choice struct {
	name  string
	tests []test // all of them
}

type oracleRule struct {
	choices   []choice
	condition string
	holds     func(get func(string) bool) bool
}

// words share letters and dashes of all cases, so that operations often agree
// by half.
var alphabet = []string{"alpha", "ALPHA-one", "beta.exe", "Beta", "gamma\\delta", "GammA", "x", "", "ſecret", "Kelvin", "12", "3.5", "10.1.2.3", "10.2.0.1", "tru", "a\"b"}

var fieldNames = []string{"f1", "f2", "f3", "f4.sub"}

func lower(s string) string {
	return strings.NewReplacer("ſ", "s", "\u212a", "k").Replace(strings.ToLower(s))
}

func (t test) one(event map[string]string, val string) bool {
	have, ok := event[t.field]
	if val == "null" {
		return !ok
	}
	if !ok {
		return false
	}
	h, v := lower(have), lower(val)
	switch t.op {
	case "contains":
		return strings.Contains(h, v)
	case "startswith":
		return strings.HasPrefix(h, v)
	case "endswith":
		return strings.HasSuffix(h, v)
	case "cased":
		return have == val
	case "exists":
		return true
	}
	return h == v
}

func (c choice) holds(event map[string]string) bool {
	for _, t := range c.tests {
		n := 0
		for _, v := range t.vals {
			if t.one(event, v) {
				n++
			}
		}
		if n == 0 || t.all && n < len(t.vals) {
			return false
		}
	}
	return true
}

func (r oracleRule) fires(event map[string]string) bool {
	return r.holds(func(name string) bool {
		for _, c := range r.choices {
			if c.name == name {
				return c.holds(event)
			}
		}
		return false
	})
}

// randomRule makes a rule and its text.
func randomRule(rnd *rand.Rand, id int) (oracleRule, string) {
	var r oracleRule
	var y strings.Builder
	fmt.Fprintf(&y, "title: r%d\nid: r%d\nlogsource: {product: test}\ndetection:\n", id, id)
	for _, name := range []string{"sel_a", "sel_b", "other"} {
		c := choice{name: name}
		fmt.Fprintf(&y, "  %s:\n", name)
		used := map[string]bool{}
		for range 1 + rnd.IntN(2) {
			t := test{field: fieldNames[rnd.IntN(len(fieldNames))], op: []string{"", "contains", "startswith", "endswith", "cased", "exists"}[rnd.IntN(6)]}
			key := t.field
			if t.op != "" {
				key += "|" + t.op
			}
			if used[key] {
				continue
			}
			used[key] = true
			switch {
			case t.op == "exists":
				t.vals = []string{"true"}
			case t.op == "" && rnd.IntN(6) == 0:
				t.vals = []string{"null"}
			default:
				for range 1 + rnd.IntN(3) {
					t.vals = append(t.vals, alphabet[rnd.IntN(len(alphabet))])
				}
				if t.op == "contains" && rnd.IntN(3) == 0 {
					t.all = true
					key += "|all"
				}
			}
			fmt.Fprintf(&y, "    %s:\n", key)
			for _, v := range t.vals {
				if v != "null" && v != "true" {
					v = "'" + strings.ReplaceAll(v, "'", "''") + "'"
				}
				fmt.Fprintf(&y, "      - %s\n", v)
			}
			c.tests = append(c.tests, t)
		}
		r.choices = append(r.choices, c)
	}
	type form struct {
		text  string
		holds func(get func(string) bool) bool
	}
	forms := []form{
		{"sel_a", func(g func(string) bool) bool { return g("sel_a") }},
		{"1 of sel_*", func(g func(string) bool) bool { return g("sel_a") || g("sel_b") }},
		{"all of sel_* and not other", func(g func(string) bool) bool { return g("sel_a") && g("sel_b") && !g("other") }},
		{"all of them", func(g func(string) bool) bool { return g("sel_a") && g("sel_b") && g("other") }},
		{"not (sel_a or sel_b) and other", func(g func(string) bool) bool { return !(g("sel_a") || g("sel_b")) && g("other") }},
		{"other or sel_a and not sel_b", func(g func(string) bool) bool { return g("other") || g("sel_a") && !g("sel_b") }},
		{"not 1 of sel_*", func(g func(string) bool) bool { return !(g("sel_a") || g("sel_b")) }},
		{"not not (sel_a and (other or not sel_b))", func(g func(string) bool) bool { return g("sel_a") && (g("other") || !g("sel_b")) }},
	}
	f := forms[rnd.IntN(len(forms))]
	r.condition, r.holds = f.text, f.holds
	fmt.Fprintf(&y, "  condition: %s\n", f.text)
	return r, y.String()
}

// shapes writes an event as fields of a record, and as JSON in its text.
func shapes(event map[string]string, hide bool) [][]byte {
	head := func() []byte { return msgp.AppendInt64(msgp.AppendArrayHeader(nil, 2), 1) }
	plain := msgp.AppendMapHeader(head(), uint32(len(event)+1))
	plain = msgp.AppendString(plain, "kind")
	plain = msgp.AppendString(plain, "event")
	js := `{"kind":"event"`
	for _, f := range fieldNames {
		v, ok := event[f]
		if !ok {
			continue
		}
		plain = msgp.AppendString(plain, strings.TrimSuffix(f, ".sub"))
		text := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v)
		if hide {
			text = strings.ReplaceAll(text, "a", `\u0061`)
		}
		if name, nested := strings.CutSuffix(f, ".sub"); nested {
			plain = msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(plain, 1), "sub"), v)
			js += fmt.Sprintf(`,"%s":[{"no":1},{"sub":"%s"}]`, name, text)
		} else {
			plain = msgp.AppendString(plain, v)
			js += fmt.Sprintf(`, "%s" : "%s"`, f, text)
		}
	}
	inText := msgp.AppendMapHeader(head(), 1)
	inText = msgp.AppendString(inText, "log")
	return [][]byte{plain, msgp.AppendString(inText, js+"}")}
}

const testPipeline = `
logsource: {product: test}
when: [{field: kind, in: [event]}, {text: '"kind"'}]
json: true
`

// TestDetect_AgreesWithOracle runs random rules on random events.
func TestDetect_AgreesWithOracle(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	fired, silent := 0, 0
	for round := range 60 {
		var rules []oracleRule
		var sources []detect.Source
		for i := range 30 {
			r, text := randomRule(rnd, i)
			rules = append(rules, r)
			sources = append(sources, detect.Source{Name: fmt.Sprintf("r%d.yml", i), Data: []byte(text)})
		}
		e, set := compile(t, sources, []detect.Source{{Name: "p.yml", Data: []byte(testPipeline)}}, detect.Options{AnyLogsource: round%2 == 1})
		if t.Failed() {
			t.FailNow()
		}
		d := detector{engine: e, set: set}
		for range 40 {
			event := map[string]string{}
			for _, f := range fieldNames {
				if rnd.IntN(4) > 0 {
					v := alphabet[rnd.IntN(len(alphabet))]
					if rnd.IntN(2) == 0 {
						v += alphabet[rnd.IntN(len(alphabet))]
					}
					if rnd.IntN(3) == 0 {
						v = strings.ToUpper(v)
					}
					event[f] = v
				}
			}
			for shape, chunk := range shapes(event, rnd.IntN(2) == 0) {
				got := map[int32]bool{}
				for _, i := range d.run(t, chunk) {
					got[i] = true
				}
				for i, r := range rules {
					want := r.fires(event)
					if want {
						fired++
					} else {
						silent++
					}
					if got[int32(i)] != want {
						t.Fatalf("round %d, shape %d: fires %t, want %t, on %q\n%s", round, shape, got[int32(i)], want, event, sources[i].Data)
					}
				}
			}
		}
	}
	if fired < 5000 || silent < 5000 {
		t.Errorf("%d fired, %d silent: the test says too little", fired, silent)
	}
}
