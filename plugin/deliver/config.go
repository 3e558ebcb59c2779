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
		RetryTimeout:    c.RetryTimeout,
		Timeout:         c.Timeout,
		RequestMax:      int(c.BulkSize),
		DeadLetterIndex: c.DeadLetterIndex,
		DeadLetterPath:  c.DeadLetterPath,
		DeadLetterMax:   c.DeadLetterMax,
		Now:             now,
		Log:             log,
	}
}
