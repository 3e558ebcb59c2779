package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Group is a heading of the options' table.
type Group string

// The groups, in the order in which they are printed.
const (
	Where    Group = "Where"
	Who      Group = "Who"
	What     Group = "What"
	Security Group = "Security"
	Delivery Group = "Delivery"
	Running  Group = "Running"
)

// Status says whether this version does what a key asks.
type Status uint8

// The states of a key.
const (
	Now   Status = iota // honoured
	Later               // only the default is accepted, anything else is refused: nothing is ignored silently
)

// kind is how the values of a key that comes later are compared with its
// default.
type kind uint8

const (
	kindText kind = iota
	kindBool
	kindDuration
)

// Key is one key of the plugin's section.
type Key struct {
	Name     string
	Group    Group
	Default  string
	Doc      string // one or two sentences, Markdown
	Allowed  string // for the table; "" where Doc says it
	Secret   bool   // never shown
	Required string // not empty: the key must be there, and this says so
	Status   Status
	Kind     kind

	set func(c *Config, v string) error // checks and stores; nil for a key of which only the default is accepted
}

// Keys gives the table of all keys, in the order in which they are printed.
func Keys() []Key { return table() }

// isDefault says whether a value means the same as the default.
func (k *Key) isDefault(v string) bool {
	switch k.Kind {
	case kindBool:
		a, errA := parseBool(v)
		b, errB := parseBool(k.Default)
		return errA == nil && errB == nil && a == b
	case kindDuration:
		a, errA := parseDuration(v)
		b, errB := parseDuration(k.Default)
		return errA == nil && errB == nil && a == b
	}
	return strings.EqualFold(v, k.Default)
}

func (k *Key) onlyNow() string {
	if k.Default == "" {
		return "to leave it out"
	}
	return k.Default
}

// Foreign is a key of Fluent Bit's own outputs that this plugin does not have,
// with what to do instead.
type Foreign struct {
	Name, Hint string
	Secret     bool
}

func foreignKeys() []Foreign {
	return []Foreign{
		{Name: "Generate_ID", Hint: "leave it out: every document gets an _id of its own, and equal lines stay apart"},
		{Name: "Buffer_Size", Hint: "leave it out: answers are asked for small and read whole"},
		{Name: "Trace_Output", Hint: "leave it out: requests are never printed, since they hold records"},
		{Name: "Trace_Error", Hint: "leave it out: refusals are logged by type and status, without the record, and become dead letters"},
		{Name: "Current_Time_Index", Hint: "leave it out: the index comes from the record's own time, so that a retry goes to the same one"},
		{Name: "Type", Hint: "leave it out: OpenSearch 2 and later have no document types"},
		{Name: "Cloud_ID", Hint: "write the cluster's URL in Hosts"},
		{Name: "Cloud_Auth", Hint: "write HTTP_User and HTTP_Passwd or HTTP_Passwd_File", Secret: true},
		{Name: "Logstash_Prefix_Key", Hint: "write Index seclog-$kubernetes['namespace_name']-%Y.%m.%d instead"},
		{Name: "Time_Key_Format", Hint: "leave it out: times are written as 2026-01-02T15:04:05.123456789Z; see Time_Key_Nanos"},
	}
}

// ownNames are the top-level names of a document that are ours alone, so no key
// may claim them.
func ownName(v string) bool {
	return slices.Contains([]string{"event", "rule", "threat", "tags", "seclog", "original"}, v)
}

