package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seclog/seclog/plugin/config"
)

// from gives keys as Fluent Bit does: case-insensitive, "" when absent.
func from(pairs ...string) func(string) string {
	m := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		m[strings.ToLower(pairs[i])] = pairs[i+1]
	}
	return func(key string) string { return m[strings.ToLower(key)] }
}

func withHost(pairs ...string) func(string) string {
	return from(append([]string{"Hosts", "https://os:9200"}, pairs...)...)
}

func TestLoad_Defaults(t *testing.T) {
	c, err := config.Load(withHost())
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Destination, fmt.Sprint(c.Hosts), c.Index.Source, c.IndexMaxAge, c.IndexMax, c.WriteOp, c.IDPosition, c.TLSVerify, c.TLSMinVersion,
		c.TimeKey, c.TimeKeyNanos, c.IncludeTagKey, c.ReplaceDots, c.LogKeys, c.MergeLog, c.RecordMax,
		c.Detect, c.Redact, c.RulesPath, c.RulesBuiltin, c.RulesReload, c.RedactAction,
		c.Compress, c.BulkSize, c.Timeout, c.RetryWaitMin, c.RetryWaitMax, c.RetryTimeout, c.HoldMax,
		c.DeadLetterIndex, c.DeadLetterPath, c.DeadLetterMax, c.StatePath}
	want := []any{"opensearch", "[https://os:9200]", "seclog-%Y.%m.%d", 720 * time.Hour, 200, "create", []string{"log_path", "log_offset"}, true, uint16(0x303),
		"@timestamp", true, false, false, []string{"log", "message", "msg", "MESSAGE"}, false, int64(10_000_000),
		true, config.RedactOn, []string(nil), true, false, "",
		"off", int64(5_000_000), 30 * time.Second, 200 * time.Millisecond, 2 * time.Second, 3 * time.Second, 15 * time.Minute,
		"seclog_dead_letters", "/var/lib/seclog/dead-letters.ndjson", int64(1_000_000_000), "/var/lib/seclog"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := c.Summary(); s != "Hosts=https://os:9200" {
		t.Errorf("summary is %q", s)
	}
}

