package faults

import (
	"net/http"
	"strings"

	"github.com/seclog/seclog/test/servers"
)

// rowsSizes are requests and documents that are too large.
func rowsSizes() []row {
	return []row{
		{13, "413 above 50 kB, and for a single document", ofAnswer, tooLarge},
		{13, "413 above the server's own http.max_content_length", ofServer, maxContentLength},
	}
}

// tooLarge has a proxy refuse requests above 50 kB: they are halved, and what is too large alone is a dead letter.
func tooLarge(p *play) {
	l := p.liar()
	l.tell(func(w http.ResponseWriter, q *asked) {
		if len(q.plain()) > 50_000 {
			answer(w, http.StatusRequestEntityTooLarge, nil, []byte("<html>too large</html>"))
			return
		}
		honest(w, q)
	})
	a := p.agent("Hosts", l.url, "Compress", "off")
	a.send(p.chunks(3, 200, "pad", strings.Repeat("x", 900))...)
	a.send(p.chunk(1, true, "pad", strings.Repeat("y", 60_000)))
	a.drain(2 * schedulerCap)
	if n := len(p.letters()); n != 1 {
		p.t.Errorf("%d dead letters, want that of the document of 60 kB", n)
	}
}

// maxContentLength does the same with a server that refuses by itself.
func maxContentLength(p *play) {
	if !long() {
		p.t.Skip("needs a server of its own: SECLOG_FAULTS=long")
	}
	p.server = servers.ForTest(p.t, servers.Options{Settings: map[string]string{"http.max_content_length": "200kb"}})
	a := p.agent("Compress", "off")
	a.send(p.chunks(3, 600, "pad", strings.Repeat("x", 900))...)
	a.send(p.chunk(1, true, "pad", strings.Repeat("y", 300_000)))
	a.drain(2 * schedulerCap)
	p.ended()
	if n := len(p.letters()); n != 1 {
		p.t.Errorf("%d dead letters, want that of the document of 300 kB", n)
	}
}
