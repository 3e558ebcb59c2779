package opensearch

import (
	"time"

	"github.com/seclog/seclog/plugin/config"
)

// FromConfig takes from a configuration what this destination needs.
func FromConfig(c *config.Config, now func() time.Time) Options {
	hosts := make([]string, len(c.Hosts))
	for i, u := range c.Hosts {
		hosts[i] = u.String()
	}
	return Options{
		Hosts:     hosts,
		Pipeline:  c.Pipeline,
		Operation: c.WriteOp,
		Gzip:      c.Compress == "gzip",
		User:      Secret{Value: c.HTTPUser, File: c.HTTPUserFile},
		Password:  Secret{Value: c.HTTPPasswd.Reveal(), File: c.HTTPPasswdFile},
		APIKey:    Secret{Value: c.HTTPAPIKey.Reveal(), File: c.HTTPAPIKeyFile},
		Bearer:    Secret{Value: c.BearerToken.Reveal(), File: c.BearerTokenFile},
		AWS: AWS{
			Auth: c.AWS.Auth, Region: c.AWS.Region, Profile: c.AWS.Profile, RoleARN: c.AWS.RoleARN,
			ExternalID: Secret{Value: c.AWS.ExternalID.Reveal()}, STSEndpoint: c.AWS.STSEndpoint, Service: c.AWS.Service,
		},
		TLS: TLS{
			CAFile: c.TLSCAFile, CertFile: c.TLSCrtFile, KeyFile: c.TLSKeyFile,
			SkipVerify: !c.TLSVerify, MinVersion: c.TLSMinVersion,
		},
		Proxy:           ProxyURL(c.Proxy.Reveal()),
		DeadLetterIndex: c.DeadLetterIndex,
		Now:             now,
	}
}
