package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/servers"
)

// command builds the command line.
func command(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "seclog")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/seclog/seclog/cmd/seclog").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// replay runs seclog replay and fails unless it ends with the status and prints what is wanted.
func replay(t *testing.T, bin string, status int, want []string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin, append([]string{"replay"}, args...)...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("replay %q: status %d, want %d", args, got, status)
	}
	for _, w := range want {
		if !strings.Contains(out.String(), w+"\n") {
			t.Errorf("replay %q: no line %q", args, w)
		}
	}
	if t.Failed() {
		t.Fatalf("%s\n%s", out.String(), said.String())
	}
}

// counting is a way to a server that counts the documents sent to an index.
func counting(t *testing.T, target, index string) (string, *atomic.Int64) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	n := new(atomic.Int64)
	mark := []byte(`"_index":"` + index + `"`)
	proxy := httputil.NewSingleHostReverseProxy(u)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		n.Add(int64(bytes.Count(body, mark)))
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, n
}

// numbers are the values of field i of an index, each of which must be there once.
func numbers(t *testing.T, s *servers.Server, index string) int {
	t.Helper()
	values, err := s.Values(t.Context(), index, "i")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(values)
	if n := len(slices.Compact(slices.Clone(values))); n != len(values) {
		t.Errorf("%d documents of index %s hold %d numbers", len(values), index, n)
	}
	return len(values)
}

