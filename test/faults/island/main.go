//go:build linux

// Command island runs a command in a network of its own, behind a wire that loses, delays or swallows packets, with
// names that change. It needs root, and no kernel module beyond TUN.
//
// The command reaches one server, at 10.99.0.2:9200 over the wire and at 127.0.0.2:9200 and 127.0.0.3:9200 without it;
// each is passed on to a socket in the file system, which is the one way out. The wire is a TUN device: each packet that
// the kernel writes to it is looked at, perhaps dropped or kept for a while, and given back with source and destination
// changed for one another, so that both ends are the kernel's real TCP. Names are answered by a name server on
// 127.0.0.1, which /etc/resolv.conf names in the command's own view of the file system.
//
//	island -dir DIR -- COMMAND [ARGUMENT…]
//
// DIR holds server.sock, where the server is, and gets control.sock, which takes a Sea as one JSON line and answers
// with a Log.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Sea says what lies between the command and its server. It stands until the next one comes.
type Sea struct {
	Loss    float64           `json:"loss"`     // share of packets that are lost, each way
	DelayMS int               `json:"delay_ms"` // each way
	Swallow int               `json:"swallow"`  // packets longer than this vanish, and nobody is told; 0: none
	Names   map[string]string `json:"names"`    // IPv4 addresses of names; every other name does not exist
	Closed  string            `json:"closed"`   // an address, such as 127.0.0.2:9200, at which connections end at once
}

// Log is what has happened so far.
type Log struct {
	Packets   int64          `json:"packets"`
	Lost      int64          `json:"lost"`
	Swallowed int64          `json:"swallowed"`
	Queries   int64          `json:"queries"` // of addresses
	Unknown   int64          `json:"unknown"` // of them for names that do not exist
	Taken     map[string]int `json:"taken"`   // connections by the address that they went to
}

// island is all that runs beside the command.
type island struct {
	dir string
	sea atomic.Pointer[Sea]

	packets, lost, swallowed, queries, unknown atomic.Int64

	mu    sync.Mutex
	taken map[string]int
	open  map[net.Conn]string // connections by the address that they went to
}

func main() {
	code, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "island:", err)
	}
	os.Exit(code)
}

func run() (int, error) {
	dir := flag.String("dir", "", "folder of the sockets")
	flag.Parse()
	if *dir == "" || flag.NArg() == 0 {
		return 2, errors.New("island -dir DIR -- COMMAND")
	}
	is := &island{dir: *dir, taken: map[string]int{}, open: map[net.Conn]string{}}
	is.sea.Store(&Sea{})
	if err := is.settle(); err != nil {
		return 2, err
	}
	// The command goes when this thread does.
	runtime.LockOSThread()
	cmd := exec.Command(flag.Arg(0), flag.Args()[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 2, err
	}
	return 0, nil
}

// settle makes the network, the names and the way out.
func (is *island) settle() error {
	if err := is.wire(); err != nil {
		return err
	}
	if err := is.resolver(); err != nil {
		return err
	}
	for _, at := range []string{wireHere + ":9200", "127.0.0.2:9200", "127.0.0.3:9200"} {
		l, err := net.Listen("tcp4", at)
		if err != nil {
			return err
		}
		go is.serve(l, func(c net.Conn) { is.pass(at, c) })
	}
	control, err := net.Listen("unix", filepath.Join(is.dir, "control.sock"))
	if err != nil {
		return err
	}
	go is.serve(control, is.rule)
	return nil
}

func (is *island) serve(l net.Listener, one func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "island:", err)
			return
		}
		go one(c)
	}
}

// pass brings a connection to the server. What either end says about its end the other hears.
func (is *island) pass(at string, c net.Conn) {
	defer func() { _ = c.Close() }() // nobody is left to be told
	is.mu.Lock()
	closed := is.sea.Load().Closed == at
	if !closed {
		is.taken[at]++
		is.open[c] = at
	}
	is.mu.Unlock()
	if closed {
		return
	}
	defer func() {
		is.mu.Lock()
		delete(is.open, c)
		is.mu.Unlock()
	}()
	up, err := net.Dial("unix", filepath.Join(is.dir, "server.sock"))
	if err != nil {
		return
	}
	defer func() { _ = up.Close() }() // as above
	done := make(chan struct{})
	go func() { carry(up, c); close(done) }()
	carry(c, up)
	<-done
}

// carry copies until one end says that it is done, and says so to the other; an end that broke takes the other along.
func carry(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		_, _ = to.Close(), from.Close()
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // an end that is gone needs no telling
	}
}

// rule takes seas and gives logs.
func (is *island) rule(c net.Conn) {
	defer func() { _ = c.Close() }() // the other end is a test that has its answers
	in, out := json.NewDecoder(bufio.NewReader(c)), json.NewEncoder(c)
	for {
		var sea Sea
		if err := in.Decode(&sea); err != nil {
			return
		}
		is.sea.Store(&sea)
		l := Log{
			Packets: is.packets.Load(), Lost: is.lost.Load(), Swallowed: is.swallowed.Load(),
			Queries: is.queries.Load(), Unknown: is.unknown.Load(), Taken: map[string]int{},
		}
		is.mu.Lock()
		for k, v := range is.taken {
			l.Taken[k] = v
		}
		for c, at := range is.open {
			if at == sea.Closed {
				_ = c.Close() // whoever copies finds out
			}
		}
		is.mu.Unlock()
		if err := out.Encode(l); err != nil {
			return
		}
	}
}

// delay is how long the wire keeps a packet.
func (s *Sea) delay() time.Duration { return time.Duration(s.DelayMS) * time.Millisecond }
