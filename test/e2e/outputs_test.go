package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/test/host"
)

// TestOutputs_EachHasItsOwnSettings runs three [OUTPUT] sections in one process, which share nothing but it.
func TestOutputs_EachHasItsOwnSettings(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	server := openSearch(t)
	n := now{time.Now().Add(-time.Minute).Unix()}
	chunk := new(decodetest.Chunk).Record(n.event(), rec{"log", "card 4111 1111 1111 1111 refused"})
	r, err := host.Run(t.Context(), bin, host.Script{
		Plugin: so, Threads: 3,
		Outputs: []map[string]string{
			section(t, server.URL, "outputs-on", nil),
			section(t, server.URL, "outputs-report", map[string]string{"Redact": "Report", "Time_Key": "when"}),
			section(t, server.URL, "outputs-off", map[string]string{"Redact": "Off", "Include_Tag_Key": "On", "Tag_Key": "tag"}),
		},
		Chunks: func(yield func(string, []byte) bool) { yield("kube.app", chunk.Bytes()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := (host.Counts{OK: 3}); r.Final.Counts != want || r.Final.Flushes != 3 {
		t.Errorf("answers %+v, want %+v\n%s", r.Final.Counts, want, r.Stderr)
	}
	for index, doc := range map[string]string{
		"outputs-on":     `{"@timestamp":"{T}","log":"card [REDACTED:credit_card] refused","seclog":{"redacted":{"credit_card":1}}}`,
		"outputs-report": `{"when":"{T}","log":"card 4111 1111 1111 1111 refused","seclog":{"redacted":{"credit_card":1}}}`,
		"outputs-off":    `{"@timestamp":"{T}","tag":"kube.app","log":"card 4111 1111 1111 1111 refused"}`,
	} {
		compare(t, index, []string{n.expand(doc)}, server, index)
		compare(t, index, nil, server, deadIndex(index))
	}
}

// TestOutputs_RefusedInit hands configurations that cannot be used to the plugin beside one that can: Init answers an
// error, which ends Fluent Bit, and says why without what is secret. The process does not crash.
func TestOutputs_RefusedInit(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	write(t, broken, "detectors:\n  - id: broken\n    about: A pattern that does not compile\n    pattern: '('\n    action: redact\n    examples: {match: ['x'], ignore: ['y']}\n")
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "no folder")
	const secret = "Tr0ub4dor&3"
	for _, c := range []struct {
		name string
		keys map[string]string
		says []string
	}{
		{"wrong values", map[string]string{"Compress": "brotli", "Bulk_Size": "many", "Redact": "perhaps"},
			[]string{"Compress brotli: allowed: ", "Bulk_Size many: allowed: ", "Redact perhaps: allowed: "}},
		{"no hosts", map[string]string{"Hosts": ""}, []string{"Hosts: "}},
		{"a password in hosts", map[string]string{"Hosts": "http://alice:" + secret + "@127.0.0.1:9200"}, []string{"Hosts ***: "}},
		{"a password without a user", map[string]string{"HTTP_Passwd": secret}, []string{"HTTP_Passwd"}},
		{"secrets beside a wrong value", map[string]string{"HTTP_User": "alice", "HTTP_Passwd": secret, "Timeout": "soon"}, []string{"Timeout soon: allowed: "}},
		{"two credentials", map[string]string{"HTTP_API_Key": secret, "Bearer_Token": secret}, []string{"HTTP_API_Key", "Bearer_Token"}},
		{"not yet supported", map[string]string{"Metrics_Listen": "127.0.0.1:0"}, []string{"Metrics_Listen 127.0.0.1:0: not yet supported"}},
		{"a key of the other output", map[string]string{"Generate_ID": "On"}, []string{"Generate_ID On: "}},
		{"a broken redaction rule", map[string]string{"Rules_Path": broken}, []string{broken, "broken"}},
		{"rules that are not there", map[string]string{"Rules_Path": broken + ".missing"}, []string{broken + ".missing"}},
		{"a state path that is a file", map[string]string{"State_Path": file}, []string{file}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Nothing listens there: an Init asks nobody.
			const nowhere = "http://127.0.0.1:1"
			var said bytes.Buffer
			_, err := host.Start(t.Context(), bin, host.Script{
				Plugin: so, Stderr: &said,
				Outputs: []map[string]string{section(t, nowhere, "fine", nil), section(t, nowhere, "refused", c.keys)},
			})
			if !errors.Is(err, host.ErrRefused) {
				t.Fatalf("error %v, want %v\n%s", err, host.ErrRefused, said.String())
			}
			text := said.String()
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("nothing says %q in\n%s", want, text)
				}
			}
			for _, never := range []string{secret, "internal error", "goroutine "} {
				if strings.Contains(text, never) {
					t.Errorf("%q is said in\n%s", never, text)
				}
			}
			if fine := "Index=fine"; strings.Count(text, fine) != 1 {
				t.Errorf("%d times %q, want the good section's summary once:\n%s", strings.Count(text, fine), fine, text)
			}
		})
	}
}

// TestOutputs_ReloadRefused reloads after a rule file has become wrong: the new Init is refused, which ends Fluent Bit,
// and what both outputs answered with FLB_OK before is there.
func TestOutputs_ReloadRefused(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	server := openSearch(t)
	rules := filepath.Join(t.TempDir(), "own.yaml")
	const good = "detectors:\n  - id: badge\n    about: Numbers on badges\n    keywords: [EMP-]\n    pattern: '\\bEMP-\\d{8}\\b'\n    action: redact\n    examples: {match: ['EMP-00417733'], ignore: ['EMP-12']}\n"
	write(t, rules, good)
	n := now{time.Now().Add(-time.Minute).Unix()}
	var said bytes.Buffer
	h, err := host.Start(t.Context(), bin, host.Script{
		Plugin: so, Stderr: &said,
		Outputs: []map[string]string{
			section(t, server.URL, "refused-plain", nil),
			section(t, server.URL, "refused-rules", map[string]string{"Rules_Path": rules}),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Kill(); err != nil {
			t.Error(err)
		}
	}()
	for i := range 3 {
		c := new(decodetest.Chunk).Record(n.event(), rec{"log", fmt.Sprintf("badge EMP-0041773%d", i)})
		if err := h.Chunk("kube.app", c.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := h.Reload(); err != nil || e.OK != 6 {
		t.Fatalf("%+v, %v", e, err)
	}
	if err := os.WriteFile(rules, []byte(strings.Replace(good, `\d{8}`, `\d{8`, 1)+"  - id: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Reload(); !errors.Is(err, host.ErrRefused) || !strings.Contains(said.String(), rules) {
		t.Errorf("error %v, want %v and %s named", err, host.ErrRefused, rules)
	}
	plain, own := []string{}, []string{}
	for i := range 3 {
		plain = append(plain, n.expand(fmt.Sprintf(`{"@timestamp":"{T}","log":"badge EMP-0041773%d"}`, i)))
		own = append(own, n.expand(`{"@timestamp":"{T}","log":"badge [REDACTED:badge]","seclog":{"redacted":{"badge":1}}}`))
	}
	compare(t, "without rules", plain, server, "refused-plain")
	compare(t, "with rules", own, server, "refused-rules")
}
