// Package rig is what the tests of one package share that run the plugin as it is built: the shared object, the program
// that loads it, and a real OpenSearch. Each part is made when it is first asked for.
//
//	var shared *rig.Rig // set by TestMain alone
//
//	func TestMain(m *testing.M) {
//		os.Exit(rig.Main(m, "e2e", 10*time.Minute, func(r *rig.Rig) { shared = r }))
//	}
package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/servers"
)

// Rig is the parts.
//
// *Concurrency:* safe.
type Rig struct {
	Dir    string                          // a folder that is gone after the tests
	Plugin func() (string, error)          // builds out_seclog.so
	Host   func() (string, error)          // builds the program that loads it
	Server func() (*servers.Server, error) // starts a node, which runs until the tests have ended

	started *servers.Server
}

// Main runs the tests of a package with a rig, which use is handed before, and answers their exit code. Building and
// starting its parts may take as long as most.
func Main(m *testing.M, name string, most time.Duration, use func(*Rig)) (code int) {
	dir, err := os.MkdirTemp("", "seclog-"+name+"-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	r := &Rig{Dir: dir}
	r.Plugin = sync.OnceValues(func() (string, error) {
		so := filepath.Join(dir, "out_seclog.so")
		return so, host.BuildPlugin(ctx, "github.com/seclog/seclog", so)
	})
	r.Host = sync.OnceValues(func() (string, error) { return host.Build(ctx, dir) })
	r.Server = sync.OnceValues(func() (*servers.Server, error) {
		var err error
		r.started, err = servers.StartOpenSearch(ctx, servers.Options{Heap: "512m"})
		return r.started, err
	})
	defer func() {
		if r.started != nil {
			err = r.started.Close()
		}
		if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	use(r)
	return m.Run()
}

// PluginAndHost are the paths of the built plugin and of the program that loads it. Where they cannot be built the test
// ends as NotTested says.
func (r *Rig) PluginAndHost(t *testing.T) (so, bin string) {
	t.Helper()
	if reason, ok := host.Available(); !ok {
		NotTested(t, "the plugin through the C interface", reason)
	}
	so, err := r.Plugin()
	if err != nil {
		t.Fatal(err)
	}
	if bin, err = r.Host(); err != nil {
		t.Fatal(err)
	}
	return so, bin
}

// FluentBit gives the binary of the real Fluent Bit and the plugin. Without the one the test ends and says what it is
// that was not tested.
func (r *Rig) FluentBit(t *testing.T, what string) (bin, so string) {
	t.Helper()
	if bin = os.Getenv("FLUENT_BIT"); bin == "" {
		t.Skip("NOT TESTED: " + what + "; set FLUENT_BIT to its binary")
	}
	so, err := r.Plugin()
	if err != nil {
		t.Fatal(err)
	}
	return bin, so
}

// NotTested ends a test that cannot run here: skipped with the reason, or failed where SECLOG_NEED_SERVERS says that it
// has to run.
func NotTested(t *testing.T, what, reason string) {
	t.Helper()
	if os.Getenv("SECLOG_NEED_SERVERS") != "" {
		t.Fatalf("NOT TESTED: %s: %s", what, reason)
	}
	t.Skipf("NOT TESTED: %s: %s", what, reason)
}

// StartHost starts a host that ends with the test. What the plugin said is logged if the test fails.
func StartHost(t *testing.T, bin string, script host.Script) *host.Host {
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
