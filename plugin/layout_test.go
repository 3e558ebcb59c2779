package plugin_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The house rules that a machine can hold. ARCHITECTURE.md gives the reasons.
const (
	module       = "github.com/seclog/seclog"
	maxLines     = 800
	maxRootLines = 150 // of out_seclog.go
)

// stages is the order in which data flows: a stage may import those before it.
func stages() []string {
	return []string{"config", "decode", "scan", "detect", "redact", "encode", "deliver", "metrics"}
}

// leaves import no stage at all.
func leaves() []string { return []string{"config", "decode", "scan", "metrics"} }

// source is one parsed Go file.
type source struct {
	path string // from the root, with slashes: plugin/decode/reader.go
	dir  string
	test bool
	fset *token.FileSet
	file *ast.File
	text []byte
}

func (s *source) at(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

func (s *source) product() bool {
	return !s.test && (s.dir == "." || s.dir == "rules" || s.under("plugin") || s.under("cmd"))
}

func (s *source) under(dir string) bool { return s.dir == dir || strings.HasPrefix(s.dir, dir+"/") }

func (s *source) imports() []string {
	var out []string
	for _, i := range s.file.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err == nil {
			out = append(out, p)
		}
	}
	return out
}

// walk calls f for each file of the project.
func walk(t *testing.T, f func(name string, text []byte)) {
	t.Helper()
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := path.Base(name); name != "." && (base == ".git" || base == ".cache" || base == "bin" || base == "testdata" || base == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f(name, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sources(t *testing.T) []*source {
	t.Helper()
	var out []*source
	walk(t, func(name string, text []byte) {
		if path.Ext(name) != ".go" {
			return
		}
		s := &source{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), fset: token.NewFileSet(), text: text}
		var err error
		if s.file, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	})
	if len(out) < 5 {
		t.Fatalf("only %d Go files found: the test looks in the wrong folder", len(out))
	}
	return out
}

func TestLayout_StageOrder(t *testing.T) {
	order := stages()
	for _, s := range sources(t) {
		if s.test || !s.under("plugin") || s.dir == "plugin" {
			continue
		}
		own := strings.Split(s.dir, "/")[1]
		place := slices.Index(order, own)
		if place < 0 {
			t.Errorf("%s: folder plugin/%s is no stage that this test knows", s.path, own)
			continue
		}
		for _, p := range s.imports() {
			in, ok := strings.CutPrefix(p, module+"/")
			if !ok {
				continue
			}
			if in == "plugin" || !strings.HasPrefix(in, "plugin/") {
				t.Errorf("%s imports %s: a stage knows neither plugin.go nor what lies outside plugin/", s.path, in)
				continue
			}
			other := strings.Split(in, "/")[1]
			if other == own {
				continue
			}
			if slices.Contains(leaves(), own) {
				t.Errorf("%s imports %s: %s imports no other stage", s.path, in, own)
			} else if slices.Index(order, other) > place {
				t.Errorf("%s imports %s: a stage imports only stages before it", s.path, in)
			}
		}
	}
}

func TestLayout_NoCBelowPlugin(t *testing.T) {
	for _, s := range sources(t) {
		for _, p := range s.imports() {
			if s.dir != "." && p == "C" && !s.under("test") {
				t.Errorf("%s imports \"C\": only out_seclog.go does", s.path)
			}
			if s.dir != "." && s.product() && strings.HasPrefix(p, "github.com/fluent/fluent-bit-go") {
				t.Errorf("%s imports fluent-bit-go: only out_seclog.go does", s.path)
			}
			if s.product() && strings.HasPrefix(p, module+"/test") {
				t.Errorf("%s imports %s: the product knows no test", s.path, p)
			}
		}
	}
}

func TestLayout_Names(t *testing.T) {
	banned := []string{"util", "utils", "common", "helper", "helpers", "types"}
	for _, s := range sources(t) {
		if slices.Contains(banned, strings.TrimSuffix(s.file.Name.Name, "_test")) {
			t.Errorf("%s: package %s says nothing about what it does", s.path, s.file.Name.Name)
		}
		variable := func(n *ast.Ident) {
			if n != nil && n.Name == "plugin" {
				t.Errorf("%s: a variable named plugin hides the package", s.at(n))
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for _, name := range n.Names {
					variable(name)
				}
			case *ast.AssignStmt:
				if n.Tok == token.DEFINE {
					for _, e := range n.Lhs {
						if id, ok := e.(*ast.Ident); ok {
							variable(id)
						}
					}
				}
			case *ast.RangeStmt:
				for _, e := range []ast.Expr{n.Key, n.Value} {
					if id, ok := e.(*ast.Ident); ok {
						variable(id)
					}
				}
			case *ast.FuncType:
				for _, list := range []*ast.FieldList{n.Params, n.Results} {
					if list == nil {
						continue
					}
					for _, f := range list.List {
						for _, name := range f.Names {
							variable(name)
						}
					}
				}
			}
			return true
		})
	}
}

func TestLayout_NoInit(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" && !s.test {
				t.Errorf("%s: init() runs for those too who only import", s.at(f))
			}
		}
	}
}

