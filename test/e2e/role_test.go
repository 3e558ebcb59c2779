package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/rig"
	"github.com/seclog/seclog/test/servers"
)

// deadLetters is the index that the shipped role allows beside the documents' own.
const deadLetters = "seclog_dead_letters"

// secured is a server with users and roles, and the parts that its tests share.
type secured struct {
	*servers.Server
	so, bin string
	client  *http.Client // trusts the server
}

// TestLeastPrivilege delivers as a user who has the shipped role and nothing else.
func TestLeastPrivilege(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	s := secured{servers.ForTest(t, servers.Options{Security: true}), so, bin, nil}
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	s.client = &http.Client{Transport: transport}
	// The plugin's own configuration gives every user a role, which would hide what ours lacks.
	s.admin(t, "DELETE", "/_plugins/_security/api/rolesmapping/own_index", nil)
	t.Run("delivers", s.delivers)
	t.Run("nothing else is allowed", s.forbids)
	t.Run("replays and sets up", s.others)
	t.Run("a forbidden index waits for its role", s.widened)
	t.Run("a password changes", s.password)
}

// admin asks as who may do everything.
func (s secured) admin(t *testing.T, method, path string, body any) {
	t.Helper()
	if err := s.Do(t.Context(), method, path, body, nil); err != nil {
		t.Fatal(err)
	}
}

// role is the one in a file of deploy/opensearch, with other patterns if there are any.
func role(t *testing.T, file, name string, patterns ...string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy/opensearch", file))
	if err != nil {
		t.Fatal(err)
	}
	var roles map[string]map[string]any
	if err := yaml.Unmarshal(text, &roles); err != nil {
		t.Fatal(err)
	}
	if len(roles) != 1 || roles[name] == nil {
		t.Fatalf("%s holds %v, not %s", file, roles, name)
	}
	if len(patterns) > 0 {
		for _, p := range roles[name]["index_permissions"].([]any) {
			p.(map[string]any)["index_patterns"] = patterns
		}
	}
	return roles[name]
}

// user makes a user with one role, which has the user's name.
func (s secured) user(t *testing.T, name, password string, role map[string]any) {
	t.Helper()
	s.admin(t, "PUT", "/_plugins/_security/api/roles/"+name, role)
	s.admin(t, "PUT", "/_plugins/_security/api/internalusers/"+name, map[string]any{"password": password})
	s.admin(t, "PUT", "/_plugins/_security/api/rolesmapping/"+name, map[string]any{"users": []string{name}})
}

// section is an [OUTPUT] section that delivers as a user, and the file that holds the password.
func (s secured) section(t *testing.T, index, user, password string) (keys map[string]string, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return section(t, s.URL, index, map[string]string{
		"TLS_CA_File": s.CAFile, "HTTP_User": user, "HTTP_Passwd_File": file, "Dead_Letter_Index": deadLetters, "Retry_Timeout": "1s",
	}), file
}

// status is what a request is answered with; an item's status, if it is a bulk request.
func (s secured) status(t *testing.T, user, password, method, path, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(user, password)
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Items []map[string]struct {
			Status int `json:"status"`
		} `json:"items"`
	}
	if path == "/_bulk" && json.Unmarshal(text, &answer) == nil && len(answer.Items) == 1 {
		for item := range maps.Values(answer.Items[0]) {
			return item.Status
		}
	}
	return res.StatusCode
}

const (
	sender = "sender"
	secret = "rK7-tq9.Zw2-vB4"
)

// delivers makes the user, new indices, new fields, documents and a dead letter.
func (s secured) delivers(t *testing.T) {
	s.user(t, sender, secret, role(t, "role.yml", "seclog"))
	s.admin(t, "PUT", "/_index_template/seclog-numbers", `{"index_patterns":["seclog-numbers"],"template":{"mappings":{"properties":{"n":{"type":"long"}}}}}`)
	keys, _ := s.section(t, "seclog-numbers", sender, secret)
	keys["Retry_Timeout"] = "30s" // a flush that is late writes dead letters to the file
	n := now{time.Now().Add(-time.Minute).Unix()}
	chunk := numbered(n, 0, 2000)
	chunk.Record(n.event(), rec{"log", "poison", "n", "no number"})
	r, err := host.Run(t.Context(), s.bin, host.Script{
		Plugin: s.so, Outputs: []map[string]string{keys}, RetryMax: 5,
		Chunks: func(yield func(string, []byte) bool) { yield("app", chunk.Bytes()) },
	})
	if err != nil || r.Final.OK != 1 {
		t.Fatalf("%+v %v\n%s", r.Final, err, r.Stderr)
	}
	once(t, s.Server, "seclog-numbers", "nowhere", 2000)
	if got := count(t, s.Server, deadLetters); got != 1 {
		t.Errorf("%d dead letters in their index, want 1\n%s", got, r.Stderr)
	}
}

