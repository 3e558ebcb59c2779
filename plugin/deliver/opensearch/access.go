package opensearch

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Secret is a value given as it is or in a file, which is read again when it
// changes.
type Secret struct {
	Value string
	File  string // wins over Value
}

// String hides the value.
func (s Secret) String() string { return "***" }

// GoString hides the value.
func (s Secret) GoString() string { return "***" }

// Format hides the value, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

func (s Secret) set() bool { return s.Value != "" || s.File != "" }

// secretMax bounds the size of a file that holds a secret.
const secretMax = 64 << 10

// errSecretText says what a secret must not hold, and nothing of what it holds.
var errSecretText = errors.New("a user, password, key or token is one line of text without control characters")

// errNoSecret says that a file holds nothing.
var errNoSecret = errors.New("the file is empty")

// checkSecret tells whether a value can stand in a header.
func checkSecret(v string) error {
	for i := 0; i < len(v); i++ {
		if v[i] < ' ' || v[i] == 0x7f {
			return errSecretText
		}
	}
	return nil
}

// watched is a secret and what is known of its file.
//
// Concurrency: get may be called at any time.
type watched struct {
	secret Secret
	mu     sync.Mutex
	file   watchedFile
	have   bool
	value  string
}

// get gives the value at present. A file that cannot be used at the moment, since
// it is missing, empty or not a line of text, leaves the last value in use; that
// there never was one is an error.
func (w *watched) get() (string, error) {
	if w.secret.File == "" {
		return w.secret.Value, checkSecret(w.secret.Value)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.file.path, w.file.limit = w.secret.File, secretMax
	raw, err := w.file.load()
	if err == nil {
		// A file written by an editor or a secret store ends with a newline.
		v := strings.TrimRight(string(raw), "\r\n")
		if err = checkSecret(v); err == nil && v == "" {
			err = errNoSecret
		}
		if err == nil {
			w.value, w.have = v, true
		}
	}
	if !w.have {
		return "", fmt.Errorf("secret file %s: %w", w.secret.File, err)
	}
	return w.value, nil
}

// access makes the Authorization header, anew for each attempt.
type access struct {
	user, password, apiKey, bearer watched
}

// header gives the header's value, empty when there are no credentials.
func (a *access) header() (string, error) {
	switch {
	case a.bearer.secret.set():
		v, err := a.bearer.get()
		return "Bearer " + v, err
	case a.apiKey.secret.set():
		v, err := a.apiKey.get()
		return "ApiKey " + v, err
	case a.user.secret.set():
		user, err := a.user.get()
		if err != nil {
			return "", err
		}
		password, err := a.password.get()
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)), err
	}
	return "", nil
}
