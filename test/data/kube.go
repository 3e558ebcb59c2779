package data

import "fmt"

// auditEvent is what differs from one audit event to the next; texts that are
// empty, and request objects, are left out of the line.
type auditEvent struct {
	verb, uri           string
	user                string
	groups              string // JSON array
	resource, sub, ns   string
	name, group         string
	code                int
	agent, source       string
	request, annotation string // JSON objects
}

func (w *writer) audit(e auditEvent) string {
	level, api := "Metadata", "v1"
	if e.request != "" {
		level = "RequestResponse"
	}
	if e.agent == "" {
		e.agent = "kubectl/v1.34.1 (linux/amd64) kubernetes/93248f9"
	}
	if e.source == "" {
		e.source = w.inside()
	}
	if e.annotation == "" {
		e.annotation = `{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""}`
	}
	ref := fmt.Sprintf(`{"resource":%q`, e.resource)
	for _, kv := range [][2]string{{"namespace", e.ns}, {"name", e.name}, {"apiGroup", e.group}} {
		if kv[1] != "" {
			ref += fmt.Sprintf(",%q:%q", kv[0], kv[1])
		}
	}
	ref += fmt.Sprintf(`,"apiVersion":%q`, api)
	if e.sub != "" {
		ref += fmt.Sprintf(`,"subresource":%q`, e.sub)
	}
	ref += "}"
	s := fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":%q,"auditID":%q,"stage":"ResponseComplete","requestURI":%q,"verb":%q,"user":{"username":%q,"groups":%s},"sourceIPs":[%q],"userAgent":%q,"objectRef":%s,"responseStatus":{"metadata":{},"code":%d}`,
		level, w.uuid(), e.uri, e.verb, e.user, e.groups, e.source, e.agent, ref, e.code)
	if e.request != "" {
		s += `,"requestObject":` + e.request
	}
	t := w.now().Format("2006-01-02T15:04:05.000000Z")
	return s + fmt.Sprintf(`,"requestReceivedTimestamp":%q,"stageTimestamp":%q,"annotations":%s}`, t, t, e.annotation)
}

func writeAudit(w *writer) {
	const (
		people  = `["shop-developers","system:authenticated"]`
		admins  = `["system:masters","system:authenticated"]`
		service = `["system:serviceaccounts","system:serviceaccounts:kube-system","system:authenticated"]`
	)
	attack := func(event, technique string, e auditEvent) func() {
		return func() { w.attack(event, technique, "stdout", "%s", w.audit(e)) }
	}
	planted := []func(){
		attack("k8s_exec", "T1609", auditEvent{verb: "create", uri: "/api/v1/namespaces/shop/pods/cart-7d9c5b6f4-x2k4p/exec?command=%2Fbin%2Fsh&container=cart&stdin=true&stdout=true&tty=true",
			user: "jpark", groups: people, resource: "pods", sub: "exec", ns: "shop", name: "cart-7d9c5b6f4-x2k4p", code: 101}),
		attack("k8s_exec", "T1609", auditEvent{verb: "get", uri: "/api/v1/namespaces/db/pods/postgres-0/exec?command=bash&stdin=true&stdout=true&tty=true",
			user: "jpark", groups: people, resource: "pods", sub: "exec", ns: "db", name: "postgres-0", code: 101}),
		attack("k8s_privileged_pod", "T1611", auditEvent{verb: "create", uri: "/api/v1/namespaces/shop/pods", user: "jpark", groups: people, resource: "pods", ns: "shop", name: "debug", code: 201,
			request: `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"debug","namespace":"shop"},"spec":{"volumes":[{"name":"host","hostPath":{"path":"/","type":""}}],"containers":[{"name":"debug","image":"docker.io/library/alpine:3.22","command":["sleep","86400"],"volumeMounts":[{"name":"host","mountPath":"/host"}],"securityContext":{"privileged":true}}],"hostPID":true}}`}),
		attack("k8s_cluster_admin_binding", "T1098.006", auditEvent{verb: "create", uri: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", user: "jpark", groups: admins, resource: "clusterrolebindings", name: "helper", group: "rbac.authorization.k8s.io", code: 201,
			request: `{"kind":"ClusterRoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"helper"},"subjects":[{"kind":"ServiceAccount","name":"default","namespace":"shop"}],"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"}}`}),
		attack("k8s_anonymous_request", "T1078.001", auditEvent{verb: "list", uri: "/api/v1/namespaces/kube-system/pods", user: "system:anonymous", groups: `["system:unauthenticated"]`, resource: "pods", ns: "kube-system", code: 200, source: "203.0.113.66", agent: "curl/8.11.0"}),
		attack("k8s_secrets_list", "T1552.007", auditEvent{verb: "list", uri: "/api/v1/secrets?limit=500", user: "jpark", groups: people, resource: "secrets", code: 200}),
		attack("k8s_secrets_list", "T1552.007", auditEvent{verb: "list", uri: "/api/v1/namespaces/payments/secrets?limit=500", user: "system:serviceaccount:shop:default", groups: `["system:serviceaccounts","system:serviceaccounts:shop","system:authenticated"]`, resource: "secrets", ns: "payments", code: 200, agent: "curl/8.11.0"}),
		func() {
			p, text := w.word(), ""
			text = w.audit(auditEvent{verb: "create", uri: "/apis/apps/v1/namespaces/shop/deployments", user: "mkim", groups: people, resource: "deployments", ns: "shop", name: "report", group: "apps", code: 201,
				request: `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"report"},"spec":{"template":{"spec":{"containers":[{"name":"report","image":"registry.shop.example/shop/report:2.1.0","env":[{"name":"DATABASE_URL","value":"postgres://report:` + p + `@postgres.db.svc:5432/shop"}]}]}}}}`})
			w.leak("stdout", text, "url_password", p)
		},
	}
	spread(w, 230, func(int) {
		pod := "cart-" + w.hex(9) + "-" + w.fromAlphabet(lower+digits, 5)
		switch w.IntN(5) {
		case 0:
			w.out("%s", w.audit(auditEvent{verb: "get", uri: "/api/v1/namespaces/shop/pods/" + pod, user: "mkim", groups: people, resource: "pods", ns: "shop", name: pod, code: 200}))
		case 1:
			w.out("%s", w.audit(auditEvent{verb: "watch", uri: "/api/v1/pods?allowWatchBookmarks=true&watch=true", user: "system:serviceaccount:kube-system:coredns", groups: service, resource: "pods", code: 200, agent: "CoreDNS/v0.0.0 (linux/amd64) kubernetes/$Format"}))
		case 2:
			w.out("%s", w.audit(auditEvent{verb: "update", uri: "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/" + nodeName, user: "system:node:" + nodeName, groups: `["system:nodes","system:authenticated"]`, resource: "leases", ns: "kube-node-lease", name: nodeName, group: "coordination.k8s.io", code: 200, agent: "kubelet/v1.34.1 (linux/amd64) kubernetes/93248f9"}))
		case 3:
			w.out("%s", w.audit(auditEvent{verb: "patch", uri: "/apis/apps/v1/namespaces/shop/deployments/cart", user: "system:serviceaccount:ci:deployer", groups: service, resource: "deployments", ns: "shop", name: "cart", group: "apps", code: 200, agent: "helm/v3.19.0",
				request: `{"spec":{"template":{"spec":{"containers":[{"name":"cart","image":"registry.shop.example/shop/cart:1.12.4"}]}}}}`}))
		default:
			w.out("%s", w.audit(auditEvent{verb: "list", uri: "/api/v1/namespaces/shop/configmaps?limit=500", user: "mkim", groups: people, resource: "configmaps", ns: "shop", code: 200}))
		}
	}, planted...)
}

