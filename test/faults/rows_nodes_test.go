package faults

import "time"

// rowsNodes are nodes that are dead or slow. Both nodes are ways to the same real server.
func rowsNodes() []row {
	return []row{
		{28, "one dead node of two, one slow of two, all dead and back", ofWire, nodes},
	}
}

func nodes(p *play) {
	one, two := p.wire(), p.wire()
	a := p.agent("Hosts", one.url+","+two.url, "Timeout", "1s", "Retry_Timeout", "3s")
	arrive := func(what string, most time.Duration) {
		p.t.Helper()
		a.send(p.chunks(4, 50)...)
		if n := a.drain(most); n > 0 {
			p.t.Errorf("%s: %d chunks are left after %s", what, n, most)
		}
	}
	arrive("both live", 2*schedulerCap)
	one.Stop()
	arrive("the first is dead", 2*schedulerCap)
	p.must(one.Start())
	two.Stop()
	arrive("the second is dead and the first is back", 2*schedulerCap)
	p.must(two.Start())
	two.toxic("latency", "downstream", map[string]any{"latency": 3000})
	arrive("the second is slow", 2*schedulerCap)
	two.heal()
	one.Stop()
	two.Stop()
	before := a.retries.Load()
	a.send(p.chunks(4, 50)...)
	p.until("flushes are retried", func() bool { return a.retries.Load() > before })
	p.must(one.Start())
	p.must(two.Start())
	p.ended()
}
