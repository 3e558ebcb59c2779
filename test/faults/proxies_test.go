package faults

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// wire is a TCP proxy before the server.
type wire struct {
	p *play
	*toxiproxy.Proxy
	url string
}

// wire puts a TCP proxy before the server until the row's end.
func (p *play) wire() *wire {
	p.t.Helper()
	u, err := url.Parse(p.server.URL)
	p.must(err)
	s := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	w := &wire{p: p, Proxy: toxiproxy.NewProxy(s, p.index, "127.0.0.1:0", u.Host)}
	p.must(w.Start())
	w.url = "http://" + w.Listen
	p.closers = append(p.closers, func() error { w.Stop(); return nil })
	return w
}

// toxic makes a fault of toxiproxy's. The stream is upstream, to the server, or downstream.
func (w *wire) toxic(kind, stream string, attributes map[string]any) {
	w.p.t.Helper()
	text, err := json.Marshal(map[string]any{"name": kind, "type": kind, "stream": stream, "attributes": attributes})
	w.p.must(err)
	_, err = w.Toxics.AddToxicJson(bytes.NewReader(text))
	w.p.must(err)
}

// heal takes all faults away.
func (w *wire) heal() {
	w.Toxics.ResetToxics(w.p.ctx)
	w.p.ended()
}

// liar is an HTTP proxy before the server that lies as it is told.
type liar struct {
	p      *play
	server *httptest.Server
	url    string
	client *http.Client

	mu    sync.Mutex
	lies  []lie // of the next requests, the first of them first
	again lie   // of all others; nil: the truth
	told  int
	saw   []time.Time // when each request came
}

// lie is a false answer. It may call asked.truth for the server's own.
type lie func(w http.ResponseWriter, a *asked)

// asked is one request to a liar.
type asked struct {
	*http.Request
	body []byte // as it came
	l    *liar
}

// truth is what the server answers to the request: it has done what it was asked to.
func (a *asked) truth() (status int, header http.Header, body []byte) {
	req, err := http.NewRequestWithContext(a.l.p.ctx, a.Method, a.l.p.server.URL+a.URL.RequestURI(), bytes.NewReader(a.body))
	if err == nil {
		req.Header = a.Header.Clone()
		req.Header.Set("Accept-Encoding", "identity")
		var res *http.Response
		if res, err = a.l.client.Do(req); err == nil {
			body, err = io.ReadAll(res.Body)
			err = errors.Join(err, res.Body.Close())
			status, header = res.StatusCode, res.Header
		}
	}
	if err != nil {
		status, header, body = http.StatusBadGateway, http.Header{}, nil
	}
	return status, header, body
}

// plain is the request's body, unpacked.
func (a *asked) plain() []byte {
	if a.Header.Get("Content-Encoding") != "gzip" {
		return a.body
	}
	z, err := gzip.NewReader(bytes.NewReader(a.body))
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil
	}
	return text
}

// documents is how many documents the request holds.
func (a *asked) documents() int { return bytes.Count(a.plain(), []byte("\n")) / 2 }

// answer writes an answer.
func answer(w http.ResponseWriter, status int, header http.Header, body []byte) {
	maps.Copy(w.Header(), header)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone
}

// honest passes on what the server answers.
func honest(w http.ResponseWriter, a *asked) {
	status, header, body := a.truth()
	answer(w, status, header, body)
}

// liar puts an HTTP proxy before the server until the row's end.
func (p *play) liar() *liar { return p.forgetfulLiar(0) }

// forgetfulLiar closes connections that were idle for so long; 0 never.
func (p *play) forgetfulLiar(idle time.Duration) *liar {
	transport := &http.Transport{DisableCompression: true}
	l := &liar{p: p, client: &http.Client{Transport: transport}}
	l.server = httptest.NewUnstartedServer(http.HandlerFunc(l.serve))
	l.server.Config.IdleTimeout = idle
	l.server.Start()
	l.url = l.server.URL
	p.closers = append(p.closers, func() error {
		l.server.CloseClientConnections()
		l.server.Close()
		transport.CloseIdleConnections()
		return nil
	})
	return l
}

// tell gives the next requests a lie each, and all that follow another, nil being the truth.
func (l *liar) tell(always lie, next ...lie) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lies, l.again = next, always
}

// count is how many requests came, and how many of them got a lie.
func (l *liar) count() (requests, lies int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.saw), l.told
}

func (l *liar) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	l.mu.Lock()
	l.saw = append(l.saw, time.Now())
	answer := l.again
	if len(l.lies) > 0 && strings.HasSuffix(r.URL.Path, "_bulk") {
		answer, l.lies = l.lies[0], l.lies[1:]
	}
	if answer == nil {
		answer = honest
	} else {
		l.told++
		defer l.p.ended()
	}
	l.mu.Unlock()
	answer(w, &asked{r, body, l})
}
