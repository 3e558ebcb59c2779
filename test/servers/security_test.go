package servers_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/seclog/seclog/test/servers"
)

func TestOptions_NotTestedSaysWhy(t *testing.T) {
	t.Setenv("PATH", "")
	reason, ok := servers.Options{Version: "3.4.0"}.Available()
	if !ok && !strings.HasPrefix(reason, "needs JDK 21 or newer, found") && !strings.HasSuffix(reason, "was not found") {
		t.Errorf("reason %q", reason)
	}
	if reason, ok := (servers.Options{Version: "3.4.0", Security: true}).Available(); ok || reason == "" {
		t.Errorf("the security plugin of 3.4.0: %q %v", reason, ok)
	}
}

// TestSecurity_ThreeNodes starts a cluster with certificates, users and roles: the slowest start of all, and the only
// one that uses both.
func TestSecurity_ThreeNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three nodes")
	}
	cluster := servers.ClusterForTest(t, 3, servers.Options{Security: true})
	first := cluster.Nodes[0]
	if _, err := cluster.Manager(t.Context()); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(first.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate")
	}
	if _, err := tls.LoadX509KeyPair(first.ClientCrtFile, first.ClientKeyFile); err != nil {
		t.Error(err)
	}
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer trusting.CloseIdleConnections()
	for _, url := range cluster.URLs() {
		res, err := trusting.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a password: status %d", url, res.StatusCode)
		}
		if _, err := http.Get(url); err == nil {
			t.Errorf("%s: a certificate of a strange authority is trusted", url)
		}
	}
	if err := first.Do(t.Context(), "POST", "/_bulk?refresh=true", bulk("logs", 0, 100), nil); err != nil {
		t.Fatal(err)
	}
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	if got, err := cluster.Nodes[1].Count(t.Context(), "logs"); err == nil && got != 100 {
		t.Errorf("%d documents", got)
	}
	if err := first.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := first.Count(t.Context(), "logs"); err != nil || got != 100 {
		t.Errorf("%d documents, %v", got, err)
	}
}
