// Package config holds every key of the plugin's section in one table, with its
// default, its check and its text; the README's options and the sample
// configurations are printed from it.
//
// It takes a function that gives a key's value, as Fluent Bit has it, and gives
// a Config with every value checked and typed, or one error that names all
// values that cannot be used. It never logs, and no error or summary of it
// holds a secret.
//
//	c, err := config.Load(get)
//	if err != nil { … }   // every wrong value, a line each
//	log.Print(c.Summary())
package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// RedactMode says what happens to what the redaction rules find.
type RedactMode string

// The redaction modes.
const (
	RedactOn     RedactMode = "On"     // cut it
	RedactReport RedactMode = "Report" // count it, and send it as it is
	RedactOff    RedactMode = "Off"    // do not look
)

// Config is the checked configuration of one output.
//
// Concurrency: not changed after Load, so safe for concurrent reading.
type Config struct {
	// Where.
	Destination string     // opensearch
	Hosts       []*url.URL // nodes; their Path is already joined with the key Path
	Path        string     // what was joined
	Index       *IndexPattern
	IndexMaxAge time.Duration // records older than this go to the out-of-range index
	IndexMax    int           // names an instance may make in a day
	Pipeline    string
	IDKey       []string // path of the field that holds a record's own id; nil: none
	IDPosition  []string // fields that give a record's place in its file: path, offset; nil: off
	WriteOp     string   // create, index
	DataStream  bool

	// Who. Of a value and its file at most one is set; a file is to be read
	// again when it changes.
	HTTPUser, HTTPUserFile string
	HTTPPasswd             Secret
	HTTPPasswdFile         string
	HTTPAPIKey             Secret
	HTTPAPIKeyFile         string
	BearerToken            Secret
	BearerTokenFile        string
	AWS                    AWS
	TLSCAFile              string
	TLSCrtFile, TLSKeyFile string
	Proxy                  Secret // URL, with user and password where it has them
	TLSVerify              bool
	TLSMinVersion          uint16 // of crypto/tls

	// What.
	TimeKey       string
	TimeKeyNanos  bool
	IncludeTagKey bool
	TagKey        string
	ReplaceDots   bool
	LogKeys       []string
	MergeLog      bool
	RecordMax     int64 // bytes of msgpack

	// Security.
	Detect       bool
	Redact       RedactMode
	RulesPath    []string
	RulesBuiltin bool
	RulesReload  bool
	RedactAction string // "": each rule's own
	KeyFile      string

	// Delivery.
	Compress        string // off, gzip
	BulkSize        int64
	Timeout         time.Duration
	RetryWaitMin    time.Duration
	RetryWaitMax    time.Duration
	RetryTimeout    time.Duration
	HoldMax         time.Duration
	DeadLetterIndex string
	DeadLetterPath  string // a file; filled in from StatePath when the key is absent
	DeadLetterMax   int64
	StatePath       string

	// Running.
	CoreDumps bool // the process may leave core dumps

	logstash struct {
		on                            bool
		prefix, separator, dateFormat string
	}
	index string
	taken []takenKey
}

// AWS says how requests to Amazon OpenSearch Service are signed.
type AWS struct {
	Auth        bool
	Region      string // "": as AWS's own tools find it
	Profile     string
	RoleARN     string
	ExternalID  Secret
	STSEndpoint string
	Service     string // es, aoss
}

// takenKey is a key that the user wrote, and its value as it may be shown.
type takenKey struct{ name, shown string }

// ValueError is a value that cannot be used. Its text never holds a secret.
type ValueError struct {
	Key    string // as in the table
	Value  string // as it may be shown; "" when the key is absent
	Reason error  // what is allowed
}

// Error gives key, value and what is allowed.
func (e *ValueError) Error() string {
	if e.Value == "" {
		return e.Key + ": " + e.Reason.Error()
	}
	return e.Key + " " + showValue(e.Value) + ": " + e.Reason.Error()
}

// Unwrap gives the reason.
func (e *ValueError) Unwrap() error { return e.Reason }

