//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"
)

const (
	wireHere  = "10.99.0.1" // the server's true address
	wireMTU   = 1500
	wireQueue = 4096 // packets under way at once
)

// wire makes the TUN device and starts what carries its packets.
func (is *island) wire() error {
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	var request struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], "wire")
	request.flags = 0x0001 | 0x1000 // IFF_TUN | IFF_NO_PI
	const tunSetIff = 0x400454ca
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), tunSetIff, uintptr(unsafe.Pointer(&request))); e != 0 {
		return fmt.Errorf("make the wire: %w", e)
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"addr", "add", wireHere + "/24", "dev", "wire"},
		{"link", "set", "wire", "up", "mtu", fmt.Sprint(wireMTU)},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	tun := os.NewFile(uintptr(fd), "wire")
	type parcel struct {
		due   time.Time
		bytes []byte
	}
	// One queue: packets stay in their order, as the delay is the same for all but when it changes.
	queue := make(chan parcel, wireQueue)
	go func() {
		for p := range queue {
			time.Sleep(time.Until(p.due))
			_, _ = tun.Write(p.bytes) // a packet that the kernel does not take is one more that is lost
		}
	}()
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := tun.Read(buf)
			if err != nil {
				fmt.Fprintln(os.Stderr, "island:", err)
				return
			}
			packet := buf[:n]
			if n < 20 || packet[0]>>4 != 4 {
				continue
			}
			sea := is.sea.Load()
			is.packets.Add(1)
			switch {
			case sea.Swallow > 0 && n > sea.Swallow:
				is.swallowed.Add(1)
				continue
			case sea.Loss > 0 && rand.Float64() < sea.Loss:
				is.lost.Add(1)
				continue
			}
			p := append([]byte(nil), packet...)
			// The checksums are sums, so they stay right when two of their terms change places.
			var from [4]byte
			copy(from[:], p[12:16])
			copy(p[12:16], p[16:20])
			copy(p[16:20], from[:])
			select {
			case queue <- parcel{time.Now().Add(sea.delay()), p}:
			default:
				is.lost.Add(1)
			}
		}
	}()
	return nil
}
