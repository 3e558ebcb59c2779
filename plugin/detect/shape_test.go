package detect

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// pipelineExpressions are those of the built-in pipelines.
func pipelineExpressions(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob("../../rules/pipelines/*.yml")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no pipelines: %v", err)
	}
	var list []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		dec := yaml.NewDecoder(strings.NewReader(string(b)))
		for {
			var doc struct {
				Parse yaml.Node `yaml:"parse"`
			}
			if dec.Decode(&doc) != nil {
				break
			}
			list = append(list, texts(&doc.Parse)...)
		}
	}
	if len(list) < 4 {
		tb.Fatalf("%d expressions in the pipelines", len(list))
	}
	return list
}

var shapeExpressions = []string{
	`a*b`, `a+b`, `a*?b`, `a+?b`, `(a|ab)(c|bcd)(d*)`, `^(?:.*x)?(?P<r>\S+) y`, `^a|b$`, `(?:)`, `$`, `^`, `(a*)*`, `(a|b)*c`, `(a*)+`,
	`x{2,5}y`, `(?i)fail (\w+)`, `[^"]*"(.*?)"`, `aab`, `(a)(b)?`, `(\d+)\.(\d+)`, `a(b|c|)d`, `(?s).*`, `(?m)^x$`, `\bx\b`, `é+`, `[^a]`, `(x+x+)+y`,
	`(?:a|b)?c??d`, `(a?)(a?)aa`, `((a)|(b))*`,
}

var shapeTexts = []string{
	"", "a", "b", "ab", "aab", "aaab", "abcd", "xx yy", "fAIL Now", `say "hello" and "bye"`, "10.2.3.4", "ad", "abd", "café é", "x\nx\n", "aaaa",
	"bbbc", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "ababac", "\xff\xfe", "a x y", strings.Repeat("ab", 300),
	"Nov 23 20:11:00 node-1 sshd[812]: Failed password for invalid user admin from 10.1.2.3 port 4022 ssh2",
	"sshd[812]: Accepted publickey for from from 10.1.2.3 port 4022 ssh2", "Invalid user  from 10.0.0.1",
	`10.65.239.140 - - [23/Nov/2026:20:11:00 +0000] "GET /api/v1/users/890426?page=80 HTTP/1.1" 200 21838 "/account" "Mozilla/5.0" 0.132`,
	`10.65.239.140 - - [23/Nov/2026:20:11:00 +0000] "GET /a b c HTTP/1.1" 200 21838`,
	"sudo[1]: eve : TTY=pts/0 ; PWD=/home/eve ; USER=root ; COMMAND=/bin/cat /etc/shadow",
	"  eve : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/a ; b ; USER=root ; A=b ; COMMAND=/bin/su -",
	`PullImage "registry.example/x@sha256:12"`, `PullImage \"a\"`,
}

// A shape finds what the regular expression finds, groups and all.
func TestShape_AgreesWithRegexp(t *testing.T) {
	t.Parallel()
	var w shapeWalk
	for _, expression := range append(pipelineExpressions(t), shapeExpressions...) {
		s, err := newShape(expression)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range shapeTexts {
			want := regexp.MustCompile(expression).FindStringSubmatchIndex(text)
			if got := s.find(&w, []byte(text)); !slices.Equal(got, want) {
				t.Errorf("%q in %q: %v, regexp has %v", expression, text, got, want)
			}
		}
	}
}

// The lines that the built-in pipelines are made for are read without regexp.
func TestShape_PipelinesAreSimple(t *testing.T) {
	t.Parallel()
	for _, expression := range pipelineExpressions(t) {
		s, err := newShape(expression)
		if err != nil {
			t.Fatal(err)
		}
		if !s.simple {
			t.Errorf("%q is left to regexp", expression)
		}
	}
}

// A walk that would take exponential time is given to regexp.
func TestShape_BoundedTime(t *testing.T) {
	t.Parallel()
	s, err := newShape(`^(?:x+x+)+y$`)
	if err != nil {
		t.Fatal(err)
	}
	var w shapeWalk
	if got := s.find(&w, []byte(strings.Repeat("x", 10_000))); got != nil {
		t.Errorf("found %v", got)
	}
}

// A walk over a long text keeps no more than it may, whatever the expression.
func TestShape_BoundedRoom(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{`(a*)*b`, `(?:a|bc)*$`} {
		s, err := newShape(expression)
		if err != nil {
			t.Fatal(err)
		}
		var w shapeWalk
		text := []byte(strings.Repeat("a", 200_000) + "x")
		if got, want := s.find(&w, text), s.re.FindSubmatchIndex(text); !slices.Equal(got, want) {
			t.Errorf("%q: %v, regexp has %v", expression, got, want)
		}
		if cap(w.stack) > 2*maxChoices {
			t.Errorf("%q keeps %d choices", expression, cap(w.stack))
		}
	}
}

func FuzzShape(f *testing.F) {
	for _, e := range append(pipelineExpressions(f), shapeExpressions...) {
		for _, text := range shapeTexts {
			f.Add(e, text)
		}
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		if len(expression) > 200 || len(text) > 1000 {
			return
		}
		s, err := newShape(expression)
		if err != nil {
			return
		}
		var w shapeWalk
		want := s.re.FindStringSubmatchIndex(text)
		if got := s.find(&w, []byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q in %q: %v, regexp has %v", expression, text, got, want)
		}
	})
}

func BenchmarkShape(b *testing.B) {
	text := []byte("Nov 23 20:11:00 node-1.example.com sshd[8933]: Accepted publickey for git from 10.220.197.35 port 47284 ssh2: ED25519 SHA256:IDhUEqmglxXmHazhlF2s0f5W8NL3yHmkdeWu4JuaeVJ")
	s, err := newShape(`(?P<outcome>Failed|Accepted) (?P<method>\S+) for (?:invalid user )?(?P<User>\S+) from (?P<SourceIp>\S+) port (?P<SourcePort>\d+)`)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("shape", func(b *testing.B) {
		var w shapeWalk
		b.ReportAllocs()
		for b.Loop() {
			if s.find(&w, text) == nil {
				b.Fatal("not found")
			}
		}
	})
	b.Run("regexp", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if s.re.FindSubmatchIndex(text) == nil {
				b.Fatal("not found")
			}
		}
	})
}