func text(to func(c *Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error { *to(c) = v; return nil }
}

func secret(to func(c *Config) *Secret) func(*Config, string) error {
	return func(c *Config, v string) error {
		if hasControl(v) {
			return errors.New("allowed: text without line ends and control characters")
		}
		*to(c) = NewSecret(v)
		return nil
	}
}

func boolean(to func(c *Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) (err error) { *to(c), err = parseBool(v); return err }
}

func size(least, most int64, to func(c *Config) *int64) func(*Config, string) error {
	return func(c *Config, v string) (err error) { *to(c), err = sizeBetween(v, least, most); return err }
}

func duration(least, most time.Duration, to func(c *Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) (err error) { *to(c), err = durationBetween(v, least, most); return err }
}

func file(to func(c *Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error { *to(c) = v; return readable(v) }
}

func folder(to func(c *Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if !filepath.IsAbs(v) {
			return errors.New("allowed: a path from the root, such as /var/lib/seclog")
		}
		*to(c) = filepath.Clean(v)
		return nil
	}
}

// fieldName is for a top-level name that the plugin itself writes.
func fieldName(to func(c *Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if head, _, _ := strings.Cut(v, "."); ownName(head) {
			return fmt.Errorf("allowed: a name that is not in %q, which the plugin writes itself", head)
		}
		*to(c) = v
		return nil
	}
}

func setPath(c *Config, v string) error {
	if strings.ContainsAny(v, "?#% \t\r\n") || strings.Contains(v, "//") {
		return errors.New("allowed: a path such as /opensearch, without ? # % and spaces")
	}
	if v = strings.Trim(v, "/"); v != "" {
		c.Path = "/" + v
	}
	return nil
}

func setIndexMax(c *Config, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > 10_000 {
		return errors.New("allowed: a number from 1 to 10000")
	}
	c.IndexMax = n
	return nil
}

func setPipeline(c *Config, v string) error {
	if strings.ContainsAny(v, " \t\r\n\"\\") {
		return errors.New("allowed: the name of an ingest pipeline, without spaces and quotes")
	}
	c.Pipeline = v
	return nil
}

func setWriteOp(c *Config, v string) (err error) {
	c.WriteOp, err = oneOf(v, "create", "index")
	return err
}

func setIDKey(c *Config, v string) error {
	if !strings.HasPrefix(v, "$") {
		c.IDKey = []string{v}
		return nil
	}
	path, n, err := parseAccessor(v)
	if err == nil && n < len(v) {
		err = errors.New("allowed: one field, such as trace_id or $kubernetes['docker_id']")
	}
	c.IDKey = path
	return err
}

func setIDPosition(c *Config, v string) error {
	if on, err := parseBool(v); err == nil && !on {
		return nil
	}
	names := parseList(v)
	if len(names) != 2 || names[0] == names[1] {
		return errors.New("allowed: two field names, the file's path and the offset in it, such as log_path,log_offset; or Off")
	}
	for _, n := range names {
		if strings.HasPrefix(n, "log.") {
			return errors.New("allowed: names that do not begin with log., which clashes with the text's mapping")
		}
	}
	c.IDPosition = names
	return nil
}

func setSuppressTypeName(_ *Config, v string) error {
	if on, err := parseBool(v); err != nil || !on {
		return errors.New("allowed: On, since document types are gone")
	}
	return nil
}

func setLogKeys(c *Config, v string) error {
	if c.LogKeys = parseList(v); len(c.LogKeys) == 0 {
		return errors.New("allowed: field names separated by commas")
	}
	return nil
}

func setRedact(c *Config, v string) error {
	if strings.EqualFold(v, "Report") {
		c.Redact = RedactReport
		return nil
	}
	on, err := parseBool(v)
	if err != nil {
		return errors.New("allowed: On, Report, Off")
	}
	if c.Redact = RedactOff; on {
		c.Redact = RedactOn
	}
	return nil
}

func setRedactAction(c *Config, v string) (err error) {
	if strings.EqualFold(v, "encrypt") {
		return errors.New("not yet supported; allowed: redact, mask, hash, drop_field, drop_record")
	}
	c.RedactAction, err = oneOf(v, "redact", "mask", "hash", "drop_field", "drop_record")
	return err
}

func setCompress(c *Config, v string) (err error) {
	if on, wrong := parseBool(v); wrong == nil && !on {
		v = "off"
	}
	c.Compress, err = oneOf(v, "off", "gzip")
	return err
}

func setDeadLetterIndex(c *Config, v string) error {
	p, err := ParseIndexPattern(v)
	if err != nil {
		return err
	}
	if !p.Fixed() {
		return errors.New("allowed: a fixed name, without times and fields")
	}
	c.DeadLetterIndex = p.Prefix()
	return nil
}

func setHosts(c *Config, v string) (err error) { c.Hosts, err = parseHosts(v); return err }

func setTLSMinVersion(c *Config, v string) (err error) {
	c.TLSMinVersion, err = tlsVersion(v)
	return err
}
