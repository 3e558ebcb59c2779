package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestJavaMajor(t *testing.T) {
	for text, want := range map[string]int{
		"openjdk version \"17.0.15\" 2025-04-15": 17,
		"openjdk version \"25\" 2025-09-16":      25,
		"java version \"1.8.0_392\"":             8,
		"no such thing":                          0,
	} {
		got, err := javaMajor(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("javaMajor(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
}

func TestFindJDK_NamesWhatItFound(t *testing.T) {
	j, err := findJDK(1)
	if err != nil {
		t.Skip(err)
	}
	if _, err := findJDK(999); err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("needs JDK 999 or newer, found %d", j.major)) {
		t.Errorf("%v, though there is %d", err, j.major)
	}
}

func TestLockFile_ExcludesAndEndsWithTheContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := lockFile(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a held lock: %v", err)
	}
	unlock()
	again, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestFreePort_CanBeBound(t *testing.T) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
