package e2e

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/rig"
)

// What a gate does with connections.
const (
	refuse int32 = iota // ends each at once
	mute                // passes requests on and cuts the connection where the answer begins
	pass
)

// gate stands before a server on a port of its own.
type gate struct {
	url      string
	mode     atomic.Int32
	refused  atomic.Int32
	muted    atomic.Int32
	listener net.Listener
	wg       sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]struct{}
	shut bool
}

// newGate puts a gate before the server at target until the test ends.
func newGate(t *testing.T, target string) *gate {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{url: "http://" + l.Addr().String(), listener: l, open: map[net.Conn]struct{}{}}
	g.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // the test has ended
			}
			g.wg.Go(func() { g.serve(c, u.Host) })
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		g.cut(true)
		g.wg.Wait()
	})
	return g
}

// set changes what happens to connections, and ends those that are open.
func (g *gate) set(mode int32) {
	g.mode.Store(mode)
	g.cut(false)
}

func (g *gate) cut(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = g.shut || shut
	for c := range g.open {
		_ = c.Close() // a second close is no news
	}
}

// keep remembers a connection; false when the test has ended.
func (g *gate) keep(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[c] = struct{}{}
	return !g.shut
}

func (g *gate) drop(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, c)
	_ = c.Close() // a second close is no news
}

func (g *gate) serve(c net.Conn, target string) {
	defer g.drop(c)
	mode := g.mode.Load()
	if mode == refuse || !g.keep(c) {
		g.refused.Add(1)
		return
	}
	up, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer g.drop(up)
	if !g.keep(up) {
		return
	}
	g.wg.Go(func() {
		_, _ = io.Copy(up, c) // either end may close first
	})
	if mode == mute {
		if _, err := io.ReadFull(up, make([]byte, 1)); err == nil {
			g.muted.Add(1)
		}
		return
	}
	_, _ = io.Copy(c, up) // either end may close first
}

// TestRetry_EachRecordOnce gives the same bytes again after a flush that met no server, and after flushes whose
// documents were taken while the answer was lost: every record is there once.
func TestRetry_EachRecordOnce(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	server := openSearch(t)
	for _, c := range []struct {
		name string
		mode int32
		seen func(*gate) int32
	}{
		{"no server", refuse, func(g *gate) int32 { return g.refused.Load() }},
		{"answers are lost", mute, func(g *gate) int32 { return g.muted.Load() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			const chunks, lines = 4, 50
			index := fmt.Sprint("retry-", c.mode)
			g := newGate(t, server.URL)
			g.set(c.mode)
			h := rig.StartHost(t, bin, host.Script{
				Plugin: so, Threads: 2, RetryEvery: 100 * time.Millisecond,
				Outputs: []map[string]string{section(t, g.url, index, map[string]string{"Retry_Timeout": "300ms"})},
			})
			n := now{time.Now().Add(-time.Minute).Unix()}
			for i := range chunks {
				chunk := new(decodetest.Chunk)
				for j := range lines {
					chunk.Record(n.event(), rec{"log", fmt.Sprintf("line %d ", i*lines+j)})
				}
				if err := h.Chunk("kube.app", chunk.Bytes()); err != nil {
					t.Fatal(err)
				}
			}
			var e host.Event
			for deadline := time.Now().Add(30 * time.Second); e.Retry < chunks || c.seen(g) == 0; {
				if time.Now().After(deadline) {
					t.Fatalf("%d retries and %d connections after half a minute", e.Retry, c.seen(g))
				}
				var err error
				if e, err = h.Drain(100 * time.Millisecond); err != nil {
					t.Fatal(err)
				}
			}
			if e.OK != 0 || e.Pending != chunks {
				t.Errorf("while nothing came back: %+v", e)
			}
			g.set(pass)
			last, err := h.Exit()
			if err != nil {
				t.Fatal(err)
			}
			if last.OK != chunks || last.Error+last.Dropped+last.Pending+last.Modified != 0 || last.Flushes != chunks+last.Retry {
				t.Errorf("final %+v", last)
			}
			once(t, server, index, deadIndex(index), chunks*lines)
		})
	}
}

// TestRetry_AfterARestart kills the host while answers are lost and gives the same bytes to a new one with the same
// State_Path, as Fluent Bit does with chunks that it kept on disk: every record is there once. Two of the chunks are
// equal, and both count.
func TestRetry_AfterARestart(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	server := openSearch(t)
	const lines, index = 50, "retry-restart"
	n := now{time.Now().Add(-time.Minute).Unix()}
	var chunks [][]byte
	for i := range 3 {
		c := new(decodetest.Chunk)
		for j := range lines {
			c.Record(n.event(), rec{"log", fmt.Sprintf("line %d ", i*lines+j)})
		}
		chunks = append(chunks, c.Bytes())
	}
	chunks = append(chunks, chunks[0])
	g := newGate(t, server.URL)
	g.set(mute)
	output := section(t, g.url, index, map[string]string{"Retry_Timeout": "300ms"})
	script := host.Script{Plugin: so, Threads: 2, RetryEvery: 100 * time.Millisecond, Outputs: []map[string]string{output}}
	start := func() *host.Host {
		t.Helper()
		h, err := host.Start(t.Context(), bin, script)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			if err := h.Chunk("kube.app", c); err != nil {
				t.Fatal(err)
			}
		}
		return h
	}
	h := start()
	for deadline := time.Now().Add(30 * time.Second); ; {
		e, err := h.Drain(100 * time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if e.OK > 0 {
			t.Fatalf("an answer came through: %+v", e)
		}
		// The equal chunk may be taken for the other's retry until that one is answered, so its documents can be missing yet.
		if e.Retry >= len(chunks) && count(t, server, index) >= 3*lines {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d documents after half a minute", count(t, server, index))
		}
	}
	if err := h.Kill(); err != nil {
		t.Fatal(err)
	}
	g.set(pass)
	h = start()
	defer func() {
		if err := h.Kill(); err != nil {
			t.Error(err)
		}
	}()
	last, err := h.Exit()
	if err != nil {
		t.Fatal(err)
	}
	if last.OK != len(chunks) || last.Error+last.Dropped+last.Pending != 0 {
		t.Errorf("final %+v\n%s", last, h.Report().Stderr)
	}
	var want []string
	for i := range len(chunks) * lines {
		want = append(want, n.expand(fmt.Sprintf(`{"@timestamp":"{T}","log":"line %d "}`, i%(3*lines))))
	}
	compare(t, "documents", want, server, index)
	compare(t, "dead letters", nil, server, deadIndex(index))
}
