package redact

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// check is one validator: valid gives how many bytes of v, from its start, are
// what the rule means, and -1 if it is something else.
type check struct {
	valid  func(v []byte) int
	before func(text []byte, start int) bool // false refuses for what stands around
	digits bool                              // needs nothing but the digits
}

// newCheck reads a validator's name.
func newCheck(name string) (check, error) {
	if rest, ok := strings.CutPrefix(name, "entropy>="); ok {
		x, err := strconv.ParseFloat(rest, 64)
		if err != nil || x < 0 || x > 8 {
			return check{}, fmt.Errorf("validate: %q: entropy is a number from 0 to 8", name)
		}
		return check{valid: whole(func(v []byte) bool { return entropy(v) >= x })}, nil
	}
	switch name {
	case "luhn":
		return check{valid: whole(luhn), digits: true}, nil
	case "card":
		return check{valid: whole(card), digits: true}, nil
	case "rrn":
		return check{valid: whole(rrn), digits: true}, nil
	case "brn":
		return check{valid: whole(brn), digits: true}, nil
	case "ssn":
		return check{valid: whole(ssn), digits: true}, nil
	case "iban":
		return check{valid: iban}, nil
	case "jwt":
		return check{valid: whole(jwt)}, nil
	case "email":
		return check{valid: whole(email), before: notUserinfo}, nil
	case "mixed":
		return check{valid: whole(mixed)}, nil
	case "secret":
		return check{valid: whole(func(v []byte) bool { return !placeholder(v) })}, nil
	}
	return check{}, fmt.Errorf("validate: unknown %q; allowed are luhn, card, iban, rrn, brn, ssn, jwt, email, mixed, secret, entropy>=x", name)
}

func whole(f func([]byte) bool) func([]byte) int {
	return func(v []byte) int {
		if f(v) {
			return len(v)
		}
		return -1
	}
}

// digitsIn copies the digits of v; n is -1 if there are more than fit.
func digitsIn(v []byte, buf *[24]byte) (n int) {
	for _, c := range v {
		if !isDigit(c) {
			continue
		}
		if n == len(buf) {
			return -1
		}
		buf[n] = c - '0'
		n++
	}
	return n
}

// luhn is the check digit of ISO/IEC 7812-1.
func luhn(v []byte) bool {
	sum, double, n := 0, false, 0
	for i := len(v) - 1; i >= 0; i-- {
		if !isDigit(v[i]) {
			continue
		}
		d := int(v[i] - '0')
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		double = !double
		n++
	}
	return n > 1 && sum%10 == 0
}

// card is luhn and a number that an issuer gives out: its first digits, and
// their length. Groups are parted by one kind of separator and have three
// digits or more, but for the last.
func card(v []byte) bool {
	var d [24]byte
	n := digitsIn(v, &d)
	if n < 13 || n > 19 {
		return false
	}
	var sep byte
	group := 0
	for _, c := range v {
		if isDigit(c) {
			group++
			continue
		}
		if sep == 0 {
			sep = c
		}
		if c != sep || group < 3 {
			return false
		}
		group = 0
	}
	p2 := int(d[0])*10 + int(d[1])
	p3 := p2*10 + int(d[2])
	p4 := p3*10 + int(d[3])
	ok := false
	switch {
	case d[0] == 4: // Visa
		ok = n == 13 || n == 16 || n == 19
	case p2 >= 51 && p2 <= 55, p4 >= 2221 && p4 <= 2720: // Mastercard
		ok = n == 16
	case p2 == 34, p2 == 37: // American Express
		ok = n == 15
	case p3 >= 300 && p3 <= 305, p2 == 36, p2 == 38, p2 == 39: // Diners Club
		ok = n == 14 || n == 16
	case p4 >= 3528 && p4 <= 3589: // JCB
		ok = n == 16
	case p4 == 6011, p2 == 65, p3 >= 644 && p3 <= 649: // Discover
		ok = n == 16 || n == 19
	case p2 == 62: // UnionPay
		ok = n >= 16
	case p2 == 50, p2 >= 56 && p2 <= 59, p2 == 60, p2 == 63, p2 == 67, p2 == 68: // Maestro and local schemes
		ok = n >= 16
	case p2 == 94: // local cards in Korea
		ok = n == 16
	}
	if !ok {
		return false
	}
	same := true
	for _, x := range d[1:n] {
		same = same && x == d[0]
	}
	return !same && luhn(v)
}

// rrn is a Korean resident or foreigner number: six digits of a birth date
// and a digit for sex and century. Numbers given out since October 2020 have
// no check digit, so the date decides.
func rrn(v []byte) bool {
	var d [24]byte
	if digitsIn(v, &d) != 13 {
		return false
	}
	year, month, day := int(d[0])*10+int(d[1]), int(d[2])*10+int(d[3]), int(d[4])*10+int(d[5])
	switch d[6] {
	case 1, 2, 5, 6:
		year += 1900
	case 3, 4, 7, 8:
		year += 2000
	case 9, 0:
		year += 1800
	}
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	if month == 2 && (day > 29 || day == 29 && year%4 != 0) {
		return false
	}
	if (month == 4 || month == 6 || month == 9 || month == 11) && day > 30 {
		return false
	}
	return year < 2100 && year >= 1890
}

