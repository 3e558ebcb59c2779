package e2e

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seclog/seclog/test/servers"
)

// shipper is an output that takes lines through the faults.
type shipper struct {
	name    string
	section string // what its [OUTPUT] holds beside what all have; {host}, {port}, {index} and {dir} are filled in
	exact   bool   // it promises each line once
}

// shippers are ours and, when SECLOG_COMPARE is set, Fluent Bit's own output with its defaults, with the buffer that it
// needs to read its answers, and with ids made of what a record holds.
func shippers() []shipper {
	const own = "    Name opensearch\n    Host {host}\n    Port {port}\n    Index {index}\n    Suppress_Type_Name On\n"
	list := []shipper{{"seclog", "    Name seclog\n    Hosts http://{host}:{port}\n    Index {index}\n    State_Path {dir}/state\n", true}}
	if os.Getenv("SECLOG_COMPARE") == "" {
		return list
	}
	return append(list,
		shipper{"opensearch, defaults", own, false},
		shipper{"opensearch, Buffer_Size 16M", own + "    Buffer_Size 16M\n", false},
		shipper{"opensearch, Buffer_Size 16M, Generate_ID On", own + "    Buffer_Size 16M\n    Generate_ID On\n", false},
	)
}

// faults are what happens while lines are written, in an order drawn by lot.
func faults(r *rand.Rand) []string {
	list := []string{
		"kill", "kill", "kill", "kill and forget", "end", // Fluent Bit
		"server killed", "server killed", "server killed", "server stopped",
	}
	r.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	return list
}

// TestFluentBit_AgentKilled sends lines of four files that grow, equal lines among them, through the real Fluent Bit.
// Fluent Bit is killed four times, once losing where it had read to, and ended once in order; the server is killed three
// times and stopped for eight seconds; all that in an order and at moments drawn by lot: every line is there once. Chunks
// are cut differently after a kill, so this rests on ids from the lines' places in their files.
func TestFluentBit_AgentKilled(t *testing.T) {
	bin, so := shared.FluentBit(t, "agents killed, in the real Fluent Bit")
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SECLOG_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("SECLOG_SEED: %v", err)
		}
	}
	for _, s := range shippers() {
		t.Run(s.name, func(t *testing.T) {
			t.Logf("SECLOG_SEED=%d", seed)
			s.through(t, bin, so, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

// through takes the lines through the faults and counts what arrived.
func (s shipper) through(t *testing.T, bin, so string, r *rand.Rand) {
	server := servers.ForTest(t, servers.Options{Heap: "512m"})
	const index, dead = "kill-agent", "seclog_dead_letters"
	n, dir := lines(t), t.TempDir()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("{host}", u.Hostname(), "{port}", u.Port(), "{index}", index, "{dir}", dir)
	configureOutput(t, dir, filepath.Join(dir, "app-*.log"), so, fill.Replace(s.section))
	const equalEvery = 10
	grown := make(chan error, 1)
	go func() { grown <- grow(dir, n, equalEvery, 80*time.Second) }()
	end := start(t, bin, filepath.Join(dir, "fluent-bit.conf"))
	for _, what := range faults(r) {
		time.Sleep(time.Duration(1500+r.IntN(5000)) * time.Millisecond)
		switch what {
		case "server killed":
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		case "server stopped":
			if err := server.Stop(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(8 * time.Second)
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
		if strings.HasPrefix(what, "server") {
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else {
			end = start(t, bin, filepath.Join(dir, "fluent-bit.conf"))
		}
		t.Logf("%s, at %d documents", what, count(t, server, index))
	}
	if err := <-grown; err != nil {
		t.Fatal(err)
	}
	// Until as many are there as were written and no more come, or for four minutes.
	for before, quiet, deadline := 0, 0, time.Now().Add(4*time.Minute); quiet < 8 && time.Now().Before(deadline); time.Sleep(time.Second) {
		if now := count(t, server, index); now != before || now < n {
			before, quiet = now, 0
			continue
		}
		quiet++
	}
	end(syscall.SIGTERM)

	seen, equal, strange := make([]int, n), 0, 0
	logs, err := server.Values(t.Context(), index, "log")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range logs {
		var i int
		switch _, err := fmt.Sscanf(strings.TrimPrefix(l, `"`), "line %d ", &i); {
		case strings.Trim(l, `"`) == equalLine:
			equal++
		case err != nil || i < 0 || i >= n || i%equalEvery == 0:
			strange++
		default:
			seen[i]++
		}
	}
	lost, twice := 0, 0
	for i, c := range seen {
		if i%equalEvery != 0 {
			lost += max(0, 1-c)
			twice += max(0, c-1)
		}
	}
	wantEqual := (n + equalEvery - 1) / equalEvery
	letters := count(t, server, dead)
	t.Logf("%s: %d sent, %d documents: %d lost, %d twice; of %d equal lines %d; %d dead letters", s.name, n, len(logs), lost, twice, wantEqual, equal, letters)
	if s.exact && (lost+twice+strange+letters > 0 || equal != wantEqual) {
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
