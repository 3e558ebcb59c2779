package scan_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/scan"
)

// lines are of the shapes that containers write, 226 bytes on average.
func lines() [][]byte {
	var all [][]byte
	for i := range 64 {
		all = append(all,
			fmt.Appendf(nil, `10.%d.3.%d - - [24/Nov/2026:10:%02d:07 +0000] "GET /api/v1/namespaces/shop-%d/pods?limit=500&token_type=bearer HTTP/1.1" 200 %d "https://shop.example.com/cart/%d" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"`, i, i*3, i%60, i, i*977, i),
			fmt.Appendf(nil, `{"level":"info","ts":"2026-11-24T10:%02d:07.123Z","caller":"http/server.go:%d","msg":"request finished","method":"POST","path":"/orders/%d","status":201,"duration_ms":%d.25,"trace_id":"4bf92f3577b34da6a3ce929d0e0e%04x","user_agent":"okhttp/4.9"}`, i%60, i+100, i*31, i, i),
			fmt.Appendf(nil, `Failed password for invalid user admin%d from 203.0.113.%d port %d ssh2: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.%d`, i, i, 40000+i, i),
			fmt.Appendf(nil, `2026-11-24 10:%02d:07.%03d ERROR 1 --- [nio-8080-exec-%d] c.example.shop.orders.OrderController : Could not save order %d: org.springframework.dao.DataAccessException: timeout after 30000 ms at com.example.shop.Repository.save(Repository.java:%d)`, i%60, i, i%10, i*7919, i+40),
		)
	}
	return all
}

// manyLiterals gives n literals of the kinds that rules ask for.
func manyLiterals(n int) []string {
	lits := []string{"api", "key", "password", "secret", "token", "auth", "akia", "asia", "ghp_", "glpat-", "xoxb", "xoxp", "eyj", "sk_live", "bearer", "-----begin", "passwd", "credential",
		"jwt", "aws", "azure", "gcp", "pem", "rsa", "sk-", "dop_v1_", "npm_", "pypi-", "hf_", "shpat_", "sg.", "hooks.slack.com", "mongodb+srv", "jdbc:", "/etc/passwd", "/etc/shadow", "union select", "cmd.exe", "powershell", "../../"}
	vendors := []string{"adafruit", "adobe", "airtable", "algolia", "alibaba", "asana", "atlassian", "beamer", "bitbucket", "bittrex", "codecov", "coinbase", "confluent", "contentful", "databricks", "datadog", "discord", "doppler", "droneci", "dropbox", "dynatrace", "easypost", "etsy", "facebook", "fastly", "finicity", "flickr", "flutterwave", "frameio", "freshbooks", "gitter", "gocardless", "grafana", "harness", "hashicorp", "heroku", "hubspot", "infracost", "intercom", "jfrog", "kraken", "kucoin", "launchdarkly", "linear", "linkedin", "lob", "mailchimp", "mailgun", "mapbox", "mattermost", "messagebird", "netlify", "newrelic", "nytimes", "okta", "plaid", "planetscale", "postman", "prefect", "pulumi", "rapidapi", "readme", "rubygems", "scalingo", "sendbird", "sendgrid", "sentry", "shippo", "sidekiq", "sourcegraph", "square", "stripe", "sumologic", "telegram", "travisci", "trello", "twilio", "twitch", "twitter", "typeform", "vault", "yandex", "zendesk"}
	suffixes := []string{"", "_token", "/bin/", " --exec", ".conf"}
	for i := 0; len(lits) < n; i++ {
		v := vendors[i%len(vendors)]
		if s := i / len(vendors); s < len(suffixes) {
			v += suffixes[s]
		} else {
			v = fmt.Sprintf("%s-%d", v, s)
		}
		lits = append(lits, v)
	}
	return lits[:n]
}

func average(all [][]byte) int64 {
	n := 0
	for _, line := range all {
		n += len(line)
	}
	return int64(n / len(all))
}

