package deliver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childKey is the environment variable that makes the test binary a child: what
// it does, and where.
const childKey = "SECLOG_DEAD_LETTER_CHILD"

// child is this test binary as a process of its own.
func child(t *testing.T, what, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDeadFileChild$", "-test.v")
	cmd.Env = append(os.Environ(), childKey+"="+what+" "+path)
	return cmd
}

// passes runs a child to its end.
func passes(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("child: done\n")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDeadFileChild is what the children of the tests below do.
func TestDeadFileChild(t *testing.T) {
	what, path, ok := strings.Cut(os.Getenv(childKey), " ")
	if !ok {
		t.Skip("only as a child of other tests")
	}
	switch what {
	case "write":
		childWrites(path, 30)
	case "kill":
		childWrites(path, 1<<30)
	case "full":
		must(t, syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""))
		must(t, syscall.Mount("tmpfs", path, "tmpfs", 0, "size=64k,mode=0700"))
		fill(t, filepath.Join(path, "dead"), func(err error) bool { return errors.Is(err, syscall.ENOSPC) })
		must(t, syscall.Mount("", path, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
		f := deadFile{path: filepath.Join(path, "other"), max: 1 << 20}
		if err := f.append([]DeadLetter{note(1)}, time.Second); !errors.Is(err, syscall.EROFS) {
			t.Errorf("on a disk that is read only: %v", err)
		}
	case "limit":
		must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}))
		fill(t, path, func(err error) bool { return errors.Is(err, ErrDeadLettersFull) })
	case "nobody":
		must(t, errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)))
		f := deadFile{path: path, max: 1 << 20}
		if err := f.append([]DeadLetter{note(1)}, time.Second); !errors.Is(err, syscall.EACCES) {
			t.Errorf("in a folder without the right to write: %v", err)
		}
	default:
		t.Fatalf("unknown: %q", what)
	}
	fmt.Println("child: done")
}

// childWrites writes letters, small and large, and prints the number of each when
// it is safe.
func childWrites(path string, n int) {
	f := deadFile{path: path, max: 8 << 30}
	for i := range n {
		l := note(i)
		l.ID = fmt.Sprint(os.Getpid(), "-", i)
		if i%4 == 3 {
			l.Document = `{"log":"` + strings.Repeat("x", 3<<20) + `"}`
		}
		if err := f.append([]DeadLetter{l}, 30*time.Second); err != nil {
			fmt.Println("child:", err)
			return
		}
		fmt.Println("safe", l.ID)
	}
}

// fill writes letters through a Deliverer until it says that they are not kept:
// no part of the last ones is in the file, and whoever makes room goes on.
func fill(t *testing.T, path string, want func(error) bool) {
	t.Helper()
	d := deliverer(t, &script{}, Options{DeadLetterPath: path})
	kept := 0
	for {
		letters := []DeadLetter{note(kept), note(kept + 1), note(kept + 2)}
		for i := range letters {
			letters[i].Document = `{"log":"` + strings.Repeat("x", 3000) + `"}`
		}
		err := d.DeadLetter(context.Background(), letters)
		if err != nil {
			if !want(err) {
				t.Errorf("after %d letters: %v", kept, err)
			}
			break
		}
		if kept += 3; kept > 1000 {
			t.Fatal("there was room for all")
		}
	}
	ids, bad, torn := read(t, path)
	if len(ids) != kept || bad != 0 || torn || kept < 6 || int(d.Counters().DeadInFile.Load()) != kept {
		t.Errorf("%d letters were kept; %d are in the file, %d bad, torn %v", kept, len(ids), bad, torn)
	}
	must(t, os.Truncate(path, 0))
	must(t, d.DeadLetter(context.Background(), []DeadLetter{note(1)}))
}

// A writer that is killed at any moment loses no letter that it had called safe,
// and spoils at most the line that it was writing.
func TestDeadFile_Killed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	const rounds = 12
	var safe []string
	for range rounds {
		cmd := child(t, "kill", path)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		left := 1 + rand.N(8)
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "safe "); ok {
				safe = append(safe, id)
				if left--; left == 0 {
					go func(wait time.Duration) {
						time.Sleep(wait)
						_ = cmd.Process.Kill()
					}(rand.N(4 * time.Millisecond))
				}
			}
		}
		_ = cmd.Wait() // it was killed
	}
	ids, bad, torn := read(t, path)
	slices.Sort(ids)
	for _, id := range safe {
		if _, ok := slices.BinarySearch(ids, id); !ok {
			t.Errorf("letter %s was safe and is not there", id)
		}
	}
	if bad > rounds || len(safe) < rounds {
		t.Errorf("%d bad lines after %d kills, %d letters", bad, rounds, len(safe))
	}
	t.Logf("%d letters safe, %d in the file, %d bad lines, torn %v", len(safe), len(ids), bad, torn)
	// Whoever writes next is kept apart from a half line.
	f := deadFile{path: path, max: 8 << 30}
	must(t, f.append([]DeadLetter{note(1)}, time.Second))
	if ids, _, torn := read(t, path); ids[len(ids)-1] != "id-1" || torn {
		t.Errorf("after the kills: last %s, torn %v", ids[len(ids)-1], torn)
	}
}

func TestDeadFile_TwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	a, b := child(t, "write", path), child(t, "write", path)
	for _, c := range []*exec.Cmd{a, b} {
		must(t, c.Start())
	}
	must(t, errors.Join(a.Wait(), b.Wait()))
	ids, bad, torn := read(t, path)
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 60 || bad != 0 || torn {
		t.Errorf("%d letters of 60, %d bad lines, torn %v", n, bad, torn)
	}
}

// A disk that is full or read only is an error, and nothing of a letter is left
// on it.
func TestDeadFile_FullDisk(t *testing.T) {
	asRoot(t)
	dir := t.TempDir()
	cmd := child(t, "full", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // the disk goes with the child
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), bytes.Contains(out, []byte("operation not permitted")):
		t.Skip("NOT TESTED: it needs the right to mount")
	case err != nil || !bytes.Contains(out, []byte("child: done\n")):
		t.Errorf("%v\n%s", err, out)
	}
}

// The limit of a process for its files, which ends whoever writes beyond it, is
// kept.
func TestDeadFile_ProcessLimit(t *testing.T) {
	passes(t, child(t, "limit", filepath.Join(t.TempDir(), "dead")))
}

func TestDeadFile_NoPermission(t *testing.T) {
	asRoot(t)
	dir, err := os.MkdirTemp("", "seclog-dead-")
	must(t, err)
	defer os.RemoveAll(dir)
	must(t, errors.Join(os.Chown(dir, 65534, 65534), os.Chmod(dir, 0o500)))
	passes(t, child(t, "nobody", filepath.Join(dir, "dead")))
}
