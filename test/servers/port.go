package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
)

// freePort finds a port of 127.0.0.1 that nothing listens on, below those that the kernel hands to outgoing connections.
//
// From the kernel's own range another process's connection could take the port while the server is down, and a client
// that retries against a dead port of that range can end up connected to itself.
func freePort() (int, error) {
	const lowest = 10000
	ephemeral := 32768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		if _, err := fmt.Sscan(string(text), &ephemeral); err != nil {
			return 0, fmt.Errorf("read ip_local_port_range: %w", err)
		}
	}
	if ephemeral <= lowest {
		return listenOnce(0)
	}
	var errs []error
	for range 20 {
		port, err := listenOnce(lowest + rand.IntN(ephemeral-lowest))
		if err == nil {
			return port, nil
		}
		errs = append(errs, err)
	}
	return 0, fmt.Errorf("find a free port: %w", errors.Join(errs...))
}

func listenOnce(port int) (int, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, err
	}
	port = l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}
