package servers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Cluster is several nodes that know each other, on this machine.
type Cluster struct {
	Nodes []*Server // each can be killed, stopped, paused and restarted by itself

	ownDir string // removed by Close
}

// StartCluster starts n nodes and waits until all have joined. A heap is 384m when the options name none; Options.Dir
// holds a folder for each. With Options.Security all have certificates by one authority.
//
// *Errors:* with the end of the log of a node that ended or was not ready in time.
func StartCluster(ctx context.Context, n int, o Options) (*Cluster, error) {
	if n < 1 {
		return nil, fmt.Errorf("start a cluster of %d nodes", n)
	}
	o.Heap = cmp.Or(o.Heap, "384m")
	c := &Cluster{}
	var err error
	if o.Dir == "" {
		if c.ownDir, err = os.MkdirTemp("", "opensearch-cluster-"); err != nil {
			return nil, fmt.Errorf("make the cluster's directory: %w", err)
		}
		o.Dir = c.ownDir
	}
	for i := range n {
		own := o
		own.Dir = filepath.Join(o.Dir, fmt.Sprint("node-", i))
		s, err := prepare(ctx, own)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.Nodes = append(c.Nodes, s)
		if o.Security && i > 0 {
			if err := s.adopt(c.Nodes[0]); err != nil {
				return nil, errors.Join(err, c.Close())
			}
		}
	}
	for try := range portTries {
		// A cluster that came up in part has written down who it is: nothing of it is used again.
		if try > 0 {
			err = c.clear()
		}
		if err == nil {
			err = c.start(ctx)
		}
		if err == nil {
			return c, nil
		}
		if !portTaken(err) {
			break
		}
	}
	return nil, errors.Join(err, c.Close())
}

// start gives every node its ports, launches all and waits for all.
func (c *Cluster) start(ctx context.Context) error {
	var names, seeds []string
	for _, s := range c.Nodes {
		transport, err := freePort()
		if err == nil {
			err = s.choosePort()
		}
		if err != nil {
			return err
		}
		names = append(names, fmt.Sprint("n", s.port))
		seeds = append(seeds, fmt.Sprint("127.0.0.1:", transport))
		s.o.Settings = maps.Clone(s.o.Settings)
		if s.o.Settings == nil {
			s.o.Settings = map[string]string{}
		}
		s.o.Settings["transport.port"] = fmt.Sprint(transport)
	}
	for _, s := range c.Nodes {
		s.o.Settings["discovery.seed_hosts"] = strings.Join(seeds, ",")
		s.o.Settings["cluster.initial_cluster_manager_nodes"] = strings.Join(names, ",")
		s.mu.Lock()
		err := s.launch()
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
	for _, s := range c.Nodes {
		s.mu.Lock()
		err := s.ready(ctx, len(c.Nodes))
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// clear ends all nodes and removes their data.
func (c *Cluster) clear() error {
	var errs []error
	for _, s := range c.Nodes {
		errs = append(errs, s.Kill(), os.RemoveAll(filepath.Join(s.o.Dir, "data")))
	}
	return errors.Join(errs...)
}

// Manager is the node that manages the cluster at present, as any living node says.
//
// *Errors:* when no node answers, or none manages.
func (c *Cluster) Manager(ctx context.Context) (*Server, error) {
	var errs []error
	for _, s := range c.Nodes {
		if s.Pid() == 0 {
			continue
		}
		var rows []struct {
			Node string `json:"node"`
		}
		if err := s.Do(ctx, http.MethodGet, "/_cat/cluster_manager?format=json", nil, &rows); err != nil {
			errs = append(errs, err)
			continue
		}
		for _, m := range c.Nodes {
			if len(rows) == 1 && rows[0].Node == fmt.Sprint("n", m.port) {
				return m, nil
			}
		}
	}
	return nil, fmt.Errorf("find the cluster's manager: %w", errors.Join(append(errs, errors.New("no node names one"))...))
}

// URLs are the addresses of all nodes.
func (c *Cluster) URLs() []string {
	urls := make([]string, len(c.Nodes))
	for i, s := range c.Nodes {
		urls[i] = s.URL
	}
	return urls
}

// Close kills all nodes and removes the directory if StartCluster made it.
func (c *Cluster) Close() error {
	var errs []error
	for _, s := range c.Nodes {
		errs = append(errs, s.Close())
	}
	if c.ownDir != "" {
		errs = append(errs, os.RemoveAll(c.ownDir))
	}
	return errors.Join(errs...)
}

// ClusterForTest starts a cluster for a test and closes it after it, under the terms of ForTest.
func ClusterForTest(t testing.TB, n int, o Options) *Cluster {
	t.Helper()
	o.need(t)
	c, err := StartCluster(t.Context(), n, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the cluster: %v", err)
		}
	})
	return c
}
