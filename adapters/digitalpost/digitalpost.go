// Package digitalpost speaks to Digital Post (NgDP, API 1.68) as sender and
// recipient systems of the tenants: it hands letters over as MeMo 1.2 (or 1.1), asks who
// can be reached, fetches receipts ([Client]) and messages ([Mailbox]), and takes
// both when NgDP pushes them ([Receiver]).
//
// One client certificate serves every tenant; each tenant has a system id and
// an API token of its own (mutual TLS plus Basic). HTTP/1.1 unless told
// otherwise, redirects are never followed, every answer is bounded, unknown JSON
// members are ignored.
//
// A hand-over is repeated under the same messageUUID until its outcome is
// known. The client answers NotTaken only when no body byte left the house or
// NgDP said "later" or "not you" (a TLS alert does so on a new connection only); whenever bytes went out and no clear answer
// came back it answers Unknown. A failed look-up is Unsure, never a guess.
// Credentials that NgDP refuses are our trouble: the letter waits.
//
// URLs are never logged nor put into errors: a look-up carries a CPR number in
// its query, because NgDP's API demands it.
package digitalpost

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/bulktls"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// carrier is our name for NgDP in receipts.
const carrier = "digitalpost"

const (
	// dialTimeout bounds the way to NgDP; on one continent a connection stands
	// within a second or something is broken.
	dialTimeout = 10 * time.Second
	// handOverTimeout bounds one hand-over: 99.5 MB at 5 Mbit/s, and some for
	// the answer. The letter's lease must outlast it.
	handOverTimeout = 4 * time.Minute
	// answerTimeout bounds the wait for an answer once the last byte is out.
	answerTimeout = 60 * time.Second
	// askTimeout bounds a look-up, a page of receipts or a deletion.
	askTimeout = 20 * time.Second
	// maxAnswer bounds what is read of an answer. A page of 100 receipts is
	// some 40 KB.
	maxAnswer = 1 << 20
	// expectAbove is the form size beyond which the client asks first
	// (Expect: 100-continue), so that a "no" costs no upload.
	expectAbove = 128 << 10
	// expectTimeout is how long that question may stay unanswered.
	expectTimeout = time.Second
)

// Config is what a client needs.
type Config struct {
	// BaseURL is the API's root, e.g. https://api.digitalpost.dk/apis/v1/.
	BaseURL string
	// Certificate is the OCES3 system certificate of the gateway; or Renewed
	// makes a TLS configuration show one that renews itself.
	Certificate tls.Certificate
	Renewed     func(*tls.Config)
	// RootCAs are trusted for NgDP's own certificate; nil means the system's.
	RootCAs *x509.CertPool
	// Systems gives the sender system of each tenant.
	Systems map[post.TenantID]System
	// OriginatorAsSender names the person as Sender and the tenant as
	// Representative of a forwarded inquiry, instead of the other way round.
	// Which of the two NgDP lets through is the operator's to ask for.
	OriginatorAsSender bool
	// ReceiptsSingly fetches receipts one by one, for systems that may not fetch
	// them in bulk.
	ReceiptsSingly bool
	// BulkText names the numbers of a bulk look-up in one text with commas, as a
	// query does, instead of a list; BareVersions names the version that a change
	// of a subscription is about without quotes. NgDP's description says neither.
	BulkText, BareVersions bool
	// RecipientCodes are error codes of a refusal (NOT_ALLOWED) that are about the
	// recipient, beside those that name the recipient themselves. Such a refusal sends
	// a letter on to paper; any other one asks a person.
	RecipientCodes []string
	// MemoVersion is the version of MeMo that letters go out in: [memo.Version]
	// when empty, or [memo.Version11]. It must not change while a letter is under
	// way: its form would differ from the one committed, and it would need a person.
	MemoVersion string
	// HTTP2 also speaks HTTP/2; only HTTP/1.1 is proven against NgDP.
	HTTP2 bool
	Log   *slog.Logger
}

// System is one sender system registered with NgDP.
type System struct{ ID, Token string }

// Client is Digital Post as the outbound rooms see it.
type Client struct {
	base    *url.URL
	systems map[post.TenantID]System
	tenants []post.TenantID // sorted, so that polls take turns in a fixed order
	http    *http.Client
	swapped bool // Config.OriginatorAsSender
	singly  bool // Config.ReceiptsSingly
	limits  limits
	codes   recipientCodes
	version string // of MeMo
	log     *slog.Logger

	bulkText, bareVersions bool // of Config

	asking, handing time.Duration // askTimeout and handOverTimeout
}

var (
	_ dispatch.Channel   = (*Client)(nil)
	_ dispatch.Directory = (*Client)(nil)
	_ track.Source       = (*Client)(nil)
	_ track.Forgetter    = (*Client)(nil)
)

// New returns a client. It does not connect. It refuses a base URL that is not
// https and names every gap of c at once.
func New(c Config) (*Client, error) {
	var gaps []error
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Scheme != "https" || base.Host == "" || base.RawQuery != "" {
		gaps = append(gaps, errors.New("digitalpost: BaseURL must be an https address"))
	}
	if c.Renewed == nil && (len(c.Certificate.Certificate) == 0 || c.Certificate.PrivateKey == nil) {
		gaps = append(gaps, errors.New("digitalpost: Certificate is required"))
	}
	if len(c.Systems) == 0 {
		gaps = append(gaps, errors.New("digitalpost: Systems is required"))
	}
	if c.Log == nil {
		gaps = append(gaps, errors.New("digitalpost: Log is required"))
	}
	d := &Client{base: base, systems: map[post.TenantID]System{}, swapped: c.OriginatorAsSender, singly: c.ReceiptsSingly, log: c.Log, codes: newRecipientCodes(c.RecipientCodes),
		bulkText: c.BulkText, bareVersions: c.BareVersions, version: cmp.Or(c.MemoVersion, memo.Version),
		asking: askTimeout, handing: handOverTimeout}
	if d.version != memo.Version && d.version != memo.Version11 {
		gaps = append(gaps, errors.New("digitalpost: MemoVersion must be 1.1 or 1.2"))
	}
	for tenant, s := range c.Systems {
		if s.ID == "" || s.Token == "" || strings.Contains(s.ID, ":") {
			gaps = append(gaps, fmt.Errorf("digitalpost: system of tenant %s needs an id and a token", tenant))
		}
		d.systems[tenant] = s
		d.tenants = append(d.tenants, tenant)
	}
	if err := errors.Join(gaps...); err != nil {
		return nil, err
	}
	slices.Sort(d.tenants)
	if !strings.HasSuffix(base.Path, "/") {
		base.Path += "/"
	}
	d.http = &http.Client{
		Transport: transport(c),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	return d, nil
}

func transport(c Config) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(c.HTTP2)
	secure := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs}
	if c.Renewed != nil {
		c.Renewed(secure)
	} else {
		secure.Certificates = []tls.Certificate{c.Certificate}
	}
	t := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: answerTimeout,
		ExpectContinueTimeout: expectTimeout,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   64, // as many as letters are in hand: a new one costs a signature
		Protocols:             &protocols,
		TLSClientConfig:       secure,
	}
	bulktls.Use(t)
	return t
}

// Carrier implements [track.Source].
func (c *Client) Carrier() string { return carrier }

// Close drops idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}
