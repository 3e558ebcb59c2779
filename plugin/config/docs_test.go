package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/seclog/seclog/plugin/config"
)

// root is the project's folder as seen from this one.
const root = "../.."

func TestDocs_AreWhatTheTableSays(t *testing.T) {
	for name, want := range map[string]string{
		"fluent-bit.conf": config.SampleConf(),
		"fluent-bit.yaml": config.SampleYAML(),
		"plugins.conf":    config.SamplePlugins(),
	} {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
		} else if string(got) != want {
			t.Errorf("%s differs: go run ./plugin/config/gendocs", name)
		}
	}
	got, err := os.ReadFile(filepath.Join(root, "README.md"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(got) == 0 {
		t.Skip("there is no README.md yet")
	}
	if err != nil {
		t.Fatal(err)
	}
	want, err := config.Splice(string(got))
	if err != nil {
		t.Fatal(err)
	}
	if want != string(got) {
		t.Error("README.md differs: go run ./plugin/config/gendocs")
	}
}

func TestKeys_AreComplete(t *testing.T) {
	seen := make(map[string]bool)
	md, conf := config.Markdown(), config.SampleConf()
	for _, k := range config.Keys() {
		if low := strings.ToLower(k.Name); seen[low] {
			t.Errorf("%s stands there twice", k.Name)
		} else {
			seen[low] = true
		}
		if k.Doc == "" || k.Group == "" {
			t.Errorf("%s has no text or no group", k.Name)
		}
		if !strings.Contains(md, "| `"+k.Name+"` |") {
			t.Errorf("%s is not in the options", k.Name)
		}
		if k.Status == config.Now && !strings.Contains(conf, " "+k.Name) {
			t.Errorf("%s is not in the sample", k.Name)
		}
		if _, err := config.Load(withHost(k.Name, k.Default)); err != nil && k.Required == "" && k.Default != "" && !strings.Contains(err.Error(), "only with Logstash_Format") {
			t.Errorf("the default of %s is refused: %v", k.Name, err)
		}
	}
}

func TestSplice_NeedsItsMarkers(t *testing.T) {
	for _, s := range []string{"", config.Begin, config.End + config.Begin, config.Begin + config.Begin + config.End, config.Begin + config.End + config.End} {
		if _, err := config.Splice(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
	got, err := config.Splice("a\n" + config.Begin + "stale table" + config.End + "\nz\n")
	if err != nil || !strings.HasPrefix(got, "a\n"+config.Begin+"\n") || !strings.HasSuffix(got, config.End+"\nz\n") || strings.Contains(got, "stale table") {
		t.Errorf("got %q, %v", got, err)
	}
	if again, err := config.Splice(got); err != nil || again != got {
		t.Errorf("a second time changes it: %v", err)
	}
}

// outputOf gives the keys of the sample's [OUTPUT], and with uncommented those
// that are only shown as well.
func outputOf(conf string, uncommented bool) map[string]string {
	_, section, _ := strings.Cut(conf, "[OUTPUT]\n")
	keys := make(map[string]string)
	shown := regexp.MustCompile(`^# (\S+)\s*(.*)$`)
	for _, l := range strings.Split(section, "\n") {
		l = strings.TrimSpace(l)
		if m := shown.FindStringSubmatch(l); m != nil {
			if _, there := keys[strings.ToLower(m[1])]; uncommented && !there {
				keys[strings.ToLower(m[1])] = m[2]
			}
			continue
		}
		if k, v, ok := strings.Cut(l, " "); ok && !strings.HasPrefix(l, "#") {
			keys[strings.ToLower(k)] = strings.TrimSpace(v)
		}
	}
	return keys
}

func TestSampleConf_Loads(t *testing.T) {
	for _, uncommented := range []bool{false, true} {
		keys := outputOf(config.SampleConf(), uncommented)
		if keys["name"] != "seclog" || keys["workers"] != "2" || keys["retry_limit"] != "no_limits" {
			t.Fatalf("the section is %v", keys)
		}
		if !strings.HasPrefix(keys["hosts"], "${") {
			t.Errorf("Hosts is %q", keys["hosts"])
		}
		keys["hosts"] = "https://os:9200"
		for k := range keys {
			// Index and Logstash_… exclude each other.
			if uncommented && strings.HasPrefix(k, "logstash_") {
				delete(keys, k)
			}
		}
		if _, err := config.Load(func(k string) string { return keys[strings.ToLower(k)] }); err != nil {
			t.Errorf("uncommented %v: %v", uncommented, err)
		}
	}
}

func TestSampleYAML_SaysTheSame(t *testing.T) {
	var doc struct {
		Plugins  []string
		Pipeline struct {
			Inputs, Filters, Outputs []map[string]any
		}
	}
	// Twice: as it is, and with every shown default switched on.
	shown := regexp.MustCompile(`(?m)^( +)# ([a-z_0-9]+: )`)
	for _, text := range []string{config.SampleYAML(), shown.ReplaceAllString(config.SampleYAML(), "$1$2")} {
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Plugins) != 1 || len(doc.Pipeline.Inputs) != 1 || len(doc.Pipeline.Filters) != 1 || len(doc.Pipeline.Outputs) != 1 {
			t.Fatalf("got %+v", doc)
		}
		out := doc.Pipeline.Outputs[0]
		for k, v := range outputOf(config.SampleConf(), false) {
			if got, ok := out[k]; !ok || v != fmt.Sprint(got) {
				t.Errorf("%s is %v in YAML and %q in the classic form", k, got, v)
			}
		}
	}
}
