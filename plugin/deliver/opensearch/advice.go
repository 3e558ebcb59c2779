package opensearch

import (
	"fmt"
	"strings"

	"github.com/seclog/seclog/plugin/deliver"
)

// advice is what one kind of refusal means, and what it asks somebody to do.
type advice struct {
	kind   string // how the lines name it, or begin to: an error's type, or a cause in words of ours; empty: told by the status alone
	status int    // 0: whatever it is
	means  string
	do     string
}

// advised is every refusal and failure that there is advice on. What has a kind stands before what has a status alone.
var advised = []advice{
	{"security_exception", 403, "the user may not do this with this index", "give Seclog's user the role of deploy/opensearch/role.yml with this index among its index_patterns; it allows to create documents, indices and new fields"},
	{"security_exception", 0, "the server does not know who this is", "check HTTP_User, HTTP_Passwd_File, HTTP_API_Key_File or Bearer_Token_File; a changed file is read again without a restart"},
	{"cluster_block_exception", 0, "the index or the whole cluster takes no writes: the disk is at its flood stage, or somebody set a block", "free disk on the nodes, then set index.blocks.read_only_allow_delete (or the block that somebody set) to null"},
	{"validation_exception", 0, "the new index would be one shard too many for the cluster", "delete old indices or raise cluster.max_shards_per_node; fewer names in Index make fewer shards"},
	{"index_closed_exception", 0, "the index is closed", "open it with POST INDEX/_open, or let Index name another"},
	{"index_not_found_exception", 0, "the index is not there and may not be made by itself", "create it, or allow its name in action.auto_create_index"},
	{"invalid_index_name_exception", 0, "no index can have this name", "mend Index: lower case, none of \\ / * ? \" < > | , # : and no space, at most 255 bytes"},
	{"invalid_alias_name_exception", 0, "no index can have this name, an alias of a template has it", "mend the template's aliases"},
	{"routing_missing_exception", 0, "the index requires a routing, which no document has", "take _routing.required out of its mapping or template"},
	{"mapper_parsing_exception", 0, "a field has another type than the index's mapping gives it", "compare the dead letter's document with the mapping; mend the template, or set Replace_Dots, then replay"},
	{"document_parsing_exception", 0, "a field has another type than the index's mapping gives it", "compare the dead letter's document with the mapping; mend the template, then replay"},
	{"strict_dynamic_mapping_exception", 0, "the document has a field that the strict mapping does not", "add the field to the template or set its dynamic to true or false, then replay"},
	{illegalArgument, 0, "documents that wait: the pipeline is missing, the alias has no write index, or the shard is full; dead letters: too many fields, a value too long, two types in one field", "documents that wait: make the pipeline that Pipeline or the index names, or give the alias a write index; dead letters: raise the index's limit or mend its template, then replay"},
	{deliver.OfTemplate, 0, "the index refuses more than half of its documents: that is a broken template, so they wait", "mend the index's template or mapping; the documents follow by themselves"},
	{"held", 0, "documents waited for longer than Hold_Max", "mend what the lines before it name, then replay the dead letters; a longer Hold_Max waits longer"},
	{"content_too_long", 413, "a single document is larger than the server takes", "raise the server's http.max_content_length or lower Record_Max"},
	{"larger than Record_Max", 0, "a record is larger than Record_Max and was set aside without its content", "raise Record_Max, or cut such lines where they are written"},
	{"asks to wait", 0, "the server is overloaded", "nothing at once: it is sent more slowly; when it goes on give the cluster more nodes or heap"},
	{"dead letters cannot be written", 0, "neither the index nor the file takes dead letters; the chunk is kept", "free disk below State_Path, raise Dead_Letter_Max after replaying the file, or make it writable for this user"},
	{"connection refused", 0, "nothing listens at the host's port", "start the server, or mend Hosts: address, port and https instead of http"},
	{"connection reset", 0, "the connection was cut", "look at the server's log and at proxies between; http:// to a port that speaks TLS does this too"},
	{"connection closed", 0, "the connection was closed before an answer", "look at the server's log and at proxies between; http:// to a port that speaks TLS does this too"},
	{"timeout", 0, "no answer in time", "see whether the server is overloaded or a firewall drops packets; a longer Timeout waits longer"},
	{"the name is not found", 0, "a name in Hosts does not resolve", "mend Hosts or the node's DNS"},
	{"the certificate is not trusted", 0, "the server's certificate is of another authority, of another name, or out of date", "put its authority's certificate into TLS_CA_File, name the host as the certificate does, or renew the certificate"},
	{"the certificate is for another name", 0, "the server's certificate does not hold the name in Hosts", "write a name into Hosts that the certificate holds, or renew it with this one"},
	{"the certificate is not signed by an authority we trust", 0, "the server's certificate is of an authority of its own", "put that authority's certificate into TLS_CA_File"},
	{"the certificate has expired", 0, "the server's certificate is out of date", "renew it; if it is not, look at this node's clock"},
	{"the certificate is not valid yet", 0, "the server's certificate is dated ahead", "look at this node's clock"},
	{"the host speaks no TLS", 0, "the port answers without TLS, or with no version that we take", "write http:// into Hosts if that is meant, or check port and TLS_Min_Version"},
	{"the host asks for a client certificate", 0, "the server lets nobody in without a certificate", "set TLS_Crt_File and TLS_Key_File"},
	{"the host says that our client certificate", 0, "the client certificate has expired or is revoked", "renew TLS_Crt_File and TLS_Key_File: they are read again without a restart"},
	{"the host does not take our client certificate", 0, "the server does not accept the client certificate, or asks for one", "check TLS_Crt_File and TLS_Key_File, and the authority that the server trusts"},
	{"the host does not trust our client certificate's authority", 0, "the server knows no authority that signed the client certificate", "have TLS_Crt_File signed by an authority that the server trusts, or add that to the server's"},
	{"the host refuses the handshake", 0, "server and client agree on no way to speak TLS", "check TLS_Min_Version and the server's protocols and ciphers"},
	{"the host does not know its name", 0, "the server has no certificate for the name in Hosts", "write a name into Hosts that the server knows"},
	{"a secret's file cannot be used", 0, "the file of a password, key or token is missing, empty or no text", "mend the file that HTTP_Passwd_File, HTTP_API_Key_File or Bearer_Token_File names"},
	{"AWS credentials", 0, "no credentials to sign requests with can be had", "check AWS_Profile, AWS_Role_ARN, AWS_External_ID and AWS_STS_Endpoint, and the role of the node or pod"},
	{"what answers speaks no HTTP", 0, "something else than OpenSearch answers", "check Hosts: address and port"},
	{"the proxy wants other credentials", 0, "the proxy does not take user and password", "check user and password in Proxy"},
	{"the proxy: ", 0, "the proxy itself cannot be reached, or not trusted", "check address and port in Proxy, and see whether it runs"},
	{"the proxy opens no tunnel", 0, "the proxy does not let through to the host", "allow the host and its port at the proxy, or check Hosts"},
	{"TLS failed", 0, "the server does not speak TLS, or not the version asked for, or wants a client certificate", "check https in Hosts, TLS_Min_Version, TLS_Crt_File and TLS_Key_File"},
	{"the answer is no bulk answer", 0, "something else than OpenSearch answers", "check Hosts and Path: a proxy's page, or another service"},
	{"the answer is too long", 0, "something else than OpenSearch answers", "check Hosts and Path"},
	{"the answer was cut", 0, "the connection ended within the answer", "look at proxies between and at the server's log"},
	{"redirect, which is not followed", 0, "the host sends elsewhere", "write the address that it sends to into Hosts"},
	{"", 401, "user, password or token are not taken", "check HTTP_User, HTTP_Passwd_File, HTTP_API_Key_File or Bearer_Token_File; a changed file is read again without a restart"},
	{"", 403, "the user may not write, or something before the server forbids it", "give Seclog's user the role of deploy/opensearch/role.yml; with AWS look at the domain's access policy and at this node's clock"},
	{"", 404, "there is no such address", "check Hosts and Path"},
	{"", 405, "the address takes no bulk requests", "check Hosts and Path"},
	{"", 407, "the proxy asks for a user", "write user and password into Proxy"},
	{"", 429, "the server is overloaded", "nothing at once: it is sent more slowly; when it goes on give the cluster more nodes or heap"},
	{"", 503, "the server, or a shard, is not ready", "see GET _cluster/health; a node may be starting"},
}

