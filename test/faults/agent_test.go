package faults

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seclog/seclog/plugin"
)

// Fluent Bit's scheduling, with shorter waits: scheduler.base and scheduler.cap.
const (
	schedulerBase = 100 * time.Millisecond
	schedulerCap  = 5 * time.Second
)

// chunk is what Fluent Bit gives to a flush: bytes of the same tag.
type chunk struct {
	tag   string
	bytes []byte
}

// agent plays Fluent Bit around an instance: several workers flush at once, and what is to be retried is given again with
// the same bytes and tag after a wait that grows.
type agent struct {
	in    *plugin.Instance
	room  chan struct{} // one for each chunk that waits or is in flight
	slots chan struct{} // one for each worker at work
	wg    sync.WaitGroup
	stop  context.CancelFunc
	ctx   context.Context

	flushes, retries atomic.Int64

	mu       sync.Mutex
	pending  int
	last     time.Time // of the last verdict that all is delivered
	modified int       // flushes that changed the bytes they were lent
}

// newAgent starts so many workers with a queue of so many chunks.
func newAgent(in *plugin.Instance, workers, queue int) *agent {
	a := &agent{in: in, room: make(chan struct{}, queue), slots: make(chan struct{}, workers)}
	a.ctx, a.stop = context.WithCancel(context.Background())
	return a
}

// send gives chunks to the workers; it blocks while the queue is full, as an input is paused.
func (a *agent) send(chunks ...chunk) {
	for _, c := range chunks {
		a.room <- struct{}{}
		a.mu.Lock()
		a.pending++
		a.mu.Unlock()
		a.wg.Go(func() {
			a.deliver(c)
			<-a.room
		})
	}
}

// deliver flushes a chunk until it is delivered or the agent is closed.
func (a *agent) deliver(c chunk) {
	for try := 0; a.ctx.Err() == nil; try++ {
		if a.flush(c) == plugin.OK {
			a.mu.Lock()
			a.pending, a.last = a.pending-1, time.Now()
			a.mu.Unlock()
			return
		}
		a.retries.Add(1)
		// Fluent Bit draws between base and what doubles up to cap.
		most := min(schedulerCap, schedulerBase<<min(try+1, 10))
		select {
		case <-a.ctx.Done():
		case <-time.After(schedulerBase + rand.N(most-schedulerBase+1)):
		}
	}
}

// flush lends the bytes for one flush and spoils them afterwards, as Fluent Bit frees them.
func (a *agent) flush(c chunk) plugin.Result {
	a.slots <- struct{}{}
	defer func() { <-a.slots }()
	a.flushes.Add(1)
	lent := bytes.Clone(c.bytes)
	r := a.in.Flush(a.ctx, c.tag, lent)
	if !bytes.Equal(lent, c.bytes) {
		a.mu.Lock()
		a.modified++
		a.mu.Unlock()
	}
	for i := range lent {
		lent[i] = 0xc1
	}
	return r
}

// left is how many chunks are not delivered.
func (a *agent) left() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pending
}

// drain waits until all is delivered, for so long at most, and answers how many chunks are left.
func (a *agent) drain(most time.Duration) int {
	for end := time.Now().Add(most); a.left() > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	return a.left()
}

// close ends the workers and the instance.
func (a *agent) close() error {
	a.stop()
	a.wg.Wait()
	return a.in.Close()
}
