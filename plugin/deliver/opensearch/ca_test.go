package opensearch_test

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"testing"
)

// writeCA writes the certificate that a test server's clients are to trust.
func writeCA(t *testing.T, path string, srv *httptest.Server) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
