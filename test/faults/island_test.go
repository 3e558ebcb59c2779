package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/rig"
)

// sea is what lies between the host and its server, as the program island takes it.
type sea struct {
	Loss    float64           `json:"loss"`
	DelayMS int               `json:"delay_ms"`
	Swallow int               `json:"swallow"`
	Names   map[string]string `json:"names"`
	Closed  string            `json:"closed"`
}

// islandLog is what the program island says has happened.
type islandLog struct {
	Packets   int64          `json:"packets"`
	Lost      int64          `json:"lost"`
	Swallowed int64          `json:"swallowed"`
	Queries   int64          `json:"queries"`
	Unknown   int64          `json:"unknown"`
	Taken     map[string]int `json:"taken"`
}

// Where the server is to be found on the island: over the wire, and at two addresses without it.
const (
	overWire  = "http://10.99.0.2:9200"
	firstHome = "127.0.0.2"
	otherHome = "127.0.0.3"
)

// island is a host in a network of its own, as test/faults/island makes it.
type island struct {
	*host.Host
	control net.Conn
	answers *json.Decoder
}

// newIsland starts the host on an island whose only way out leads to the server at url. It and all that belongs to it
// end with the test.
func newIsland(t *testing.T, url string, first sea, script func(so string) host.Script) *island {
	t.Helper()
	so, bin := shared.PluginAndHost(t)
	if reason := noIsland(); reason != "" {
		rig.NotTested(t, "a network of its own", reason)
	}
	// The name of a socket has room for about a hundred bytes, which t.TempDir may use up.
	dir, err := os.MkdirTemp("", "island-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	program := filepath.Join(dir, "island")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./island").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	passOn(t, filepath.Join(dir, "server.sock"), url)
	wrapper := wrap(t, dir, fmt.Sprintf("exec unshare -n -m %s -dir %s -- %s", program, dir, bin))
	h := rig.StartHost(t, wrapper, script(so))
	control, err := net.Dial("unix", filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = control.Close() }) // the other end is killed
	is := &island{Host: h, control: control, answers: json.NewDecoder(control)}
	is.set(t, first)
	return is
}

// noIsland says why there can be no network of its own here; empty when there can.
func noIsland() string {
	if os.Geteuid() != 0 {
		return "not root"
	}
	for _, tool := range []string{"unshare", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "no " + tool
		}
	}
	if out, err := exec.Command("unshare", "-n", "-m", "true").CombinedOutput(); err != nil {
		return fmt.Sprintf("unshare: %v %s", err, out)
	}
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return err.Error()
	}
	if err := tun.Close(); err != nil {
		return err.Error()
	}
	return ""
}

// set changes the sea and answers what has happened so far.
func (is *island) set(t *testing.T, s sea) islandLog {
	t.Helper()
	var l islandLog
	err := json.NewEncoder(is.control).Encode(s)
	if err == nil {
		err = is.answers.Decode(&l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// passOn listens at a path and passes connections on to the server at a URL, until the test's end.
func passOn(t *testing.T, path, server string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // nobody connects any more
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }() // as the island's end was closed
				up, err := net.Dial("tcp", u.Host)
				if err != nil {
					return
				}
				defer func() { _ = up.Close() }() // as above
				go func() {
					_, _ = io.Copy(up, c)
					_ = up.Close()
				}()
				_, _ = io.Copy(c, up)
			}()
		}
	}()
}

// wrap writes a shell script that ends in a host.
func wrap(t *testing.T, dir string, lines ...string) string {
	t.Helper()
	path := filepath.Join(dir, "start")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+strings.Join(lines, "\n")+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// drained waits until the host has a final answer for each chunk.
func drained(t *testing.T, h *host.Host, most time.Duration) host.Event {
	t.Helper()
	e, err := h.Drain(most)
	if err != nil {
		t.Fatal(err)
	}
	if e.Pending > 0 {
		t.Errorf("%d chunks are left after %s: %+v", e.Pending, most, e)
	}
	return e
}

// mountTmpfs mounts a file system in memory of a size such as 64k on a new folder, which goes with the test.
func mountTmpfs(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		rig.NotTested(t, "a full disk", "not root, so no file system of 64 kB can be mounted")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=0700,size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		rig.NotTested(t, "a full disk", fmt.Sprintf("mount: %v %s", err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Error(errors.Join(err, errors.New(string(out))))
		}
	})
	return dir
}
