package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seclog/seclog/plugin/config"
)

func TestLoad_Who(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(withHost("AWS_Auth", "On", "AWS_Region", "eu-central-1", "AWS_Profile", "p", "AWS_Role_ARN", "arn:aws:iam::123456789012:role/logs/seclog",
		"AWS_External_ID", "x1", "AWS_STS_Endpoint", "sts.eu-central-1.amazonaws.com", "AWS_Service_Name", "AOSS",
		"TLS_Crt_File", file, "TLS_Key_File", file, "Proxy", " http://u:p@proxy:3128 "))
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.AWS.Auth, c.AWS.Region, c.AWS.Profile, c.AWS.RoleARN, c.AWS.ExternalID.Reveal(), c.AWS.STSEndpoint, c.AWS.Service, c.TLSCrtFile, c.TLSKeyFile, c.Proxy.Reveal()}
	want := []any{true, "eu-central-1", "p", "arn:aws:iam::123456789012:role/logs/seclog", "x1", "https://sts.eu-central-1.amazonaws.com", "aoss", file, file, "http://u:p@proxy:3128"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_WhoTogether(t *testing.T) {
	for name, tc := range map[string]struct {
		keys []string
		want string
	}{
		"AWS and a user":              {[]string{"AWS_Auth", "On", "HTTP_User", "u", "HTTP_Passwd", "hunter2"}, "AWS_Auth: allowed: one of"},
		"AWS and a key":               {[]string{"AWS_Auth", "On", "HTTP_API_Key", "hunter2"}, "AWS_Auth: allowed: one of"},
		"AWS and a token":             {[]string{"AWS_Auth", "On", "Bearer_Token", "hunter2"}, "AWS_Auth: allowed: one of"},
		"an external id and no role":  {[]string{"AWS_Auth", "On", "AWS_External_ID", "hunter2"}, "AWS_External_ID ***: needs AWS_Role_ARN"},
		"a control character":         {[]string{"Bearer_Token", "hunter2\x1b[0m"}, "Bearer_Token ***: allowed: text without line ends and control"},
		"a role and no AWS_Auth":      {[]string{"AWS_Role_ARN", "arn:aws:iam::123456789012:role/x"}, "AWS_Role_ARN: allowed: only with AWS_Auth On"},
		"a password and its file":     {[]string{"HTTP_User", "u", "HTTP_Passwd", "hunter2", "HTTP_Passwd_File", "/dev/null"}, "not both"},
		"two ways that are not AWS's": {[]string{"HTTP_API_Key", "hunter2", "Bearer_Token", "hunter2"}, "HTTP_User: allowed: one of"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(withHost(tc.keys...))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%v, want in it %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the secret shows: %v", err)
			}
		})
	}
}

// A file that others may read is used, and one line says so.
func TestWarnings_FilesOfOthers(t *testing.T) {
	dir := t.TempDir()
	for _, mode := range []os.FileMode{0o400, 0o600, 0o640, 0o644, 0o602} {
		path := filepath.Join(dir, mode.String())
		if err := os.WriteFile(path, []byte("hunter2"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		link := path + ".link"
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(withHost("Bearer_Token_File", link))
		if err != nil {
			t.Fatal(err)
		}
		w := c.Warnings()
		if open := mode&0o077 != 0; open != (len(w) == 1) {
			t.Errorf("%s: warnings are %q", mode, w)
		}
	}
}

func TestWarnings_WeakWho(t *testing.T) {
	for name, tc := range map[string]struct {
		keys []string
		want string
	}{
		"not verified":     {[]string{"TLS_Verify", "Off"}, "anyone on the way"},
		"AWS over http":    {[]string{"Hosts", "http://h:9200", "AWS_Auth", "On"}, "credentials go to h:9200 over http"},
		"basic over http":  {[]string{"Hosts", "http://h:9200", "HTTP_User", "u", "HTTP_Passwd", "p"}, "credentials go to h:9200 over http"},
		"nothing is wrong": {[]string{"AWS_Auth", "On"}, ""},
	} {
		c, err := config.Load(withHost(tc.keys...))
		if err != nil {
			t.Fatal(err)
		}
		if w := strings.Join(c.Warnings(), "\n"); tc.want == "" && w != "" || !strings.Contains(w, tc.want) {
			t.Errorf("%s: %q, want %q", name, w, tc.want)
		}
	}
}
