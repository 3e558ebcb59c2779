// Package rules holds the rule set that Seclog ships: Sigma rules, pipelines
// that map records to log sources, and redaction rules.
package rules

import "embed"

// FS is the default rule set: detection/<product>/*.yml, pipelines/*.yml and
// redaction/*.yaml.
//
//go:embed detection pipelines redaction
var FS embed.FS