// TestReplay_OnePoison sends 10,000 records of which one does not fit the mapping: 9,999 are in the index, each sent
// once, and one dead letter. The mapping mended, replay brings it; a second replay changes nothing. The dead letter is in
// its index, or, where that one is closed, in the file.
func TestReplay_OnePoison(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	server := openSearch(t)
	cli := command(t)
	do := func(method, path, body string) {
		t.Helper()
		if err := server.Do(t.Context(), method, path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, inFile := range []bool{false, true} {
		t.Run(fmt.Sprintf("in a file %v", inFile), func(t *testing.T) {
			const records, perChunk, poison = 10_000, 2_500, 4_711
			index := fmt.Sprint("replay-poison-", inFile)
			do("PUT", "/"+index, `{"mappings":{"properties":{"v":{"type":"long"}}}}`)
			if inFile {
				do("PUT", "/"+deadIndex(index), `{}`)
				do("POST", "/"+deadIndex(index)+"/_close", "")
			}
			hosts, sent := counting(t, server.URL, index)
			output := section(t, hosts, index, nil)
			n := now{time.Now().Add(-time.Minute).Unix()}
			r, err := host.Run(t.Context(), bin, host.Script{
				Plugin: so, Threads: 2, Outputs: []map[string]string{output}, RetryMax: 5,
				Chunks: func(yield func(string, []byte) bool) {
					for from := 0; from < records; from += perChunk {
						chunk := new(decodetest.Chunk)
						for i := from; i < from+perChunk; i++ {
							v := any(i)
							if i == poison {
								v = "card 4111 1111 1111 1111"
							}
							chunk.Record(n.event(), rec{"i", i, "v", v})
						}
						if !yield("kube.app", chunk.Bytes()) {
							return
						}
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.Final.OK != records/perChunk || r.Final.Retry != 0 {
				t.Errorf("answers %+v\n%s", r.Final.Counts, r.Stderr)
			}
			if got := numbers(t, server, index); got != records-1 || sent.Load() != records {
				t.Errorf("%d documents in the index, %d sent", got, sent.Load())
			}
			conf := filepath.Join(t.TempDir(), "fluent-bit.conf")
			text := "[OUTPUT]\n"
			for k, v := range output {
				text += fmt.Sprintf("    %s %s\n", k, v)
			}
			write(t, conf, text)
			from := []string{"--config", conf}
			if inFile {
				from = append(from, "--file", filepath.Join(output["State_Path"], "dead-letters.ndjson"))
			} else if got := count(t, server, deadIndex(index)); got != 1 {
				t.Errorf("%d dead letters", got)
			}
			one := "1 in index " + index + ", mapper_parsing_exception"
			replay(t, cli, 0, []string{"1 letters: 1 would be sent; 0 not chosen, 0 without a document; 0 bad", "would be sent: " + one}, append(from, "--dry-run")...)
			replay(t, cli, 1, []string{"1 letters: 0 delivered, 0 already there, 1 refused, 0 not sent; 0 not chosen, 0 without a document; 0 bad", "refused: " + one}, from...)
			do("PUT", "/"+index+"/_mapping", `{"properties":{"v":{"type":"long","ignore_malformed":true}}}`)
			replay(t, cli, 0, []string{"1 letters: 1 delivered, 0 already there, 0 refused, 0 not sent; 0 not chosen, 0 without a document; 0 bad"}, from...)
			if got := numbers(t, server, index); got != records {
				t.Errorf("%d documents after replay", got)
			}
			replay(t, cli, 0, []string{"1 letters: 0 delivered, 1 already there, 0 refused, 0 not sent; 0 not chosen, 0 without a document; 0 bad"}, from...)
			if got := numbers(t, server, index); got != records {
				t.Errorf("%d documents after another replay", got)
			}
			if inFile {
				do("POST", "/"+deadIndex(index)+"/_open", "")
			}
			if got := count(t, server, deadIndex(index)); got != map[bool]int{false: 1, true: 0}[inFile] {
				t.Errorf("%d dead letters in the index after replay", got)
			}
		})
	}
}

// TestReplay_ManyPages reads letters of an index with several shards, in many pages, one letter larger than an answer may
// be; the server is away at the begin and once on the way; a first run is interrupted.
func TestReplay_ManyPages(t *testing.T) {
	server := openSearch(t)
	cli := command(t)
	const letters, index = 2_500, "replay-pages"
	dead := deadIndex(index)
	for name, settings := range map[string]string{dead: `{"settings":{"number_of_shards":3}}`, index: "{}"} {
		if err := server.Do(t.Context(), "PUT", "/"+name, settings, nil); err != nil {
			t.Fatal(err)
		}
	}
	var bulk []byte
	for i := range letters {
		l := deliver.DeadLetter{ID: fmt.Sprintf("%020d", i), Index: index, Time: time.Now(), Error: "held", Status: 400, Document: fmt.Sprintf(`{"i":%d}`, i)}
		if i == letters/2 {
			l.Document = fmt.Sprintf(`{"i":%d,"log":%q}`, i, strings.Repeat("long ", 2<<20))
		}
		bulk = fmt.Appendf(bulk, `{"create":{"_index":%q,"_id":%q}}`+"\n", dead, l.ID)
		bulk = append(l.AppendJSON(bulk), '\n')
	}
	bulk = append(bulk, `{"create":{"_index":"`+dead+`","_id":"stranger"}}`+"\n"+`{"no":"letter"}`+"\n"...)
	var took struct {
		Errors bool `json:"errors"`
	}
	if err := server.Do(t.Context(), "POST", "/_bulk", bulk, &took); err != nil || took.Errors {
		t.Fatal(err, took)
	}
	g := newGate(t, server.URL)
	args := []string{"replay", "--index", dead, "--set", "Hosts=" + g.url, "--set", "Bulk_Size=10k", "--set", "Retry_Wait_Max=200ms"}

	g.set(refuse)
	cmd := exec.CommandContext(t.Context(), cli, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a connection", func() bool { return g.refused.Load() > 2 })
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 2 || !strings.Contains(said.String(), "seclog: replay: interrupted\n") || !strings.Contains(out.String(), "0 letters: 0 delivered") {
		t.Errorf("%v\n%s\n%s", err, out.String(), said.String())
	}

	out.Reset()
	said.Reset()
	refused := g.refused.Load()
	cmd = exec.CommandContext(t.Context(), cli, args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a connection", func() bool { return g.refused.Load() > refused })
	g.set(pass)
	waitFor(t, "documents", func() bool { return count(t, server, index) > 0 })
	g.set(refuse)
	refused = g.refused.Load()
	waitFor(t, "a connection or the end", func() bool { return g.refused.Load() > refused || count(t, server, index) == letters })
	g.set(pass)
	err := cmd.Wait()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), "2500 letters: ") || !strings.Contains(out.String(), "; 1 bad\n") || !strings.Contains(out.String(), "bad: document \"stranger\": ") {
		t.Errorf("%v\n%s\n%s", err, out.String(), said.String())
	}
	if got := numbers(t, server, index); got != letters {
		t.Errorf("%d documents\n%s\n%s", got, out.String(), said.String())
	}
	replay(t, cli, 1, []string{"2500 letters: 0 delivered, 2500 already there, 0 refused, 0 not sent; 0 not chosen, 0 without a document; 1 bad"}, args[1:]...)
}

// waitFor waits until something holds, for half a minute.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not after half a minute", what)
		}
	}
}
