package servers

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
)

const pluginName = "opensearch-security"

// secure gives the server certificates, users and roles, and answers what its clients trust.
func (s *Server) secure() (*tls.Config, error) {
	if err := certificates(s.configDir()); err != nil {
		return nil, err
	}
	if err := s.admit(); err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("the authority's certificate cannot be read")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// admit says in the server's settings and to its clients what certificates stand in the config directory.
func (s *Server) admit() error {
	// The users and roles that the plugin brings, among them admin.
	if err := os.CopyFS(filepath.Join(s.configDir(), pluginName), os.DirFS(filepath.Join(s.dist, "extra-config", pluginName))); err != nil {
		return fmt.Errorf("bring the security plugin's configuration: %w", err)
	}
	s.CAFile = filepath.Join(s.configDir(), "authority.pem")
	s.ClientCrtFile = filepath.Join(s.configDir(), "client.pem")
	s.ClientKeyFile = filepath.Join(s.configDir(), "client.key")
	s.AdminUser, s.AdminSecret = "admin", "admin"
	settings := map[string]string{
		"plugins.security.ssl.transport.enforce_hostname_verification": "false",
		"plugins.security.ssl.http.enabled":                            "true",
		"plugins.security.nodes_dn":                                    "CN=node",
		"plugins.security.allow_default_init_securityindex":            "true",
		"plugins.security.restapi.roles_enabled":                       "all_access",
	}
	for _, layer := range []string{"transport", "http"} {
		prefix := "plugins.security.ssl." + layer + "."
		settings[prefix+"pemcert_filepath"] = "node.pem"
		settings[prefix+"pemkey_filepath"] = "node.key"
		settings[prefix+"pemtrustedcas_filepath"] = "authority.pem"
	}
	maps.Copy(settings, s.o.Settings)
	s.o.Settings = settings
	return nil
}

// adopt takes another server's certificates in place of its own, so that both are of one cluster.
func (s *Server) adopt(other *Server) error {
	for _, name := range []string{"authority.pem", "node.pem", "node.key", "client.pem", "client.key"} {
		data, err := os.ReadFile(filepath.Join(other.configDir(), name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.configDir(), name), data, 0o600); err != nil {
			return err
		}
	}
	s.client = other.client
	return nil
}
