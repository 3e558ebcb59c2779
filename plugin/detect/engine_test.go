package detect_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/plugin/scan"
)

// read reads the files of the built-in set that match a pattern.
func read(tb testing.TB, pattern string) []detect.Source {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join("..", "..", "rules", pattern))
	if err != nil || len(names) == 0 {
		tb.Fatalf("no files %s: %v", pattern, err)
	}
	var out []detect.Source
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, detect.Source{Name: strings.TrimPrefix(name, "../../"), Data: data})
	}
	return out
}

// builtin compiles the built-in set, which must be without refusals.
func builtin(tb testing.TB, o detect.Options) (*detect.Engine, *scan.Set) {
	tb.Helper()
	return compile(tb, read(tb, "detection/*/*.yml"), read(tb, "pipelines/*.yml"), o)
}

func compile(tb testing.TB, rules, pipes []detect.Source, o detect.Options) (*detect.Engine, *scan.Set) {
	tb.Helper()
	var b scan.Builder
	e, refused := detect.Compile(rules, pipes, &b, o)
	for _, r := range refused {
		tb.Errorf("%s:%d: %s: %s", r.File, r.Line, r.Rule, r.Reason)
	}
	set := b.Build()
	e.Bind(set)
	return e, set
}

func TestBuiltin_Examples(t *testing.T) {
	e, _ := builtin(t, detect.Options{})
	for _, r := range e.RunExamples() {
		t.Errorf("%s:%d: %s: %s", r.File, r.Line, r.Rule, r.Reason)
	}
	if len(e.Rules()) < 25 {
		t.Errorf("%d rules, want at least 25", len(e.Rules()))
	}
	for _, r := range e.Rules() {
		if len(r.Examples.Match) == 0 || len(r.Examples.Ignore) == 0 {
			t.Errorf("%s: %s has no examples of both kinds", r.File, r.Title)
		}
		if len(r.Techniques) == 0 || len(r.Tactics) == 0 || len(r.Category) == 0 || r.Author == "" {
			t.Errorf("%s: %s lacks technique, tactic, category or author", r.File, r.Title)
		}
		if len(r.ID) != 36 || r.ID[14] != '4' {
			t.Errorf("%s: %q is no UUID of version 4", r.File, r.ID)
		}
	}
}
