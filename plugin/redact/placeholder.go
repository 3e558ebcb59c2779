package redact

import "bytes"

// stopValues are values that are no secret, whatever they are called.
var stopValues = [...]string{
	"null", "nil", "none", "true", "false", "undefined", "redacted", "hidden", "masked", "filtered", "removed", "omitted", "encrypted",
	"(null)", "n/a", "na", "yes", "no", "on", "off", "required", "optional", "string", "str", "bearer", "basic", "empty", "unset",
	"not_set", "(none)", "(empty)", "*****", "enabled", "disabled", "sensitive", "(sensitive)", "bool", "int", "bytes", "secret", "password", "-",
}

// stopPrefixes begin values that only say where a secret comes from.
var stopPrefixes = [...]string{
	"${", "$(", "{{", "%(", "%{", "<%", "#{", "@@", "[redacted", "[filtered", "[masked", "[hidden", "[removed", "[secret", "(redacted",
	"process.env", "os.environ", "os.getenv", "system.getenv", "getenv(", "env.", "env[", "vault:", "ref+", "op://", "arn:", "enc[",
	"secretkeyref", "@microsoft.keyvault", "config.", "settings.", "self.", "this.", "request.", "var.", "local.", "data.", "module.",
}

// placeholder says that v stands for a secret and is none: empty, null, a
// variable, a mark that it was taken out before.
func placeholder(v []byte) bool {
	v = bytes.TrimSpace(v)
	if len(v) == 0 {
		return true
	}
	if len(v) > 256 {
		return false
	}
	for i := range stopValues {
		if s := stopValues[i]; len(s) == len(v) && hasFold(v, s) {
			return true
		}
	}
	for i := range stopPrefixes {
		if hasFold(v, stopPrefixes[i]) {
			return true
		}
	}
	last := v[len(v)-1]
	switch {
	case v[0] == '<' && last == '>', v[0] == '[' && last == ']' && len(v) < 32 && bytes.IndexByte(v, ':') > 0:
		return true
	case v[0] == '%' && len(v) == 2: // %s, %v
		return true
	case v[0] == '%' && last == '%' && len(v) > 2 && isName(v[1:len(v)-1]): // %PASSWORD%
		return true
	case v[0] == '$' && len(v) > 1 && isName(v[1:]): // $PASSWORD
		return true
	case last == '(' || last == ')' && len(v) > 2 && bytes.IndexByte(v, '(') > 0 && isName(v[:bytes.IndexByte(v, '(')]): // getPassword()
		return true
	}
	stars := 0
	same := true
	for _, c := range v {
		if c == '*' {
			stars++
		}
		same = same && c == v[0]
	}
	if same && (v[0] == '*' || v[0]|0x20 == 'x' || v[0] == '.' || v[0] == '-' || v[0] == '#' || v[0] == '_') {
		return true
	}
	return stars >= 3 && 2*stars >= len(v) || bytes.HasPrefix(v, []byte("\xe2\x80\xa2")) // •••
}

// isName says whether v is the name of a variable or function: in capitals
// after $, so that a password that begins with $ is none.
func isName(v []byte) bool {
	for i, c := range v {
		if !isUpper(c) && c != '_' && c != '.' && (!isDigit(c) || i == 0) && !isLower(c) {
			return false
		}
	}
	return len(v) > 1
}

// proseWords follow "password:" or "token:" in messages about them.
var proseWords = [...]string{
	"a", "an", "the", "is", "was", "are", "be", "has", "had", "have", "too", "must", "may", "can", "cannot", "can't", "should", "will", "not", "no",
	"invalid", "expired", "missing", "required", "failed", "failure", "incorrect", "wrong", "unknown", "mismatch", "unable", "unexpected", "empty",
	"signature", "for", "from", "and", "or", "in", "of", "to", "with", "at", "by", "does", "did", "could", "error", "ok", "valid", "success",
	"successful", "accepted", "rejected", "denied", "revoked", "changed", "reset", "updated", "created", "deleted", "found", "context", "crypto",
	"malformed", "length", "contains", "illegal", "field", "value", "this", "that", "your", "you", "user", "please", "unauthorized", "forbidden",
	"authentication", "access", "permission", "got", "expected", "rotated", "issued", "verified", "verification", "validation", "cache", "cached",
	"refresh", "refreshed", "provided", "present", "absent", "available", "unavailable", "if", "it", "its", "minimum", "maximum", "default",
}

// proseValue says whether an unquoted value is a word of a sentence.
func proseValue(v []byte) bool {
	if len(v) > 16 {
		return false
	}
	for i := range proseWords {
		if s := proseWords[i]; len(s) == len(v) && string(v) == s {
			return true
		}
	}
	return false
}
