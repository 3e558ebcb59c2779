package data

import "fmt"

const nodeName = "worker-3"

// syslog is a line as journald prints it, and as rsyslog writes it.
func (w *writer) syslog(program, text string) string {
	return fmt.Sprintf("%s %s %s: %s", w.now().Format("Jan _2 15:04:05"), nodeName, program, text)
}

func writeSSHD(w *writer) {
	pid := func() string { return fmt.Sprintf("sshd[%d]", 1200+w.IntN(40000)) }
	port := func() int { return 30000 + w.IntN(30000) }
	var planted []func()
	attacker := "203.0.113.66"
	for range 12 {
		planted = append(planted, func() {
			w.attack("sshd_failed_root", "T1110.001", "stdout", "%s", w.syslog(pid(), fmt.Sprintf("Failed password for root from %s port %d ssh2", attacker, port())))
		})
	}
	for _, user := range []string{"admin", "oracle", "test", "ubuntu", "postgres"} {
		planted = append(planted, func() {
			w.out("%s", w.syslog(pid(), fmt.Sprintf("Invalid user %s from %s port %d", user, attacker, port())))
			w.attack("sshd_failed_invalid_user", "T1110.001", "stdout", "%s", w.syslog(pid(), fmt.Sprintf("Failed password for invalid user %s from %s port %d ssh2", user, attacker, port())))
		})
	}
	planted = append(planted, func() {
		w.attack("sshd_accepted_root_password", "T1078.003", "stdout", "%s", w.syslog(pid(), fmt.Sprintf("Accepted password for root from %s port %d ssh2", attacker, port())))
	})
	spread(w, 220, func(int) {
		user := pick(w, "deploy", "ansible", "mkim", "jpark")
		switch w.IntN(6) {
		case 0:
			w.out("%s", w.syslog(pid(), fmt.Sprintf("Connection closed by authenticating user %s %s port %d [preauth]", user, w.inside(), port())))
		case 1:
			w.out("%s", w.syslog(pid(), fmt.Sprintf("pam_unix(sshd:session): session opened for user %s(uid=%d) by (uid=0)", user, 1000+w.IntN(20))))
		case 2:
			w.out("%s", w.syslog(pid(), fmt.Sprintf("pam_unix(sshd:session): session closed for user %s", user)))
		case 3:
			w.out("%s", w.syslog(pid(), fmt.Sprintf("Received disconnect from %s port %d:11: disconnected by user", w.inside(), port())))
		case 4:
			fp := w.fromAlphabet(alphanum+"+/", 43)
			s := w.syslog(pid(), fmt.Sprintf("Accepted publickey for %s from %s port %d ssh2: ED25519 SHA256:%s", user, w.inside(), port(), fp))
			w.innocent("stdout", s, "key_fingerprint", "SHA256:"+fp)
		default:
			w.out("%s", w.syslog(pid(), fmt.Sprintf("Disconnected from user %s %s port %d", user, w.inside(), port())))
		}
	}, planted...)
}

func writeSudo(w *writer) {
	run := func(user, tty, dir, as, command string) string {
		return w.syslog(fmt.Sprintf("sudo[%d]", 1200+w.IntN(40000)), fmt.Sprintf("%8s : TTY=%s ; PWD=%s ; USER=%s ; COMMAND=%s", user, tty, dir, as, command))
	}
	shell := func(user, command string) func() {
		return func() {
			w.attack("sudo_root_shell", "T1548.003", "stdout", "%s", run(user, "pts/1", "/home/"+user, "root", command))
		}
	}
	spread(w, 120, func(int) {
		user := pick(w, "deploy", "ansible", "mkim")
		switch w.IntN(3) {
		case 0:
			w.out("%s", w.syslog(fmt.Sprintf("sudo[%d]", 1200+w.IntN(40000)), fmt.Sprintf("pam_unix(sudo:session): session opened for user root(uid=0) by %s(uid=1001)", user)))
		case 1:
			w.out("%s", w.syslog(fmt.Sprintf("sudo[%d]", 1200+w.IntN(40000)), "pam_unix(sudo:session): session closed for user root"))
		default:
			w.out("%s", run(user, "pts/0", "/home/"+user, pick(w, "root", "root", "postgres"), pick(w, "/usr/bin/systemctl restart kubelet", "/usr/bin/apt-get update", "/usr/bin/journalctl -u containerd", "/usr/bin/crictl ps")))
		}
	},
		shell("jpark", "/bin/bash"),
		shell("jpark", "/usr/bin/su -"),
		shell("www-data", "/bin/sh"),
		func() {
			p := w.word()
			s := run("mkim", "pts/0", "/home/mkim", "root", "/usr/bin/mysqladmin -u root --password="+p+" status")
			w.leak("stdout", s, "password", p)
		},
		func() {
			p := w.word()
			s := run("deploy", "pts/2", "/srv", "root", "/usr/bin/curl -u deploy:"+p+" https://artifacts.shop.example/app.tar.gz")
			w.leak("stdout", s, "password", p)
		},
	)
}

