package e2e

import (
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/rig"
	"github.com/seclog/seclog/test/servers"
)

// TestCluster delivers to three nodes of which some die.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three nodes")
	}
	so, bin := shared.PluginAndHost(t)
	cluster := servers.ClusterForTest(t, 3, servers.Options{})
	t.Run("nodes killed under load", func(t *testing.T) { clusterKills(t, cluster, so, bin) })
	t.Run("one host dead from the start", func(t *testing.T) { deadHost(t, cluster, so, bin) })
}

// clusterKills kills a data node, the first of Hosts, and later the node that manages the cluster, while flushes are
// under way, and starts each again: every record is there once.
func clusterKills(t *testing.T, cluster *servers.Cluster, so, bin string) {
	const (
		chunks = 150
		each   = 400
	)
	manager, err := cluster.Manager(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data := cluster.Nodes[0]
	if data == manager {
		data = cluster.Nodes[1]
	}
	hosts := []string{data.URL}
	for _, url := range cluster.URLs() {
		if url != data.URL {
			hosts = append(hosts, url)
		}
	}
	if err := manager.Do(t.Context(), "PUT", "/cluster-load", `{"settings":{"number_of_shards":3,"number_of_replicas":1}}`, nil); err != nil {
		t.Fatal(err)
	}
	green(t, manager)
	output := section(t, strings.Join(hosts, ","), "cluster-load", map[string]string{"Retry_Timeout": "3s", "Timeout": "30s"})
	h := rig.StartHost(t, bin, host.Script{Plugin: so, Outputs: []map[string]string{output}, Threads: 4, Queue: 8})
	n := now{time.Now().Add(-time.Minute).Unix()}
	for i := range chunks {
		if err := h.Chunk("app", numbered(n, i*each, (i+1)*each).Bytes()); err != nil {
			t.Fatal(err)
		}
		// The queue is full all the time, so four flushes are under way at each of these.
		switch i {
		case 30:
			err = data.Kill()
		case 60:
			if err = data.Restart(t.Context()); err == nil {
				green(t, manager)
				manager, err = cluster.Manager(t.Context())
			}
		case 90:
			err = manager.Kill()
		case 120:
			err = manager.Restart(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if e, err := h.Drain(2 * time.Minute); err != nil || e.OK != chunks || e.Pending+e.Error+e.Dropped > 0 {
		t.Fatalf("%+v %v", e, err)
	}
	last, err := h.Exit()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d flushes of %d chunks, %d given back, the longest %d ms", last.Flushes, chunks, last.Retry, last.LongestMS)
	green(t, data)
	once(t, data, "cluster-load", deadIndex("cluster-load"), chunks*each)
}

// green waits until all copies of all shards are there.
func green(t *testing.T, s *servers.Server) {
	t.Helper()
	if err := s.Do(t.Context(), "GET", "/_cluster/health?wait_for_status=green&wait_for_nodes=3&timeout=60s", nil, nil); err != nil {
		t.Fatal(err)
	}
}

// deadHost delivers to a host that ends every connection and one that lives: the dead one is left alone after a few tries,
// and no flush waits for it.
func deadHost(t *testing.T, cluster *servers.Cluster, so, bin string) {
	const chunks, each = 60, 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tries atomic.Int32
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return // the test has ended
			}
			tries.Add(1)
			_ = c.Close() // that is all it does
		}
	}()
	defer func() {
		_ = l.Close() // the listener has no state to lose
		<-ended
	}()
	output := section(t, "http://"+l.Addr().String()+","+cluster.Nodes[0].URL, "cluster-dead", map[string]string{"Retry_Wait_Min": "200ms", "Retry_Wait_Max": "2s"})
	h := rig.StartHost(t, bin, host.Script{Plugin: so, Outputs: []map[string]string{output}})
	n := now{time.Now().Add(-time.Minute).Unix()}
	var took []time.Duration
	for i := range chunks {
		begin := time.Now()
		if err := h.Chunk("app", numbered(n, i*each, (i+1)*each).Bytes()); err != nil {
			t.Fatal(err)
		}
		arrive(t, h)
		took = append(took, time.Since(begin))
	}
	if _, err := h.Exit(); err != nil {
		t.Fatal(err)
	}
	once(t, cluster.Nodes[0], "cluster-dead", deadIndex("cluster-dead"), chunks*each)
	slices.Sort(took)
	t.Logf("%d connections to the dead host in %d flushes; a flush takes %v in the middle, %v at the most", tries.Load(), chunks, took[chunks/2], took[chunks-1])
	if got := tries.Load(); got > 5 {
		t.Errorf("the dead host was tried %d times in %d flushes", got, chunks)
	}
	if slow := took[chunks/2]; slow > 200*time.Millisecond {
		t.Errorf("half of the flushes took %v or longer", slow)
	}
}