// numbered is a chunk of lines that once looks for.
func numbered(n now, from, to int) *decodetest.Chunk {
	c := new(decodetest.Chunk)
	for i := from; i < to; i++ {
		c.Record(n.event(), rec{"log", fmt.Sprintf("line %d ", i), "n", i})
	}
	return c
}

// forbids asks for everything else.
func (s secured) forbids(t *testing.T) {
	ids, err := s.AllIDs(t.Context(), "seclog-numbers")
	if err != nil {
		t.Fatal(err)
	}
	doc := "/seclog-numbers/_doc/" + ids[0]
	update := "/seclog-numbers/_update/" + ids[0]
	bulk := func(verb, index string, more ...string) string {
		return fmt.Sprintf("{%q:{\"_index\":%q,\"_id\":%q}}\n%s", verb, index, ids[0], strings.Join(more, ""))
	}
	for _, c := range []struct{ name, method, path, body string }{
		{"search", "GET", "/seclog-numbers/_search", ""},
		{"search of all", "GET", "/_search", ""},
		{"search of the dead letters", "GET", "/" + deadLetters + "/_search", ""},
		{"count", "GET", "/seclog-numbers/_count", ""},
		{"get", "GET", doc, ""},
		{"delete", "DELETE", doc, ""},
		{"update", "POST", update, `{"doc":{"n":1}}`},
		{"delete by query", "POST", "/seclog-numbers/_delete_by_query", `{"query":{"match_all":{}}}`},
		{"a bulk request's delete", "POST", "/_bulk", bulk("delete", "seclog-numbers")},
		{"a bulk request's update", "POST", "/_bulk", bulk("update", "seclog-numbers", `{"doc":{"n":1}}`, "\n")},
		{"delete an index", "DELETE", "/seclog-numbers", ""},
		{"settings of an index", "PUT", "/seclog-numbers/_settings", `{"index.refresh_interval":"9s"}`},
		{"put a template", "PUT", "/_index_template/other", `{"index_patterns":["other-*"]}`},
		{"put a pipeline", "PUT", "/_ingest/pipeline/other", `{"processors":[]}`},
		{"another prefix", "POST", "/_bulk", bulk("create", "other-index", "{}\n")},
		{"another prefix, alone", "PUT", "/other-index/_create/1", `{}`},
		{"the security plugin's own index", "POST", "/_bulk", bulk("create", ".opendistro_security", "{}\n")},
		{"users", "GET", "/_plugins/_security/api/internalusers", ""},
		{"cluster settings", "PUT", "/_cluster/settings", `{"transient":{"action.auto_create_index":"false"}}`},
	} {
		if got := s.status(t, sender, secret, c.method, c.path, c.body); got != http.StatusForbidden {
			t.Errorf("%s: status %d, want 403", c.name, got)
		}
	}
	// What the security plugin cannot keep apart, as role.yml says. A change here is news for that file.
	for _, c := range []struct{ name, method, path, body string }{
		{"replacing a document whose id is known", "PUT", doc, `{"log":"line 0 ","n":0}`},
		{"mapping a field", "PUT", "/seclog-numbers/_mapping", `{"properties":{"fresh":{"type":"long"}}}`},
	} {
		if got := s.status(t, sender, secret, c.method, c.path, c.body); got != http.StatusOK {
			t.Errorf("%s: status %d, want 200", c.name, got)
		}
	}
}

// others holds that the roles for replay and setup allow what they are for, and no more.
func (s secured) others(t *testing.T) {
	s.user(t, "replayer", secret, role(t, "role-replay.yml", "seclog_replay"))
	s.user(t, "preparer", secret, role(t, "role-setup.yml", "seclog_setup"))
	for _, c := range []struct {
		user, method, path, body string
		want                     int
	}{
		{"replayer", "GET", "/" + deadLetters + "/_search", `{"sort":["_seq_no"]}`, 200},
		{"replayer", "GET", "/seclog-numbers/_search", "", 403},
		{"replayer", "PUT", "/" + deadLetters + "/_create/x", `{}`, 403},
		{"preparer", "PUT", "/_index_template/prepared", `{"index_patterns":["prepared-*"]}`, 200},
		{"preparer", "GET", "/_index_template/prepared", "", 200},
		{"preparer", "PUT", "/_component_template/prepared", `{"template":{}}`, 200},
		{"preparer", "PUT", "/_ingest/pipeline/prepared", `{"processors":[]}`, 200},
		{"preparer", "PUT", "/seclog-numbers/_create/x", `{}`, 403},
		{"preparer", "GET", "/seclog-numbers/_search", "", 403},
	} {
		if got := s.status(t, c.user, secret, c.method, c.path, c.body); got != c.want {
			t.Errorf("%s, %s %s: status %d, want %d", c.user, c.method, c.path, got, c.want)
		}
	}
}

