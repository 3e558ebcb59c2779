package servers

import (
	"cmp"
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
	"strings"
	"syscall"
	"time"
)

// DefaultVersion is the OpenSearch that is started where Options name no other.
const DefaultVersion = "2.19.4"

const pluginGroup = "org.opensearch.plugin:"

// variant is a server as it is laid out.
type variant struct {
	version  string
	security bool
}

// variant is what the options ask for.
func (o Options) variant() variant {
	return variant{cmp.Or(o.Version, DefaultVersion), o.Security}
}

func (v variant) String() string {
	if v.security {
		return "OpenSearch " + v.version + " with its security plugin"
	}
	return "OpenSearch " + v.version
}

// modern tells whether it is of version 3 or newer.
func (v variant) modern() bool { return !strings.HasPrefix(v.version, "2.") }

// classLoader is the version of the plugin class loader, which is not published for every server version.
func (v variant) classLoader() string {
	if v.version == "2.19.4" {
		return "2.19.6"
	}
	return v.version
}

func (v variant) oldestJava() int {
	if v.modern() {
		return 21
	}
	return 17
}

// plugins are the zips to unpack. A plugin's version has the server's and one part more.
func (v variant) plugins() []string {
	if !v.security {
		return nil
	}
	return []string{pluginGroup + "opensearch-job-scheduler:" + v.version + ".0", pluginGroup + "opensearch-security:" + v.version + ".0"}
}

// dir is .cache/opensearch-VERSION in the checkout that holds the working directory, which for a test is its package's.
func (v variant) dir() (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	name := "opensearch-" + v.version
	if v.security {
		name += "-security"
	}
	return filepath.Join(cache, name), nil
}

//go:embed build-dist.sh Launcher.java log4j2.properties
var assets embed.FS

// Available says whether the default server can be laid out and started here; reason names what is missing when ok is
// false.
//
// It looks for a Java development kit of version 17 or newer, bash and, unless the server is laid out already, Maven.
func Available() (reason string, ok bool) { return Options{}.Available() }

// Available says so of the server that the options ask for.
func (o Options) Available() (reason string, ok bool) {
	v := o.variant()
	if v.security && v.modern() {
		return "its security plugin does not load from what is published for " + v.version, false
	}
	if _, err := findJDK(v.oldestJava()); err != nil {
		return err.Error(), false
	}
	tools := []string{"bash"}
	if dir, err := v.dir(); err != nil || !v.isComplete(dir) {
		tools = append(tools, "mvn")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			return tool + " was not found", false
		}
	}
	return "", true
}

// Layout makes sure that the default server is laid out in the checkout's cache and answers where.
//
// *Errors:* the end of Maven's output when it failed.
// *Concurrency:* safe, between processes too: a file lock lets one of them build and the others wait.
func Layout(ctx context.Context) (dir string, err error) { return Options{}.Layout(ctx) }

// Layout makes sure of the server that the options ask for.
func (o Options) Layout(ctx context.Context) (dir string, err error) {
	v := o.variant()
	dir, err = v.dir()
	if err != nil {
		return "", err
	}
	if v.isComplete(dir) {
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
	if v.isComplete(dir) {
		return dir, nil
	}
	// A half-made layout is never seen under its final name: it is built beside it and renamed.
	building := dir + ".building"
	for _, old := range []string{building, dir} {
		if err := os.RemoveAll(old); err != nil {
			return "", fmt.Errorf("clear the old layout: %w", err)
		}
	}
	fmt.Fprintf(os.Stderr, "laying out %s from Maven Central, once\n", v)
	if err := v.build(ctx, building); err != nil {
		return "", err
	}
	if err := os.Rename(building, dir); err != nil {
		return "", fmt.Errorf("put the layout in place: %w", err)
	}
	return dir, nil
}

func (v variant) build(ctx context.Context, dir string) error {
	kit, err := findJDK(v.oldestJava())
	if err != nil {
		return fmt.Errorf("lay out %s: %w", v, err)
	}
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
	args := append([]string{filepath.Join(src, "build-dist.sh"), v.version, dir, filepath.Join(src, "Launcher.java")}, v.plugins()...)
	cmd := exec.CommandContext(ctx, "bash", args...)
	cmd.Env = append(kit.env(), "CLASSLOADER_VERSION="+v.classLoader(), fmt.Sprintf("JDK_JAVAC_OPTIONS=--release %d", v.oldestJava()))
	// Maven is the script's child: only killing the group ends both.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lay out %s: %w\n%s", v, err, tail(out, 4096))
	}
	if err := os.WriteFile(filepath.Join(dir, markerName), []byte(v.digest()+"\n"), 0o644); err != nil {
		return fmt.Errorf("mark the layout complete: %w", err)
	}
	return nil
}

// markerName is written last and holds the digest of what the layout was made by, so that a changed script is run again.
const markerName = "complete"

func (v variant) isComplete(dir string) bool {
	got, err := os.ReadFile(filepath.Join(dir, markerName))
	return err == nil && strings.TrimSpace(string(got)) == v.digest()
}

func (v variant) digest() string {
	h := sha256.New()
	fmt.Fprintln(h, v.version, v.classLoader())
	for _, zip := range v.plugins() {
		fmt.Fprintln(h, zip)
	}
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

// cacheDir is .cache in the checkout that holds the working directory.
func cacheDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		_, err := os.Stat(filepath.Join(at, "go.mod"))
		if err == nil {
			return filepath.Join(at, ".cache"), nil
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
