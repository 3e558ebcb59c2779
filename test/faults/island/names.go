//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// resolver starts the name server and has the command ask it.
func (is *island) resolver() error {
	for name, text := range map[string]string{
		"resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
		"hosts":       "127.0.0.1 localhost\n",
	} {
		path := filepath.Join(is.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
		if err := syscall.Mount(path, "/etc/"+name, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount /etc/%s: %w", name, err)
		}
	}
	conn, err := net.ListenPacket("udp4", "127.0.0.1:53")
	if err != nil {
		return err
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				fmt.Fprintln(os.Stderr, "island:", err)
				return
			}
			if answer := is.answer(buf[:n]); answer != nil {
				_, _ = conn.WriteTo(answer, from) // who is gone asks no more
			}
		}
	}()
	return nil
}

const (
	headerSize = 12
	typeA      = 1
	noSuchName = 3
)

// answer answers a query of one question, or nothing to what is none.
func (is *island) answer(query []byte) []byte {
	name, end := question(query)
	if end == 0 {
		return nil
	}
	kind := binary.BigEndian.Uint16(query[end-4:])
	answer := append([]byte(nil), query[:end]...)
	answer[2], answer[3] = 0x84|query[2]&1, 0x80 // an answer, with authority; recursion as asked
	for i := 6; i < headerSize; i++ {
		answer[i] = 0
	}
	is.queries.Add(1)
	ip := net.ParseIP(is.sea.Load().Names[name]).To4()
	switch {
	case ip == nil:
		is.unknown.Add(1)
		answer[3] |= noSuchName
	case kind == typeA:
		answer[7] = 1
		answer = append(answer, 0xc0, headerSize, 0, typeA, 0, 1, 0, 0, 0, 1, 0, 4) // the name asked for, for one second
		answer = append(answer, ip...)
	}
	return answer
}

// question is the name that a query asks for, and where its question ends; 0 when it is no query of one question.
func question(query []byte) (name string, end int) {
	if len(query) < headerSize || binary.BigEndian.Uint16(query[4:]) != 1 {
		return "", 0
	}
	var labels []string
	for i := headerSize; i < len(query); {
		n := int(query[i])
		i++
		if n == 0 {
			if i+4 > len(query) {
				return "", 0
			}
			return strings.ToLower(strings.Join(labels, ".")), i + 4
		}
		if n > 63 || i+n > len(query) {
			return "", 0
		}
		labels = append(labels, string(query[i:i+n]))
		i += n
	}
	return "", 0
}
