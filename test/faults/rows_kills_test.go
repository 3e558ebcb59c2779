package faults

import (
	"math/rand/v2"
	"time"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/test/host"
)

// rowsKills are processes that are killed or stopped.
func rowsKills() []row {
	return []row{
		{1, "server killed in mid-bulk", ofServer, serverKilled},
		{2, "agent killed at moments drawn by lot, ids by position", ofAgent, func(p *play) { agentKilled(p, true, pick(3, 20), false) }},
		{2, "agent killed at moments drawn by lot, ids by chunk", ofAgent, func(p *play) { agentKilled(p, false, pick(3, 20), false) }},
		{3, "agent and server killed", ofAgent, func(p *play) { agentKilled(p, true, 1, true) }},
		{35, "server stopped for a while, then continued", ofServer, serverPaused},
	}
}

func serverKilled(p *play) {
	a := p.agent()
	for range pick(1, 5) {
		before := a.flushes.Load()
		list := p.chunks(40, pick(100, 2500))
		go a.send(list...)
		p.until("some chunks are being flushed", func() bool { return a.flushes.Load() >= before+6 })
		p.must(p.server.Kill())
		time.Sleep(time.Second)
		p.must(p.server.Restart(p.ctx))
		p.ended()
		a.drain(time.Minute)
	}
}

func serverPaused(p *play) {
	a := p.agent("Timeout", "1s")
	a.send(p.chunks(4, 100)...)
	p.must(p.server.Pause())
	a.send(p.chunks(8, 100)...)
	time.Sleep(pick(3*time.Second, time.Minute))
	p.must(p.server.Resume())
	p.ended()
}

// logWriter hands what a host prints to the row.
type logWriter struct{ p *play }

func (w logWriter) Write(b []byte) (int, error) { w.p.log(string(b)); return len(b), nil }

// host starts the shared object in a process of its own.
func (p *play) host(pairs ...string) *host.Host {
	p.t.Helper()
	so, bin := shared.PluginAndHost(p.t)
	h, err := host.Start(p.ctx, bin, host.Script{
		Plugin: so, Threads: 2, RetryEvery: schedulerBase, Stderr: logWriter{p}, Outputs: []map[string]string{p.keys(pairs...)},
	})
	p.must(err)
	p.t.Cleanup(func() { p.must(h.Kill()) })
	return h
}

// agentKilled kills the host at moments drawn by lot and gives its records to the next one. With positions, all are read
// again and cut into other chunks. Without, the chunks come back as they were kept on disk, but for the last of each life,
// which stands for what Fluent Bit had read and not yet kept: its records come in other chunks, and can be there twice.
func agentKilled(p *play, place bool, kills int, server bool) {
	const records, buffer = 4000, 100
	at := decodetest.Time(time.Now().Add(-time.Minute))
	p.sent = records
	cut := func(from, to int) chunk {
		c := new(decodetest.Chunk)
		for n := from; n < to; n++ {
			c.Record(at, body(n, place))
		}
		return chunk{"kube.app", c.Bytes()}
	}
	var kept []chunk // as on disk
	read := 0        // records in kept
	for life := 0; ; life++ {
		if place {
			kept, read = nil, 0
		}
		last := life == kills
		h := p.host()
		send := func(c chunk) { p.must(h.Chunk(c.tag, c.bytes)) }
		for _, c := range kept {
			send(c)
		}
		end := records
		if !last && !place {
			end = records * (life + 1) / (kills + 1)
		}
		for read < end {
			next := min(end, read+1+rand.IntN(2*buffer))
			c := cut(read, next)
			send(c)
			kept, read = append(kept, c), next
		}
		if last {
			_, err := h.Exit()
			p.must(err)
			break
		}
		if !place {
			send(cut(read, read+buffer)) // read, and not kept
			p.surplus += buffer
		}
		// Until some of it is there, and then at a moment drawn by lot.
		_, err := h.Drain(time.Duration(rand.IntN(400)) * time.Millisecond)
		p.must(err)
		p.must(h.Kill())
		if server {
			p.must(p.server.Kill())
			p.must(p.server.Restart(p.ctx))
		}
	}
	if p.surplus > 0 {
		p.t.Logf("%d kills; at most %d records were read and not kept", kills, p.surplus)
	}
}