func TestLoad_Values(t *testing.T) {
	dir := t.TempDir()
	pw := filepath.Join(dir, "pw")
	if err := os.WriteFile(pw, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		key, value string
		more       []string
		get        func(c *config.Config) any
		want       any
	}{
		{"Hosts", "https://a:9200/x/, http://[::1]:9", []string{"Path", "os/"}, func(c *config.Config) any { return fmt.Sprint(c.Hosts) }, "[https://a:9200/x/os http://[::1]:9/os]"},
		{"Bulk_Size", "512k", nil, func(c *config.Config) any { return c.BulkSize }, int64(512_000)},
		{"Bulk_Size", "5MB", nil, func(c *config.Config) any { return c.BulkSize }, int64(5_000_000)},
		{"Bulk_Size", "20000", nil, func(c *config.Config) any { return c.BulkSize }, int64(20_000)},
		{"Dead_Letter_Max", "1g", nil, func(c *config.Config) any { return c.DeadLetterMax }, int64(1_000_000_000)},
		{"Index_Max_Age", "7d", nil, func(c *config.Config) any { return c.IndexMaxAge }, 168 * time.Hour},
		{"Timeout", "5", nil, func(c *config.Config) any { return c.Timeout }, 5 * time.Second},
		{"Timeout", "1m30s", nil, func(c *config.Config) any { return c.Timeout }, 90 * time.Second},
		{"Retry_Timeout", "0", nil, func(c *config.Config) any { return c.RetryTimeout }, time.Duration(0)},
		{"Detect", "fAlSe", nil, func(c *config.Config) any { return c.Detect }, false},
		{"Merge_Log", "YES", nil, func(c *config.Config) any { return c.MergeLog }, true},
		{"Redact", "report", nil, func(c *config.Config) any { return c.Redact }, config.RedactReport},
		{"Redact", "0", nil, func(c *config.Config) any { return c.Redact }, config.RedactOff},
		{"Compress", "GZIP", nil, func(c *config.Config) any { return c.Compress }, "gzip"},
		{"Logstash_Format", "On", []string{"Logstash_Prefix", "web"}, func(c *config.Config) any { return c.Index.Source }, "web-%Y.%m.%d"},
		{"Id_Position", "Off", nil, func(c *config.Config) any { return len(c.IDPosition) }, 0},
		{"HTTP_Passwd", " s p ", []string{"HTTP_User", "u"}, func(c *config.Config) any { return c.HTTPPasswd.Reveal() }, " s p "},
		{"HTTP_Passwd_File", pw, []string{"HTTP_User", "u"}, func(c *config.Config) any { return c.HTTPPasswdFile }, pw},
		{"State_Path", "/a/../b/", nil, func(c *config.Config) any { return c.DeadLetterPath }, "/b/dead-letters.ndjson"},
		{"TLS_Min_Version", "1.3", nil, func(c *config.Config) any { return c.TLSMinVersion }, uint16(0x304)},
		{"Hold_Max", "900", nil, func(c *config.Config) any { return c.HoldMax }, 15 * time.Minute},
		{"Write_Operation", "CREATE", nil, func(c *config.Config) any { return c.WriteOp }, "create"},
		{"Write_Operation", "index", nil, func(c *config.Config) any { return c.WriteOp }, "index"},
		{"Id_Key", "trace_id", nil, func(c *config.Config) any { return c.IDKey }, []string{"trace_id"}},
		{"Id_Key", "$kubernetes['docker_id']", nil, func(c *config.Config) any { return c.IDKey }, []string{"kubernetes", "docker_id"}},
		{"Data_Stream", "On", []string{"Index", "logs-seclog-$kubernetes['namespace_name']"}, func(c *config.Config) any { return c.DataStream }, true},
		{"Suppress_Type_Name", "On", nil, func(c *config.Config) any { return c.Index.Source }, "seclog-%Y.%m.%d"},
	} {
		t.Run(tc.key+"="+tc.value, func(t *testing.T) {
			c, err := config.Load(withHost(append(tc.more, tc.key, tc.value)...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, tc.get(c)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoad_Refuses(t *testing.T) {
	for _, tc := range []struct{ key, value, want string }{
		{"Hosts", "", "Hosts: required: URLs"},
		{"Hosts", "os:9200", "allowed: URLs separated by commas"},
		{"Hosts", "https://u:hunter2@os", "Hosts ***: allowed: URLs without user and password"},
		{"Hosts", "https://os:99999", "ports from 1 to 65535"},
		{"Hosts", "https://os/?x", "without ? and #"},
		{"Path", "/a?b", "allowed: a path"},
		{"Index", "Web", "lower case"},
		{"Index", "$kubernetes['namespace_name']-x", "at the start"},
		{"Index", "<web-{now/d}>", "date math"},
		{"Index_Max_Age", "fortnight", "bare number is seconds"},
		{"Index_Max_Age", "-1d", "allowed: a duration"},
		{"Index_Max", "0", "1 to 10000"},
		{"Logstash_Prefix", "web", "only with Logstash_Format On"},
		{"Destination", "splunk", "not yet supported; allowed: opensearch"},
		{"Data_Stream", "On", "needs an Index without times"},
		{"Id_Key", "$a['b", "not closed"},
		{"Id_Key", "$a-b", "allowed: one field"},
		{"AWS_Service_Name", "s3", "allowed: es, aoss"},
		{"AWS_Auth", "perhaps", "allowed: On, Off"},
		{"AWS_Region", "eu-central-1", "allowed: only with AWS_Auth On"},
		{"AWS_Region", "Frankfurt", "allowed: a region such as"},
		{"AWS_External_ID", "hunter2", "only with AWS_Auth On"},
		{"AWS_Role_ARN", "seclog", "allowed: a role such as arn:aws:iam"},
		{"AWS_STS_Endpoint", "http://sts.example.com", "allowed: an https URL"},
		{"AWS_STS_Endpoint", "https://u:hunter2@sts.example.com", "AWS_STS_Endpoint ***: allowed: an https URL"},
		{"TLS_Key_File", "/dev/null", "TLS_Crt_File: TLS_Key_File needs it"},
		{"HTTP_User", "a:b", "a name without :"},
		{"Write_Operation", "update", "allowed: create, index"},
		{"Proxy", "socks5://u:hunter2@p", "Proxy ***: allowed: a URL such as"},
		{"Proxy", "http://u:hunter2@p/?x", "Proxy ***: allowed: a URL such as"},
		{"TLS_Crt_File", "/x", "no such file"},
		{"TLS_Crt_File", "/dev/null", "TLS_Key_File: TLS_Crt_File needs it"},
		{"Metrics_Listen", "127.0.0.1:2021", "not yet supported; allowed: off"},
		{"Setup", "On", "not yet supported"},
		{"Rules_Reload", "On", "not yet supported; allowed: Off"},
		{"Redact_Action", "encrypt", "not yet supported"},
		{"Redact_Action", "hash", "needs Key_File"},
		{"Redact", "maybe", "allowed: On, Report, Off"},
		{"Id_Position", "log.path,log.offset", "do not begin with log."},
		{"Suppress_Type_Name", "Off", "document types are gone"},
		{"HTTP_Passwd", "hunter2", "HTTP_User: HTTP_Passwd needs HTTP_User"},
		{"HTTP_Passwd", "hunter2\n", "HTTP_Passwd ***: allowed: text without line ends"},
		{"HTTP_User", "u", "HTTP_User needs HTTP_Passwd"},
		{"TLS_CA_File", "/no/such/file", "no such file"},
		{"TLS_Min_Version", "1.1", "allowed: 1.2, 1.3"},
		{"Time_Key", "event.created", "which the plugin writes itself"},
		{"Tag_Key", "seclog", "which the plugin writes itself"},
		{"Bulk_Size", "5T", "such as 512k, 5M or 1G"},
		{"Bulk_Size", "99999999999G", "such as 512k, 5M or 1G"},
		{"Bulk_Size", "1G", "allowed: 1k to 100M"},
		{"Retry_Wait_Min", "10s", "at most Retry_Wait_Max"},
		{"Dead_Letter_Index", "dead-%Y", "a fixed name"},
		{"Index", "seclog_dead_letters", "another name than Dead_Letter_Index"},
		{"State_Path", "state", "a path from the root"},
		{"Generate_ID", "On", "leave it out"},
		{"Buffer_Size", "False", "leave it out"},
		{"Trace_Output", "On", "leave it out"},
		{"Trace_Error", "On", "leave it out"},
		{"Current_Time_Index", "On", "leave it out"},
		{"Type", "_doc", "leave it out"},
		{"Cloud_ID", "x", "Hosts"},
		{"Cloud_Auth", "u:hunter2", "Cloud_Auth ***"},
		{"Logstash_Prefix_Key", "x", "Index seclog-$kubernetes['namespace_name']-%Y.%m.%d"},
	} {
		t.Run(tc.key+"="+tc.value, func(t *testing.T) {
			c, err := config.Load(withHost(tc.key, tc.value))
			if err == nil {
				t.Fatalf("accepted: %s", c.Summary())
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %q, want in it %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error shows the secret: %q", err)
			}
			var ve *config.ValueError
			if !errors.As(err, &ve) {
				t.Errorf("%T is no ValueError", err)
			}
		})
	}
}

func TestLoad_NamesEveryWrongValue(t *testing.T) {
	_, err := config.Load(from("Detect", "perhaps", "Bulk_Size", "big", "Type", "_doc"))
	if err == nil {
		t.Fatal("accepted")
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 4 {
		t.Errorf("want four lines (Hosts, Detect, Bulk_Size, Type), got %q", lines)
	}
}

func TestLoad_OneWayOfCredentials(t *testing.T) {
	if _, err := config.Load(withHost("HTTP_API_Key", "a", "Bearer_Token", "b")); err == nil {
		t.Error("two ways of authorization were accepted")
	}
}

func TestSummary_MasksAndKeepsOneLine(t *testing.T) {
	c, err := config.Load(withHost("HTTP_User", "u", "HTTP_Passwd", "hunter2", "Rules_Path", "/a b,\n/c", "redact", "Report"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Summary(), `Hosts=https://os:9200 HTTP_User=u HTTP_Passwd=*** Redact=Report Rules_Path="/a b,\n/c"`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0], "SENT UNREDACTED") {
		t.Errorf("warnings are %q", w)
	}
}

func TestSecret_NeverPrinted(t *testing.T) {
	type holder struct{ S config.Secret }
	s := config.NewSecret("hunter2")
	j, err := json.Marshal(holder{s})
	if err != nil {
		t.Fatal(err)
	}
	out := []string{string(j), s.String(), s.GoString()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out = append(out, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, holder{s}))
	}
	for _, o := range out {
		if strings.Contains(o, "hunter2") || strings.Contains(o, "68756e74657232") {
			t.Errorf("shown in %q", o)
		}
	}
	if s.Reveal() != "hunter2" {
		t.Error("Reveal does not give the value")
	}
}
