package opensearch

import (
	"errors"
	"io"
	"sync"
)

// errRevoked says that a body was read after its request had ended.
var errRevoked = errors.New("the request has ended")

// payload is the body of a request: pieces that are handed to every attempt
// without being copied.
//
// net/http may go on reading a body for a moment after the request that it
// belongs to has ended. Readers copy under the lock and stop once the payload is
// revoked, so that after revoke the pieces are the caller's alone.
type payload struct {
	mu      sync.Mutex
	parts   [][]byte
	size    int
	revoked bool
}

// revoke takes the pieces away from all readers.
func (p *payload) revoke() {
	p.mu.Lock()
	p.revoked, p.parts = true, nil
	p.mu.Unlock()
}

// reader begins at the first byte again, for one attempt.
func (p *payload) reader() *payloadReader { return &payloadReader{payload: p, left: p.size} }

// payloadReader reads a payload once.
type payloadReader struct {
	payload   *payload
	part, off int
	left      int
}

// Len is the number of bytes not yet read.
func (r *payloadReader) Len() int { return r.left }

// Read implements io.Reader.
func (r *payloadReader) Read(dst []byte) (int, error) {
	p := r.payload
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.revoked {
		return 0, errRevoked
	}
	n := 0
	for n < len(dst) && r.part < len(p.parts) {
		c := copy(dst[n:], p.parts[r.part][r.off:])
		n += c
		if r.off += c; r.off == len(p.parts[r.part]) {
			r.part, r.off = r.part+1, 0
		}
	}
	r.left -= n
	if n == 0 && len(dst) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (r *payloadReader) Close() error { return nil }
