package data

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// writeLeaky writes what a careless application prints: each kind of secret in
// several carriers, and beside them what only looks like a secret.
func writeLeaky(w *writer) {
	at := func(level, text string) string {
		return fmt.Sprintf("%s %s payments: %s", w.now().Format("2006-01-02T15:04:05.000Z"), level, text)
	}
	var planted []func()
	leak := func(kind string, value func() string, carriers ...string) {
		for _, c := range carriers {
			planted = append(planted, func() {
				v := value()
				w.leak("stdout", at("DEBUG", strings.ReplaceAll(c, "{}", v)), kind, v)
			})
		}
	}
	alike := func(kind string, value func() string, carriers ...string) {
		for _, c := range carriers {
			planted = append(planted, func() {
				v := value()
				w.innocent("stdout", at("INFO", strings.ReplaceAll(c, "{}", v)), kind, v)
			})
		}
	}

	leak("credit_card", w.card, "charged card {} ok", "card={}", `{"card":"{}"}`, "qty 2 {} amount 19900", "pan: {};", "refund to {}, 200")
	leak("credit_card", func() string { return grouped("5105105105105100", " ") }, "card {} declined")
	leak("credit_card", func() string { return grouped("4242424242424242", "-") }, "card {} approved")
	leak("email", w.email, "receipt sent to {}", `{"to":"{}"}`, "user={} action=login", "From: Kim <{}>", "mailto:{}?subject=x")
	leak("aws_access_key_id", w.awsKeyID, "using {} for s3", "aws_access_key_id = {}", `{"accessKeyId":"{}"}`)
	leak("aws_secret_access_key", w.awsSecret, "aws_secret_access_key = {}", "export AWS_SECRET_ACCESS_KEY={}", `{"secretAccessKey":"{}"}`)
	leak("github_token", w.githubToken, "git clone with token {}", "GITHUB_TOKEN={}", "https://x-access-token:{}@github.com/shop/app.git")
	leak("gitlab_token", w.gitlabToken, "PRIVATE-TOKEN: {}", "cloning with {}")
	leak("slack_token", w.slackToken, "slack client {}", "SLACK_BOT_TOKEN={}")
	leak("slack_webhook", w.slackHook, "posting to {}")
	leak("stripe_key", w.stripeKey, "stripe key {}", "STRIPE_SECRET_KEY={}")
	leak("gcp_api_key", w.gcpKey, "GET https://maps.googleapis.com/maps/api/geocode/json?address=Seoul&key={}")
	leak("npm_token", w.npmToken, "//npm.shop.example/:_authToken={}")
	leak("sendgrid_key", w.sendgridKey, "mailer configured with {}")
	leak("jwt", w.jwt, "session {}", "Authorization: Bearer {}", `{"id_token":"{}"}`)
	leak("bearer", func() string { return w.fromAlphabet(alphanum, 40) }, "> Authorization: Bearer {}", `{"headers":{"Authorization":"Bearer {}"}}`, "curl -H 'authorization: bearer {}' https://api.shop.example/")
	leak("basic_auth", func() string { return base64.StdEncoding.EncodeToString([]byte("payments:" + w.word())) }, "Authorization: Basic {}")
	leak("api_key", func() string { return w.hex(32) }, "X-Api-Key: {}", "api_key={}", `{"apiKey":"{}"}`)
	leak("password", w.word, "password={}", "password: {}", `{"password":"{}"}`, "DB_PASSWORD='{}'", "login user=payments passwd={} ok",
		`config={"db":{"user":"app","password":"{}"}}`, "mysql --user=app --password {} shop", "connect Server=db;User Id=app;Password={};", `body="{\"user\":\"a\",\"password\":\"{}\"}"`)
	leak("password", w.password, "new password: {}")
	leak("url_password", w.word, "postgres://app:{}@postgres.db.svc:5432/shop", "DATABASE_URL=mysql://app:{}@db:3306/shop", "redis://:{}@redis.shop.svc:6379/0", "amqp://app:{}@mq.shop.svc:5672/", "mongodb://app:{}@mongo.shop.svc/shop?authSource=admin")
	leak("client_secret", func() string { return w.fromAlphabet(alphanum, 32) }, "POST /token grant_type=client_credentials&client_id=shop&client_secret={}")
	leak("rrn", w.rrn, "customer rrn {}", `{"rrn":"{}"}`)
	leak("us_ssn", w.ssn, "SSN: {}", `{"ssn":"{}"}`)
	leak("iban", w.iban, "transfer to {}", `{"iban":"{}"}`)
	leak("phone_kr", w.phoneKR, "sms to {}", `{"phone":"{}"}`)
	planted = append(planted, func() {
		lines := w.pem()
		text := fmt.Sprintf(`{"level":"debug","msg":"tls key loaded","key":%s}`, quote(strings.Join(lines, "\n")+"\n"))
		// A line of the key is what must not be found again, whatever the
		// escapes around it.
		var kv []string
		for _, i := range []int{1, len(lines) / 2, len(lines) - 3} {
			kv = append(kv, "private_key", lines[i])
		}
		w.leak("stdout", text, kv...)
	})

	alike("uuid", w.uuid, "request {} done", "idempotency-key {}")
	alike("digest", func() string { return "sha256:" + w.hex(64) }, "image {}", "layer {} verified")
	alike("commit", func() string { return w.hex(40) }, "built from commit {}")
	alike("trace_id", func() string { return w.hex(32) }, "trace_id={} sampled", "traceparent 00-{}-00f067aa0ba902b7-01")
	alike("order_number", w.orderNumber, "order {} paid", "invoice no {}")
	alike("epoch_nanos", func() string { return fmt.Sprint(w.now().UnixNano()) }, "ts={}")
	alike("version", func() string { return fmt.Sprintf("v%d.%d.%d-rc.1", w.IntN(9), w.IntN(30), w.IntN(30)) }, "payments {} starting")
	alike("mac_address", func() string { return "02:42:ac:" + w.hex(2) + ":" + w.hex(2) + ":" + w.hex(2) }, "eth0 {} up")
	alike("arn", func() string { return "arn:aws:iam::123456789012:role/payments" }, "assumed {}")
	alike("placeholder", func() string { return "password=${DB_PASSWORD}" }, "started with {}")
	alike("placeholder", func() string { return "token=<redacted>" }, "called with {}")
	alike("placeholder", func() string { return "password: ****" }, "settings {}")
	alike("words", func() string { return "forgot password" }, "user clicked {} link")
	alike("secret_name", func() string { return "secretName: registry-credentials" }, "mounting {}")
	alike("counter", func() string { return "prompt_tokens=12" }, "usage {} total=40")

	spread(w, 420, func(int) {
		w.out("%s", at(pick(w, "INFO", "INFO", "DEBUG", "WARN"), pick(w,
			fmt.Sprintf("settled batch %d with %d payments in %d ms", w.IntN(900), w.IntN(90), w.IntN(400)),
			fmt.Sprintf("queue depth %d", w.IntN(60)),
			fmt.Sprintf("gateway answered %d in %d ms", pick(w, 200, 200, 402, 503), w.IntN(900)),
			"rotating signing key", "token cache refreshed", "password policy loaded: min length 12",
			fmt.Sprintf("worker %d idle", w.IntN(8)))))
	}, planted...)
}
