package deliver

import (
	"sync"
	"time"
)

// restMax is the longest rest. It is shorter than the shortest wait after which
// Fluent Bit gives a chunk again.
const restMax = time.Second

// gate keeps flushes from a destination that is down or asks to wait.
//
// Concurrency: all methods may be called at the same time.
type gate struct {
	mu      sync.Mutex
	now     func() time.Time
	rest    time.Duration // after a request in vain, until another flush may find out
	down    bool          // the last request brought nothing usable
	failed  time.Time     // when it did
	probing bool          // a flush is finding out whether that still holds
	until   time.Time     // nobody sends before
}

// ready tells whether a flush may hope to send.
func (g *gate) ready() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open()
}

// open tells whether a flush may send. The host gives a worker one chunk after
// the other, and at its end waits for all that it has given: were each of them
// to find out by itself that a destination hangs, that would take minutes. So
// what comes right after one that found out is turned away.
func (g *gate) open() bool {
	if !g.down {
		return true
	}
	since := g.now().Sub(g.failed)
	return !g.probing && (since >= g.rest || since < 0)
}

// isDown tells whether the destination is down.
func (g *gate) isDown() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.down
}

// enter admits a flush. While the destination is down only one is admitted, and
// it is the probe; it must call leave.
func (g *gate) enter() (admitted, probe bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open() {
		return false, false
	}
	g.probing = g.down
	return true, g.down
}

// leave ends the probe.
func (g *gate) leave(probe bool) {
	if !probe {
		return
	}
	g.mu.Lock()
	g.probing = false
	g.mu.Unlock()
}

// usable notes whether a request brought a usable answer.
func (g *gate) usable(yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down = !yes; g.down {
		g.failed = g.now()
	}
}

// hold makes all flushes wait for the same moment. A moment that is already
// later stays.
func (g *gate) hold(d time.Duration) {
	t := g.now().Add(d)
	g.mu.Lock()
	if t.After(g.until) {
		g.until = t
	}
	g.mu.Unlock()
}

// wait is how long the common moment is away, zero or less when it has passed.
func (g *gate) wait() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.until.Sub(g.now())
}