// widened delivers to an index that the role allows and to one that it does not, in one chunk; then the role is widened.
func (s secured) widened(t *testing.T) {
	s.user(t, "narrow", secret, role(t, "role.yml", "seclog", "seclog-a", deadLetters))
	keys, _ := s.section(t, "seclog-$part", "narrow", secret)
	n := now{time.Now().Add(-time.Minute).Unix()}
	chunk := new(decodetest.Chunk)
	for i := range 400 {
		chunk.Record(n.event(), rec{"log", fmt.Sprintf("line %d ", i/2), "part", string("ab"[i%2])})
	}
	h := rig.StartHost(t, s.bin, host.Script{Plugin: s.so, Outputs: []map[string]string{keys}})
	if err := h.Chunk("app", chunk.Bytes()); err != nil {
		t.Fatal(err)
	}
	e := waitRetries(t, h, 8)
	once(t, s.Server, "seclog-a", "nowhere", 200)
	if e.OK != 0 || count(t, s.Server, "seclog-b") != 0 {
		t.Errorf("the forbidden index took something: %+v", e)
	}
	told(t, h, "index seclog-b: security_exception (status 403)", "role of deploy/opensearch/role.yml with this index among its index_patterns")
	letters := count(t, s.Server, deadLetters)
	s.admin(t, "PUT", "/_plugins/_security/api/roles/narrow", role(t, "role.yml", "seclog"))
	arrive(t, h)
	once(t, s.Server, "seclog-a", "nowhere", 200)
	once(t, s.Server, "seclog-b", "nowhere", 200)
	if got := count(t, s.Server, deadLetters); got != letters {
		t.Errorf("%d new dead letters", got-letters)
	}
}

// password changes the user's password on the server first and in the file afterwards.
func (s secured) password(t *testing.T) {
	const fresh = "nW4-jd8.Ye6-hC1"
	s.user(t, "changing", secret, role(t, "role.yml", "seclog"))
	keys, file := s.section(t, "seclog-changing", "changing", secret)
	n := now{time.Now().Add(-time.Minute).Unix()}
	h := rig.StartHost(t, s.bin, host.Script{Plugin: s.so, Outputs: []map[string]string{keys}})
	if err := h.Chunk("app", numbered(n, 0, 100).Bytes()); err != nil {
		t.Fatal(err)
	}
	arrive(t, h)
	s.admin(t, "PUT", "/_plugins/_security/api/internalusers/changing", map[string]any{"password": fresh})
	if err := h.Chunk("app", numbered(n, 100, 200).Bytes()); err != nil {
		t.Fatal(err)
	}
	if e := waitRetries(t, h, 5); e.OK != 1 {
		t.Errorf("the old password is taken: %+v", e)
	}
	told(t, h, "destination: refuses (status 401)", "to do: check HTTP_User, HTTP_Passwd_File")
	if err := os.WriteFile(file, []byte(fresh), 0o600); err != nil {
		t.Fatal(err)
	}
	arrive(t, h)
	once(t, s.Server, "seclog-changing", "nowhere", 200)
	if said := h.Report().Stderr; strings.Contains(said, secret) || strings.Contains(said, fresh) {
		t.Errorf("a password is logged:\n%s", said)
	}
}

// waitRetries waits until chunks were given back so many times.
func waitRetries(t *testing.T, h *host.Host, retries int) host.Event {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		e, err := h.Drain(100 * time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if e.Retry >= retries {
			return e
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a minute %+v", e)
		}
	}
}

// arrive waits until every chunk is done.
func arrive(t *testing.T, h *host.Host) {
	t.Helper()
	if e, err := h.Drain(time.Minute); err != nil || e.Pending > 0 || e.Error+e.Dropped > 0 {
		t.Fatalf("%+v %v", e, err)
	}
}

// told holds that one line, and no more than one, says so and what to do.
func told(t *testing.T, h *host.Host, begin, do string) {
	t.Helper()
	var said string
	var lines []string
	// What a process says comes by another way than what it answers, so it may come later.
	for end := time.Now().Add(10 * time.Second); len(lines) == 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		said, lines = h.Report().Stderr, nil
		for line := range bytes.Lines([]byte(said)) {
			if bytes.Contains(line, []byte(begin)) {
				lines = append(lines, string(bytes.TrimSpace(line)))
			}
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], do) {
		t.Errorf("%q was told %d times, want once with %q:\n%s", begin, len(lines), do, said)
		return
	}
	t.Log(lines[0])
}
