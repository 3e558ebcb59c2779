package servers_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seclog/seclog/test/servers"
)

func bulk(index string, from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "{\"create\":{\"_index\":%q,\"_id\":\"id-%06d\"}}\n{\"n\":%d}\n", index, i, i)
	}
	return b.String()
}

func TestServer_KeepsAcknowledgedDocumentsThroughKill(t *testing.T) {
	server := servers.ForTest(t, servers.Options{Settings: map[string]string{"http.max_content_length": "4mb"}})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	const n = 12000 // more than one page of Documents
	var answer struct {
		Errors bool `json:"errors"`
	}
	if err := server.Do(ctx, "POST", "/_bulk", bulk("logs", 0, n), &answer); err != nil || answer.Errors {
		t.Fatalf("bulk: %v, errors %v", err, answer.Errors)
	}
	url, pid := server.URL, server.Pid()
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("after Kill process %d: %v", pid, err)
	}
	if err := server.Do(ctx, "GET", "/", nil, nil); err == nil {
		t.Fatal("a killed server answers")
	}
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if server.URL != url || server.Pid() == pid || server.Pid() == 0 {
		t.Fatalf("restarted: URL %s, was %s; process %d, was %d", server.URL, url, server.Pid(), pid)
	}
	if got, err := server.Count(ctx, "logs"); err != nil || got != n {
		t.Fatalf("Count = %d, %v, want %d", got, err, n)
	}
	ids, err := server.AllIDs(ctx, "logs")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != n || ids[0] != "id-000000" || ids[n-1] != fmt.Sprintf("id-%06d", n-1) {
		t.Fatalf("AllIDs: %d, first %s", len(ids), ids[0])
	}
	values, err := server.Values(ctx, "logs", "n")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(values)
	if len(slices.Compact(values)) != n || values[0] != "0" {
		t.Fatalf("Values: %d", len(values))
	}
	// The setting arrived: a body beyond it is refused.
	if err := server.Do(ctx, "POST", "/_bulk", bulk("logs", 0, 100000), nil); err == nil {
		t.Fatal("a body beyond http.max_content_length was taken")
	}
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	short, stop := context.WithTimeout(ctx, 300*time.Millisecond)
	defer stop()
	if err := server.Do(short, "GET", "/", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a paused server: %v", err)
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := server.Do(ctx, "GET", "/", nil, nil); err != nil {
		t.Fatal(err)
	}
	dir := server.Dir()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Fatalf("the temporary directory stays: %v", err)
	}
}

func TestStartOpenSearch_ReportsTheServersOwnReason(t *testing.T) {
	if reason, ok := servers.Available(); !ok {
		t.Skip(reason)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var log bytes.Buffer
	server, err := servers.StartOpenSearch(ctx, servers.Options{Settings: map[string]string{"no.such.setting": "1"}, Log: &log})
	if err == nil {
		t.Fatal(errors.Join(errors.New("an unknown setting was taken"), server.Close()))
	}
	if !strings.Contains(err.Error(), "no.such.setting") || !strings.Contains(log.String(), "no.such.setting") {
		t.Fatalf("error %v\nlog %s", err, log.String())
	}
}

// TestRun_LeavesNothingBehind kills the command that owns a server with SIGKILL: the kernel takes the server with it.
func TestRun_LeavesNothingBehind(t *testing.T) {
	if reason, ok := servers.Available(); !ok {
		t.Skip(reason)
	}
	bin := filepath.Join(t.TempDir(), "run")
	if out, err := exec.Command("go", "build", "-o", bin, "./run").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := t.TempDir()
	cmd := exec.Command(bin, "-dir", dir)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http://127.0.0.1:") {
		_ = cmd.Process.Kill()
		t.Fatalf("printed %q, %v", line, err)
	}
	if got := javaProcesses(t, dir); got != 1 {
		t.Errorf("%d servers run, want 1", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(20 * time.Second); javaProcesses(t, dir) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server outlives the process that started it")
		}
	}
}

// javaProcesses counts the processes that have dir on their command line.
func javaProcesses(t *testing.T, dir string) (n int) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lines {
		text, err := os.ReadFile(path)
		if err == nil && bytes.HasSuffix(bytes.SplitN(text, []byte{0}, 2)[0], []byte("/java")) && bytes.Contains(text, []byte(dir)) {
			n++
		}
	}
	return n
}
