package config

import (
	"fmt"
	"slices"
	"strings"
)

// pluginPath is where the image keeps the plugin.
const pluginPath = "/fluent-bit/bin/out_seclog.so"

// SamplePlugins gives plugins.conf, which the classic configuration names as
// its Plugins_File.
func SamplePlugins() string {
	return "[PLUGINS]\n    Path " + pluginPath + "\n"
}

// SampleConf gives fluent-bit.conf: container logs of a Kubernetes node, for
// production, with every key that this version honours.
func SampleConf() string {
	return sampleConfHead + sampleKeys("    ", func(k Key) string {
		return fmt.Sprintf("# %-25s %s", k.Name, k.Default)
	})
}

// SampleYAML gives fluent-bit.yaml, which says the same as SampleConf.
func SampleYAML() string {
	return sampleYAMLHead + sampleKeys("      ", func(k Key) string {
		return fmt.Sprintf("# %s: %s", strings.ToLower(k.Name), yamlText(k.Default))
	})
}

// sampleKeys explains each key that is honoured and not already written above,
// and shows its default, switched off: ## explains, # shows.
func sampleKeys(indent string, line func(Key) string) string {
	var b strings.Builder
	group := Group("")
	for _, k := range table() {
		if k.Status == Later || slices.Contains([]string{"Hosts", "HTTP_User", "HTTP_Passwd"}, k.Name) {
			continue
		}
		if k.Group != group {
			group = k.Group
			fmt.Fprintf(&b, "\n%s## --- %s ---\n", indent, group)
		}
		for _, l := range wrap(strings.NewReplacer("**", "", "`", "").Replace(k.Doc), 90) {
			fmt.Fprintf(&b, "%s## %s\n", indent, l)
		}
		b.WriteString(strings.TrimRight(indent+line(k), " ") + "\n")
	}
	return b.String()
}

func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(s) {
		if line != "" && len(line)+1+len(w) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}

// yamlText quotes a default, since @ and % may not begin a plain scalar and On is
// a boolean there.
func yamlText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

const sampleConfHead = `# Container logs of a Kubernetes node to OpenSearch, for production.
# Set OPENSEARCH_URL (https://opensearch:9200), OPENSEARCH_USER and
# OPENSEARCH_PASSWORD, or use HTTP_Passwd_File below. Printed from the table of
# keys: go run ./plugin/config/gendocs

[SERVICE]
    Flush                     1
    ## A flush may take Timeout and Retry_Timeout; nothing can cancel it.
    Grace                     30
    Log_Level                 info
    Parsers_File              /fluent-bit/etc/parsers.conf
    Plugins_File              /fluent-bit/etc/plugins.conf
    HTTP_Server               On
    HTTP_Listen               0.0.0.0
    HTTP_Port                 2020
    Health_Check              On
    ## On a volume that outlives the container: what is not delivered waits here.
    storage.path              /var/lib/seclog/storage
    storage.sync              normal
    storage.max_chunks_up     128
    storage.backlog.mem_limit 64M
    ## The default cap of 2000 s would idle for half an hour after an outage.
    scheduler.base            2
    scheduler.cap             60

[INPUT]
    Name                      tail
    Tag                       kube.*
    Path                      /var/log/containers/*.log
    ## Its own lines would come back for ever.
    Exclude_Path              /var/log/containers/*fluent-bit*.log,/var/log/containers/*seclog*.log
    ## A single-line parser: each line keeps its own place in the file.
    Parser                    cri
    Path_Key                  log_path
    Offset_Key                log_offset
    DB                        /var/lib/seclog/tail.db
    Read_from_Head            On
    Buffer_Max_Size           1M
    Skip_Long_Lines           On
    Refresh_Interval          5
    storage.type              filesystem

[FILTER]
    Name                      kubernetes
    Match                     kube.*
    ## Detection and redaction need the text.
    Keep_Log                  On
    Merge_Log                 Off

[OUTPUT]
    Name                      seclog
    Match                     *
    ## Without workers a slow destination stops the inputs.
    Workers                   2
    ## Fluent Bit's default of one retry loses chunks.
    Retry_Limit               no_limits

    ## Host, Port and tls never reach a Go plugin: write URLs.
    Hosts                     ${OPENSEARCH_URL}
    HTTP_User                 ${OPENSEARCH_USER}
    HTTP_Passwd               ${OPENSEARCH_PASSWORD}
`

const sampleYAMLHead = `# Container logs of a Kubernetes node to OpenSearch, for production.
# Set OPENSEARCH_URL (https://opensearch:9200), OPENSEARCH_USER and
# OPENSEARCH_PASSWORD, or use http_passwd_file below. Printed from the table of
# keys: go run ./plugin/config/gendocs

service:
  flush: 1
  ## A flush may take timeout and retry_timeout; nothing can cancel it.
  grace: 30
  log_level: info
  parsers_file: /fluent-bit/etc/parsers.conf
  http_server: on
  http_listen: 0.0.0.0
  http_port: 2020
  health_check: on
  ## On a volume that outlives the container: what is not delivered waits here.
  storage.path: /var/lib/seclog/storage
  storage.sync: normal
  storage.max_chunks_up: 128
  storage.backlog.mem_limit: 64M
  ## The default cap of 2000 s would idle for half an hour after an outage.
  scheduler.base: 2
  scheduler.cap: 60

plugins:
  - ` + pluginPath + `

pipeline:
  inputs:
    - name: tail
      tag: kube.*
      path: /var/log/containers/*.log
      ## Its own lines would come back for ever.
      exclude_path: /var/log/containers/*fluent-bit*.log,/var/log/containers/*seclog*.log
      ## A single-line parser: each line keeps its own place in the file.
      parser: cri
      path_key: log_path
      offset_key: log_offset
      db: /var/lib/seclog/tail.db
      read_from_head: on
      buffer_max_size: 1M
      skip_long_lines: on
      refresh_interval: 5
      storage.type: filesystem

  filters:
    - name: kubernetes
      match: kube.*
      ## Detection and redaction need the text.
      keep_log: on
      merge_log: off

  outputs:
    - name: seclog
      match: '*'
      ## Without workers a slow destination stops the inputs.
      workers: 2
      ## Fluent Bit's default of one retry loses chunks.
      retry_limit: no_limits

      ## host, port and tls never reach a Go plugin: write URLs.
      hosts: ${OPENSEARCH_URL}
      http_user: ${OPENSEARCH_USER}
      http_passwd: ${OPENSEARCH_PASSWORD}
`
