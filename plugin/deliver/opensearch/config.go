package opensearch

import (
	"time"

	"github.com/seclog/seclog/plugin/config"
)

// FromConfig gives the options that a configuration stands for. warn takes
// lines that a user must see.
func FromConfig(c *config.Config, now func() time.Time, warn func(line string)) Options {
	o := Options{
		Pipeline:        c.Pipeline,
		Operation:       c.WriteOp,
		Gzip:            c.Compress == "gzip",
		User:            Secret{Value: c.HTTPUser, File: c.HTTPUserFile},
		Password:        Secret{Value: c.HTTPPasswd.Reveal(), File: c.HTTPPasswdFile},
		APIKey:          Secret{Value: c.HTTPAPIKey.Reveal(), File: c.HTTPAPIKeyFile},
		Bearer:          Secret{Value: c.BearerToken.Reveal(), File: c.BearerTokenFile},
		TLS:             TLS{CAFile: c.TLSCAFile, SkipVerify: !c.TLSVerify, MinVersion: c.TLSMinVersion},
		Timeout:         c.Timeout,
		RetryWaitMin:    c.RetryWaitMin,
		RetryWaitMax:    c.RetryWaitMax,
		DeadLetterIndex: c.DeadLetterIndex,
		Now:             now,
		Log:             warn,
	}
	for _, h := range c.Hosts {
		o.Hosts = append(o.Hosts, h.String())
	}
	return o
}
