package opensearch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/seclog/seclog/plugin/config"
)

// AWS says how requests to Amazon OpenSearch Service are signed. Credentials are
// found as AWS's own tools do: environment, shared files, web identity,
// container and machine.
type AWS struct {
	Auth        bool   // sign
	Region      string // empty: as AWS's own tools find it
	Profile     string // of the shared files
	RoleARN     string // to assume, with the credentials that are found
	ExternalID  Secret // its external id
	STSEndpoint string // URL of the service that gives temporary credentials
	Service     string // "es" (default) or "aoss"
}

// checked gives the settings with the defaults filled in.
func (a AWS) checked() (AWS, error) {
	a.Service = cmp.Or(a.Service, "es")
	if a.Service != "es" && a.Service != "aoss" {
		return a, errors.New("the AWS service is neither es nor aoss")
	}
	if a.RoleARN != "" && !config.IsAWSRole(a.RoleARN) {
		return a, errors.New("the AWS role is no ARN such as arn:aws:iam::123456789012:role/seclog")
	}
	if a.ExternalID.Value != "" && a.RoleARN == "" {
		return a, errors.New("an AWS external id needs a role")
	}
	if a.STSEndpoint != "" {
		if !strings.Contains(a.STSEndpoint, "://") {
			a.STSEndpoint = "https://" + a.STSEndpoint
		}
		u, err := url.Parse(a.STSEndpoint)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && !(u.Scheme == "http" && nearby(u.Hostname())) {
			return a, errors.New("the AWS STS endpoint is no https URL")
		}
	}
	return a, nil
}

// keysError says why there are no AWS credentials, in words of ours.
type keysError struct {
	cause   string
	lasting bool // somebody must act
}

// Error gives the cause.
func (e *keysError) Error() string { return "AWS credentials: " + e.cause }

// Times of the credentials' life.
const (
	renewBefore = 2 * time.Minute  // credentials are renewed this long before they expire
	renewAgain  = 10 * time.Second // how soon it is tried again when they cannot be, or are refused
	renewMax    = 5 * time.Second  // how long that may take while the old ones are good
)

// keys gives AWS credentials, and finds new ones before they expire.
//
// Concurrency: get and refused may be called at any time; who comes while
// another renews the credentials waits for it, but no longer than its context.
type keys struct {
	a     AWS
	now   func() time.Time
	http  *awshttp.BuildableClient
	turn  chan struct{} // holds one value, which who has it may use the rest with
	creds aws.Credentials
	v4    *v4.Signer // theirs alone: it keeps derived keys by the access key's id, whatever its secret
	next  time.Time  // not before it are others looked for
	due   bool       // the credentials were refused
}

func newKeys(a AWS, proxy *url.URL, now func() time.Time) *keys {
	k := &keys{a: a, now: now, turn: make(chan struct{}, 1)}
	k.turn <- struct{}{}
	k.http = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		throughProxy(t, proxy)
		if through := t.Proxy; through != nil {
			t.Proxy = func(req *http.Request) (*url.URL, error) {
				if nearby(req.URL.Hostname()) {
					return nil, nil
				}
				return through(req)
			}
		}
		t.DialContext = (&net.Dialer{Timeout: connectMax}).DialContext
		t.MaxResponseHeaderBytes = headersMax
		t.DisableKeepAlives = true // a request in a quarter of an hour
	})
	return k
}

// load reads AWS's own settings, without asking anybody.
func (k *keys) load(ctx context.Context) (aws.Config, error) {
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(k.http),
		awsconfig.WithLogger(logging.Nop{}),
		// Attempts are counted and spaced by who sends the bulk request.
		awsconfig.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
	}
	if k.a.Region != "" {
		options = append(options, awsconfig.WithRegion(k.a.Region))
	}
	if k.a.Profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(k.a.Profile))
	}
	if k.a.STSEndpoint != "" {
		options = append(options,
			awsconfig.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
				if c, ok := o.Client.(*sts.Client); ok {
					o.Client = k.at(c.Options())
				}
			}),
			awsconfig.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
				if c, ok := o.Client.(*sts.Client); ok {
					o.Client = k.at(c.Options())
				}
			}))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	var profile awsconfig.SharedConfigProfileNotExistError
	switch {
	case errors.As(err, &profile):
		return cfg, &keysError{cause: "no shared file holds the profile", lasting: true}
	case err != nil:
		return cfg, &keysError{cause: "the shared files or the environment cannot be used", lasting: true}
	}
	return cfg, nil
}

