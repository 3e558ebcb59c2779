package e2e

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seclog/seclog/test/servers"
)

// TestFluentBit_AgentKilled sends lines of four files that grow, equal lines among them, through the real Fluent Bit.
// Fluent Bit is killed four times, once losing what it had read, and ended once in order, the server is killed twice, all
// at random moments: every line is there once. Chunks are cut differently after a kill, so this rests on ids from the
// lines' places in their files.
func TestFluentBit_AgentKilled(t *testing.T) {
	bin, so := fluentBit(t, "agents killed, in the real Fluent Bit")
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SECLOG_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("SECLOG_SEED: %v", err)
		}
	}
	t.Logf("SECLOG_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	server := servers.ForTest(t, servers.Options{Heap: "512m"})
	n, dir := lines(t), t.TempDir()
	configure(t, dir, filepath.Join(dir, "app-*.log"), so, server.URL, "seclog-agent")
	const equalEvery = 10

	grown := make(chan error, 1)
	go func() { grown <- grow(dir, n, equalEvery, 70*time.Second) }()
	end := start(t, bin, filepath.Join(dir, "fluent-bit.conf"))
	pause := func() { time.Sleep(time.Duration(1500+r.IntN(5000)) * time.Millisecond) }
	for _, what := range []string{"kill", "server", "kill", "end", "kill and forget", "server", "kill"} {
		pause()
		switch what {
		case "server":
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Log("the server was killed and started")
			continue
		case "kill":
			end(syscall.SIGKILL)
		case "kill and forget":
			// Where each file was read to is lost, so all is read again.
			end(syscall.SIGKILL)
			for _, f := range []string{"tail.db", "tail.db-wal", "tail.db-shm"} {
				if err := os.Remove(filepath.Join(dir, f)); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
		case "end":
			end(syscall.SIGTERM)
		}
		t.Logf("Fluent Bit: %s, at %d documents", what, count(t, server, "seclog-agent"))
		end = start(t, bin, filepath.Join(dir, "fluent-bit.conf"))
	}
	if err := <-grown; err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(4 * time.Minute)
	for count(t, server, "seclog-agent") < n {
		if time.Now().After(deadline) {
			break // what is missing is said below
		}
		time.Sleep(500 * time.Millisecond)
	}
	time.Sleep(6 * time.Second) // what comes twice would come now

	seen, equal, strange := make([]int, n), 0, 0
	logs, err := server.Values(t.Context(), "seclog-agent", "log")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range logs {
		var i int
		switch _, err := fmt.Sscanf(strings.TrimPrefix(l, `"`), "line %d ", &i); {
		case strings.TrimPrefix(l, `"`) == equalLine || strings.Trim(l, `"`) == equalLine:
			equal++
		case err != nil || i < 0 || i >= n || i%equalEvery == 0:
			strange++
		default:
			seen[i]++
		}
	}
	lost, twice := 0, 0
	for i, c := range seen {
		if i%equalEvery == 0 {
			continue
		}
		lost += max(0, 1-c)
		twice += max(0, c-1)
	}
	wantEqual := (n + equalEvery - 1) / equalEvery
	letters := count(t, server, "seclog_dead_letters")
	t.Logf("%d sent, %d documents: %d lost, %d twice; of %d equal lines %d; %d dead letters", n, len(logs), lost, twice, wantEqual, equal, letters)
	if lost+twice+strange+letters > 0 || equal != wantEqual {
		t.Errorf("%d lost, %d twice, %d equal lines of %d, %d that nobody sent, %d dead letters", lost, twice, equal, wantEqual, strange, letters)
	}
}

const equalLine = "health check ok"

// grow writes n lines into four files, in bursts that take about as long as given. Every equalEvery-th line has the same
// text and, with its neighbours of that kind in other files, often the same time.
func grow(dir string, n, equalEvery int, long time.Duration) error {
	var files [4]*bufio.Writer
	for i := range files {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("app-%d.log", i)))
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // each burst is flushed and its error looked at
		files[i] = bufio.NewWriterSize(f, 1<<20)
	}
	began := time.Now().Add(-time.Hour).UTC()
	const bursts = 60
	for b := range bursts {
		for i := b * n / bursts; i < (b+1)*n/bursts; i++ {
			text := fmt.Sprintf("line %d of a service that works on order %08x in 12 ms", i, i*2654435761%0xffffffff)
			if i%equalEvery == 0 {
				text = equalLine
			}
			at := began.Add(time.Duration(i/100) * time.Millisecond)
			fmt.Fprintf(files[i%len(files)], "%s stdout F %s\n", at.Format("2006-01-02T15:04:05.000000000Z"), text)
		}
		for _, w := range files {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		time.Sleep(long / bursts)
	}
	return nil
}
