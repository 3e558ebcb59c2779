package opensearch_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
)

// told collects everything that is logged, returned or printed.
type told struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (x *told) add(what string, values ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&x.text, "%s: "+verb+"\n", what, v)
		}
		if raw, err := json.Marshal(v); err == nil {
			fmt.Fprintf(&x.text, "%s: %s\n", what, raw)
		}
		for err, ok := v.(error); ok && err != nil; err = errors.Unwrap(err) {
			fmt.Fprintf(&x.text, "%s: %#v\n", what, err)
		}
	}
}

// line is a log.
func (x *told) line(l string) { x.add("log", l) }

// Whatever goes wrong, no secret shows in what is logged, returned as an error or
// printed in any way.
func TestSecrets_NeverShown(t *testing.T) {
	secrets := map[string]string{}
	plant := func(what string) string {
		secrets[what] = "PLANTED-" + strings.ReplaceAll(what, " ", "-") + "-q9Z"
		return secrets[what]
	}
	file := func(text string) string {
		p := pathIn(t, "f")
		put(t, p, []byte(text))
		return p
	}
	a := newAuthority(t, "a")
	cert, key := a.issue(t, "127.0.0.1", -day, day)
	secrets["client key"] = strings.Split(string(key), "\n")[1]
	ca := file(string(a.pem))
	crtFile, keyFile := file(string(cert)), file(string(key))
	withKeys(t, "AWS_ACCESS_KEY_ID", "AKIAPLANTED", "AWS_SECRET_ACCESS_KEY", plant("AWS secret"), "AWS_SESSION_TOKEN", plant("AWS session"))

	proxyUser := "http://" + plant("proxy user") + ":" + plant("proxy password") + "@127.0.0.1:1"
	ways := map[string][]string{
		"user":       {"HTTP_User", "someone", "HTTP_Passwd", plant("password")},
		"user files": {"HTTP_User_File", file("someone"), "HTTP_Passwd_File", file(plant("password in a file"))},
		"key":        {"HTTP_API_Key", plant("key")},
		"key file":   {"HTTP_API_Key_File", file(plant("key in a file"))},
		"token":      {"Bearer_Token", plant("token")},
		"token file": {"Bearer_Token_File", file(plant("token in a file"))},
		"AWS":        {"AWS_Auth", "On", "AWS_Region", "eu-central-1"},
		"AWS role":   {"AWS_Auth", "On", "AWS_Region", "eu-central-1", "AWS_Role_ARN", "arn:aws:iam::123456789012:role/x", "AWS_External_ID", plant("external id"), "AWS_STS_Endpoint", "http://127.0.0.1:1"},
		"client":     {"TLS_Crt_File", crtFile, "TLS_Key_File", keyFile},
	}

	// A server that says back all that it was sent.
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Location", "http://"+r.Host+"/"+r.Header.Get("Authorization"))
			w.Header().Set("Retry-After", r.Header.Get("Authorization"))
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":{"type":"%s","reason":"%v %s"},"status":%d}`, r.Header.Get("Authorization"), r.Header, body, status)
		}
	}
	var all told
	hosts := map[string]string{"refused connection": "https://127.0.0.1:1"}
	for _, status := range []int{200, 301, 400, 401, 403, 407, 413, 429, 500} {
		srv := httptest.NewServer(echo(status))
		defer srv.Close()
		hosts[fmt.Sprint("status ", status)] = srv.URL
	}
	hosts["TLS"] = newSecured(t, echo(401), settings(t, cert, key)).URL
	hosts["untrusted"] = func() string {
		c, k := newAuthority(t, "b").issue(t, "127.0.0.1", -day, day)
		return newSecured(t, echo(401), settings(t, c, k)).URL
	}()
	asks := newForwarder(t, "user:other")

	try := func(name, host string, keys []string) {
		get := func(key string) string {
			for i := 0; i < len(keys); i += 2 {
				if strings.EqualFold(keys[i], key) {
					return keys[i+1]
				}
			}
			switch key {
			case "Hosts":
				return host
			case "TLS_CA_File":
				return ca
			}
			return ""
		}
		cfg, err := config.Load(get)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all.add("config", cfg, *cfg, cfg.Summary(), cfg.Warnings())
		o := opensearch.FromConfig(cfg, time.Now)
		all.add("options", o, &o)
		o.Log = all.line
		c, err := opensearch.New(o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer c.Close()
		all.add("client", c)
		d, err := deliver.New(deliver.Options{
			Destination: c, Timeout: 500 * time.Millisecond, RetryTimeout: 10 * time.Millisecond,
			RetryWaitMin: time.Millisecond, RetryWaitMax: 2 * time.Millisecond, DeadLetterPath: pathIn(t, "dead"), DeadLetterMax: 1, Log: all.line,
		})
		if err != nil {
			t.Fatal(err)
		}
		res, err := d.Send(context.Background(), batch(c, 3, 0), nil)
		all.add("result", res, err)
		if res.Delivered > 0 {
			t.Errorf("%s, %s: delivered", name, host)
		}
		b := batch(c, 2, 0)
		var ans deliver.Answer
		c.Send(context.Background(), &deliver.Request{Body: b.Body, Docs: b.Docs, Which: []int32{0, 1}, Timeout: 500 * time.Millisecond, RetryUntil: time.Now()}, &ans)
		all.add("answer", ans)
		if letters, err := c.Letters("dead", 300*time.Millisecond); err == nil {
			_, err = letters.Next(context.Background())
			all.add("letters", err)
		}
	}
	for name, keys := range ways {
		for _, host := range hosts {
			try(name, host, keys)
		}
		try(name, hosts["status 401"], append([]string{"Proxy", proxyUser}, keys...))
		try(name, hosts["TLS"], append([]string{"Proxy", proxyUser}, keys...))
		named := strings.Replace(asks.URL, "://", "://"+secrets["proxy user"]+":"+secrets["proxy password"]+"@", 1)
		try(name, hosts["TLS"], append([]string{"Proxy", named}, keys...))
		// Both a value that is wrong and what is fine beside it.
		_, err := config.Load(func(key string) string {
			for i := 0; i < len(keys); i += 2 {
				if strings.EqualFold(keys[i], key) {
					if strings.HasSuffix(key, "_File") {
						return keys[i+1]
					}
					return keys[i+1] + "\n"
				}
			}
			switch key {
			case "Hosts":
				return "https://u:" + secrets["password"] + "@h"
			case "Proxy":
				return "ftp" + proxyUser
			case "Bulk_Size":
				return "big"
			}
			return ""
		})
		if err == nil {
			t.Errorf("%s: wrong values were taken", name)
		}
		all.add("refusal", err)
	}
	// Files that go bad while they are in use.
	c := client(t, opensearch.Options{Hosts: []string{hosts["TLS"]}, Log: all.line, TLS: opensearch.TLS{CAFile: ca, CertFile: crtFile, KeyFile: keyFile}})
	for _, text := range [][]byte{key[:len(key)/2], append([]byte("x"), key...), nil} {
		put(t, keyFile, text)
		all.add("answer", send(t, c))
		put(t, crtFile, key)
		all.add("answer", send(t, c))
	}
	_, err := opensearch.New(opensearch.Options{Hosts: []string{hosts["TLS"]}, TLS: opensearch.TLS{CertFile: crtFile, KeyFile: keyFile}})
	all.add("refusal", err)

	text := all.text.String()
	if len(text) < 100_000 || !strings.Contains(text, "401") || !strings.Contains(text, "stay in use") {
		t.Errorf("only %d bytes were said: this test looks at too little", len(text))
	}
	lower := strings.ToLower(text)
	for what, s := range secrets {
		// Basic credentials are user:password; the middle of what base64 makes
		// of a text depends on its place by three.
		forms := []string{s, hex.EncodeToString([]byte(s))}
		for i := range 3 {
			enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", i) + s))
			forms = append(forms, enc[4:len(enc)-4])
		}
		for _, f := range forms {
			if at := strings.Index(lower, strings.ToLower(f)); at >= 0 {
				t.Errorf("%s shows: …%q", what, text[max(0, at-150):at])
			}
		}
	}
	if strings.Contains(text, planted) {
		t.Error("content of documents shows")
	}
}
