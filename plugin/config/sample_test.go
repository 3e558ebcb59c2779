package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/seclog/seclog/plugin/config"
)

// sampleYAML is what matters here of a configuration of Fluent Bit.
type sampleYAML struct {
	Service  map[string]any
	Plugins  []string
	Pipeline struct {
		Inputs, Filters, Outputs []map[string]any
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// configMap is the configuration that the Kubernetes manifests mount.
func configMap(t *testing.T) (s sampleYAML) {
	t.Helper()
	var m struct{ Data map[string]string }
	if err := yaml.Unmarshal([]byte(readFile(t, "deploy/kubernetes/configmap.yaml")), &m); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(m.Data["fluent-bit.yaml"]), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSamples_LoadThePlugin has that every configuration names the plugin, once,
// where the image keeps it, and that the image itself does not load it as well.
func TestSamples_LoadThePlugin(t *testing.T) {
	_, path, ok := strings.Cut(config.SamplePlugins(), "Path ")
	if path = strings.TrimSpace(path); !ok || !filepath.IsAbs(path) {
		t.Fatalf("plugins.conf is %q", config.SamplePlugins())
	}
	if n := strings.Count(config.SampleConf(), "Plugins_File              /fluent-bit/etc/plugins.conf\n"); n != 1 {
		t.Errorf("fluent-bit.conf names plugins.conf %d times", n)
	}
	var sample sampleYAML
	if err := yaml.Unmarshal([]byte(config.SampleYAML()), &sample); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]sampleYAML{"fluent-bit.yaml": sample, "configmap.yaml": configMap(t)} {
		if !slices.Equal(s.Plugins, []string{path}) {
			t.Errorf("%s loads %q, want %q", name, s.Plugins, path)
		}
	}
	docker := readFile(t, "Dockerfile")
	if !strings.Contains(docker, "/out/out_seclog.so /out/seclog "+filepath.Dir(path)+"/\n") {
		t.Errorf("the Dockerfile does not copy the plugin to %s", path)
	}
	for line := range strings.Lines(docker) {
		if (strings.HasPrefix(line, "ENTRYPOINT") || strings.HasPrefix(line, "CMD")) && strings.Contains(line, ".so") {
			t.Errorf("the image loads the plugin as well: %s", line)
		}
	}
}

// TestConfigMap_SaysTheSame has that the manifests' configuration differs from
// the sample only where a pod does.
func TestConfigMap_SaysTheSame(t *testing.T) {
	var sample sampleYAML
	if err := yaml.Unmarshal([]byte(config.SampleYAML()), &sample); err != nil {
		t.Fatal(err)
	}
	pod := configMap(t)
	if len(pod.Pipeline.Inputs) != 1 || len(pod.Pipeline.Filters) != 1 || len(pod.Pipeline.Outputs) != 1 {
		t.Fatalf("got %+v", pod.Pipeline)
	}
	differ := map[string]bool{
		"health_check": true, // a probe on it would restart the pod whenever OpenSearch is away
		"exclude_path": true, // the pod's own name is known
		"http_user":    true, // files of a Secret instead
		"http_passwd":  true,
	}
	same := func(section string, want, got map[string]any) {
		for k, v := range want {
			if !differ[k] && fmt.Sprint(got[k]) != fmt.Sprint(v) {
				t.Errorf("%s: %s is %v, in fluent-bit.yaml %v", section, k, got[k], v)
			}
		}
	}
	same("service", sample.Service, pod.Service)
	same("input", sample.Pipeline.Inputs[0], pod.Pipeline.Inputs[0])
	same("filter", sample.Pipeline.Filters[0], pod.Pipeline.Filters[0])
	same("output", sample.Pipeline.Outputs[0], pod.Pipeline.Outputs[0])

	// Every key of the output is Fluent Bit's or one that this version honours.
	known := []string{"name", "match", "workers", "retry_limit"}
	for _, k := range config.Keys() {
		if k.Status != config.Later {
			known = append(known, strings.ToLower(k.Name))
		}
	}
	for k := range pod.Pipeline.Outputs[0] {
		if !slices.Contains(known, k) {
			t.Errorf("output: key %s is not known", k)
		}
	}
}