// A package-level variable may be a table or a sentinel error that nothing
// writes once it is initialised. What can only be used by writing to it (a
// mutex, a pool, a channel, a made map, a pointer) may not stand there: several
// instances and reloads share the process.
func TestLayout_NoPackageState(t *testing.T) {
	packages := map[string][]*source{}
	for _, s := range sources(t) {
		if s.product() {
			packages[s.dir] = append(packages[s.dir], s)
		}
	}
	for _, files := range packages {
		written := map[string]string{}
		for _, s := range files {
			noteWrites(s, written)
		}
		for _, s := range files {
			for _, d := range s.file.Decls {
				g, ok := d.(*ast.GenDecl)
				if !ok || g.Tok != token.VAR {
					continue
				}
				for _, spec := range g.Specs {
					v := spec.(*ast.ValueSpec)
					for i, name := range v.Names {
						if name.Name == "_" || embedded(g.Doc) || embedded(v.Doc) {
							continue
						}
						if why := mutable(v, i); why != "" {
							t.Errorf("%s: package-level variable %s %s", s.at(name), name.Name, why)
						} else if where := written[name.Name]; where != "" {
							t.Errorf("%s: package-level variable %s is written at %s", s.at(name), name.Name, where)
						}
					}
				}
			}
		}
	}
}

func embedded(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	return slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// mutable says why a variable can only be state, "" if it need not be.
func mutable(v *ast.ValueSpec, i int) string {
	if len(v.Values) == 0 {
		return "has no value: it can only be meant to be written"
	}
	if len(v.Values) != len(v.Names) {
		return ""
	}
	switch e := v.Values[i].(type) {
	case *ast.UnaryExpr:
		if e.Op == token.AND {
			return "is a pointer to something that can be written"
		}
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.Ident); ok && (f.Name == "make" || f.Name == "new") {
			return "is made empty: it can only be meant to be written"
		}
	case *ast.CompositeLit:
		if sel, ok := e.Type.(*ast.SelectorExpr); ok {
			if p, ok := sel.X.(*ast.Ident); ok && (p.Name == "sync" || p.Name == "atomic") {
				return "is " + p.Name + "." + sel.Sel.Name
			}
		}
	}
	return ""
}

// noteWrites notes where names, or parts of them, are written or their address
// is taken inside functions. A local variable of the same name does not count,
// as far as it is declared in the same function.
func noteWrites(s *source, written map[string]string) {
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		local := map[string]bool{}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				for _, name := range n.Names {
					local[name.Name] = true
				}
			case *ast.ValueSpec:
				for _, name := range n.Names {
					local[name.Name] = true
				}
			case *ast.AssignStmt:
				if n.Tok == token.DEFINE {
					for _, e := range n.Lhs {
						if id, ok := e.(*ast.Ident); ok {
							local[id.Name] = true
						}
					}
				}
			case *ast.RangeStmt:
				for _, e := range []ast.Expr{n.Key, n.Value} {
					if id, ok := e.(*ast.Ident); ok && n.Tok == token.DEFINE {
						local[id.Name] = true
					}
				}
			}
			return true
		})
		note := func(e ast.Expr) {
			for {
				switch x := e.(type) {
				case *ast.Ident:
					if !local[x.Name] && x.Name != "_" {
						written[x.Name] = s.at(x)
					}
					return
				case *ast.IndexExpr:
					e = x.X
				case *ast.SelectorExpr:
					e = x.X
				case *ast.ParenExpr:
					e = x.X
				case *ast.StarExpr:
					e = x.X
				default:
					return
				}
			}
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, e := range n.Lhs {
						note(e)
					}
				}
			case *ast.IncDecStmt:
				note(n.X)
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 && (id.Name == "delete" || id.Name == "clear" || id.Name == "copy") {
					note(n.Args[0])
				}
			}
			return true
		})
	}
}

func TestLayout_FileSize(t *testing.T) {
	walk(t, func(name string, text []byte) {
		switch path.Ext(name) {
		case ".go", ".c", ".h", ".sh", ".java":
		default:
			return
		}
		limit := maxLines
		if name == "out_seclog.go" {
			limit = maxRootLines
		}
		if n := bytes.Count(text, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines, more than %d: it holds more than one thing", name, n, limit)
		}
	})
}

func TestLayout_ExportedIsDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !s.under("plugin") {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !(d.Recv != nil && slices.Contains([]string{"Error", "String", "Unwrap"}, d.Name.Name)) {
					t.Errorf("%s: exported %s has no comment", s.at(d), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
							t.Errorf("%s: exported %s has no comment", s.at(spec), spec.Name.Name)
						}
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							if name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
								t.Errorf("%s: exported %s has no comment", s.at(spec), name.Name)
							}
						}
					}
				}
			}
		}
	}
}

func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	e := f.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

// The project is built and run anywhere: no file of it names the folder or the
// registry that one of its authors happened to use.
func TestLayout_NoWorkplace(t *testing.T) {
	// In parts, so that this file does not name them either.
	banned := []string{"/wo" + "rk/", "/tmp/" + "brief", "../sh" + "ared", "proxy." + "golang.org", "repo1." + "maven.org", "repo." + "maven.apache.org", "deb." + "debian.org"}
	walk(t, func(name string, text []byte) {
		if bytes.IndexByte(text, 0) >= 0 {
			return
		}
		for _, b := range banned {
			if i := bytes.Index(text, []byte(b)); i >= 0 {
				t.Errorf("%s:%d names %s", name, 1+bytes.Count(text[:i], []byte("\n")), b)
			}
		}
	})
}

func TestLayout_TopLevel(t *testing.T) {
	for _, name := range []string{"LICENSE", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "Makefile", "Dockerfile", ".ci/run", "test/setup"} {
		if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(name))); err != nil {
			t.Errorf("top level: %v", err)
		}
	}
}
