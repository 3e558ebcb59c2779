package redact_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/redact"
)

func TestRunExamples_Builtin(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	for _, err := range x.engine.RunExamples() {
		t.Error(err)
	}
	detectors := 0
	for _, d := range x.engine.Detectors() {
		if d.About == "" {
			t.Errorf("%s says nothing about itself", d.ID)
		}
		if !d.Field {
			detectors++
		}
	}
	if detectors < 25 {
		t.Errorf("%d detectors, at least 25 are wanted", detectors)
	}
}

// A token of any length goes to its end.
func TestBuiltin_LongTokens(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	r := rand.New(rand.NewPCG(5, 6))
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	token := make([]byte, 6000)
	for i := range token {
		token[i] = letters[r.IntN(len(letters))]
	}
	for _, before := range []string{
		"sent Authorization: Bearer ", "curl -H 'Bearer ", "GET /x?X-Amz-Security-Token=", "got Basic ", "hvs.", "pypi-AgEIcHlwaS5vcmc", "token=", "ghp" + "_", "sk" + "-proj-", "xoxb" + "-",
		"AccountKey=", "GET /x?sig=", "sk" + "_live_", "ATATT3",
	} {
		for _, n := range []int{60, 251, 1001, 2000, 6000} {
			if got := x.text(before + string(token[:n]) + " end"); strings.Contains(got, string(token[n-12:n])) {
				t.Errorf("%s with %d letters leaves %d of it", before, n, len(got)-len(before))
			}
		}
	}
}

// What begins inside a match that its check refused is found.
func TestBuiltin_BehindRefused(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	for _, between := range []string{"", "-", strings.Repeat("-", 2000), strings.Repeat("bearer-", 300)} {
		got := x.text("bearer aaaaaaaaaaaaaaaaaaaaaaaaaa" + between + "-Bearer abcDEF123456789012345 end")
		if strings.Contains(got, "abcDEF") {
			t.Errorf("the token stays behind %d bytes: %s", len(between), got)
		}
	}
}

// No keyword makes a line slow that is full of it: walks from each of them to
// the end of what a match may hold would take 10 seconds and more.
func TestBuiltin_LinesOfKeywords(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	for _, parts := range [][2]string{
		{"", "eyJ-"}, {"", "ewog-"}, {"eyJaaaaaaaaaaaaaa.eyJaa.", "eyJ-"}, {"eyJaaaaaaaaaaaaaa.eyJaa.", "eyJ"}, {"sk-", "T3BlbkFJ"}, {"", "T3BlbkFJ-"},
		{"bearer a", "bearer"}, {"bearer a", "bearer-"}, {"basic a", "basic"}, {"", "xoxb-"}, {"", "sk-ant-"},
	} {
		text := parts[0] + strings.Repeat(parts[1], 1<<19/len(parts[1]))
		begin := time.Now()
		x.text(text)
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("%q and 512 KB of %q took %s", parts[0], parts[1], took)
		}
	}
}

// secrets are values that must go, each once in every carrier.
var secrets = map[string]string{
	"password":                   "xK9#mPq2vL!w",
	"db_password":                "Sommer2026",
	"client_secret":              "8d71636d46197b2b9632a1b2",
	"api_key":                    "377e80d047c8d0459c283e0064ed20a4",
	"accessToken":                "r4nd0mAccessTok3n",
	"refresh_token":              "1//0gxyzABCdef",
	"X-Auth-Token":               "gAAAAABkabcdef123",
	"aws_secret_access_key":      "EGhU3xYNwy7UcB3dn8nvZmnjbZlBqDoLGPGfofqb",
	"MYSQL_ROOT_PASSWORD":        "t00rT00r",
	"spring.datasource.password": "pgS3cret99",
}

