package deliver

import (
	"time"

	"github.com/seclog/seclog/plugin/config"
)

// FromConfig gives the options that a configuration stands for. log takes lines
// that somebody must act on.
func FromConfig(c *config.Config, d Destination, now func() time.Time, log func(line string)) Options {
	return Options{
		Destination:     d,
		RetryWaitMin:    c.RetryWaitMin,
		RetryWaitMax:    c.RetryWaitMax,
		RetryTimeout:    c.RetryTimeout,
		RequestMax:      int(c.BulkSize),
		DeadLetterIndex: c.DeadLetterIndex,
		DeadLetterPath:  c.DeadLetterPath,
		DeadLetterMax:   c.DeadLetterMax,
		Now:             now,
		Log:             log,
	}
}
