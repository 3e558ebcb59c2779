package data

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
)

// The prefixes stand in parts, so that the source itself holds nothing that a
// scanner of repositories takes for a token.
const (
	awsPrefix    = "AK" + "IA"
	githubPrefix = "gh" + "p_"
	gitlabPrefix = "gl" + "pat-"
	slackPrefix  = "xo" + "xb-"
	stripePrefix = "sk_" + "live_"
	gcpPrefix    = "AI" + "za"
	npmPrefix    = "np" + "m_"
	sendPrefix   = "S" + "G."
	pemBegin     = "-----BEGIN RSA " + "PRIVATE KEY-----"
	pemEnd       = "-----END RSA " + "PRIVATE KEY-----"
)

func (w *writer) awsKeyID() string { return awsPrefix + w.fromAlphabet(upper+"234567", 16) }

func (w *writer) awsSecret() string { return w.fromAlphabet(alphanum+"+/", 40) }

func (w *writer) githubToken() string { return githubPrefix + w.fromAlphabet(alphanum, 36) }

func (w *writer) gitlabToken() string { return gitlabPrefix + w.fromAlphabet(alphanum, 20) }

func (w *writer) slackToken() string {
	return slackPrefix + w.fromAlphabet("123456789", 12) + "-" + w.fromAlphabet("123456789", 12) + "-" + w.fromAlphabet(alphanum, 24)
}

func (w *writer) slackHook() string {
	return "https://hooks.slack" + ".com/services/T" + w.fromAlphabet(upper+digits, 10) + "/B" + w.fromAlphabet(upper+digits, 10) + "/" + w.fromAlphabet(alphanum, 24)
}

func (w *writer) stripeKey() string { return stripePrefix + w.fromAlphabet(alphanum, 24) }

func (w *writer) gcpKey() string { return gcpPrefix + w.fromAlphabet(alphanum+"-_", 35) }

func (w *writer) npmToken() string { return npmPrefix + w.fromAlphabet(alphanum, 36) }

func (w *writer) sendgridKey() string {
	return sendPrefix + w.fromAlphabet(alphanum, 22) + "." + w.fromAlphabet(alphanum, 43)
}

// password holds letters of both cases, digits and a sign.
func (w *writer) password() string {
	return pick(w, "Hunter", "Kimchi", "Tiger", "Winter", "Orchid", "Mango") + pick(w, "!", "#", "*") +
		w.fromAlphabet(lower, 5) + w.fromAlphabet(digits, 4)
}

// word is a password of letters and digits alone, for carriers in which a sign
// would be escaped.
func (w *writer) word() string {
	return w.fromAlphabet(upper, 1) + w.fromAlphabet(lower, 7) + w.fromAlphabet(digits, 5) + w.fromAlphabet(lower, 3)
}

func (w *writer) jwt() string {
	enc := base64.RawURLEncoding.EncodeToString
	head := enc([]byte(`{"alg":"HS256","typ":"JWT"}`))
	body := enc(fmt.Appendf(nil, `{"sub":"user-%d","iss":"auth.shop.example","iat":%d,"exp":%d}`,
		1000+w.IntN(9000), w.now().Unix(), w.now().Unix()+3600))
	mac := hmac.New(sha256.New, []byte(w.hex(32)))
	mac.Write([]byte(head + "." + body))
	return head + "." + body + "." + enc(mac.Sum(nil))
}

// pem is a key's text with its lines, of random bytes behind an RSA key's
// first ones: it cannot be parsed as a key.
func (w *writer) pem() []string {
	raw := make([]byte, 1190)
	copy(raw, []byte{0x30, 0x82, 0x04, 0xa4, 0x02, 0x01, 0x00, 0x02, 0x82, 0x01, 0x01, 0x00})
	for i := 12; i < len(raw); i++ {
		raw[i] = byte(w.IntN(256))
	}
	text := base64.StdEncoding.EncodeToString(raw)
	lines := []string{pemBegin}
	for len(text) > 64 {
		lines = append(lines, text[:64])
		text = text[64:]
	}
	return append(lines, text, pemEnd)
}

// card is a payment card number that passes Luhn: one of the networks' test
// numbers, or one made in their test range.
func (w *writer) card() string {
	if w.IntN(2) == 0 {
		return pick(w, "4111111111111111", "5555555555554444", "378282246310005", "6011111111111117",
			"3530111333300000", "4012888888881881", "5105105105105100", "4242424242424242", "371449635398431")
	}
	n := "411111" + w.fromAlphabet(digits, 9)
	return n + luhnDigit(n)
}

// grouped writes a card of 16 digits in groups of four.
func grouped(n, sep string) string {
	var parts []string
	for len(n) > 4 {
		parts = append(parts, n[:4])
		n = n[4:]
	}
	return strings.Join(append(parts, n), sep)
}

func luhnSum(n string) int {
	sum := 0
	for i := range len(n) {
		d := int(n[len(n)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum
}

func luhnDigit(n string) string { return fmt.Sprint((10 - luhnSum(n+"0")%10) % 10) }

// orderNumber has 16 digits as a card has, and fails Luhn.
func (w *writer) orderNumber() string {
	n := "2026" + w.fromAlphabet(digits, 11)
	bad := (int(luhnDigit(n)[0]-'0') + 1 + w.IntN(9)) % 10
	return n + fmt.Sprint(bad)
}

func (w *writer) email() string {
	return pick(w, "minsu.kim", "jiwoo.park", "anna.schmidt", "o.brien", "li.wei", "maria_garcia", "john.doe", "sofia.rossi") +
		fmt.Sprint(w.IntN(900)+10) + "@" + pick(w, "hanbit.example", "nordwind.example", "bluecrane.example", "river-mail.example")
}

// rrn is a Korean resident registration number with its check digit right.
func (w *writer) rrn() string {
	year, sex := 60+w.IntN(40), 1+w.IntN(2)
	n := fmt.Sprintf("%02d%02d%02d%d%05d", year, 1+w.IntN(12), 1+w.IntN(28), sex, w.IntN(100000))
	sum := 0
	for i, weight := range []int{2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5} {
		sum += int(n[i]-'0') * weight
	}
	n += fmt.Sprint((11 - sum%11) % 10)
	return n[:6] + "-" + n[6:]
}

func (w *writer) ssn() string {
	return fmt.Sprintf("%03d-%02d-%04d", 734+w.IntN(16), 10+w.IntN(80), 1000+w.IntN(9000))
}

func (w *writer) phoneKR() string {
	return fmt.Sprintf("010-%04d-%04d", 2000+w.IntN(7999), w.IntN(10000))
}

// iban is a German or Dutch account number with its check digits right.
func (w *writer) iban() string {
	country, account := "DE", "37040044"+w.fromAlphabet(digits, 10)
	if w.IntN(2) == 0 {
		country, account = "NL", "ABNA"+w.fromAlphabet(digits, 10)
	}
	var num strings.Builder
	for _, c := range account + country + "00" {
		if c >= 'A' {
			fmt.Fprint(&num, c-'A'+10)
		} else {
			num.WriteRune(c)
		}
	}
	n, _ := new(big.Int).SetString(num.String(), 10)
	check := 98 - new(big.Int).Mod(n, big.NewInt(97)).Int64()
	return fmt.Sprintf("%s%02d%s", country, check, account)
}