// brn is a Korean business registration number with its check digit.
func brn(v []byte) bool {
	var d [24]byte
	if digitsIn(v, &d) != 10 {
		return false
	}
	sum := 0
	for i, w := range [9]int{1, 3, 7, 1, 3, 7, 1, 3, 5} {
		sum += int(d[i]) * w
	}
	sum += int(d[8]) * 5 / 10
	return d[0]+d[1]+d[2] != 0 && (10-sum%10)%10 == int(d[9])
}

// ssn refuses numbers that the administration never gives out.
func ssn(v []byte) bool {
	var d [24]byte
	if digitsIn(v, &d) != 9 {
		return false
	}
	area := int(d[0])*100 + int(d[1])*10 + int(d[2])
	return area != 0 && area != 666 && area < 900 && d[3]+d[4] != 0 && d[5]+d[6]+d[7]+d[8] != 0
}

// ibanLen has the length of account numbers by country. Source: SWIFT, IBAN
// registry.
const ibanLen = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28" +
	"HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29" +
	"RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30"

// iban finds the account number at the start of v by its country's length and
// proves it (ISO 7064, modulo 97). Blanks between groups are skipped.
func iban(v []byte) int {
	if len(v) < 15 {
		return -1
	}
	want := 0
	for i := 0; i < len(ibanLen); i += 4 {
		if ibanLen[i] == v[0] && ibanLen[i+1] == v[1] {
			want = int(ibanLen[i+2]-'0')*10 + int(ibanLen[i+3]-'0')
			break
		}
	}
	if want == 0 {
		return -1
	}
	// The first four characters count last.
	rem, n := 0, 0
	var head [4]byte
	for i, c := range v {
		switch {
		case isDigit(c), isUpper(c):
		case (c == ' ' || c == '-') && i > 0 && v[i-1] != c:
			continue
		default:
			return -1
		}
		if n < 4 {
			head[n] = c
		} else {
			rem = mod97(rem, c)
		}
		if n++; n == want {
			for _, h := range head {
				rem = mod97(rem, h)
			}
			if rem != 1 || i+1 < len(v) && isAlnum(v[i+1]) {
				return -1
			}
			return i + 1
		}
	}
	return -1
}

func mod97(rem int, c byte) int {
	if isDigit(c) {
		return (rem*10 + int(c-'0')) % 97
	}
	return (rem*100 + int(c-'A') + 10) % 97
}

// jwt says whether v's first part is the header of a token.
func jwt(v []byte) bool {
	head, _, ok := bytes.Cut(v, []byte("."))
	if !ok {
		return false
	}
	// The header is short, but for certificate chains; its start is enough to
	// know it.
	if len(head) > 1024 {
		head = head[:1024] // a multiple of four: whole bytes
	}
	var buf [1024]byte
	n, err := base64.RawURLEncoding.Decode(buf[:], bytes.TrimRight(head, "="))
	if err != nil && n < 12 {
		return false
	}
	out := bytes.TrimSpace(buf[:n])
	return len(out) > 2 && out[0] == '{' && bytes.IndexByte(out, '"') > 0
}

// entropy is Shannon's, in bits a character.
func entropy(v []byte) float64 {
	if len(v) == 0 {
		return 0
	}
	var count [256]int32
	for _, c := range v {
		count[c]++
	}
	sum, n := 0.0, float64(len(v))
	for _, c := range count {
		if c > 0 {
			p := float64(c) / n
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// mixed says that v has letters and digits, as made secrets have and words
// have not.
func mixed(v []byte) bool {
	letters, digits := false, false
	for _, c := range v {
		letters = letters || isUpper(c) || isLower(c)
		digits = digits || isDigit(c)
	}
	return letters && digits
}

// notHosts are endings that stand behind '@' in other things than addresses:
// units of systemd and files.
var notHosts = [...]string{"service", "socket", "timer", "mount", "slice", "scope", "target", "path", "device", "swap", "automount",
	"png", "jpg", "jpeg", "gif", "svg", "webp", "js", "css", "html", "json", "yaml", "yml", "go", "py", "java", "kt", "so", "jar", "tgz", "zip", "gz", "conf", "log"}

// email refuses what has the form of an address and is none.
func email(v []byte) bool {
	i := bytes.LastIndexByte(v, '@')
	if i < 0 { // written with %40
		return true
	}
	local, host := v[:i], v[i+1:]
	if len(local) == 0 || len(local) > 64 || local[0] == '.' || local[len(local)-1] == '.' {
		return false
	}
	last := host[bytes.LastIndexByte(host, '.')+1:]
	for _, no := range notHosts {
		if len(no) == len(last) && strings.EqualFold(no, string(last)) {
			return false
		}
	}
	return true
}

// notUserinfo refuses an address whose local part is the password in a URL:
// another rule cuts it, and leaves the host.
func notUserinfo(text []byte, start int) bool {
	if start == 0 || text[start-1] != ':' {
		return true
	}
	for i := start - 2; i >= 2 && i >= start-256; i-- {
		switch c := text[i]; {
		case c == '/':
			return text[i-1] != '/' || text[i-2] != ':'
		case c <= ' ', c == '"', c == '\'', c == ',', c == ';', c == '=', c == '&', c == '?':
			return true
		}
	}
	return true
}
