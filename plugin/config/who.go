package config

import (
	"errors"
	"net/url"
	"os"
	"regexp"
	"strings"
)

var (
	regionName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	roleARN    = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$`)
)

// IsAWSRegion tells whether a text can be the name of a region, such as
// eu-central-1.
func IsAWSRegion(v string) bool { return regionName.MatchString(v) }

// IsAWSRole tells whether a text is the ARN of a role, such as
// arn:aws:iam::123456789012:role/seclog.
func IsAWSRole(v string) bool { return roleARN.MatchString(v) }

// hasControl tells whether a text holds what cannot stand in a header.
func hasControl(v string) bool {
	return strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func matching(pattern *regexp.Regexp, what string, to func(c *Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if !pattern.MatchString(v) {
			return errors.New("allowed: " + what)
		}
		*to(c) = v
		return nil
	}
}

func setHTTPUser(c *Config, v string) error {
	if strings.Contains(v, ":") || hasControl(v) {
		return errors.New("allowed: a name without : and control characters")
	}
	c.HTTPUser = v
	return nil
}

func setAWSService(c *Config, v string) (err error) {
	c.AWS.Service, err = oneOf(v, "es", "aoss")
	return err
}

func setSTSEndpoint(c *Config, v string) error {
	if !strings.Contains(v, "://") {
		v = "https://" + v
	}
	u, err := url.Parse(v)
	local := err == nil && u.Scheme == "http" && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && !local {
		return errors.New("allowed: an https URL or a host, such as https://sts.eu-central-1.amazonaws.com")
	}
	c.AWS.STSEndpoint = v
	return nil
}

// ParseProxy reads the URL of an HTTP proxy, such as
// http://user:password@proxy:3128.
//
// Errors: what is no such URL; the text quotes nothing of it.
func ParseProxy(v string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(v))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("allowed: a URL such as http://user:password@proxy:3128")
	}
	return u, nil
}

// setProxy never quotes the URL, since it may hold a password.
func setProxy(c *Config, v string) error {
	_, err := ParseProxy(v)
	c.Proxy = NewSecret(strings.TrimSpace(v))
	return err
}

func (c *Config) combineCredentials(fine func(key string) bool, refuse func(name, shown string, reason error)) {
	for _, pair := range []struct {
		key, value, file string
	}{
		{"HTTP_User", c.HTTPUser, c.HTTPUserFile},
		{"HTTP_Passwd", c.HTTPPasswd.value, c.HTTPPasswdFile},
		{"HTTP_API_Key", c.HTTPAPIKey.value, c.HTTPAPIKeyFile},
		{"Bearer_Token", c.BearerToken.value, c.BearerTokenFile},
	} {
		if pair.value != "" && pair.file != "" {
			refuse(pair.key+"_File", pair.file, errors.New("allowed: "+pair.key+" or "+pair.key+"_File, not both"))
		}
	}
	user := c.HTTPUser != "" || c.HTTPUserFile != ""
	passwd := !c.HTTPPasswd.IsZero() || c.HTTPPasswdFile != ""
	passwdFine := fine("HTTP_Passwd") && fine("HTTP_Passwd_File")
	userFine := fine("HTTP_User") && fine("HTTP_User_File")
	if user && !passwd && passwdFine {
		refuse("HTTP_Passwd", "", errors.New("HTTP_User needs HTTP_Passwd or HTTP_Passwd_File (an environment variable that is not set gives nothing)"))
	}
	if passwd && !user && userFine {
		refuse("HTTP_User", "", errors.New("HTTP_Passwd needs HTTP_User or HTTP_User_File (an environment variable that is not set gives nothing)"))
	}
	ways := 0
	for _, used := range []bool{user || passwd, !c.HTTPAPIKey.IsZero() || c.HTTPAPIKeyFile != "", !c.BearerToken.IsZero() || c.BearerTokenFile != "", c.AWS.Auth} {
		if used {
			ways++
		}
	}
	if ways > 1 {
		key := "HTTP_User"
		if c.AWS.Auth {
			key = "AWS_Auth"
		}
		refuse(key, "", errors.New("allowed: one of HTTP_User with HTTP_Passwd, HTTP_API_Key, Bearer_Token, AWS_Auth"))
	}
	c.combineAWS(fine, refuse)
	switch pair := fine("TLS_Crt_File") && fine("TLS_Key_File"); {
	case pair && c.TLSCrtFile != "" && c.TLSKeyFile == "":
		refuse("TLS_Key_File", "", errors.New("TLS_Crt_File needs it"))
	case pair && c.TLSCrtFile == "" && c.TLSKeyFile != "":
		refuse("TLS_Crt_File", "", errors.New("TLS_Key_File needs it"))
	}
}

// combineAWS checks what signing needs. What AWS's own files and environment
// say is looked at when the destination is made.
func (c *Config) combineAWS(fine func(key string) bool, refuse func(name, shown string, reason error)) {
	if !fine("AWS_Auth") {
		return
	}
	for _, k := range []string{"AWS_Region", "AWS_Profile", "AWS_Role_ARN", "AWS_External_ID", "AWS_STS_Endpoint"} {
		if !c.AWS.Auth && fine(k) && c.wrote(k) {
			refuse(k, "", errors.New("allowed: only with AWS_Auth On"))
		}
	}
	if c.AWS.Auth && !c.AWS.ExternalID.IsZero() && c.AWS.RoleARN == "" && fine("AWS_Role_ARN") {
		refuse("AWS_External_ID", mask, errors.New("needs AWS_Role_ARN, the role that asks for it"))
	}
}

// warnWho gives what weakens who may read or write what is sent.
func (c *Config) warnWho() []string {
	var w []string
	if !c.TLSVerify {
		w = append(w, "TLS_Verify is Off: anyone on the way can read and change what is sent")
	}
	if c.HTTPUser != "" || c.HTTPUserFile != "" || !c.HTTPAPIKey.IsZero() || c.HTTPAPIKeyFile != "" || !c.BearerToken.IsZero() || c.BearerTokenFile != "" || c.AWS.Auth {
		for _, u := range c.Hosts {
			if u.Scheme == "http" {
				w = append(w, "credentials go to "+u.Host+" over http, readable on the way: use https")
			}
		}
	}
	for _, f := range []struct{ key, path string }{
		{"HTTP_Passwd_File", c.HTTPPasswdFile},
		{"HTTP_API_Key_File", c.HTTPAPIKeyFile},
		{"Bearer_Token_File", c.BearerTokenFile},
		{"TLS_Key_File", c.TLSKeyFile},
	} {
		if f.path == "" {
			continue
		}
		// Kubernetes mounts secrets as 0644 unless it is told otherwise, so
		// such a file is not refused.
		if info, err := os.Stat(f.path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			w = append(w, f.key+" "+showValue(f.path)+" can be read or written by others than its owner: give it mode 0400 (in Kubernetes, defaultMode)")
		}
	}
	return w
}
