package redact_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/redact"
)

// planted is a value that stands alone as a secret, and one that its key tells.
var planted = []string{
	"4111111111111111", "alice@example.org", "ghp_0123456789abcdefABCDEF0123456789abcd", "AKIAIOSFODNN7EXAMPLQ",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", "900101-1234567",
	"DE89370400440532013000", "xoxb-123456789012-123456789012-abcdefABCDEF0123456789ab", "219-09-9999",
}

// tree makes a JSON value with secrets in it, and gives those too.
func tree(r *rand.Rand, depth int, secrets *[]string) any {
	filler := []string{"hello", "a \"quoted\" word", `back\slash\`, "line\nbreak\ttab", "한국어 text", "", "x=1, y: 2; z", "{[", "`'<&>"}
	switch n := r.IntN(10); {
	case depth > 0 && n < 2:
		var list []any
		for range r.IntN(4) {
			list = append(list, tree(r, depth-1, secrets))
		}
		return list
	case depth > 0 && n < 5:
		out := map[string]any{}
		for i := range r.IntN(4) {
			key := []string{"a", "msg", "user name", "password", "Authorization", "x\"y", "token_type"}[r.IntN(7)]
			v := tree(r, depth-1, secrets)
			if key == "password" {
				s := fmt.Sprintf("pw%d!Zq\"%d\\x", r.IntN(1e6), i)
				*secrets = append(*secrets, s)
				v = s
			}
			if key == "token_type" || key == "Authorization" {
				v = "bearer"
			}
			out[key] = v
		}
		return out
	case depth > 0 && n < 6: // JSON in JSON
		b, _ := json.Marshal(tree(r, depth-1, secrets))
		return string(b)
	case n < 8:
		s := planted[r.IntN(len(planted))]
		*secrets = append(*secrets, s)
		return filler[r.IntN(len(filler))] + " " + s + []string{" ", "\n", "", "\"", ","}[r.IntN(5)]
	case n < 9:
		return []any{nil, true, 12, 4111111111111111, 1.5e3}[r.IntN(5)]
	}
	return filler[r.IntN(len(filler))]
}

func TestPromise_JSONStaysAndSecretsGo(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		var secrets []string
		v := map[string]any{"log": tree(r, 4, &secrets)}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		in := string(b)
		got := x.text(in)
		if !json.Valid([]byte(got)) {
			t.Fatalf("case %d: no JSON any more\n%s\n%s", i, in, got)
		}
		for _, s := range secrets {
			if strings.Contains(got, s) {
				t.Fatalf("case %d: %s stands in what is left\n%s\n%s", i, s, in, got)
			}
		}
		if strings.Contains(got, "4111111111111111") {
			t.Fatalf("case %d: the number is left\n%s", i, got)
		}
		if err := sameShape(in, got); err != nil {
			t.Fatalf("case %d: %v\n%s\n%s", i, err, in, got)
		}
	}
}

// sameShape says where two JSON texts differ in more than strings and numbers
// that became null.
func sameShape(a, b string) error {
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		return nil
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		return err
	}
	return shape(x, y)
}

func shape(x, y any) error {
	switch x := x.(type) {
	case []any:
		y, ok := y.([]any)
		if !ok || len(x) != len(y) {
			return fmt.Errorf("an array changed")
		}
		for i := range x {
			if err := shape(x[i], y[i]); err != nil {
				return err
			}
		}
	case map[string]any:
		// Keys may be cut, and two of them become one.
		y, ok := y.(map[string]any)
		if !ok {
			return fmt.Errorf("a map changed")
		}
		for k, v := range x {
			if w, ok := y[k]; ok {
				if err := shape(v, w); err != nil {
					return err
				}
			}
		}
	case string:
		if _, ok := y.(string); !ok {
			return fmt.Errorf("the string %q became %v", x, y)
		}
	case float64:
		if y != nil && y != x {
			return fmt.Errorf("the number %v became %v", x, y)
		}
	default:
		if x != y {
			return fmt.Errorf("%v became %v", x, y)
		}
	}
	return nil
}

func FuzzRedactText(f *testing.F) {
	x := newTool(f, redact.Options{}, builtin(f)...)
	for _, c := range carriers {
		f.Add(strings.NewReplacer("KEY", "password", "VALUE", "hunter22").Replace(c))
	}
	for _, s := range lookalikes {
		f.Add(s)
	}
	f.Add(`{"password":{"a":[1,"x",{"b":"\"c\""}]}}`)
	f.Add(`{"a":"password=\"b\",c"}`)
	f.Add(`"\\\"token\\\":\\\"abc\\\\\\\"d\\\""`)
	f.Fuzz(func(t *testing.T, in string) {
		got := x.text(in)
		// A text that is nothing but a number is a string, and gets a token.
		if s := strings.TrimSpace(in); !json.Valid([]byte(in)) || !strings.HasPrefix(s, "{") && !strings.HasPrefix(s, "[") && !strings.HasPrefix(s, `"`) {
			return
		}
		if !json.Valid([]byte(got)) {
			t.Fatalf("no JSON any more\n%s\n%s", in, got)
		}
	})
}
