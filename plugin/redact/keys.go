package redact

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
)

// Keys are the secret keys of hash, the first in the file being in use. A
// rotated file keeps old ones below, for whoever must still compare.
//
// Concurrency: immutable, safe for concurrent use.
type Keys struct {
	list []key
}

type key struct {
	name   string
	secret []byte
}

// minKey is the shortest key taken: HMAC-SHA256 wants no less than 16 bytes,
// 32 are advised.
const minKey = 16

// LoadKeys reads a key file: lines of a name and a base64 key, e.g.
// "K1 dGhpcyBpcyAzMiBieXRlcyBvZiBub3QgcmFuZG9tIQ==". Empty lines and lines
// that begin with # are skipped.
//
// Errors: a file that others than its owner can write, or the world can read,
// is refused; no error holds key material.
func LoadKeys(path string) (*Keys, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if perm := info.Mode().Perm(); perm&0o027 != 0 {
		return nil, fmt.Errorf("key file %s: permissions are %04o; nobody but its owner may write it and others must not read it (chmod 0600)", path, perm)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	return ParseKeys(path, data)
}

// ParseKeys reads the content of a key file; name is for errors.
func ParseKeys(name string, data []byte) (*Keys, error) {
	k := &Keys{}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		f := bytes.Fields(line)
		if len(f) != 2 {
			return nil, fmt.Errorf("key file %s:%d: a line is a name and a base64 key", name, n)
		}
		if !validKeyName(f[0]) {
			return nil, fmt.Errorf("key file %s:%d: a name is 1 to 16 letters and digits", name, n)
		}
		for _, old := range k.list {
			if old.name == string(f[0]) {
				return nil, fmt.Errorf("key file %s:%d: name %s is there twice", name, n, old.name)
			}
		}
		secret, err := decodeKey(f[1])
		if err != nil {
			return nil, fmt.Errorf("key file %s:%d: the key is not base64", name, n)
		}
		if len(secret) < minKey {
			return nil, fmt.Errorf("key file %s:%d: the key has %d bytes, at least %d are needed", name, n, len(secret), minKey)
		}
		k.list = append(k.list, key{string(f[0]), secret})
	}
	if len(k.list) == 0 {
		return nil, fmt.Errorf("key file %s: no key in it", name)
	}
	return k, nil
}

func validKeyName(b []byte) bool {
	for _, c := range b {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 16
}

// decodeKey takes base64 of either alphabet, padded or not.
func decodeKey(b []byte) ([]byte, error) {
	b = bytes.TrimRight(b, "=")
	enc := base64.RawStdEncoding
	if bytes.ContainsAny(b, "-_") {
		enc = base64.RawURLEncoding
	}
	return enc.AppendDecode(nil, b)
}
