// Package client speaks to desk over mutual TLS. A tool, a case system or an
// operator is known by its certificate and by nothing else.
//
// Every write carries an Idempotency-Key, so repeating a call that failed on
// the way is safe. A refusal is a [*Problem] with a stable code; when nobody
// answered, the error wraps [ErrUnreachable]. The client keeps nothing and
// links neither the opening nor the signing of anything.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/bulktls"
	"sikkerpost.dk/gateway/internal/post"
)

// ErrUnreachable says that no answer came: it is safe to run the same again.
var ErrUnreachable = errors.New("desk did not answer")

// ErrConfig says that a certificate, a key or the address cannot be used.
var ErrConfig = errors.New("client configuration")

// ErrIncomplete is an [ErrConfig] of which something was not given at all.
var ErrIncomplete = fmt.Errorf("%w is incomplete", ErrConfig)

// Problem is a refusal by desk.
type Problem struct{ wire.Problem }

// Error gives the code, the sentence and the place.
func (p *Problem) Error() string {
	s := p.Code + ": " + p.Title
	if p.Detail != "" {
		s += " (" + p.Detail + ")"
	}
	return s
}

// Config names desk and who we are.
type Config struct {
	URL      string // https://host:port
	CertFile string // our certificate, PEM
	KeyFile  string // its key, PEM
	CAFile   string // who issued desk's certificate, PEM
}

// Client is safe for concurrent use.
type Client struct {
	base string
	http *http.Client
	// bulk is for documents. Over HTTP/1.1 each has a connection of its own: over
	// HTTP/2 those that desk lets wait would use up the window of those it reads.
	bulk *http.Client
}

// connectTimeout bounds the silence before the first byte of an answer; a
// large upload may take longer to go out, and does not count.
const connectTimeout = 2 * time.Minute

// dialTimeout bounds the way to desk, and the handshake there.
const dialTimeout = 30 * time.Second

// New reads the files that c names. It opens no connection.
func New(c Config) (*Client, error) {
	for _, need := range []struct{ name, value string }{
		{"address of desk (URL)", c.URL}, {"client certificate", c.CertFile}, {"key of the client certificate", c.KeyFile}, {"authority of desk's certificate (CA)", c.CAFile},
	} {
		if need.value == "" {
			return nil, fmt.Errorf("%w: no %s is given", ErrIncomplete, need.name)
		}
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%w: URL must be https://host:port", ErrConfig)
	}
	cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%w: certificate: %w", ErrConfig, err)
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%w: %s holds no certificate", ErrConfig, c.CAFile)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, Certificates: []tls.Certificate{cert}}
	ordinary, bulk := transport(conf.Clone()), transport(conf)
	ordinary.ForceAttemptHTTP2 = true
	bulk.WriteBufferSize, bulk.Protocols = 64<<10, &http.Protocols{}
	bulk.Protocols.SetHTTP1(true)
	bulktls.Use(bulk)
	return &Client{base: strings.TrimRight(c.URL, "/"), http: &http.Client{Transport: ordinary}, bulk: &http.Client{Transport: bulk}}, nil
}

func transport(conf *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		TLSClientConfig:       conf,
		ResponseHeaderTimeout: connectTimeout,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       time.Minute,
	}
}

// Close drops idle connections.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.bulk.CloseIdleConnections()
}

// call sends one request and reads a JSON answer into out (nil: none wanted).
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	var media string
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body, media = bytes.NewReader(b), "application/json"
	}
	return c.send(ctx, request{method: method, path: path, media: media, body: body}, out)
}

type request struct {
	method, path, media, lease string
	body                       io.Reader
	size                       int64 // of a streamed body; 0 when unknown
	again                      func() (io.ReadCloser, error)
	bulk                       bool
}

// send is call with a body of any kind.
func (c *Client) send(ctx context.Context, r request, out any) error {
	resp, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	} else {
		err = json.NewDecoder(resp.Body).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("%w: read answer: %w", ErrUnreachable, err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, r.body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if r.size > 0 {
		req.ContentLength = r.size
	}
	if r.again != nil {
		req.GetBody = r.again
	}
	if r.media != "" {
		req.Header.Set("Content-Type", r.media)
	}
	if r.lease != "" {
		req.Header.Set(wire.HeaderLease, r.lease)
	}
	if r.method != http.MethodGet {
		req.Header.Set(wire.HeaderKey, writeKey(ctx))
	}
	if r.body != nil && r.media != "application/json" {
		// Let desk refuse before the bytes go out.
		req.Header.Set("Expect", "100-continue")
	}
	via := c.http
	if r.bulk {
		via = c.bulk
	}
	resp, err := via.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, hideURL(err))
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, problem(resp)
	}
	return resp, nil
}

// hideURL drops the address from err: the caller knows whom it spoke to.
func hideURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// problem reads a refusal; what is not of our form becomes one without a code.
func problem(resp *http.Response) error {
	p := &Problem{}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media == "application/problem+json" {
		if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p.Problem); err == nil && p.Code != "" {
			return p
		}
	}
	if resp.StatusCode >= 500 {
		return fmt.Errorf("%w: HTTP status %d", ErrUnreachable, resp.StatusCode)
	}
	return fmt.Errorf("%w: something other than desk answered with HTTP status %d", ErrConfig, resp.StatusCode)
}

type keyOfWrite struct{}

// WithKey makes the writes under ctx carry key as their Idempotency-Key, so
// that a second run of the program gets the answer of the first. Use one
// context per write.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyOfWrite{}, key)
}

func writeKey(ctx context.Context) string {
	if k, ok := ctx.Value(keyOfWrite{}).(string); ok && k != "" {
		return k
	}
	return post.NewID()
}
