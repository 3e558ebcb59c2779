package config

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// parseBool reads Fluent Bit's words for yes and no.
func parseBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "on", "true", "yes", "1":
		return true, nil
	case "off", "false", "no", "0":
		return false, nil
	}
	return false, errors.New("allowed: On, Off")
}

// parseSize reads a size as Fluent Bit does: K, M and G are powers of 1000, a
// B after them is allowed.
func parseSize(v string) (int64, error) {
	digits := strings.TrimSuffix(strings.ToUpper(v), "B")
	unit := int64(1)
	if n := len(digits); n > 0 {
		switch digits[n-1] {
		case 'K':
			unit = 1_000
		case 'M':
			unit = 1_000_000
		case 'G':
			unit = 1_000_000_000
		}
		if unit > 1 {
			digits = digits[:n-1]
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, errors.New("allowed: a size such as 512k, 5M or 1G")
	}
	return n * unit, nil
}

func sizeBetween(v string, least, most int64) (int64, error) {
	n, err := parseSize(v)
	if err == nil && (n < least || n > most) {
		err = fmt.Errorf("allowed: %s to %s", sizeText(least), sizeText(most))
	}
	return n, err
}

func sizeText(n int64) string {
	switch {
	case n >= 1e9 && n%1e9 == 0:
		return strconv.FormatInt(n/1e9, 10) + "G"
	case n >= 1e6 && n%1e6 == 0:
		return strconv.FormatInt(n/1e6, 10) + "M"
	case n >= 1e3 && n%1e3 == 0:
		return strconv.FormatInt(n/1e3, 10) + "k"
	}
	return strconv.FormatInt(n, 10)
}

// parseDuration reads Go's durations, whole days such as 30d, and a bare number
// as seconds, as Fluent Bit has it.
func parseDuration(v string) (time.Duration, error) {
	wrong := errors.New("allowed: a duration such as 200ms, 30s, 15m, 12h or 30d; a bare number is seconds")
	unit := time.Duration(0)
	digits := v
	if d, ok := strings.CutSuffix(v, "d"); ok {
		unit, digits = 24*time.Hour, d
	} else if n := len(v); n > 0 && v[n-1] >= '0' && v[n-1] <= '9' {
		unit = time.Second
	}
	if unit == 0 {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return 0, wrong
		}
		return d, nil
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(unit) {
		return 0, wrong
	}
	return time.Duration(n) * unit, nil
}

func durationBetween(v string, least, most time.Duration) (time.Duration, error) {
	d, err := parseDuration(v)
	if err == nil && (d < least || d > most) {
		err = fmt.Errorf("allowed: %s to %s", least, most)
	}
	return d, err
}

// parseList reads a comma-separated list; empty places are dropped.
func parseList(v string) []string {
	var list []string
	for _, item := range strings.Split(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// oneOf gives the allowed word that v is, whatever its case.
func oneOf(v string, allowed ...string) (string, error) {
	for _, a := range allowed {
		if strings.EqualFold(v, a) {
			return a, nil
		}
	}
	return "", errors.New("allowed: " + strings.Join(allowed, ", "))
}

// readable says why a file cannot be read, so that a wrong path stops the start
// and not the first flush.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return fmt.Errorf("allowed: a file that can be read (%w)", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return errors.New("allowed: a file that can be read (this is a folder)")
	}
	return nil
}

// parseHosts reads the URLs of the destination. Its errors never quote a URL,
// since one may hold a password.
func parseHosts(v string) ([]*url.URL, error) {
	if strings.Contains(v, "@") {
		return nil, errors.New("allowed: URLs without user and password; write these as HTTP_User and HTTP_Passwd or HTTP_Passwd_File")
	}
	var hosts []*url.URL
	for _, item := range parseList(v) {
		u, err := url.Parse(item)
		switch {
		case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Opaque != "":
			return nil, errors.New("allowed: URLs separated by commas, such as https://opensearch-0:9200,https://opensearch-1:9200")
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
			return nil, errors.New("allowed: URLs without ? and #")
		}
		if p := u.Port(); p != "" {
			if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
				return nil, errors.New("allowed: ports from 1 to 65535")
			}
		}
		hosts = append(hosts, u)
	}
	if len(hosts) == 0 {
		return nil, errors.New("allowed: URLs separated by commas, such as https://opensearch:9200")
	}
	return hosts, nil
}
