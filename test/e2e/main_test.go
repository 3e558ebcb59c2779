// Package e2e tests the plugin as it is built, from the C interface, or the real Fluent Bit, to a real OpenSearch.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/servers"
)

// rig is what the tests of one run share. Each part is made when it is first asked for.
type rig struct {
	plugin func() (string, error) // out_seclog.so
	host   func() (string, error) // the program that loads it
	server func() (*servers.Server, error)
}

// shared is set by TestMain alone.
var shared rig

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "seclog-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var started *servers.Server
	shared = rig{
		plugin: sync.OnceValues(func() (string, error) {
			so := filepath.Join(dir, "out_seclog.so")
			return so, host.BuildPlugin(ctx, "github.com/seclog/seclog", so)
		}),
		host: sync.OnceValues(func() (string, error) { return host.Build(ctx, dir) }),
		server: sync.OnceValues(func() (*servers.Server, error) {
			var err error
			started, err = servers.StartOpenSearch(ctx, servers.Options{Heap: "512m"})
			return started, err
		}),
	}
	defer func() {
		if started != nil {
			err = started.Close()
		}
		if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	return m.Run()
}

// notTested ends a test that cannot run here: skipped with the reason, or failed where SECLOG_NEED_SERVERS says that it
// has to run.
func notTested(t *testing.T, what, reason string) {
	t.Helper()
	if os.Getenv("SECLOG_NEED_SERVERS") != "" {
		t.Fatalf("NOT TESTED: %s: %s", what, reason)
	}
	t.Skipf("NOT TESTED: %s: %s", what, reason)
}

// pluginAndHost are the paths of the built plugin and of the program that loads it.
func pluginAndHost(t *testing.T) (so, bin string) {
	t.Helper()
	if reason, ok := host.Available(); !ok {
		notTested(t, "the plugin through the C interface", reason)
	}
	so, err := shared.plugin()
	if err != nil {
		t.Fatal(err)
	}
	if bin, err = shared.host(); err != nil {
		t.Fatal(err)
	}
	return so, bin
}

// openSearch is the node that all tests share; each uses indices of its own.
func openSearch(t *testing.T) *servers.Server {
	t.Helper()
	if reason, ok := servers.Available(); !ok {
		notTested(t, "the plugin into a real OpenSearch", reason)
	}
	s, err := shared.server()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// section is an [OUTPUT] section with its own state, and the keys over the defaults of these tests.
func section(t *testing.T, url, index string, keys map[string]string) map[string]string {
	t.Helper()
	s := map[string]string{
		"Name": "seclog", "Match": "*", "Hosts": url, "Index": index, "Dead_Letter_Index": deadIndex(index),
		"State_Path": t.TempDir(), "Retry_Wait_Min": "20ms", "Retry_Wait_Max": "50ms", "Retry_Timeout": "10s",
	}
	maps.Copy(s, keys)
	return s
}

// deadIndex is where the dead letters of an index's records go in these tests.
func deadIndex(index string) string { return "dead-" + index }

// count is how many documents an index holds; none where there is no such index.
func count(t *testing.T, s *servers.Server, index string) int {
	t.Helper()
	if err := s.Do(t.Context(), "POST", "/"+index+"/_refresh?ignore_unavailable=true", nil, nil); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Count  *int `json:"count"`
		Shards struct {
			Failed int `json:"failed"`
		} `json:"_shards"`
	}
	if err := s.Do(t.Context(), "GET", "/"+index+"/_count?ignore_unavailable=true", nil, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Count == nil || answer.Shards.Failed > 0 {
		t.Fatalf("count %s: %+v", index, answer)
	}
	return *answer.Count
}

// startHost starts a host that ends with the test. What the plugin said is logged if the test fails.
func startHost(t *testing.T, bin string, script host.Script) *host.Host {
	t.Helper()
	// Its end is ours to say: the test's own context ends before what cleans up.
	h, err := host.Start(context.WithoutCancel(t.Context()), bin, script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(h.Report().Stderr)
		}
	})
	return h
}
