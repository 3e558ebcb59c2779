package plugin

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files writes files below a folder of the test and gives the folder.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindSection(t *testing.T) {
	env := func(k string) string {
		return map[string]string{"URL": "http://h:9200", "USER": "alice", "which": "from the environment"}[k]
	}
	one := Section{"name": "seclog", "match": "*", "hosts": "http://h:9200"}
	for name, c := range map[string]struct {
		files map[string]string
		which string
		want  Section
		err   string // in the error
	}{
		"classic": {files: map[string]string{"c": "# x\n[SERVICE]\n  Flush 1\n[OUTPUT]\n  Name seclog\r\n  Match *\n  Hosts\t ${URL} \n"}, want: one},
		"values with spaces and signs": {files: map[string]string{"c": "[OUTPUT]\nname seclog\nHTTP_Passwd a b=#c $d ${\n"},
			want: Section{"name": "seclog", "http_passwd": "a b=#c $d ${"}},
		"set wins over the environment": {files: map[string]string{"c": "@SET which = set \n[output]\nName seclog\nA ${which}${nobody}-${USER}\n"},
			want: Section{"name": "seclog", "a": "set-alice"}},
		"set behind its use": {files: map[string]string{"c": "[OUTPUT]\nName seclog\nA ${late}\n[SERVICE]\n@SET late=1\n"}, want: Section{"name": "seclog", "a": "1"}},
		"included": {files: map[string]string{"c": "@INCLUDE sub/*.conf\n", "sub/a.conf": "[OUTPUT]\n Name stdout\n", "sub/b.conf": "@INCLUDE c.inc\n", "sub/c.inc": "[OUTPUT]\n Name seclog\n Match *\n Hosts ${URL}\n"},
			want: one},
		"yaml": {files: map[string]string{"c.yaml": "pipeline:\n  outputs:\n    - Name: seclog\n      match: '*'\n      hosts: ${URL}\n      none:\n      processors: {logs: []}\n"}, want: one},
		"yaml keeps words as they are": {files: map[string]string{"c.yml": "env: {x: 007}\npipeline:\n  outputs: [{name: seclog, tls_verify: off, n: 1.50, x: '${x}'}]\n"},
			want: Section{"name": "seclog", "tls_verify": "off", "n": "1.50", "x": "007"}},
		"yaml that includes":    {files: map[string]string{"c.yaml": "includes: [d.yaml]\n", "d.yaml": "pipeline:\n  outputs: [{name: seclog, match: '*', hosts: 'http://h:9200'}]\n"}, want: one},
		"by number":             {files: map[string]string{"c": "[OUTPUT]\nName seclog\n[OUTPUT]\nName stdout\n[OUTPUT]\nName seclog\nA b\n"}, which: "2", want: Section{"name": "seclog", "a": "b"}},
		"by alias":              {files: map[string]string{"c": "[OUTPUT]\nName seclog\nAlias x\n[OUTPUT]\nName seclog\n"}, which: "x", want: Section{"name": "seclog", "alias": "x"}},
		"several":               {files: map[string]string{"c": "[OUTPUT]\nName seclog\nMatch a\nHTTP_Passwd hunter2\nHosts http://u:hunter2@h\n[OUTPUT]\nName seclog\nAlias x\n"}, err: "\n  1: Match \"a\"\n  2: Match \"\", Alias \"x\""},
		"none of that name":     {files: map[string]string{"c": "[OUTPUT]\nName seclog\nHTTP_Passwd hunter2\n"}, which: "y", err: `the number or Alias "y":`},
		"none":                  {files: map[string]string{"c": "[OUTPUT]\nName stdout\n[INPUT]\nName seclog\n"}, err: "no output is named seclog"},
		"empty":                 {files: map[string]string{"c": ""}, err: "no output is named seclog"},
		"a name not closed":     {files: map[string]string{"c": "[OUTPUT\nName seclog\n"}, err: "c:1: a section's name is not closed"},
		"includes itself":       {files: map[string]string{"c": "@INCLUDE c\n"}, err: "too many files include each other"},
		"includes itself twice": {files: map[string]string{"c": "@INCLUDE c\n@INCLUDE c\n"}, err: "too many files include each other"},
		"includes nothing":      {files: map[string]string{"c": "@INCLUDE nowhere.conf\n"}, err: "no such file"},
		"broken yaml":           {files: map[string]string{"c.yaml": "a: [\n"}, err: "c.yaml: yaml: line"},
		"another yaml":          {files: map[string]string{"c.yaml": "pipeline: hunter2\n"}, err: "not the form of a Fluent Bit configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := files(t, c.files)
			path := filepath.Join(dir, "c")
			for _, ext := range []string{".yaml", ".yml"} {
				if c.files["c"+ext] != "" {
					path += ext
				}
			}
			got, err := FindSection(path, c.which, env)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%v, want %s", err, c.err)
				}
				return
			}
			if err != nil || !maps.Equal(got, c.want) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
	for _, path := range []string{t.TempDir(), "/dev/null", filepath.Join(t.TempDir(), "x")} {
		if s, err := FindSection(path, "", env); err == nil {
			t.Errorf("%s: %q", path, s)
		}
	}
}

func FuzzFindSection(f *testing.F) {
	f.Add("@SET a=b\n[OUTPUT]\nName seclog\nX ${a}\n", false)
	f.Add("pipeline:\n  outputs: [{name: seclog, a: &x [*x]}]\n", true)
	f.Fuzz(func(t *testing.T, text string, isYAML bool) {
		if strings.Contains(strings.ToLower(text), "include") {
			t.Skip("other files are no input")
		}
		path := filepath.Join(t.TempDir(), "c")
		if isYAML {
			path += ".yaml"
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := FindSection(path, "", func(string) string { return "" })
		if (err == nil) != (s != nil) || err == nil && !strings.EqualFold(s.Get("Name"), "seclog") {
			t.Fatalf("%q, %v", s, err)
		}
	})
}
