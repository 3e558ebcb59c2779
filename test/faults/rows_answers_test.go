package faults

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"
)

// rowsAnswers are answers that are false, cut or monstrous.
func rowsAnswers() []row {
	return []row{
		{6, "headers, then silence", ofAnswer, lies(silence)},
		{7, "200 with cut JSON, {}, nothing, HTML", ofAnswer, lies(cutShort, says("{}"), says(""), says("<html>busy</html>"))},
		{8, "fewer items, more items, index for create", ofAnswer, lies(changed(fewer), changed(more), changed(otherOp))},
		{9, "errors:false, but an item has 400", ofAnswer, falselyFine},
		{10, "redirects to another host", ofAnswer, redirects},
		{11, "429 with Retry-After 0, 5, 86400, -1, huge, a date, rubbish", ofAnswer, retryAfter},
		{12, "429 for 30 % of the items", ofAnswer, someThrottled},
		{27, "a gzip bomb, an endless answer, endless headers", ofAnswer, lies(bomb, endless, endlessHeaders)},
	}
}

// lies is a fault in which each lie is the answer to one request; once while the server never saw the request and once
// after it has taken the documents. Then come truths.
func lies(list ...lie) func(*play) {
	return func(p *play) {
		l := p.liar()
		a := p.agent("Hosts", l.url, "Timeout", "1s", "Retry_Timeout", "300ms")
		for _, each := range list {
			for _, taken := range []bool{false, true} {
				_, before := l.count()
				l.tell(nil, func(w http.ResponseWriter, q *asked) {
					if taken {
						q.truth()
					}
					each(w, q)
				})
				a.send(p.chunks(2, 50)...)
				a.drain(2 * schedulerCap)
				if _, n := l.count(); n != before+1 {
					p.t.Errorf("%d lies were told, want 1", n-before)
				}
			}
		}
	}
}

// says answers 200 with a text.
func says(text string) lie {
	return func(w http.ResponseWriter, _ *asked) { answer(w, 200, nil, []byte(text)) }
}

// changed is the truth, changed on the way.
func changed(change func([]byte) []byte) lie {
	return func(w http.ResponseWriter, q *asked) {
		status, _, body := q.truth()
		answer(w, status, nil, change(body))
	}
}

func fewer(b []byte) []byte {
	return append(b[:bytes.LastIndex(b, []byte(`,{"`))], "]}"...)
}

func more(b []byte) []byte {
	return append(bytes.TrimSuffix(b, []byte("]}")), `,{"create":{"status":201}}]}`...)
}

func otherOp(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`"create"`), []byte(`"index"`)) }

// silence sends headers and then nothing until the client goes.
func silence(w http.ResponseWriter, q *asked) {
	w.Header().Set("Content-Length", "1000")
	w.WriteHeader(200)
	_ = http.NewResponseController(w).Flush() // the client may have gone
	<-q.Context().Done()
}

// cutShort is half of the true answer.
func cutShort(w http.ResponseWriter, q *asked) {
	_, _, body := q.truth()
	answer(w, 200, nil, body[:len(body)/2])
}

// bomb is 1 GB, packed.
func bomb(w http.ResponseWriter, _ *asked) {
	w.Header().Set("Content-Encoding", "gzip")
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is valid
	pour(z, 1<<30)
	_ = z.Close() // the client has gone
}

// endless is 1 GB of spaces.
func endless(w http.ResponseWriter, _ *asked) { pour(w, 1<<30) }

// pour writes so many spaces, until nobody reads them.
func pour(w io.Writer, n int) {
	block := bytes.Repeat([]byte(" "), 1<<20)
	for ; n > 0; n -= len(block) {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// endlessHeaders are 2 MB of headers before the true answer.
func endlessHeaders(w http.ResponseWriter, q *asked) {
	for i := range 2000 {
		w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 1000))
	}
	honest(w, q)
}

