package faults

import (
	"time"

	"github.com/seclog/seclog/test/host"
)

// rowsIsland are faults of names and of the wire's packets, before a host in a network of its own.
func rowsIsland() []row {
	return []row{
		{21, "a name that does not exist, then does, then has another address", ofWire, nameChanges},
		{36, "30 % of packets lost, each way", ofWire, func(p *play) { lossy(p, "loss", sea{Loss: 0.3}, false) }},
		{36, "2 s of delay there and back", ofWire, func(p *play) { lossy(p, "delay", sea{DelayMS: 1000}, false) }},
		{36, "packets above 600 bytes vanish and nobody is told", ofWire, func(p *play) { lossy(p, "mtu", sea{Swallow: 600}, true) }},
	}
}

// give hands chunks to a host.
func (c *course) give(h *host.Host, chunks []chunk) {
	c.t.Helper()
	for _, k := range chunks {
		if err := h.Chunk(k.tag, k.bytes); err != nil {
			c.t.Fatal(err)
		}
	}
}

// held fails unless a host has delivered nothing while it tried.
func (c *course) held(h *host.Host, chunks int, while time.Duration) {
	c.t.Helper()
	e, err := h.Drain(while)
	if err != nil {
		c.t.Fatal(err)
	}
	if e.Pending != chunks || e.Retry == 0 {
		c.t.Errorf("under the fault: %+v, want %d chunks pending after retries", e, chunks)
	}
}

// nameChanges has the host look for its server by a name.
func nameChanges(p *play) {
	c := newCourse(p.t, "fault-21-name")
	is := newIsland(c.t, c.server.URL, sea{}, func(so string) host.Script {
		return host.Script{Plugin: so, Threads: 2, RetryEvery: 200 * time.Millisecond, Outputs: []map[string]string{c.section("http://search.test:9200", nil)}}
	})
	const name, first, other = "search.test", firstHome + ":9200", otherHome + ":9200"
	c.give(is.Host, c.chunks(4, 50))
	c.held(is.Host, 4, 3*time.Second)
	began := time.Now()
	l := is.set(c.t, sea{Names: map[string]string{name: firstHome}})
	if l.Unknown == 0 {
		c.t.Errorf("nobody asked for the name: %+v", l)
	}
	drained(c.t, is.Host, 2*schedulerCap)
	took := time.Since(began)
	l = is.set(c.t, sea{Names: map[string]string{name: otherHome}, Closed: first})
	if l.Taken[first] == 0 || l.Taken[other] > 0 {
		c.t.Errorf("before the change: %+v", l)
	}
	c.give(is.Host, c.chunks(4, 50))
	drained(c.t, is.Host, 2*schedulerCap)
	l = is.set(c.t, sea{})
	if l.Taken[other] == 0 {
		c.t.Errorf("the new address was not used: %+v", l)
	}
	if _, err := is.Exit(); err != nil {
		c.t.Fatal(err)
	}
	c.exact(0, l.Queries, "queries, of them", l.Unknown, "for a name that did not exist; recovered", took.Round(time.Millisecond), "after it did")
}

// lossy sends chunks over a wire with one fault. Where the fault lets nothing through it is taken away after a while.
func lossy(p *play, name string, s sea, nothing bool) {
	c := newCourse(p.t, "fault-36-"+name)
	is := newIsland(c.t, c.server.URL, s, func(so string) host.Script {
		return host.Script{Plugin: so, Threads: 2, RetryEvery: 500 * time.Millisecond, Outputs: []map[string]string{c.section(overWire, map[string]string{"Timeout": "8s"})}}
	})
	began := time.Now()
	chunks := pick(3, 60)
	c.give(is.Host, c.chunks(chunks, 50))
	if nothing {
		c.held(is.Host, chunks, 12*time.Second)
		is.set(c.t, sea{})
		began = time.Now()
	}
	e := drained(c.t, is.Host, pick(2*time.Minute, 10*time.Minute))
	took := time.Since(began)
	l := is.set(c.t, sea{})
	if s.Loss > 0 && l.Lost == 0 || s.Swallow > 0 && l.Swallowed == 0 {
		c.t.Errorf("the wire lost nothing: %+v", l)
	}
	if _, err := is.Exit(); err != nil {
		c.t.Fatal(err)
	}
	c.exact(0, l.Packets, "packets,", l.Lost, "lost,", l.Swallowed, "swallowed;", e.Retry, "flushes again; delivered after", took.Round(time.Millisecond))
}
