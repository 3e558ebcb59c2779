package deliver

import (
	"time"

	"github.com/seclog/seclog/plugin/config"
)

// FromConfig takes from a configuration what delivery needs.
func FromConfig(c *config.Config, d Destination, now func() time.Time, log func(line string)) Options {
	return Options{
		Destination:     d,
		RetryWaitMin:    c.RetryWaitMin,
		RetryWaitMax:    c.RetryWaitMax,
		RetryTimeout:    max(c.RetryTimeout, 1), // none is no default here
		Timeout:         c.Timeout,
		HoldMax:         c.HoldMax,
		RequestMax:      int(c.BulkSize),
		DeadLetterIndex: c.DeadLetterIndex,
		DeadLetterPath:  c.DeadLetterPath,
		DeadLetterMax:   c.DeadLetterMax,
		Now:             now,
		Log:             log,
	}
}