// falselyFine has the server refuse one document in ten while the answer says that there were no errors.
func falselyFine(p *play) {
	p.put(p.index, `{"mappings":{"properties":{"when":{"type":"date"}}}}`)
	l := p.liar()
	l.tell(changed(func(b []byte) []byte { return bytes.Replace(b, []byte(`"errors":true`), []byte(`"errors":false`), 1) }))
	a := p.agent("Hosts", l.url)
	a.send(p.poisoned(10, 10)...)
	a.drain(2 * schedulerCap)
	p.wantLetters(10, "mapper_parsing_exception")
}

// redirects lead to a host that must not be asked.
func redirects(p *play) {
	var visits atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	p.closers = append(p.closers, func() error { other.Close(); return nil })
	l := p.liar()
	a := p.agent("Hosts", l.url, "HTTP_User", "shipper", "HTTP_Passwd", "planted-password", "Retry_Timeout", "300ms")
	var list []lie
	for _, status := range []int{301, 302, 307, 308} {
		list = append(list, func(w http.ResponseWriter, _ *asked) {
			answer(w, status, http.Header{"Location": {other.URL + "/_bulk"}}, nil)
		})
	}
	l.tell(nil, list...)
	a.send(p.chunks(8, 50)...)
	a.drain(2 * schedulerCap)
	if visits.Load() > 0 {
		p.t.Errorf("%d redirects were followed", visits.Load())
	}
	if len(p.lines("planted-password")) > 0 {
		p.t.Error("a password is in the log")
	}
}

// retryAfter answers 429 and measures that no wait is longer than Retry_Wait_Max, which is 200 ms here.
func retryAfter(p *play) {
	l := p.liar()
	a := p.agent("Hosts", l.url, "Retry_Timeout", "2s")
	for _, wait := range []string{"0", "5", "86400", "-1", "99999999999999999999", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "soon"} {
		l.tell(nil, func(w http.ResponseWriter, _ *asked) { answer(w, 429, http.Header{"Retry-After": {wait}}, nil) })
		began := time.Now()
		a.send(p.chunks(1, 50)...)
		a.drain(2 * schedulerCap)
		if took := time.Since(began); took > time.Second {
			p.t.Errorf("Retry-After %q: %s passed until delivery", wait, took)
		}
	}
	if n := a.retries.Load(); n > 0 {
		p.t.Errorf("%d flushes ended without delivery", n)
	}
}

// someThrottled answers 429 for items drawn by their number, of documents that the server was never given.
func someThrottled(p *play) {
	l := p.liar()
	a := p.agent("Hosts", l.url, "Retry_Timeout", "3s")
	var again []int
	throttle := func(w http.ResponseWriter, q *asked) {
		lines := bytes.SplitAfter(q.plain(), []byte("\n"))
		var kept []byte
		refused := map[int]bool{}
		for i := 0; i+1 < len(lines); i += 2 {
			if refused[i/2] = (i/2)%10 < 3; !refused[i/2] {
				kept = append(append(kept, lines[i]...), lines[i+1]...)
			}
		}
		q.body = kept
		q.Header.Del("Content-Encoding")
		status, _, body := q.truth()
		items := strings.Split(strings.TrimSuffix(string(body[bytes.Index(body, []byte("[{"))+1:]), "]}"), ",{\"create\"")
		var all []string
		for i := range len(lines) / 2 {
			if refused[i] {
				all = append(all, `{"create":{"status":429,"error":{"type":"es_rejected_execution_exception"}}}`)
				continue
			}
			item := items[0]
			items = items[1:]
			if !strings.HasPrefix(item, `{"create"`) {
				item = `{"create"` + item
			}
			all = append(all, item)
		}
		answer(w, status, nil, []byte(`{"errors":true,"items":[`+strings.Join(all, ",")+`]}`))
	}
	count := func(w http.ResponseWriter, q *asked) { again = append(again, q.documents()); honest(w, q) }
	l.tell(nil, throttle, count)
	a.send(p.chunk(100, true))
	a.drain(2 * schedulerCap)
	if len(again) != 1 || again[0] != 30 {
		p.t.Errorf("%d documents were sent again, want only the 30", again)
	}
}