// Advise says in plain words what a refusal asks somebody to do: a kind of error and its status, 0 when no answer came.
// Empty when nothing is known of it.
func (c *Client) Advise(kind string, status int) string {
	if a := adviceOn(kind, status); a != nil {
		return a.do
	}
	return ""
}

func adviceOn(kind string, status int) *advice {
	if strings.HasSuffix(kind, deliver.OfTemplate) {
		kind = deliver.OfTemplate
	}
	kind = strings.TrimPrefix(kind, "the proxy: ") // the same trouble, on the way to it
	for i := range advised {
		a := &advised[i]
		if a.kind == "" || !strings.HasPrefix(kind, a.kind) {
			continue
		}
		if a.status == 0 || a.status == status {
			return a
		}
	}
	for i := range advised {
		if a := &advised[i]; a.kind == "" && a.status == status {
			return a
		}
	}
	return nil
}

// The markers between which README.md shows the advice.
const (
	AdviceBegin = "<!-- advice:begin -->"
	AdviceEnd   = "<!-- advice:end -->"
)

// AdviceTable is the advice as a table in Markdown.
func AdviceTable() string {
	var b strings.Builder
	b.WriteString("| in the line | what it means | what to do |\n| --- | --- | --- |\n")
	for _, a := range advised {
		what := "`" + strings.TrimSpace(a.kind) + "`"
		switch {
		case a.kind == "":
			what = fmt.Sprintf("`status %d` and nothing of the above", a.status)
		case a.status != 0:
			what += fmt.Sprintf(" with `status %d`", a.status)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", what, cell(a.means), cell(a.do))
	}
	return b.String()
}

// cell escapes what would end a table's cell, or be taken for HTML.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\\", "\\\\", "*", "\\*", "<", "&lt;", "_", "\\_").Replace(text)
}

// SpliceAdvice puts the table between its markers.
//
// Errors: the markers are not there, or not once each and in order.
func SpliceAdvice(readme string) (string, error) {
	head, rest, ok := strings.Cut(readme, AdviceBegin)
	_, tail, closed := strings.Cut(rest, AdviceEnd)
	if !ok || !closed || strings.Contains(rest, AdviceBegin) || strings.Contains(tail, AdviceEnd) {
		return "", fmt.Errorf("the markers %s and %s do not stand there once each, in this order", AdviceBegin, AdviceEnd)
	}
	return head + AdviceBegin + "\n" + AdviceTable() + AdviceEnd + tail, nil
}