func BenchmarkScan(b *testing.B) {
	all := lines()
	for _, n := range []int{240, 540, 2070} {
		var plain, with scan.Builder
		lits := manyLiterals(n)
		for _, lit := range lits {
			plain.Literal(lit)
			with.Literal(lit)
		}
		with.Digits()
		with.At()
		for _, set := range []struct {
			name string
			set  *scan.Set
		}{{"literals", plain.Build()}, {"literals+digits+at", with.Build()}} {
			b.Run(fmt.Sprintf("%d/%s", n, set.name), func(b *testing.B) {
				b.SetBytes(average(all))
				b.ReportAllocs()
				var hits []scan.Hit
				total := 0
				for i := 0; i < b.N; i++ {
					hits = set.set.Scan(all[i%len(all)], hits[:0])
					total += len(hits)
				}
				b.ReportMetric(float64(total)/float64(b.N), "hits/op")
			})
		}
		b.Run(fmt.Sprintf("%d/naive", n), func(b *testing.B) {
			b.SetBytes(average(all))
			b.ReportAllocs()
			found := 0
			for i := 0; i < b.N; i++ {
				low := strings.ToLower(string(all[i%len(all)]))
				for _, lit := range lits {
					if strings.Contains(low, lit) {
						found++
					}
				}
			}
		})
	}
}

const genericKey = `(?i)[\w.-]{0,50}?(?:access|auth|(?-i:[Aa]pi|API)|credential|creds|key|passw(?:or)?d|secret|token)(?:[ \t\w.-]{0,20})[\s'"]{0,3}(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)[\x60'"\s=]{0,5}([\w.=-]{10,150}|[a-z0-9][a-z0-9+/]{11,}={0,3})(?:[\x60'"\s;]|\\[nr]|$)`

func BenchmarkPattern(b *testing.B) {
	all := lines()
	secret := []byte(`level=warn msg="retry" api_key="k3yV4lu3_9f8a7b6c5d4e3f2a1b0c" attempt=3 upstream=payments.example.com:8443 after=250ms status=503 region=eu-west-1`)
	for _, c := range []struct {
		name, expr string
		text       [][]byte
	}{
		{"generic-api-key/no", genericKey, all},
		{"generic-api-key/yes", genericKey, [][]byte{secret}},
		{"github/no", `ghp_[0-9a-zA-Z]{36}`, [][]byte{[]byte("the ghp_token was not found in the vault of the shop")}},
	} {
		p, _ := scan.Compile(c.expr)
		set := setOf(p)
		type candidate struct {
			text []byte
			hit  scan.Hit
		}
		var list []candidate
		for _, line := range c.text {
			for _, hit := range set.Scan(line, nil) {
				list = append(list, candidate{line, hit})
			}
		}
		b.Run(c.name+"/FindAt", func(b *testing.B) {
			b.ReportAllocs()
			var sc scan.Scratch
			var dst []int
			for i := 0; i < b.N; i++ {
				one := &list[i%len(list)]
				if m := p.FindAt(&sc, one.text, one.hit, 0, dst); m != nil {
					dst = m
				}
			}
		})
		re := regexp.MustCompile(c.expr)
		b.Run(c.name+"/regexp", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				re.FindSubmatchIndex(list[i%len(list)].text)
			}
		})
	}
	p, _ := scan.Compile(`(?i)select\s.*\sfrom\s`)
	b.Run("match", func(b *testing.B) {
		b.SetBytes(average(all))
		b.ReportAllocs()
		var sc scan.Scratch
		for i := 0; i < b.N; i++ {
			p.Match(&sc, all[i%len(all)])
		}
	})
}

// BenchmarkPattern_Hostile has 10 MB in which each literal starts a long walk.
func BenchmarkPattern_Hostile(b *testing.B) {
	text := bytes.Repeat([]byte("key="), 10<<20/4)
	p, _ := scan.Compile(`key=\S*!`)
	set := setOf(p)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var sc scan.Scratch
		for _, hit := range set.Scan(text, nil) {
			p.FindAt(&sc, text, hit, 0, nil)
		}
	}
}