// at is a client of the STS endpoint.
func (k *keys) at(o sts.Options) *sts.Client {
	if k.a.STSEndpoint != "" {
		o.BaseEndpoint = aws.String(k.a.STSEndpoint)
	}
	return sts.New(o)
}

// regionOf finds the region.
func (k *keys) regionOf(ctx context.Context) (string, error) {
	cfg, err := k.load(ctx)
	if err != nil {
		return "", err
	}
	if cfg.Region == "" {
		return "", errors.New("AWS_Auth needs AWS_Region, a profile that has a region, or AWS_REGION in the environment")
	}
	if !config.IsAWSRegion(cfg.Region) {
		return "", errors.New("the AWS region is none such as eu-central-1")
	}
	return cfg.Region, nil
}

// refused is told that the credentials were not taken: files may hold other ones.
func (k *keys) refused(ctx context.Context) {
	select {
	case <-k.turn:
		k.due = true
		k.turn <- struct{}{}
	case <-ctx.Done():
	}
}

// get gives credentials that are good now, and what signs with them.
//
// Errors: a *keysError.
func (k *keys) get(ctx context.Context) (aws.Credentials, *v4.Signer, error) {
	select {
	case <-k.turn:
	case <-ctx.Done():
		return aws.Credentials{}, nil, &keysError{cause: "timeout"}
	}
	defer func() { k.turn <- struct{}{} }()
	now := k.now()
	good := k.creds.HasKeys() && !(k.creds.CanExpire && !now.Before(k.creds.Expires))
	if good && (!k.due && !(k.creds.CanExpire && now.Add(renewBefore).After(k.creds.Expires)) || now.Before(k.next)) {
		return k.creds, k.v4, nil
	}
	if good {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, renewMax)
		defer cancel()
	}
	k.next = now.Add(renewAgain)
	creds, err := k.find(ctx)
	if err == nil && creds.CanExpire && !now.Before(creds.Expires) {
		err = &keysError{cause: "those given have expired"}
	}
	if err != nil {
		if good {
			return k.creds, k.v4, nil
		}
		return aws.Credentials{}, nil, err
	}
	if creds != k.creds {
		k.creds, k.v4 = creds, v4.NewSigner()
	}
	k.due = false
	return k.creds, k.v4, nil
}

// find looks for credentials anew: in files and the environment as they are now,
// and at the services that these name.
func (k *keys) find(ctx context.Context) (aws.Credentials, error) {
	cfg, err := k.load(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	from := cfg.Credentials
	if k.a.RoleARN != "" {
		o := sts.NewFromConfig(cfg).Options()
		from = stscreds.NewAssumeRoleProvider(k.at(o), k.a.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "seclog"
			if k.a.ExternalID.Value != "" {
				o.ExternalID = aws.String(k.a.ExternalID.Value)
			}
		})
	}
	creds, err := from.Retrieve(ctx)
	if err != nil {
		return creds, keysFailed(err)
	}
	return creds, nil
}

// keysFailed says why no credentials were found.
func keysFailed(err error) *keysError {
	var (
		answer *awshttp.ResponseError
		api    smithy.APIError
	)
	if errors.As(err, &answer) && answer.HTTPStatusCode() != 0 {
		code := ""
		if errors.As(err, &api) && plainCode(api.ErrorCode()) {
			code = ", " + api.ErrorCode()
		}
		s := answer.HTTPStatusCode()
		// Too many requests and a failing service pass, other refusals do not.
		throttled := s == http.StatusTooManyRequests || s == http.StatusRequestTimeout || code == ", Throttling" || code == ", ThrottlingException"
		return &keysError{cause: fmt.Sprintf("refused (status %d%s)", s, code), lasting: s >= 400 && s < 500 && !throttled}
	}
	if cause := causeOf(err); cause != "the request failed" {
		return &keysError{cause: cause, lasting: untrusted(err) != ""}
	}
	return &keysError{cause: "none are found"}
}

// plainCode tells whether an error code may be shown.
func plainCode(s string) bool {
	for _, r := range s {
		if r < 'A' || r > 'z' || r > 'Z' && r < 'a' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
