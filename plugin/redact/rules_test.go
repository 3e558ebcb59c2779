package redact_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/redact"
	"github.com/seclog/seclog/plugin/scan"
)

func TestCompile_Refuses(t *testing.T) {
	for _, c := range []struct{ name, rules, want string }{
		{"unknown key", "detectors:\n  - {id: a, pattern: abc, patern: x}", `own.yaml:2: a detector has no key "patern"`},
		{"unknown top key", "detector: []", `own.yaml:1: the file has no key "detector"`},
		{"key twice", "detectors:\n  - id: a\n    id: b\n    pattern: abc", `own.yaml:3: `},
		{"no list", "detectors: 5", "own.yaml:1: detectors must be a list"},
		{"no yaml", "detectors:\n\t- a", "own.yaml:"},
		{"anchor", "disable: &x [a]", "own.yaml:1: anchors and aliases"},
		{"two documents", "disable: []\n---\ndisable: []", "own.yaml:"},
		{"no pattern", "detectors:\n\n  - id: a", "own.yaml:3: a detector needs id and pattern"},
		{"bad pattern", "detectors:\n  - {id: a, pattern: 'a('}", "own.yaml:2: a: pattern: "},
		{"no literal", "detectors:\n  - {id: a, pattern: '[a-z]+'}", "own.yaml:2: a: no literal"},
		{"matches nothing", "detectors:\n  - {id: a, keywords: [abc], pattern: '(?:abc)?'}", "own.yaml:2: a: the pattern matches the empty text"},
		{"short keyword", "detectors:\n  - {id: a, keywords: [x], pattern: 'x\\d'}", "own.yaml:2: a: keyword \"x\" is shorter"},
		{"start and keywords", "detectors:\n  - {id: a, start: '@', keywords: [abc], pattern: 'x@'}", "own.yaml:2: a: start and keywords"},
		{"bad start", "detectors:\n  - {id: a, start: x, pattern: 'x@'}", "own.yaml:2: start must be digits or '@'"},
		{"few digits", "detectors:\n  - {id: a, start: digits, pattern: '\\d{4}'}", "own.yaml:2: a: start: digits finds runs of 9"},
		{"bad group", "detectors:\n  - {id: a, pattern: 'abc', group: 1}", "own.yaml:2: a: the pattern has no group \"1\""},
		{"bad check", "detectors:\n  - {id: a, pattern: 'abc', validate: lun}", "own.yaml:2: a: validate: unknown \"lun\""},
		{"bad entropy", "detectors:\n  - {id: a, pattern: 'abc', validate: 'entropy>=x'}", "own.yaml:2: a: validate:"},
		{"bad action", "detectors:\n  - {id: a, pattern: 'abc', action: burn}", "own.yaml:2: unknown action \"burn\""},
		{"encrypt", "detectors:\n  - {id: a, pattern: 'abc', action: encrypt}", "own.yaml:2: action encrypt is not there yet"},
		{"bad mask", "detectors:\n  - {id: a, pattern: 'abc', action: {mask: {keep: 1}}}", "own.yaml:2: mask has no key \"keep\""},
		{"bad id", "detectors:\n  - {id: 'A \"b', pattern: 'abc'}", "own.yaml:2: id \"A"},
		{"id twice", "detectors:\n  - {id: a, pattern: abc}\n  - {id: a, pattern: abd}", "own.yaml:3: id \"a\" is already taken at line 2"},
		{"allow of nobody", "allow:\n  - {detector: zzz, pattern: x}", "own.yaml:2: allow names the detector \"zzz\""},
		{"bad allow", "detectors:\n  - {id: a, pattern: abc}\nallow:\n  - {detector: a, pattern: '('}", "own.yaml:4: allow pattern: "},
		{"wide key", "fields:\n  - {keys: ['*']}", "own.yaml:2: "},
		{"short key", "fields:\n  - {id: x, keys: ['*a*']}", "own.yaml:2: x: key \"*a*\": at least two letters"},
		{"no keys", "fields:\n  - {id: x}", "own.yaml:2: a field rule needs keys"},
		{"bad value", "fields:\n  - {keys: [ab], value: all}", "own.yaml:2: value must be"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b scan.Builder
			_, err := redact.Compile([]redact.Source{yaml(c.rules)}, nil, &b, redact.Options{})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s…", err, c.want)
			}
		})
	}
	var b scan.Builder
	hashing := yaml("detectors:\n  - {id: a, pattern: 'abc', action: hash}")
	if _, err := redact.Compile([]redact.Source{hashing}, nil, &b, redact.Options{}); err == nil || !strings.Contains(err.Error(), "own.yaml:2: a hashes, which needs a Key_File") {
		t.Errorf("hash without keys: %v", err)
	}
	if _, err := redact.Compile(nil, nil, &b, redact.Options{Action: "encrypt"}); err == nil {
		t.Error("encrypt for all is taken")
	}
}

func TestRunExamples_Reports(t *testing.T) {
	x := newTool(t, redact.Options{}, yaml("detectors:\n  - {id: a, pattern: 'abc', examples: {match: [abd, abc], ignore: [xabcx, y]}}"))
	errs := x.engine.RunExamples()
	if len(errs) != 2 || !strings.HasPrefix(errs[0].Error(), "own.yaml:2: a ") {
		t.Errorf("%v", errs)
	}
}

func TestLoadKeys(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const good = "K1 MDEyMzQ1Njc4OWFiY2RlZg==\n"
	if _, err := redact.LoadKeys(file("good", good, 0o600)); err != nil {
		t.Error(err)
	}
	for name, path := range map[string]string{
		"permissions": file("open", good, 0o644),
		"name a name": file("one", "MDEyMzQ1Njc4OWFiY2RlZg==\n", 0o600),
		"is not":      file("bad", "K1 ???\n", 0o600),
		"at least":    file("short", "K1 MDEy\n", 0o600),
		"twice":       file("twice", good+good, 0o600),
		"no key":      file("empty", "# nothing\n", 0o600),
		"no such":     filepath.Join(dir, "missing"),
	} {
		_, err := redact.LoadKeys(path)
		if name == "name a name" {
			name = "a line is a name"
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "MDEy") {
			t.Errorf("the error holds key material: %v", err)
		}
	}
}