// Load reads all keys through get, which gives "" for an absent key, and checks
// them.
//
// Errors: all values that cannot be used, joined, each a *ValueError.
func Load(get func(key string) string) (*Config, error) {
	c := &Config{}
	var errs []error
	wrong := make(map[string]bool)
	refuse := func(name, shown string, reason error) {
		wrong[name] = true
		errs = append(errs, &ValueError{Key: name, Value: shown, Reason: reason})
	}
	for _, k := range table() {
		v := get(k.Name)
		if !k.Secret {
			v = strings.TrimSpace(v)
		}
		given := v != ""
		shown := v
		if k.Secret || (k.Name == "Hosts" || k.Name == "AWS_STS_Endpoint") && strings.Contains(v, "@") {
			shown = mask
		}
		if !given {
			if k.Required != "" {
				refuse(k.Name, "", errors.New(k.Required))
				continue
			}
			v = k.Default
		}
		if k.Status == Later && given && !k.isDefault(v) {
			refuse(k.Name, shown, errors.New("not yet supported; allowed: "+k.onlyNow()))
			continue
		}
		if k.Status == Later {
			v = k.Default
		}
		if k.set != nil && (v != "" || given) {
			if err := k.set(c, v); err != nil {
				refuse(k.Name, shown, err)
				continue
			}
		}
		if given {
			c.taken = append(c.taken, takenKey{k.Name, shown})
		}
	}
	for _, f := range foreignKeys() {
		if v := get(f.Name); v != "" {
			if f.Secret {
				v = mask
			}
			refuse(f.Name, v, errors.New(f.Hint))
		}
	}
	c.combine(func(key string) bool { return !wrong[key] }, refuse)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// combine checks what several keys say together, and fills in what follows from
// them. It looks only at values that were fine on their own.
func (c *Config) combine(fine func(key string) bool, refuse func(name, shown string, reason error)) {
	for _, u := range c.Hosts {
		u.Path = strings.TrimRight(u.Path, "/") + c.Path
		u.RawPath = ""
	}
	c.combineIndex(fine, refuse)
	c.combineStream(fine, refuse)
	if fine("Retry_Wait_Min") && fine("Retry_Wait_Max") && c.RetryWaitMin > c.RetryWaitMax {
		refuse("Retry_Wait_Min", c.RetryWaitMin.String(), fmt.Errorf("allowed: at most Retry_Wait_Max, which is %s", c.RetryWaitMax))
	}
	if c.DeadLetterPath == "" && c.StatePath != "" {
		c.DeadLetterPath = filepath.Join(c.StatePath, "dead-letters.ndjson")
	}
	c.combineCredentials(fine, refuse)
	if c.RedactAction == "hash" && c.KeyFile == "" && fine("Key_File") {
		refuse("Redact_Action", c.RedactAction, errors.New("needs Key_File, which holds the key of the hash"))
	}
	if c.TimeKey != "" && c.IncludeTagKey && c.TimeKey == c.TagKey {
		refuse("Tag_Key", c.TagKey, errors.New("allowed: another name than Time_Key's"))
	}
}

func (c *Config) combineIndex(fine func(key string) bool, refuse func(name, shown string, reason error)) {
	key, source := "Index", c.index
	if c.logstash.on {
		if c.wrote("Index") {
			refuse("Index", c.index, errors.New("allowed: Index, or Logstash_Format On, not both"))
			return
		}
		key, source = "Logstash_Prefix", c.logstash.prefix+c.logstash.separator+c.logstash.dateFormat
	}
	for _, k := range []string{"Logstash_Prefix", "Logstash_Prefix_Separator", "Logstash_DateFormat"} {
		if !c.logstash.on && fine("Logstash_Format") && c.wrote(k) {
			refuse(k, "", errors.New("allowed: only with Logstash_Format On"))
		}
	}
	if fine("Index") && fine("Logstash_Format") && fine("Logstash_Prefix") {
		p, err := ParseIndexPattern(source)
		if err != nil {
			refuse(key, source, err)
			return
		}
		if p.Fixed() && p.Prefix() == c.DeadLetterIndex {
			refuse(key, source, errors.New("allowed: another name than Dead_Letter_Index's"))
			return
		}
		c.Index = p
	}
}

// combineStream checks what a data stream asks for.
func (c *Config) combineStream(fine func(key string) bool, refuse func(name, shown string, reason error)) {
	if !c.DataStream {
		return
	}
	if c.Index != nil && c.Index.Timed() {
		refuse("Data_Stream", "On", errors.New("needs an Index without times, such as seclog-$kubernetes['namespace_name']: the stream makes its indices itself"))
	}
	if fine("Time_Key") && c.TimeKey != "@timestamp" {
		refuse("Time_Key", c.TimeKey, errors.New("allowed with Data_Stream On: @timestamp"))
	}
	if fine("Write_Operation") && c.WriteOp != "create" {
		refuse("Write_Operation", c.WriteOp, errors.New("allowed with Data_Stream On: create"))
	}
}

func (c *Config) wrote(key string) bool {
	for _, t := range c.taken {
		if t.name == key {
			return true
		}
	}
	return false
}

// Summary gives one line with every key that was taken and its value, secrets
// masked, in the table's order: a misspelt key shows by its absence.
func (c *Config) Summary() string {
	parts := make([]string, len(c.taken))
	for i, t := range c.taken {
		parts[i] = t.name + "=" + showValue(t.shown)
	}
	return strings.Join(parts, " ")
}

// Warnings gives what works but weakens a promise, a sentence each, to be
// logged at start.
func (c *Config) Warnings() []string {
	var w []string
	switch c.Redact {
	case RedactReport:
		w = append(w, "Redact is Report: secrets and personal data are counted and SENT UNREDACTED")
	case RedactOff:
		w = append(w, "Redact is Off: secrets and personal data are SENT UNREDACTED")
	}
	return append(w, c.warnWho()...)
}

// showValue quotes what would break or forge a log line.
func showValue(v string) string {
	for _, r := range v {
		if r <= ' ' || r == '"' || !strconv.IsPrint(r) {
			return strconv.Quote(v)
		}
	}
	return v
}

func tlsVersion(v string) (uint16, error) {
	switch v {
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, errors.New("allowed: 1.2, 1.3")
}