// carriers hold a key and its value as logs do. quoted ones may hold any value.
var carriers = map[string]string{
	"equals":        "level=info KEY=VALUE user=bob",
	"colon":         "config KEY: VALUE",
	"json":          `{"a":1,"KEY":"VALUE","b":[1,2]}`,
	"json blanks":   "{\n  \"KEY\" : \"VALUE\"\n}",
	"json in json":  `{"log":"{\"KEY\":\"VALUE\",\"x\":1}"}`,
	"json thrice":   `{"log":"{\"m\":\"{\\\"KEY\\\":\\\"VALUE\\\"}\"}"}`,
	"quoted":        `KEY="VALUE" next=1`,
	"single":        `KEY='VALUE' next=1`,
	"python":        `{'KEY': 'VALUE', 'n': 1}`,
	"go map":        `map[KEY:VALUE user:bob]`,
	"java":          `Config{user=bob, KEY=VALUE, timeout=30}`,
	"java last":     `Config(user=bob, KEY=VALUE)`,
	"export":        `export KEY=VALUE`,
	"option":        `run --KEY=VALUE --v`,
	"argv":          `["run","--KEY","VALUE"]`,
	"ruby":          `{:KEY=>"VALUE", :n=>1}`,
	"new line":      `{"log":"first\nKEY=VALUE\nnext"}`,
	"xml":           `<conf><KEY>VALUE</KEY></conf>`,
	"semicolons":    `Server=db;KEY=VALUE;Timeout=3`,
	"array of json": `{"headers":{"KEY":["VALUE"]}}`,
}

func TestFields_EveryCarrier(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	for name, carrier := range carriers {
		for key, value := range secrets {
			in := strings.NewReplacer("KEY", key, "VALUE", value).Replace(carrier)
			got := x.text(in)
			if strings.Contains(got, value) || !strings.Contains(got, "[REDACTED:") {
				t.Errorf("%s: %s\n  gives %s", name, in, got)
			}
			if json.Valid([]byte(in)) && !json.Valid([]byte(got)) {
				t.Errorf("%s: no JSON any more: %s", name, got)
			}
			// What stood around the value stays.
			before, after, _ := strings.Cut(in, value)
			if !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) {
				t.Errorf("%s: the text around changed: %s", name, got)
			}
		}
	}
}

func TestRedactText_Cuts(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	for _, c := range []struct{ in, want string }{
		{`curl -u alice:hunter22 https://x`, `curl -u alice:[REDACTED:user_password] https://x`},
		{`mysql --password hunter22 -h db`, `mysql --password [REDACTED:password] -h db`},
		{`GET /a?token=abC123def456&x=1 HTTP/1.1`, `GET /a?token=[REDACTED:token]&x=1 HTTP/1.1`},
		{`{"u":"https://h/?access_token=abC123def\u0026b=2"}`, `{"u":"https://h/?access_token=[REDACTED:token]\u0026b=2"}`},
		{`postgres://app:s3cr3t@db:5432/app`, `postgres://app:[REDACTED:url_password]@db:5432/app`},
		{`jdbc:mysql://db/app?user=a&password=s3cr3t99`, `jdbc:mysql://db/app?user=a&password=[REDACTED:password]`},
		{`Authorization: Bearer abcdef123456 host=x`, `Authorization: Bearer [REDACTED:authorization] host=x`},
		{`{"Authorization":"Basic YWxpY2U6aHVudGVyMg=="}`, `{"Authorization":"Basic [REDACTED:basic_auth]"}`},
		{`Cookie: sid=8d71636d; theme=dark`, `Cookie: [REDACTED:cookie]`},
		{`{"pin":1,"token":12345678901,"x":2}`, `{"pin":1,"token":null,"x":2}`},
		{`{"card":4111111111111111,"n":[5500005555555559]}`, `{"card":null,"n":[null]}`},
		{`{\"card\":4111111111111111}`, `{\"card\":null}`},
		{`card 4111111111111111.`, `card [REDACTED:credit_card].`},
		{`{"m":"line\n4111111111111111\tend"}`, `{"m":"line\n[REDACTED:credit_card]\tend"}`},
		{`{"m":"x\nalice@example.org"}`, `{"m":"x\n[REDACTED:email]"}`},
		{`주민번호 900101-1234567입니다`, `주민번호 [REDACTED:rrn]입니다`},
		{`{"password":{"old":"hunter22","new":["n3wpass",12]},"k":1}`, `{"password":{"old":"[REDACTED:password]","new":["[REDACTED:password]",null]},"k":1}`},
		{`password="ends in backslash\\" x=1`, `password="[REDACTED:password]" x=1`},
		{`{"password":"with \"quotes\" in"}`, `{"password":"[REDACTED:password]"}`},
		{`key -----BEGIN RSA PRIVATE KEY-----\nMIIEow==\n-----END RSA PRIVATE KEY----- ok`, `key [REDACTED:private_key] ok`},
		{`2026-11-23 4111-1111-1111-1111`, `2026-11-23 [REDACTED:credit_card]`},
		{`{"m":"password='a\"b' x"}`, `{"m":"password='[REDACTED:password]' x"}`},
		{`password='a"bcdefghij' x`, `password='[REDACTED:password]' x`},
		{`alice@example.org,bob@example.org`, `[REDACTED:email],[REDACTED:email]`},
	} {
		if got := x.text(c.in); got != c.want {
			t.Errorf("%s\n gives %s\n want  %s", c.in, got, c.want)
		}
	}
}

