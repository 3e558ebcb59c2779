package opensearch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/deliver"
)

func TestAdvise(t *testing.T) {
	c := &Client{}
	for _, tt := range []struct {
		kind   string
		status int
		want   string
	}{
		{"security_exception", 403, "deploy/opensearch/role.yml"},
		{"security_exception", 401, "HTTP_Passwd_File"},
		{"refuses", 401, "HTTP_Passwd_File"},
		{"refuses", 403, "role.yml"},
		{"mapper_parsing_exception", 400, "replay"},
		{"mapper_parsing_exception" + deliver.OfTemplate, 400, "follow by themselves"},
		{"larger than Record_Max of 1000 bytes", 0, "raise Record_Max"},
		{"cluster_block_exception", 429, "free disk"},
		{"unavailable_shards_exception", 503, "_cluster/health"},
		{"unknown", 0, ""},
		{"", 0, ""},
	} {
		if got := c.Advise(tt.kind, tt.status); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s, %d: %q, want %q in it", tt.kind, tt.status, got, tt.want)
		}
	}
}

// TestAdvise_EveryRefusalOfOurs holds that there is advice on every type that somebody must act on or that makes a dead
// letter, and on every cause that causeOf names, but for those that ask nobody for anything.
func TestAdvise_EveryRefusalOfOurs(t *testing.T) {
	unadvised := map[string]bool{
		// A broken document of ours, or of a broken request: the dead letter has it all.
		"parse_exception": true, "parsing_exception": true, "number_format_exception": true, "max_bytes_length_exceeded_exception": true,
		"cancelled": true, "the request failed": true,
	}
	kinds := causes(t)
	if len(kinds) < 10 {
		t.Fatalf("causeOf names %q", kinds)
	}
	for name, k := range known {
		if k.class != classNone {
			kinds = append(kinds, name)
		}
	}
	for _, kind := range kinds {
		if a := adviceOn(kind, 0); (a == nil) != unadvised[kind] {
			t.Errorf("%q: advice %+v", kind, a)
		}
	}
}

// causes are the texts that causeOf and the functions that it asks answer with: each string that such a function gives
// back, or gives the variable cause, or has in its table of meanings.
func causes(t *testing.T) (list []string) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	add := func(e ast.Expr) {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING || lit.Value == `""` {
			return
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Name.Name != "causeOf" && f.Name.Name != "untrusted" && f.Name.Name != "refusedBy" {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ReturnStmt:
					if len(n.Results) == 1 {
						add(n.Results[0])
					}
				case *ast.AssignStmt:
					if id, ok := n.Lhs[0].(*ast.Ident); ok && id.Name == "cause" {
						add(n.Rhs[0])
					}
				case *ast.CompositeLit:
					if len(n.Elts) == 2 {
						add(n.Elts[1])
					}
				}
				return true
			})
		}
	}
	return list
}

// TestAdviceTable_IsInTheReadme holds that README.md shows what the lines say, under Troubleshooting.
func TestAdviceTable_IsInTheReadme(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := SpliceAdvice(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if want != string(text) {
		t.Error("README.md differs: go run ./plugin/deliver/opensearch/genadvice")
	}
	_, below, ok := strings.Cut(string(text), "\n## Troubleshooting\n")
	below, _, _ = strings.Cut(below, "\n## ")
	if !ok || !strings.Contains(below, AdviceTable()) {
		t.Error("the advice does not stand under Troubleshooting")
	}
	for _, a := range advised {
		if a.means == "" || a.do == "" || a.kind == "" && a.status == 0 {
			t.Errorf("%+v", a)
		}
	}
}
