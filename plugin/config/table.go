package config

import (
	"slices"
	"time"
)

// table is every key there is. The README's options, the sample configurations
// and Load all follow it, so a key is added here and nowhere else.
func table() []Key {
	return slices.Concat(whereKeys(), whoKeys(), whatKeys(), securityKeys(), deliveryKeys(), runningKeys())
}

func whereKeys() []Key {
	return inGroup(Where, []Key{
		{Name: "Destination", Default: "opensearch", Status: Later, set: text(func(c *Config) *string { return &c.Destination }),
			Doc: "What is delivered to. Only `opensearch` so far."},
		{Name: "Hosts", set: setHosts, Required: "required: URLs separated by commas, such as https://opensearch-0:9200,https://opensearch-1:9200 (Fluent Bit keeps Host, Port and tls for itself, so a Go plugin cannot see them)",
			Doc: "The nodes, as URLs separated by commas; without a port, 80 for http and 443 for https. No user and password in them. Fluent Bit keeps `Host`, `Port` and `tls` for itself, so these three never reach the plugin."},
		{Name: "Path", set: setPath,
			Doc: "Put behind each host, where a proxy serves OpenSearch under a path."},
		{Name: "Index", Default: "seclog-%Y.%m.%d", set: text(func(c *Config) *string { return &c.index }),
			Doc: "The index of a record: fixed text, the record's time in UTC (`%Y %y %m %d %H %M %j %G %V %u %%`), and fields of it such as `$kubernetes['namespace_name']`, never at the start."},
		{Name: "Index_Max_Age", Default: "30d", set: duration(time.Hour, 36500*24*time.Hour, func(c *Config) *time.Duration { return &c.IndexMaxAge }),
			Doc: "Records older than this, or more than a day ahead, go to `seclog-out-of-range`, so that a wrong clock makes no indices."},
		{Name: "Index_Max", Default: "200", set: setIndexMax,
			Doc: "How many index names an output may make in a day; what comes after goes to `seclog-fallback`."},
		{Name: "Logstash_Format", Default: "Off", set: boolean(func(c *Config) *bool { return &c.logstash.on }),
			Doc: "On: the index is `Logstash_Prefix`, `Logstash_Prefix_Separator` and `Logstash_DateFormat`. Not together with `Index`."},
		{Name: "Logstash_Prefix", Default: "logstash", set: text(func(c *Config) *string { return &c.logstash.prefix }),
			Doc: "See `Logstash_Format`."},
		{Name: "Logstash_Prefix_Separator", Default: "-", set: text(func(c *Config) *string { return &c.logstash.separator }),
			Doc: "See `Logstash_Format`."},
		{Name: "Logstash_DateFormat", Default: "%Y.%m.%d", set: text(func(c *Config) *string { return &c.logstash.dateFormat }),
			Doc: "See `Logstash_Format`."},
		{Name: "Data_Stream", Default: "Off", set: boolean(func(c *Config) *bool { return &c.DataStream }),
			Doc: "On: `Index` names data streams, so it holds no times. After a rollover OpenSearch no longer knows the ids of the index before: a document that is sent again then is stored twice."},
		{Name: "Pipeline", set: setPipeline,
			Doc: "The ingest pipeline that OpenSearch puts documents through."},
		{Name: "Write_Operation", Default: "create", set: setWriteOp,
			Doc: "`create` never overwrites a document; `index` overwrites one of the same `_id`, which makes sense with `Id_Key`."},
		{Name: "Id_Key", set: setIDKey,
			Doc: "A field whose value becomes the `_id`, such as `trace_id` or `$kubernetes['docker_id']`; of records with the same value one is stored. A record without it, or with a value that is cut by redaction, longer than 512 bytes or not printable ASCII, has an id of ours."},
		{Name: "Id_Position", Default: "log_path,log_offset", set: setIDPosition,
			Doc: "The two fields that say where in its file a line stood (`Path_Key` and `Offset_Key` of the tail input), or `Off`. A record that has both gets an id of them, its time and its text, so that a line which a killed agent reads again is stored once; the time must come from the line. Any other record's id comes from its chunk and its place in it."},
		{Name: "Suppress_Type_Name", Default: "On", set: setSuppressTypeName,
			Doc: "Accepted so that configurations of Fluent Bit's own output keep working; document types are never sent."},
	})
}