// lookalikes must stay as they are.
var lookalikes = []string{
	"550e8400-e29b-41d4-a716-446655440000", "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
	"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
	"registry.example.com/team/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "pod web-7d9f8b6c5d-x2x7k",
	"1795464660", "ts=1795464660123", "1795464660123456", "1795464660123456789", "2026-11-23T20:11:00.123456789Z", "2026-11-23 20:11:00",
	"bytes=1234567890123 total 98765432109876", "v1.2.3-rc.4+build.567", "00:1A:2B:3C:4D:5E", "0x00007fff5fbff8c0", "at 0xc000123456",
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk", "-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----", "arn:aws:iam::123456789012:role/app",
	"password=${VAR}", "token=<redacted>", "password: ****", "token_type=bearer", "prompt_tokens=12", "secretName: web-tls", "forgot password",
	"Failed password for invalid user admin from 10.0.0.1 port 22 ssh2", "key=value", "password=", `{"password":""}`, `{"password":null,"token":true}`,
	"PasswordAuthentication no", "invalid token: signature is invalid", "password is required", "password: required", "0.4111111111111111",
	"password={{ .Values.db.password }}", "password=$DB_PASSWORD", "PASSWORD=%DB_PASSWORD%", "password = getPassword()", "token == other", "secret://path/x",
	"getty@tty1.service", "icon@2x.png", "@Override", "lodash@4.17.21", "user_id=219099999", "192.168.100.200", "10.0.0.1:8080",
	`{"completion_tokens":120,"prompt_tokens":12}`, "kex: algorithm: curve25519-sha256@libssh.org", "pwd=/home/alice/src", "monkey=see",
	"https://example.com:8443/a@b", "chacha20-poly1305@openssh.com", "ETag: \"33a64df551425fcc55e4d42a148795d9\"", "tokenize=fast", "session opened",
	"passwords do not match", "pod/web-0 token: expired", `level=warn msg="no password supplied"`, "retry in 1500 ms 12 34 56 78", "order 2026-1123-0001",
	"password_changed_at=2026-11-23", "password_policy=strong", "2026-11-23 4155552671", "tokens=12 used", "auth_time=1795464660",
	"secretsmanager:GetSecretValue", "automountServiceAccountToken: false", "kubernetes.io/service-account-token", "max_tokens: 4096", "git@github.com:team/app.git",
}

func TestLookalikes_Survive(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	for _, in := range lookalikes {
		for _, carrier := range []string{"%", "at % now", `{"msg":"%","n":1}`, `{"log":"{\"msg\":\"%\"}"}`} {
			if strings.Contains(in, `"`) && carrier != "%" && carrier != "at % now" {
				continue
			}
			whole := strings.ReplaceAll(carrier, "%", in)
			if carrier == "%" {
				whole = in
			}
			if got := x.text(whole); got != whole {
				t.Errorf("%s\n gives %s", whole, got)
			}
		}
	}
}

func TestRedactText_NothingFoundAllocatesNothing(t *testing.T) {
	x := newTool(t, redact.Options{}, builtin(t)...)
	in := []byte(`10.1.2.3 - - [23/Nov/2026:20:11:00 +0000] "GET /api/v1/tokens?page=2 HTTP/1.1" 200 1234 "-" "Mozilla/5.0" forgot password 1795464660123`)
	hits := x.set.Scan(in, nil)
	dst := make([]byte, 0, 1024)
	if len(hits) == 0 {
		t.Fatal("the line should have hits that are no finds")
	}
	x.engine.RedactText(&x.state, in, hits, dst)
	if n := testing.AllocsPerRun(100, func() {
		if out := x.engine.RedactText(&x.state, in, hits, dst); !bytes.Equal(out, in) {
			t.Fatalf("cut: %s", out)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
