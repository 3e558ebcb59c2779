package opensearch_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
)

// doors is a server that tells which token it was shown, and lets in one.
func doors(t *testing.T) (srv *httptest.Server, shown, wanted *atomic.Value) {
	t.Helper()
	shown, wanted = &atomic.Value{}, &atomic.Value{}
	wanted.Store("")
	x := &index{docs: map[string]string{}}
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		shown.Store(token)
		if want := wanted.Load(); want != "" && want != token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		x.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv, shown, wanted
}

// However a file of a secret changes, the next request has what it holds; what
// cannot be used leaves what was there before.
func TestAccess_FileChanges(t *testing.T) {
	write := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(t *testing.T, path string) (want string){
		"written over": func(t *testing.T, path string) string { write(t, path, "token-two\n"); return "token-two" },
		"same size":    func(t *testing.T, path string) string { write(t, path, "token-new\n"); return "token-new" },
		"same size and time": func(t *testing.T, path string) string {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, "token-new\n")
			if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
			return "token-new"
		},
		"renamed, with an old time": func(t *testing.T, path string) string {
			write(t, path+".x", "token-new\n")
			long := time.Now().Add(-24 * time.Hour)
			if err := os.Chtimes(path+".x", long, long); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".x", path); err != nil {
				t.Fatal(err)
			}
			return "token-new"
		},
		"line ends of Windows": func(t *testing.T, path string) string { write(t, path, "token-two\r\n\r\n"); return "token-two" },
		"emptied":              func(t *testing.T, path string) string { write(t, path, ""); return "token-one" },
		"newline alone":        func(t *testing.T, path string) string { write(t, path, "\n"); return "token-one" },
		"two lines":            func(t *testing.T, path string) string { write(t, path, "token\nX-Forged: 1\n"); return "token-one" },
		"control character":    func(t *testing.T, path string) string { write(t, path, "token\x00"); return "token-one" },
		"too long": func(t *testing.T, path string) string {
			write(t, path, strings.Repeat("x", 65<<10))
			return "token-one"
		},
		"removed": func(_ *testing.T, path string) string { _ = os.Remove(path); return "token-one" },
		"a folder": func(t *testing.T, path string) string {
			_ = os.Remove(path)
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
			return "token-one"
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv, shown, _ := doors(t)
			path := pathIn(t, "token")
			write(t, path, "token-one\n")
			c := client(t, opensearch.Options{Hosts: []string{srv.URL}, Bearer: opensearch.Secret{File: path}})
			arrives(t, c, "before")
			want := change(t, path)
			arrives(t, c, "after")
			if got := shown.Load(); got != want {
				t.Errorf("%q was shown, want %q", got, want)
			}
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, "token-end")
			arrives(t, c, "mended")
			if got := shown.Load(); got != "token-end" {
				t.Errorf("mended: %q was shown", got)
			}
		})
	}
}

// Kubernetes turns a link to a folder when a secret changes; names, sizes and
// modes stay.
func TestAccess_Kubernetes(t *testing.T) {
	srv, shown, wanted := doors(t)
	dir := t.TempDir()
	turn := func(n int, token string) {
		t.Helper()
		folder := fmt.Sprintf("..2026_%d", n)
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, folder, "token"), []byte(token), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(folder, filepath.Join(dir, "..tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
		if n > 1 {
			if err := os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..2026_%d", n-1))); err != nil {
				t.Fatal(err)
			}
		}
	}
	turn(1, "token-1")
	if err := os.Symlink(filepath.Join("..data", "token"), filepath.Join(dir, "token")); err != nil {
		t.Fatal(err)
	}
	c := client(t, opensearch.Options{Hosts: []string{srv.URL}, Bearer: opensearch.Secret{File: filepath.Join(dir, "token")}})
	for n := 1; n < 5; n++ {
		want := fmt.Sprintf("token-%d", n)
		wanted.Store(want)
		if n > 1 {
			// The server knows the new token first: refused, and not for ever.
			if ans := send(t, c); ans.Verdict != deliver.Refused || ans.Status != http.StatusUnauthorized || ans.Attempts != 1 {
				t.Errorf("old token: %+v", ans)
			}
			turn(n, want)
		}
		arrives(t, c, want)
		if got := shown.Load(); got != want {
			t.Errorf("%q was shown, want %q", got, want)
		}
	}
}

// A credential that is no line of text is refused at start, and not shown.
func TestAccess_RefusedAtStart(t *testing.T) {
	file := func(text string) string {
		p := pathIn(t, "f")
		put(t, p, []byte(text))
		return p
	}
	for name, s := range map[string]opensearch.Secret{
		"line end":         {Value: "hunter2\nX-Forged: 1"},
		"control":          {Value: "hunter2\x1b[0m"},
		"file of lines":    {File: file("hunter2\nhunter3")},
		"file of controls": {File: file("hunter2\x00")},
		"empty file":       {File: file("")},
		"no file":          {File: "/nowhere"},
	} {
		for _, o := range []opensearch.Options{{Bearer: s}, {APIKey: s}, {User: s}, {User: opensearch.Secret{Value: "u"}, Password: s}} {
			o.Hosts = []string{"https://h"}
			if _, err := opensearch.New(o); err == nil {
				t.Errorf("%s: taken", name)
			} else if strings.Contains(err.Error(), "hunter") {
				t.Errorf("%s: shown: %v", name, err)
			}
		}
	}
}
