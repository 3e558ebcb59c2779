package faults

import (
	"time"
)

// rowsWire are faults of what carries the bytes.
func rowsWire() []row {
	return []row{
		{4, "half-closed sockets, resets after the request and in mid-answer", ofWire, broken},
		{5, "the answer never comes, or a byte at a time", ofWire, slow},
		{26, "idle connections that the server closes", ofWire, keepAlive},
	}
}

// under sends chunks under a fault of toxiproxy's, until something was given again, and takes the fault away.
func (p *play) under(w *wire, a *agent, kind, stream string, attributes map[string]any) {
	p.t.Helper()
	before := a.retries.Load()
	w.toxic(kind, stream, attributes)
	a.send(p.chunks(4, 50)...)
	p.until(kind+" makes a flush be retried", func() bool { return a.retries.Load() > before })
	w.heal()
	if n := a.drain(2 * schedulerCap); n > 0 {
		p.t.Errorf("%s: %d chunks are left", kind, n)
	}
}

func broken(p *play) {
	w := p.wire()
	a := p.agent("Hosts", w.url, "Timeout", "1s", "Retry_Timeout", "300ms")
	a.send(p.chunks(2, 50)...)
	a.drain(schedulerCap)
	p.under(w, a, "reset_peer", "downstream", map[string]any{"timeout": 0})
	p.under(w, a, "reset_peer", "upstream", map[string]any{"timeout": 0})
	p.under(w, a, "limit_data", "downstream", map[string]any{"bytes": 200})
	p.under(w, a, "limit_data", "upstream", map[string]any{"bytes": 2000})
}

func slow(p *play) {
	w := p.wire()
	a := p.agent("Hosts", w.url, "Timeout", "1s", "Retry_Timeout", "300ms")
	p.under(w, a, "timeout", "downstream", map[string]any{"timeout": 0})
	p.under(w, a, "slicer", "downstream", map[string]any{"average_size": 1, "size_variation": 0, "delay": 1_000_000})
	p.under(w, a, "slicer", "upstream", map[string]any{"average_size": 1, "size_variation": 0, "delay": 1_000_000})
}

// keepAlive sends now and then through a server that closes idle connections after 50 ms: no flush fails.
func keepAlive(p *play) {
	a := p.agent("Hosts", p.forgetfulLiar(50*time.Millisecond).url)
	for range pick(20, 400) {
		a.send(p.chunk(5, true))
		a.drain(schedulerCap)
		time.Sleep(50 * time.Millisecond) // the very moment
	}
	p.ended()
	if n := a.retries.Load(); n > 0 {
		p.t.Errorf("%d flushes failed", n)
	}
}
