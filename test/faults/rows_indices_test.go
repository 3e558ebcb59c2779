package faults

import (
	"net/http"
	"time"
)

// rowsIndices are indices and clusters that take nothing until somebody acts.
func rowsIndices() []row {
	return []row{
		{14, "flood-stage block, write block, read-only cluster", ofServer, blocks},
		{15, "shard limit", ofServer, shardLimit},
		{17, "missing pipeline, closed index, auto-create off", ofServer, missing},
		{37, "data stream rolled over between send and retry", ofServer, rollover},
	}
}

// cluster sets a setting of the cluster, as JSON, until the row's end.
func (p *play) cluster(key, value string) {
	p.t.Helper()
	p.do("PUT", "/_cluster/settings", `{"transient":{"`+key+`":`+value+`}}`)
	p.t.Cleanup(func() { p.do("PUT", "/_cluster/settings", `{"transient":{"`+key+`":null}}`) })
}

// held sends chunks to an index that takes nothing, sees that they wait for a while, that they are told of in one line and
// that no dead letter is written, and then has somebody act.
func (p *play) held(a *agent, index, told string, while time.Duration, act func()) {
	p.t.Helper()
	before := a.retries.Load()
	list := p.chunks(2, 50, "ns", index)
	a.send(list...)
	time.Sleep(while)
	p.until("flushes are retried", func() bool { return a.retries.Load() >= before+4 })
	if a.left() != len(list) || len(p.letters()) > 0 {
		p.t.Errorf("%s: %d chunks wait, want %d; %d dead letters", told, a.left(), len(list), len(p.letters()))
	}
	if n := len(p.lines(told)); n != 1 {
		p.t.Errorf("%d lines hold %q, want 1", n, told)
	}
	act()
	p.ended()
	if n := a.drain(2 * schedulerCap); n > 0 {
		p.t.Errorf("%s: %d chunks are left", told, n)
	}
}

func blocks(p *play) {
	while := pick(500*time.Millisecond, 10*time.Second)
	for _, ns := range []string{"flood", "write", "cluster", "free"} {
		p.put(p.index+"-"+ns, `{}`)
	}
	a := p.agent("Index", p.index+"-$ns")
	for ns, block := range map[string]string{"flood": "index.blocks.read_only_allow_delete", "write": "index.blocks.write"} {
		set := func(v string) { p.do("PUT", "/"+p.index+"-"+ns+"/_settings", `{"`+block+`":`+v+`}`) }
		set("true")
		p.held(a, ns, p.index+"-"+ns, while, func() {
			// Meanwhile the documents of another index flow.
			before := p.count(p.index + "-free")
			a.send(p.chunk(50, true, "ns", "free"))
			p.until("the other index's documents are there", func() bool { return p.count(p.index+"-free") == before+50 })
			set("null")
		})
	}
	p.cluster("cluster.blocks.read_only", "true")
	p.held(a, "cluster", "destination: cluster_block_exception", while, func() {
		p.do("PUT", "/_cluster/settings", `{"transient":{"cluster.blocks.read_only":null}}`)
	})
}

func shardLimit(p *play) {
	p.cluster("cluster.max_shards_per_node", "1")
	p.held(p.agent(), "", "index "+p.index, 0, func() { p.do("PUT", "/_cluster/settings", `{"transient":{"cluster.max_shards_per_node":null}}`) })
}

func missing(p *play) {
	a := p.agent("Index", p.index+"-$ns")
	p.put(p.index+"-pipeline", `{"settings":{"index.default_pipeline":"row-17-nowhere"}}`)
	p.held(a, "pipeline", p.index+"-pipeline", 0, func() {
		p.do("PUT", "/"+p.index+"-pipeline/_settings", `{"index.default_pipeline":null}`)
	})
	p.put(p.index+"-closed", `{}`)
	p.do("POST", "/"+p.index+"-closed/_close", nil)
	p.held(a, "closed", p.index+"-closed", 0, func() { p.do("POST", "/"+p.index+"-closed/_open?wait_for_active_shards=1", nil) })
	p.cluster("action.auto_create_index", `"-`+p.index+`-absent*,+*"`)
	p.held(a, "absent", p.index+"-absent", 0, func() { p.put(p.index+"-absent", `{}`) })
}

// rollover has the answers be lost, so that documents are in the stream and are sent again, and rolls the stream over
// before that. The write index is another one then and knows none of the ids: how many are there twice is said.
func rollover(p *play) {
	stream := p.index + "-stream"
	p.do("PUT", "/_index_template/"+p.index, `{"index_patterns":["`+p.index+`*"],"data_stream":{},"priority":500}`)
	p.do("PUT", "/_data_stream/"+stream, nil)
	l := p.liar()
	a := p.agent("Hosts", l.url, "Index", stream, "Data_Stream", "On", "Retry_Timeout", "0s")
	l.tell(func(w http.ResponseWriter, q *asked) { q.truth(); panic(http.ErrAbortHandler) })
	a.send(p.chunk(100, false))
	p.until("an answer was lost", func() bool { _, lies := l.count(); return lies > 0 })
	p.do("POST", "/"+stream+"/_rollover", nil)
	l.tell(nil)
	a.send(p.chunk(100, false))
	a.drain(2 * schedulerCap)
	p.surplus = 100 // what was in flight while the stream was rolled over
	if n := p.count(stream); n < 200 {
		p.t.Errorf("%d documents, want 200 or more", n)
	} else {
		p.t.Logf("of 100 documents in flight %d are there twice", n-200)
	}
}
