// Package servers starts real servers for tests: an OpenSearch node laid out from Maven Central, without a container engine.
//
// It takes a Java development kit and, the first time, Maven; it gives a node on a free port of 127.0.0.1 that can be
// killed, stopped and restarted on its own data, alone or in a cluster, and on demand with TLS, users and roles. No
// process outlives the one that started it.
//
//	server, err := servers.StartOpenSearch(ctx, servers.Options{})
//	defer server.Close()
//	n, err := server.Count(ctx, "logs-*")
package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Options says how a server is started; its zero value is a server with a 512 MB heap in a directory of its own.
type Options struct {
	Version  string            // DefaultVersion when empty; from 3 on it takes a Java development kit of version 21 or newer
	Security bool              // with the security plugin: TLS, users and roles; only for versions 2.x
	Heap     string            // Java heap, such as "512m"; 512m when empty
	Settings map[string]string // settings of opensearch.yml, such as "http.max_content_length": "2mb"
	Dir      string            // config, data and server.log; a temporary one that Close removes when empty
	Log      io.Writer         // receives the server's log as well as Dir/server.log; may be nil
}

// Server is one OpenSearch node and its data, running or not.
//
// *Concurrency:* safe; starting and ending are serialised.
type Server struct {
	URL string // http://127.0.0.1:PORT, or https, the same after each restart

	// With Options.Security, else empty.
	CAFile                 string // the authority that signed the node's certificate
	ClientCrtFile          string // a client's certificate by the same authority, named CN=client
	ClientKeyFile          string // and its key
	AdminUser, AdminSecret string // who may do everything, and its password

	o       Options
	dist    string
	java    jdk
	port    int
	ownsDir bool
	client  *http.Client

	mu      sync.Mutex
	running *process // nil while down
}

// StartOpenSearch starts a node and waits until it serves. The context bounds the start alone.
//
// *Errors:* with the end of the server's log when it ended or was not ready in time.
func StartOpenSearch(ctx context.Context, o Options) (*Server, error) {
	s, err := prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	// Between asking for a port and binding it another process may take it: then another one is tried.
	for range portTries {
		if err = s.choosePort(); err != nil {
			break
		}
		if err = s.Restart(ctx); err == nil {
			return s, nil
		}
		if !portTaken(err) {
			break
		}
	}
	return nil, errors.Join(err, s.Close())
}

const portTries = 3

func portTaken(err error) bool {
	return strings.Contains(err.Error(), "BindHttpException") || strings.Contains(err.Error(), "BindTransportException") ||
		strings.Contains(err.Error(), "Address already in use")
}

// prepare makes a server that is not running yet and has no port.
func prepare(ctx context.Context, o Options) (*Server, error) {
	if reason, ok := o.Available(); !ok {
		return nil, fmt.Errorf("start %s: %s", o.variant(), reason)
	}
	java, err := findJDK(o.variant().oldestJava())
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.variant(), err)
	}
	dist, err := o.Layout(ctx)
	if err != nil {
		return nil, err
	}
	if o.Heap == "" {
		o.Heap = "512m"
	}
	s := &Server{o: o, dist: dist, java: java}
	s.o.Settings = maps.Clone(o.Settings)
	if o.Dir == "" {
		s.ownsDir = true
		if s.o.Dir, err = os.MkdirTemp("", "opensearch-"); err != nil {
			return nil, fmt.Errorf("make the server's directory: %w", err)
		}
	} else if s.o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	s.client = &http.Client{Transport: transport}
	if err := os.MkdirAll(s.configDir(), 0o755); err != nil {
		return nil, errors.Join(fmt.Errorf("make the server's directory: %w", err), s.Close())
	}
	if o.Security {
		if transport.TLSClientConfig, err = s.secure(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Server) configDir() string { return filepath.Join(s.o.Dir, "config") }

// choosePort gives the server a free port.
func (s *Server) choosePort() (err error) {
	if s.port, err = freePort(); err != nil {
		return err
	}
	scheme := "http"
	if s.o.Security {
		scheme = "https"
	}
	s.URL = fmt.Sprintf("%s://127.0.0.1:%d", scheme, s.port)
	return nil
}

// ForTest starts a node for a test and closes it after it. Where no server can be started the test is skipped, or fails
// when SECLOG_NEED_SERVERS is set and the default version is asked for, so that a machine that should run these tests
// cannot pass without.
func ForTest(t testing.TB, o Options) *Server {
	t.Helper()
	o.need(t)
	s, err := StartOpenSearch(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close OpenSearch: %v", err)
		}
	})
	return s
}

// need ends a test that cannot have the server it asks for.
func (o Options) need(t testing.TB) {
	t.Helper()
	reason, ok := o.Available()
	switch {
	case ok:
	case os.Getenv("SECLOG_NEED_SERVERS") != "" && o.variant().version == DefaultVersion:
		t.Fatalf("NOT TESTED: %s: %s", o.variant(), reason)
	default:
		t.Skipf("NOT TESTED: %s: %s", o.variant(), reason)
	}
}

// Restart starts the node again on the same port and data and waits until it serves; a running one is stopped first.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.end(syscall.SIGTERM); err != nil {
		return err
	}
	if err := s.launch(); err != nil {
		return err
	}
	return s.ready(ctx, 1)
}

// launch starts the process; the lock is held.
func (s *Server) launch() error {
	p, err := s.start()
	if err == nil {
		s.running = p
	}
	return err
}