func whoKeys() []Key {
	const again = "A file that holds it, read again when it changes, also where it is a link that is turned (Kubernetes). One that others may read is taken, and a line at start says so."
	return inGroup(Who, []Key{
		{Name: "HTTP_User", set: setHTTPUser,
			Doc: "User name for basic authentication."},
		{Name: "HTTP_User_File", set: file(func(c *Config) *string { return &c.HTTPUserFile }),
			Doc: "A file that holds it, read again when it changes."},
		{Name: "HTTP_Passwd", Secret: true, set: secret(func(c *Config) *Secret { return &c.HTTPPasswd }),
			Doc: "Its password."},
		{Name: "HTTP_Passwd_File", set: file(func(c *Config) *string { return &c.HTTPPasswdFile }),
			Doc: again},
		{Name: "HTTP_API_Key", Secret: true, set: secret(func(c *Config) *Secret { return &c.HTTPAPIKey }),
			Doc: "Sent as `Authorization: ApiKey …`, instead of user and password."},
		{Name: "HTTP_API_Key_File", set: file(func(c *Config) *string { return &c.HTTPAPIKeyFile }),
			Doc: again},
		{Name: "Bearer_Token", Secret: true, set: secret(func(c *Config) *Secret { return &c.BearerToken }),
			Doc: "Sent as `Authorization: Bearer …`, instead of user and password."},
		{Name: "Bearer_Token_File", set: file(func(c *Config) *string { return &c.BearerTokenFile }),
			Doc: again},
		{Name: "AWS_Auth", Default: "Off", set: boolean(func(c *Config) *bool { return &c.AWS.Auth }),
			Doc: "On: requests are signed for Amazon OpenSearch Service (Signature Version 4), anew at each attempt. Credentials are found as AWS's own tools do: environment, shared files, web identity, container and machine; they are renewed before they expire."},
		{Name: "AWS_Region", set: matching(regionName, "a region such as eu-central-1", func(c *Config) *string { return &c.AWS.Region }),
			Doc: "The region that is signed for; when absent that of the profile or of `AWS_REGION`. None stops the start."},
		{Name: "AWS_Profile", set: text(func(c *Config) *string { return &c.AWS.Profile }),
			Doc: "A profile of the shared files."},
		{Name: "AWS_Role_ARN", set: matching(roleARN, "a role such as arn:aws:iam::123456789012:role/seclog", func(c *Config) *string { return &c.AWS.RoleARN }),
			Doc: "A role to assume with the credentials that are found."},
		{Name: "AWS_External_ID", Secret: true, set: secret(func(c *Config) *Secret { return &c.AWS.ExternalID }),
			Doc: "The role's external id."},
		{Name: "AWS_STS_Endpoint", set: setSTSEndpoint,
			Doc: "URL of the service that gives temporary credentials, instead of the region's."},
		{Name: "AWS_Service_Name", Default: "es", set: setAWSService,
			Doc: "`es`, or `aoss` for OpenSearch Serverless."},
		{Name: "TLS_CA_File", set: file(func(c *Config) *string { return &c.TLSCAFile }),
			Doc: "Certificates (PEM) that vouch for the hosts, instead of the system's. Read again when it changes."},
		{Name: "TLS_Crt_File", set: file(func(c *Config) *string { return &c.TLSCrtFile }),
			Doc: "Our own certificate (PEM), where the hosts ask for one. Read again when it changes."},
		{Name: "TLS_Key_File", set: file(func(c *Config) *string { return &c.TLSKeyFile }),
			Doc: "Its private key (PEM). Read again when it changes."},
		{Name: "TLS_Verify", Default: "On", set: boolean(func(c *Config) *bool { return &c.TLSVerify }),
			Doc: "Off: any certificate is taken. For trials only."},
		{Name: "TLS_Min_Version", Default: "1.2", set: setTLSMinVersion,
			Doc: "`1.2` or `1.3`."},
		{Name: "Proxy", Secret: true, set: setProxy,
			Doc: "An HTTP proxy in front of the hosts, such as `http://user:password@proxy:3128`. The environment's proxies are not used."},
	})
}

func whatKeys() []Key {
	return inGroup(What, []Key{
		{Name: "Time_Key", Default: "@timestamp", set: fieldName(func(c *Config) *string { return &c.TimeKey }),
			Doc: "The field that holds the record's time."},
		{Name: "Time_Key_Nanos", Default: "On", set: boolean(func(c *Config) *bool { return &c.TimeKeyNanos }),
			Doc: "Times with nine decimals; Off: with three."},
		{Name: "Include_Tag_Key", Default: "Off", set: boolean(func(c *Config) *bool { return &c.IncludeTagKey }),
			Doc: "Write Fluent Bit's tag into the document."},
		{Name: "Tag_Key", Default: "_flb-key", set: fieldName(func(c *Config) *string { return &c.TagKey }),
			Doc: "The field that holds it."},
		{Name: "Replace_Dots", Default: "Off", set: boolean(func(c *Config) *bool { return &c.ReplaceDots }),
			Doc: "Write `_` for each dot in a field's name, so that labels such as `app` and `app.kubernetes.io/name` fit one mapping."},
		{Name: "Log_Key", Default: "log,message,msg,MESSAGE", set: setLogKeys,
			Doc: "The fields that may hold the line's text; the first that is there counts."},
		{Name: "Merge_Log", Default: "Off", set: boolean(func(c *Config) *bool { return &c.MergeLog }),
			Doc: "On: a JSON object in the text becomes fields. Detection and redaction look inside it either way."},
		{Name: "Record_Max", Default: "10M", set: size(1_000, 1_000_000_000, func(c *Config) *int64 { return &c.RecordMax }),
			Doc: "A larger record, in bytes of msgpack, becomes a dead letter without its content."},
	})
}

