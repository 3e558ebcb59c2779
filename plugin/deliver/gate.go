package deliver

import (
	"sync"
	"time"
)

// gate keeps flushes from a destination that is down or asks to wait.
//
// Concurrency: all methods may be called at the same time.
type gate struct {
	mu      sync.Mutex
	now     func() time.Time
	down    bool      // the last request brought nothing usable
	probing bool      // a flush is finding out whether that still holds
	until   time.Time // nobody sends before
}

// ready tells whether a flush may hope to send.
func (g *gate) ready() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.down || !g.probing
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
	if !g.down {
		return true, false
	}
	if g.probing {
		return false, false
	}
	g.probing = true
	return true, true
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
	g.down = !yes
	g.mu.Unlock()
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
