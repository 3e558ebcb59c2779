// Package corpus makes the log that the benchmarks read: container lines as a
// runtime writes them (CRI), in equal parts of an nginx access log, JSON from
// a service, sshd and a Java service with its stack traces. About 226 bytes a
// line, and two lines of a hundred hold a secret.
//
// The same seed gives the same bytes. Every secret is made up.
package corpus

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"
)

// secretEvery: one line of this many holds a secret.
const secretEvery = 50

// Stats is what was written.
type Stats struct {
	Lines, Bytes int64
	Secrets      int64 // lines with a secret
	Keys         int64 // lines whose secret begins with one of Marks
}

// Marks are texts that stand in every secret of a kind that no rule may miss,
// and nowhere else in the corpus.
func Marks() []string { return []string{"AKIA", "ghp" + "_"} }

// Write writes lines lines.
//
// Errors: those of w.
func Write(w io.Writer, lines int, seed uint64) (Stats, error) {
	m := maker{
		r:   rand.New(rand.NewPCG(seed, 0x5ec106)),
		now: time.Date(2026, 11, 23, 20, 11, 0, 123456789, time.UTC),
	}
	out := bufio.NewWriterSize(w, 1<<20)
	for i := range lines {
		n, err := out.Write(m.line(i))
		m.stats.Bytes += int64(n)
		if err != nil {
			return m.stats, fmt.Errorf("write line %d of the corpus: %w", i+1, err)
		}
		m.stats.Lines++
	}
	if err := out.Flush(); err != nil {
		return m.stats, fmt.Errorf("write the corpus: %w", err)
	}
	return m.stats, nil
}

type maker struct {
	r     *rand.Rand
	now   time.Time
	buf   []byte
	stats Stats
}

// line makes line i, newline included. It is valid until the next call.
func (m *maker) line(i int) []byte {
	m.now = m.now.Add(time.Duration(1_000 + m.r.IntN(200_000)))
	secret := m.r.IntN(secretEvery) == 0
	m.buf = m.now.AppendFormat(m.buf[:0], "2006-01-02T15:04:05.000000000Z07:00")
	stream := " stdout F "
	if i%4 == 3 {
		stream = " stderr F "
	}
	m.buf = append(m.buf, stream...)
	given := ""
	if secret {
		given = m.secret()
		m.stats.Secrets++
	}
	switch i % 4 {
	case 0:
		m.access(given)
	case 1:
		m.service(given)
	case 2:
		m.sshd(given)
	default:
		m.java(given)
	}
	m.buf = append(m.buf, '\n')
	return m.buf
}

func (m *maker) printf(format string, args ...any) { m.buf = fmt.Appendf(m.buf, format, args...) }

func (m *maker) address() string {
	return fmt.Sprintf("10.%d.%d.%d", m.r.IntN(256), m.r.IntN(256), 1+m.r.IntN(254))
}

func (m *maker) pick(of ...string) string { return of[m.r.IntN(len(of))] }

func (m *maker) letters(n int, of string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = of[m.r.IntN(len(of))]
	}
	return string(b)
}