func writeFalco(w *writer) {
	falco := func(priority, rule, output, fields, tags string) string {
		t := w.now().Format("15:04:05.000000000")
		return fmt.Sprintf(`{"hostname":%q,"output":%s,"output_fields":%s,"priority":%q,"rule":%s,"source":"syscall","tags":%s,"time":%q}`,
			nodeName, quote(t+": "+priority+" "+output), fields, priority, quote(rule), tags, w.now().Format("2006-01-02T15:04:05.000000000Z"))
	}
	fields := func(proc, cmdline, file string) string {
		return fmt.Sprintf(`{"container.id":%q,"container.image.repository":"registry.shop.example/shop/cart","container.name":"cart","evt.time":%d,"fd.name":%q,"k8s.ns.name":"shop","k8s.pod.name":"cart-7d9c5b6f4-x2k4p","proc.cmdline":%q,"proc.name":%q,"proc.pname":"java","user.name":"root","user.uid":0}`,
			w.hex(12), w.now().UnixNano(), file, cmdline, proc)
	}
	attack := func(event, technique, priority, rule, output, tags, proc, cmdline, file string) func() {
		return func() {
			w.attack(event, technique, "stdout", "%s", falco(priority, rule, output, fields(proc, cmdline, file), tags))
		}
	}
	spread(w, 110, func(int) {
		w.out("%s", falco(pick(w, "Notice", "Informational", "Debug"), pick(w, "Contact K8S API Server From Container", "Redirect STDOUT/STDIN to Network Connection in Container", "Launch Package Management Process in Container"),
			fmt.Sprintf("Unexpected connection to K8s API Server from container (connection=%s:%d->10.96.0.1:443 container_id=%s)", w.inside(), 30000+w.IntN(30000), w.hex(12)),
			fields("coredns", "coredns -conf /etc/coredns/Corefile", "10.96.0.1:443"), `["container","k8s","maturity_stable","mitre_discovery","network","T1565"]`))
	},
		attack("falco_critical", "T1059", "Critical", "Executing binary not part of base image", "Executing binary not part of base image (proc_exe=xmrig proc_cmdline=xmrig -o stratum+tcp://198.51.100.9:3333)", `["T1059","container","maturity_stable","mitre_persistence","process"]`, "xmrig", "xmrig -o stratum+tcp://198.51.100.9:3333", ""),
		attack("falco_warning", "T1555", "Warning", "Read sensitive file untrusted", "Sensitive file opened for reading by non-trusted program (file=/etc/shadow process=cat command=cat /etc/shadow)", `["T1555","container","filesystem","host","maturity_stable","mitre_credential_access"]`, "cat", "cat /etc/shadow", "/etc/shadow"),
		attack("falco_critical", "T1611", "Critical", "Detect release_agent File Container Escapes", "Detect an attempt to exploit a container escape using release_agent file (file=/sys/fs/cgroup/release_agent command=sh)", `["T1611","container","maturity_stable","mitre_privilege_escalation","process"]`, "sh", "sh -c echo /cmd > /sys/fs/cgroup/release_agent", "/sys/fs/cgroup/release_agent"),
		attack("falco_warning", "T1070", "Warning", "Clear Log Activities", "Log files were tampered (file=/var/log/auth.log command=truncate -s 0 /var/log/auth.log)", `["T1070","container","filesystem","host","maturity_stable","mitre_defense_evasion"]`, "truncate", "truncate -s 0 /var/log/auth.log", "/var/log/auth.log"),
	)
}