func securityKeys() []Key {
	return inGroup(Security, []Key{
		{Name: "Detect", Default: "On", set: boolean(func(c *Config) *bool { return &c.Detect }),
			Doc: "Tag records with the Sigma rules that they match."},
		{Name: "Redact", Default: "On", set: setRedact,
			Doc: "Cut secrets and personal data. `Report` counts them and **sends them as they are**, for roll-outs; `Off` does not look."},
		{Name: "Rules_Path", set: func(c *Config, v string) error { c.RulesPath = parseList(v); return nil },
			Doc: "Files and folders of rules of your own, separated by commas, beside the built-in ones."},
		{Name: "Rules_Builtin", Default: "On", set: boolean(func(c *Config) *bool { return &c.RulesBuiltin }),
			Doc: "Use the built-in rules."},
		{Name: "Rules_Reload", Default: "Off", Status: Later, Kind: kindBool, set: boolean(func(c *Config) *bool { return &c.RulesReload }),
			Doc: "Load changed rules without a restart. In this version changed rules are loaded by a restart of Fluent Bit."},
		{Name: "Redact_Action", set: setRedactAction,
			Doc: "What is done with every finding, instead of each rule's own: `redact`, `mask`, `hash`, `drop_field` or `drop_record`."},
		{Name: "Key_File", set: file(func(c *Config) *string { return &c.KeyFile }),
			Doc: "The keys for `hash`. A rule with such an action and no key stops the start."},
	})
}

func deliveryKeys() []Key {
	return inGroup(Delivery, []Key{
		{Name: "Compress", Default: "off", set: setCompress,
			Doc: "`gzip` or `off`."},
		{Name: "Bulk_Size", Default: "5M", set: size(1_000, 100_000_000, func(c *Config) *int64 { return &c.BulkSize }),
			Doc: "The most that one request holds, before compression; `1k` to `100M`."},
		{Name: "Timeout", Default: "30s", set: duration(100*time.Millisecond, 10*time.Minute, func(c *Config) *time.Duration { return &c.Timeout }),
			Doc: "How long one request may take."},
		{Name: "Retry_Wait_Min", Default: "200ms", set: duration(time.Millisecond, time.Minute, func(c *Config) *time.Duration { return &c.RetryWaitMin }),
			Doc: "The first wait before documents that were not taken are sent again; it grows, with jitter."},
		{Name: "Retry_Wait_Max", Default: "2s", set: duration(time.Millisecond, time.Minute, func(c *Config) *time.Duration { return &c.RetryWaitMax }),
			Doc: "The longest wait."},
		{Name: "Retry_Timeout", Default: "3s", set: duration(0, 5*time.Minute, func(c *Config) *time.Duration { return &c.RetryTimeout }),
			Doc: "After it a flush starts no further request or wait, and Fluent Bit's own retry takes over, with only what is left."},
		{Name: "Hold_Max", Default: "15m", set: duration(0, 24*time.Hour, func(c *Config) *time.Duration { return &c.HoldMax }),
			Doc: "How long documents of one index that refuses are held while others flow; then they become dead letters. 0: for ever."},
		{Name: "Dead_Letter_Index", Default: "seclog_dead_letters", set: setDeadLetterIndex,
			Doc: "The index of what can never be delivered."},
		{Name: "Dead_Letter_Path", set: folder(func(c *Config) *string { return &c.DeadLetterPath }),
			Doc: "The file of what this index does not take either; `dead-letters.ndjson` in `State_Path` when absent."},
		{Name: "Dead_Letter_Max", Default: "1G", set: size(1_000, 1_000_000_000_000, func(c *Config) *int64 { return &c.DeadLetterMax }),
			Doc: "How large it may grow; then the chunk is kept and tried again."},
		{Name: "State_Path", Default: "/var/lib/seclog", set: folder(func(c *Config) *string { return &c.StatePath }),
			Doc: "Where the key for ids and dead letters are kept, on a volume that outlives the container. Unwritable stops the start."},
	})
}

func runningKeys() []Key {
	return inGroup(Running, []Key{
		{Name: "Metrics_Listen", Default: "off", Status: Later, Kind: kindBool,
			Doc: "An address for metrics and a status page."},
		{Name: "Core_Dumps", Default: "Off", set: boolean(func(c *Config) *bool { return &c.CoreDumps }),
			Doc: "Off: the process that loads the plugin leaves no core dump, since its memory holds records as they came, and credentials. On: it may, for whoever looks for a crash."},
		{Name: "Setup", Default: "Off", Status: Later, Kind: kindBool,
			Doc: "Make index templates and policies at start."},
	})
}

func inGroup(g Group, keys []Key) []Key {
	for i := range keys {
		keys[i].Group = g
	}
	return keys
}