const (
	hexDigits = "0123456789abcdef"
	alnum     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

func (m *maker) access(secret string) {
	query := "page=" + strconv.Itoa(m.r.IntN(90)) + "&sort=created"
	if secret != "" {
		query = "key=" + secret
	}
	m.printf(`%s - - [%s] "%s /api/v1/%s/%d?%s HTTP/1.1" %s %d "/%s" "Mozilla/5.0 (X11; Linux x86_64) Firefox/%d.0" %.3f`,
		m.address(), m.now.Format("02/Jan/2006:15:04:05 -0700"), m.pick("GET", "GET", "GET", "POST", "PUT"),
		m.pick("orders", "users", "carts", "products", "invoices"), 1000+m.r.IntN(900_000), query,
		m.pick("200", "200", "200", "201", "304", "404", "500"), m.r.IntN(60_000),
		m.pick("checkout", "catalog", "account", "search"), 110+m.r.IntN(30), m.r.Float64())
}

func (m *maker) service(secret string) {
	detail := m.pick("payment accepted", "cache entry replaced", "session token refreshed", "stock level read", "webhook delivered")
	if secret != "" {
		detail = "retrying with credential " + secret
	}
	m.printf(`{"level":"%s","ts":"%s","caller":"%s/handler.go:%d","msg":"%s","request":"%s","user_id":%d,"duration_ms":%d}`,
		m.pick("info", "info", "info", "warn", "debug"), m.now.Format(time.RFC3339Nano), m.pick("billing", "orders", "stock", "auth"),
		20+m.r.IntN(400), detail, m.letters(16, hexDigits), m.r.IntN(100_000), m.r.IntN(900))
}

func (m *maker) sshd(secret string) {
	user := m.pick("root", "admin", "deploy", "postgres", "ubuntu", "git")
	if secret != "" {
		user = secret
	}
	m.printf(`%s node-%02d.example.com sshd[%d]: `, m.now.Format("Jan _2 15:04:05"), m.r.IntN(40), 1000+m.r.IntN(30_000))
	switch m.r.IntN(3) {
	case 0:
		m.printf(`Failed password for invalid user %s from %s port %d ssh2 [preauth] (attempt %d of 6, session %s)`,
			user, m.address(), 1024+m.r.IntN(60_000), 1+m.r.IntN(6), m.letters(12, hexDigits))
	case 1:
		m.printf(`Accepted publickey for %s from %s port %d ssh2: ED25519 SHA256:%s`,
			user, m.address(), 1024+m.r.IntN(60_000), m.letters(43, alnum))
	default:
		m.printf(`pam_unix(sshd:session): session opened for user %s(uid=%d) by (uid=0) from %s tty=ssh session=%s`,
			user, m.r.IntN(2000), m.address(), m.letters(16, hexDigits))
	}
}

func (m *maker) java(secret string) {
	m.printf(`%s %s [http-nio-8080-exec-%d] com.example.%s.%sService : `,
		m.now.Format("2006-01-02 15:04:05.000"), m.pick("ERROR", "WARN ", "INFO "), 1+m.r.IntN(64),
		m.pick("billing", "orders", "catalog"), m.pick("Payment", "Order", "Customer", "Inventory"))
	if secret != "" {
		m.printf(`login refused for tenant %d, client sent %s as its credential, trace=%s`, m.r.IntN(900), secret, m.letters(16, hexDigits))
		return
	}
	m.printf(`Request to %s took %d ms; java.sql.SQLTimeoutException at com.example.db.Pool.take(Pool.java:%d) id=%s`,
		m.pick("/internal/accounts", "/internal/ledger", "/internal/rates"), m.r.IntN(30_000), 10+m.r.IntN(900), m.letters(12, hexDigits))
}

// secret makes one up: a cloud key, a token, a card number, a database URL or
// a mail address.
func (m *maker) secret() string {
	switch m.r.IntN(5) {
	case 0:
		m.stats.Keys++
		return Marks()[0] + m.letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
	case 1:
		m.stats.Keys++
		return Marks()[1] + m.letters(36, alnum)
	case 2:
		return m.card()
	case 3:
		return "postgres://app:" + m.letters(18, alnum) + "@db-" + strconv.Itoa(m.r.IntN(9)) + ":5432/shop"
	default:
		return m.letters(8, "abcdefghijklmnopqrstuvwxyz") + "." + strconv.Itoa(m.r.IntN(1000)) + "@customer-mail.net"
	}
}

// card makes a number of 16 digits with the right check digit.
func (m *maker) card() string {
	d := []byte("4" + m.letters(14, "0123456789"))
	sum := 0
	for i, c := range d {
		n := int(c - '0')
		if i%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return string(d) + strconv.Itoa((10-sum%10)%10)
}
