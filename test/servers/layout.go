package servers

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	openSearchVersion = "2.19.4"
	// openSearch's plugin class loader is not published for every server version.
	classLoaderVersion = "2.19.6"
	oldestJava         = 17
)

//go:embed build-dist.sh Launcher.java log4j2.properties
var assets embed.FS

// Available says whether a real server can be laid out and started here; reason names what is missing when ok is false.
//
// It looks for a Java development kit of version 17 or newer, bash and, unless the server is laid out already, Maven.
func Available() (reason string, ok bool) {
	for _, tool := range []string{"java", "javac", "jar", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			return tool + " was not found", false
		}
	}
	out, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		return fmt.Sprintf("java -version failed: %v", err), false
	}
	major, err := javaMajor(string(out))
	if err != nil {
		return err.Error(), false
	}
	if major < oldestJava {
		return fmt.Sprintf("java is version %d, OpenSearch %s is started with %d or newer", major, openSearchVersion, oldestJava), false
	}
	if dir, err := cacheDir(); err == nil && isComplete(dir) {
		return "", true
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return "mvn was not found", false
	}
	return "", true
}

var javaVersion = regexp.MustCompile(`version "(\d+)(?:\.(\d+))?`)

// javaMajor reads the major version out of what java -version prints; 1.8 is 8.
func javaMajor(text string) (int, error) {
	m := javaVersion.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("java -version says no version: %q", text)
	}
	if m[1] == "1" {
		return strconv.Atoi(m[2])
	}
	return strconv.Atoi(m[1])
}

// Layout makes sure that the server is laid out in the checkout's cache and answers where.
//
// *Errors:* the end of Maven's output when it failed.
// *Concurrency:* safe, between processes too: a file lock lets one of them build and the others wait.
func Layout(ctx context.Context) (dir string, err error) {
	dir, err = cacheDir()
	if err != nil {
		return "", err
	}
	if isComplete(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make the cache: %w", err)
	}
	unlock, err := lockFile(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if isComplete(dir) {
		return dir, nil
	}
	// A half-made layout is never seen under its final name: it is built beside it and renamed.
	building := dir + ".building"
	for _, old := range []string{building, dir} {
		if err := os.RemoveAll(old); err != nil {
			return "", fmt.Errorf("clear the old layout: %w", err)
		}
	}
	if err := build(ctx, building); err != nil {
		return "", err
	}
	if err := os.Rename(building, dir); err != nil {
		return "", fmt.Errorf("put the layout in place: %w", err)
	}
	return dir, nil
}

func build(ctx context.Context, dir string) error {
	src := filepath.Join(dir, "src")
	if err := os.MkdirAll(src, 0o755); err != nil {
		return fmt.Errorf("make the layout: %w", err)
	}
	names, err := fs.ReadDir(assets, ".")
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := assets.ReadFile(name.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(src, name.Name()), data, 0o644); err != nil {
			return fmt.Errorf("make the layout: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, "bash", filepath.Join(src, "build-dist.sh"), openSearchVersion, dir, filepath.Join(src, "Launcher.java"))
	cmd.Env = append(os.Environ(), "CLASSLOADER_VERSION="+classLoaderVersion)
	// Maven is the script's child: only killing the group ends both.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lay out OpenSearch %s: %w\n%s", openSearchVersion, err, tail(out, 4096))
	}
	if err := os.WriteFile(filepath.Join(dir, markerName), []byte(assetsDigest()+"\n"), 0o644); err != nil {
		return fmt.Errorf("mark the layout complete: %w", err)
	}
	return nil
}

// markerName is written last and holds the digest of what the layout was made by, so that a changed script is run again.
const markerName = "complete"

func isComplete(dir string) bool {
	got, err := os.ReadFile(filepath.Join(dir, markerName))
	return err == nil && strings.TrimSpace(string(got)) == assetsDigest()
}

func assetsDigest() string {
	h := sha256.New()
	fmt.Fprintln(h, openSearchVersion, classLoaderVersion)
	for _, name := range []string{"build-dist.sh", "Launcher.java", "log4j2.properties"} {
		data, err := assets.ReadFile(name)
		if err != nil {
			return "unreadable"
		}
		fmt.Fprintln(h, name, len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// cacheDir is .cache/opensearch-VERSION in the checkout that holds the working directory, which for a test is its package's.
func cacheDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		_, err := os.Stat(filepath.Join(at, "go.mod"))
		if err == nil {
			return filepath.Join(at, ".cache", "opensearch-"+openSearchVersion), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return "", fmt.Errorf("find the checkout of %s: no go.mod in it or above it", dir)
		}
	}
}

// lockFile waits for an exclusive lock on path. The kernel frees it when the process dies.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("wait for %s: %w", path, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func tail(b []byte, n int) []byte {
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return b
}
