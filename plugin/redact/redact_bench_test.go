package redact_test

import (
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/redact"
	"github.com/seclog/seclog/plugin/scan"
)

// BenchmarkRedactText measures the work behind the scan, whose cost plugin/scan
// measures, and says how many hits a line has.
func BenchmarkRedactText(b *testing.B) {
	x := newTool(b, redact.Options{}, builtin(b)...)
	for _, c := range []struct{ name, line string }{
		{"access", `10.1.2.3 - - [23/Nov/2026:20:11:00 +0000] "GET /api/v1/items?page=2 HTTP/1.1" 200 1234 "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"`},
		{"json", `{"ts":"2026-11-23T20:11:00.123Z","level":"info","msg":"request done","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","ms":12,"bytes":1795464660123}`},
		{"sshd", `Nov 23 20:11:00 web1 sshd[4242]: Failed password for invalid user admin from 203.0.113.7 port 40022 ssh2`},
		{"java", `2026-11-23 20:11:00.123 INFO [task-12] c.e.TokenService - token refreshed for session, authorization ok in 12 ms`},
		{"secrets", `login alice@example.org password=hunter22 card 4111 1111 1111 1111 Authorization: Bearer abcDEF1234567890abcd`},
	} {
		line := []byte(c.line)
		hits := x.set.Scan(line, nil)
		dst := make([]byte, 0, 4096)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				dst = x.engine.RedactText(&x.state, line, hits, dst[:0])
			}
			b.ReportMetric(float64(len(hits)), "hits/op")
		})
	}
}

// BenchmarkRedactText_Hostile has lines of 256 KB that are made to be slow;
// the time a byte is what counts.
func BenchmarkRedactText_Hostile(b *testing.B) {
	x := newTool(b, redact.Options{}, builtin(b)...)
	for name, part := range map[string]string{
		"digits":      "4111-",
		"digit runs":  "123 45 678 9012 ",
		"at":          "a@",
		"words":       "password ",
		"open quotes": `password="`,
		"keys":        "token_",
		"backslashes": `password=\\\\`,
		"jwt":         "eyJ",
		"urls":        "://a:b",
		"pem":         "-----BEGIN PRIVATE KEY-----",
		"brackets":    `"password":[`,
		"sk":          "sk-proj-sk",
		"users":       "-u a:",
	} {
		line := []byte(strings.Repeat(part, 256<<10/len(part)))
		var hits []scan.Hit
		dst := make([]byte, 0, 1<<20)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				hits = x.set.Scan(line, hits[:0])
				dst = x.engine.RedactText(&x.state, line, hits, dst[:0])
			}
		})
	}
}
