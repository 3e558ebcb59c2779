package opensearch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// signer signs requests for Amazon OpenSearch Service (Signature Version 4).
//
// opensearch-go's own signer reads the machine's clock, copies each body and
// cannot be stopped while it waits for credentials, so the same signer of the
// AWS SDK is called here.
//
// Concurrency: sign may be called at any time.
type signer struct {
	region, service string
	now             func() time.Time
	keys            *keys
}

// signedBody bounds the body of a request that is not a bulk request.
const signedBody = 1 << 20

// sign adds the headers of a signature made now. Only what must be signed is, so
// that a proxy may change or add other headers; Content-Length is left out, which
// OpenSearch Serverless asks for.
func (s *signer) sign(req *http.Request, x *exchange) error {
	hash, err := hashOf(req, x)
	if err != nil {
		return err
	}
	creds, v4, err := s.keys.get(req.Context())
	if err != nil {
		return err
	}
	address := *req.URL
	h := http.Header{"X-Amz-Content-Sha256": {hash}}
	if v := req.Header.Get("Content-Type"); v != "" {
		h.Set("Content-Type", v)
	}
	signed := &http.Request{Method: req.Method, URL: &address, Host: req.Host, Header: h}
	if err := v4.SignHTTP(req.Context(), creds, signed, hash, s.service, s.region, s.now()); err != nil {
		return &keysError{cause: "the request cannot be signed"}
	}
	for k, v := range h {
		req.Header[k] = v
	}
	return nil
}

// hashOf gives the hash of a request's body. A bulk request's is made once for
// all attempts.
func hashOf(req *http.Request, x *exchange) (string, error) {
	if x.body != nil {
		if x.hash == "" {
			sum := sha256.New()
			for _, p := range x.parts {
				_, _ = sum.Write(p)
			}
			x.hash = hex.EncodeToString(sum.Sum(nil))
		}
		return x.hash, nil
	}
	var raw []byte
	if req.Body != nil {
		var err error
		if raw, err = io.ReadAll(io.LimitReader(req.Body, signedBody+1)); err != nil {
			return "", err
		}
		if len(raw) > signedBody {
			return "", fmt.Errorf("a body to be signed is longer than %d bytes", signedBody)
		}
		if err := req.Body.Close(); err != nil {
			return "", err
		}
		req.Body = io.NopCloser(bytes.NewReader(raw))
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// newSigner makes what signs, nil when nothing is to be signed.
//
// Errors: settings that cannot be used; the text holds no secret.
func newSigner(o *Options, proxy *url.URL) (*signer, error) {
	if !o.AWS.Auth {
		return nil, nil
	}
	a, err := o.AWS.checked()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectMax)
	defer cancel()
	k := newKeys(a, proxy, o.Now)
	region, err := k.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	return &signer{region: region, service: a.Service, now: o.Now, keys: k}, nil
}
