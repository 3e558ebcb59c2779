package plugin

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// state is what an instance keeps in State_Path: made once, never changed.
type state struct {
	idKey [32]byte // ids are hashed under it
	node  string   // tells this node from all others
}

// openState reads the state, making what is missing. Several instances and
// processes may share the folder.
func openState(dir string, getenv func(string) string) (*state, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("State_Path: %w", err)
	}
	key, err := keep(filepath.Join(dir, "id.key"), func() []byte {
		var k [32]byte
		_, _ = rand.Read(k[:]) // never fails: it ends the process instead
		return []byte(hex.EncodeToString(k[:]) + "\n")
	})
	if err != nil {
		return nil, fmt.Errorf("State_Path: %w", err)
	}
	raw, err := hex.DecodeString(string(bytes.TrimSpace(key)))
	if err != nil || len(raw) != 32 {
		return nil, fmt.Errorf("State_Path: %s does not hold 64 hexadecimal digits; ids made with another key would repeat documents, so it is not replaced", filepath.Join(dir, "id.key"))
	}
	s := &state{idKey: [32]byte(raw)}
	s.node, err = nodeName(dir, getenv)
	return s, err
}

// nodeName is NODE_NAME, else the machine's id, else a number kept in dir. The
// host name will not do: a pod gets a new one whenever it is made anew.
func nodeName(dir string, getenv func(string) string) (string, error) {
	if n := strings.TrimSpace(getenv("NODE_NAME")); n != "" {
		return n, nil
	}
	if b, err := os.ReadFile("/etc/machine-id"); err == nil {
		if id := strings.TrimSpace(string(b)); id != "" && id != "uninitialized" {
			return id, nil
		}
	}
	b, err := keep(filepath.Join(dir, "node.id"), func() []byte { return []byte(rand.Text() + "\n") })
	if err != nil {
		return "", fmt.Errorf("State_Path: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// keep reads a small file, or makes it: written whole under another name and
// then linked, so that of several makers one wins and all read the same.
func keep(name string, content func() []byte) ([]byte, error) {
	b, err := os.ReadFile(name)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(content())
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return nil, err
	}
	if err := os.Link(tmp.Name(), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(name)
}