// ready waits until what was launched serves, in a cluster of so many nodes or more; the lock is held.
func (s *Server) ready(ctx context.Context, nodes int) error {
	err := s.waitReady(ctx, s.running, nodes)
	if err == nil {
		return nil
	}
	log, _ := os.ReadFile(s.logPath())
	return errors.Join(fmt.Errorf("start OpenSearch on port %d: %w\n%s", s.port, err, tail(log, 4096)), s.end(syscall.SIGKILL))
}

// Kill ends the node with SIGKILL, as a crash does, and returns when the process is gone. Data stays.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end(syscall.SIGKILL)
}

// Stop ends the node in order, with SIGTERM, or with SIGKILL when that takes more than 30 seconds. Data stays.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end(syscall.SIGTERM)
}

// Pause stops the node's process without ending it, so that its port accepts and never answers; Resume lets it go on.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume lets a paused node go on.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

// Pid is the node's process, 0 while it is down.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return 0
	}
	return s.running.cmd.Process.Pid
}

// Dir holds the node's config, data and server.log.
func (s *Server) Dir() string { return s.o.Dir }

// Close kills the node and removes its directory if StartOpenSearch made it. Data is gone then, so nothing is waited for.
func (s *Server) Close() error {
	err := s.Kill()
	s.client.CloseIdleConnections()
	if s.ownsDir {
		err = errors.Join(err, os.RemoveAll(s.o.Dir))
	}
	return err
}

func (s *Server) logPath() string { return filepath.Join(s.o.Dir, "server.log") }

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return errors.New("signal OpenSearch: it is down")
	}
	return s.running.kill(sig)
}

func (s *Server) end(sig syscall.Signal) error {
	p := s.running
	if p == nil {
		return nil
	}
	s.running = nil
	return p.end(sig, 30*time.Second)
}

func (s *Server) start() (*process, error) {
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	args := []string{
		"-Xms" + s.o.Heap, "-Xmx" + s.o.Heap,
		"-XX:+ExitOnOutOfMemoryError", "-Xshare:auto",
		"-Djava.io.tmpdir=" + filepath.Join(s.o.Dir, "tmp"),
		"-Dlog4j2.configurationFile=" + filepath.Join(s.dist, "src", "log4j2.properties"),
		"-cp", filepath.Join(s.dist, "launcher") + ":" + filepath.Join(s.dist, "home", "lib", "*"),
		"Launcher", filepath.Join(s.dist, "home"), s.o.Dir, fmt.Sprint(s.port),
	}
	for _, key := range slices.Sorted(maps.Keys(s.o.Settings)) {
		args = append(args, key+"="+s.o.Settings[key])
	}
	if err := os.MkdirAll(filepath.Join(s.o.Dir, "tmp"), 0o755); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	cmd := exec.Command(s.java.tool("java"), args...)
	cmd.Dir = s.o.Dir
	cmd.Stdout = log
	if s.o.Log != nil {
		cmd.Stdout = io.MultiWriter(log, s.o.Log)
	}
	cmd.Stderr = cmd.Stdout
	p, err := spawn(cmd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start OpenSearch: %w", err), log.Close())
	}
	context.AfterFunc(p.gone, func() { _ = log.Close() })
	return p, nil
}

// waitReady polls until the cluster has so many nodes and is yellow: all primary shards of what the data directory holds
// are served. A node with the security plugin answers 503 until that has made its own index.
func (s *Server) waitReady(ctx context.Context, p *process, nodes int) error {
	health := fmt.Sprintf("/_cluster/health?wait_for_status=yellow&wait_for_nodes=>=%d&timeout=5s", nodes)
	last := errors.New("no answer yet")
	for {
		select {
		case <-p.gone.Done():
			return fmt.Errorf("the server ended: %w", context.Cause(p.gone))
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w; last: %w", ctx.Err(), last)
		case <-time.After(200 * time.Millisecond):
		}
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := s.Do(try, http.MethodGet, health, nil, nil)
		cancel()
		if err == nil {
			return nil
		}
		last = err
	}
}

// process is a started command that one goroutine owns.
type process struct {
	cmd  *exec.Cmd
	gone context.Context // done when the process has been waited for; its cause says how it ended
}

var errExited = errors.New("exit status 0")

// spawn starts cmd in a process group of its own and has the kernel kill it when this process dies.
//
// The kernel ties that to the thread that started the child, so the thread is kept until the child is gone.
func spawn(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	gone, done := context.WithCancelCause(context.Background())
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			done(err)
			return
		}
		started <- nil
		err := cmd.Wait()
		if err == nil {
			err = errExited
		}
		done(err)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return &process{cmd: cmd, gone: gone}, nil
}

func (p *process) kill(sig syscall.Signal) error {
	select {
	case <-p.gone.Done():
		return nil
	default:
	}
	if err := syscall.Kill(-p.cmd.Process.Pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %s to process %d: %w", sig, p.cmd.Process.Pid, err)
	}
	return nil
}

// end sends sig and waits; what is still there after patience is killed.
func (p *process) end(sig syscall.Signal, patience time.Duration) error {
	if err := p.kill(sig); err != nil {
		return err
	}
	// A paused process takes no signal but SIGKILL until it is continued.
	if err := p.kill(syscall.SIGCONT); err != nil {
		return err
	}
	select {
	case <-p.gone.Done():
		return nil
	case <-time.After(patience):
	}
	if err := p.kill(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.gone.Done()
	return nil
}