func writeKubelet(w *writer) {
	klog := func(level, at, text string) string {
		return fmt.Sprintf("%s%s    1187 %s] %s", level, w.now().Format("0102 15:04:05.000000"), at, text)
	}
	pod := func() string {
		return pick(w, "shop/cart-", "shop/checkout-", "web/nginx-", "db/postgres-") + w.hex(9) + "-" + w.fromAlphabet(lower+digits, 5)
	}
	spread(w, 260, func(int) {
		switch w.IntN(6) {
		case 0:
			w.line("stderr", klog("I", "kubelet.go:2557", fmt.Sprintf(`"SyncLoop ADD" source="api" pods=["%s"]`, pod())))
		case 1:
			id := w.hex(64)
			w.innocent("stderr", klog("I", "kubelet.go:2569", fmt.Sprintf(`"SyncLoop (PLEG): event for pod" pod="%s" event={"ID":"%s","Type":"ContainerStarted","Data":"%s"}`, pod(), w.uuid(), id)), "container_id", id)
		case 2:
			w.line("stderr", klog("I", "reconciler_common.go:251", fmt.Sprintf(`"operationExecutor.VerifyControllerAttachedVolume started for volume \"kube-api-access-%s\" (UniqueName: \"kubernetes.io/projected/%s-kube-api-access-%s\") pod \"%s\" (UID: \"%s\") " pod="%s"`, w.hex(5), w.uuid(), w.hex(5), "cart", w.uuid(), pod())))
		case 3:
			w.line("stderr", klog("E", "pod_workers.go:1301", fmt.Sprintf(`"Error syncing pod, skipping" err="failed to \"StartContainer\" for \"cart\" with CrashLoopBackOff: \"back-off 5m0s restarting failed container=cart pod=%s\"" pod="%s" podUID="%s"`, pod(), pod(), w.uuid())))
		case 4:
			w.line("stderr", klog("I", "prober.go:107", fmt.Sprintf(`"Probe failed" probeType="Readiness" pod="%s" podUID="%s" containerName="cart" probeResult="failure" output="HTTP probe failed with statuscode: 503"`, pod(), w.uuid())))
		default:
			w.line("stderr", klog("W", "kubelet_pods.go:892", fmt.Sprintf(`"Unable to retrieve pull secret, the image pull may not succeed." pod="%s" secret="registry-credentials" err="secret \"registry-credentials\" not found"`, pod())))
		}
	}, func() {
		t := w.jwt()
		s := klog("E", "server.go:310", fmt.Sprintf(`"Unable to authenticate the request due to an error" err="invalid bearer token: %s"`, t))
		w.leak("stderr", s, "jwt", t)
	})
}

func (w *writer) logfmt(level, text, rest string) string {
	s := fmt.Sprintf("time=%q level=%s msg=%s", w.now().Format("2006-01-02T15:04:05.000000000Z"), level, quote(text))
	if rest != "" {
		s += " " + rest
	}
	return s
}

func writeContainerd(w *writer) {
	image := func() string {
		return pick(w, "registry.shop.example/shop/cart", "registry.shop.example/shop/checkout", "docker.io/library/nginx") + ":" + fmt.Sprintf("1.%d.%d", w.IntN(40), w.IntN(20))
	}
	spread(w, 230, func(int) {
		switch w.IntN(6) {
		case 0:
			w.line("stderr", w.logfmt("info", "PullImage \""+image()+"\"", ""))
		case 1:
			d := "sha256:" + w.hex(64)
			w.innocent("stderr", w.logfmt("info", "PullImage \""+image()+"\" returns image reference \""+d+"\"", ""), "digest", d)
		case 2:
			w.line("stderr", w.logfmt("info", "CreateContainer within sandbox \""+w.hex(64)+"\" for &ContainerMetadata{Name:cart,Attempt:0,} returns container id \""+w.hex(64)+"\"", ""))
		case 3:
			w.line("stderr", w.logfmt("info", "StartContainer for \""+w.hex(64)+"\" returns successfully", ""))
		case 4:
			w.line("stderr", w.logfmt("info", "shim disconnected", "id="+w.hex(64)+" namespace=k8s.io"))
		default:
			w.line("stderr", w.logfmt("warning", "cleaning up after shim disconnected", "id="+w.hex(64)+" namespace=k8s.io"))
		}
	}, func() {
		p := w.word()
		s := w.logfmt("error", "PullImage \""+image()+"\" failed", `error="failed to resolve reference: Get \"https://robot:`+p+`@registry.shop.example/v2/\": dial tcp 10.44.1.9:443: connect: connection refused"`)
		w.leak("stderr", s, "url_password", p)
	})
}

func writeDockerd(w *writer) {
	spread(w, 150, func(int) {
		switch w.IntN(5) {
		case 0:
			w.line("stderr", w.logfmt("info", "ignoring event", "container="+w.hex(64)+` module=libcontainerd namespace=moby topic=/tasks/delete type="*events.TaskDelete"`))
		case 1:
			w.line("stderr", w.logfmt("info", "Container failed to exit within 10s of signal 15 - using the force", "container="+w.hex(64)))
		case 2:
			w.line("stderr", w.logfmt("info", "API listen on /run/docker.sock", ""))
		case 3:
			w.line("stderr", w.logfmt("error", "Handler for GET /v1.47/containers/"+w.hex(12)+"/json returned error: No such container: "+w.hex(12), ""))
		default:
			w.line("stderr", w.logfmt("info", "Layer sha256:"+w.hex(64)+" cleaned up", ""))
		}
	}, func() {
		w.attack("dockerd_tcp_api", "T1133", "stderr", "%s", w.logfmt("warning", "Binding to IP address without --tlsverify is insecure and gives root access on this machine to everyone who has access to your network.", `host="tcp://0.0.0.0:2375"`))
		w.attack("dockerd_tcp_api", "T1133", "stderr", "%s", w.logfmt("warning", "[DEPRECATION NOTICE]: API is accessible on http://0.0.0.0:2375 without encryption. Access to the remote API is equivalent to root access on the host.", `host="tcp://0.0.0.0:2375"`))
		w.attack("dockerd_tcp_api", "T1133", "stderr", "%s", w.logfmt("info", "API listening on tcp://0.0.0.0:2375", ""))
	})
}
