package opensearch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Bounds of what a server may answer.
const (
	answerMax  = 8 << 20  // bytes of an answer's body, unpacked
	headersMax = 64 << 10 // bytes of its headers
)

// errTooMuch says that an answer is longer than answerMax.
var errTooMuch = errors.New("the answer is too long")

// errCut says that an answer ended early.
var errCut = errors.New("the answer was cut")

// errForeign says that a request was not made by this client's Send.
var errForeign = errors.New("not a request of this client")

// foreign ends such a request.
func foreign(req *http.Request) error {
	if req.Body == nil {
		return errForeign
	}
	return errors.Join(errForeign, req.Body.Close())
}

// guard is the transport below opensearch-go. That client reads an answer
// without limit, loses the error of that, and repeats a request with an empty
// body when it meets a bare io.EOF. So the guard reads the answer itself, into
// the exchange's memory, and wraps every error.
//
// It signs requests too, since only here their address is known.
type guard struct {
	base   http.RoundTripper
	signer *signer // nil: nothing is signed
}

// exchangeKey is the context key of the exchange that a request belongs to.
type exchangeKey struct{}

// RoundTrip implements http.RoundTripper.
func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	x, _ := req.Context().Value(exchangeKey{}).(*exchange)
	if x == nil {
		return nil, foreign(req)
	}
	if g.signer != nil {
		if err := g.signer.sign(req, x); err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
	}
	x.handed = true
	res, err := g.base.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	defer res.Body.Close()
	if g.signer != nil && (res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden) {
		g.signer.keys.refused(req.Context())
	}
	limit := cmp.Or(x.limit, answerMax)
	if res.ContentLength > int64(limit) {
		return nil, errTooMuch
	}
	if x.raw, err = readAll(x.raw[:0], res.Body, limit); err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	res.Body, res.ContentLength = http.NoBody, 0
	return res, nil
}

// readAll appends all of r, but no more than limit bytes.
func readAll(dst []byte, r io.Reader, limit int) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if len(dst) > limit {
			return dst[:0], errTooMuch
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
				return dst[:0], err
			}
			return dst[:0], fmt.Errorf("%w: %w", errCut, err)
		}
	}
}
