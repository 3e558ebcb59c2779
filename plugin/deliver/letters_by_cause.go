package deliver

import (
	"maps"
	"sync"
)

// causesMax bounds how many causes of dead letters are told apart; the types of
// a destination's errors are of a closed alphabet, but not of a closed list.
const causesMax = 64

// OtherCause is what dead letters of all further causes are counted under.
const OtherCause = "other"

// Causes counts dead letters by the type of their error.
//
// Concurrency: all methods may be called at the same time.
type Causes struct {
	mu sync.Mutex
	n  map[string]uint64
}

// add counts one dead letter.
func (c *Causes) add(cause string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = make(map[string]uint64, 4)
	}
	if _, known := c.n[cause]; !known && len(c.n) >= causesMax {
		cause = OtherCause
	}
	c.n[cause]++
}

// Load gives the numbers at present, by cause; at most one more than 64.
//
// Bytes: the map is the caller's.
func (c *Causes) Load() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.n)
}
