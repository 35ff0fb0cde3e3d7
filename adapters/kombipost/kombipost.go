// Package kombipost sends letters through KOMBIT's Postkomponent (SF1601
// KombiPostAfsend) and takes its statuses (PKO_PostStatus) from Beskedfordeler,
// which pushes them ([Receiver]) or is asked for them over AMQP ([Puller]).
//
// A call has three legs, all over mutual TLS with the same certificate: a SAML
// assertion from the security token service, an access token for it, and the
// call under that token. The municipality in whose name a letter goes out is
// chosen when the assertion is issued and nowhere later, so tokens are kept per
// (CVR, entity id, certificate), and an assertion that names another CVR than
// the one asked for is refused.
//
// A letter goes out as Digital Post (a MeMo), on paper (a ForsendelseI), as
// either of the two by KOMBIT's choice, or as NemSMS: see [Choice]. messageUUID,
// AfsendelseIdentifikator and x-TransaktionsId are the hand-over's derived id,
// so a retry after any crash repeats them.
//
// Taken is HTTP 200 with Result true and no Fejl, and nothing else. NotTaken is
// said only when no byte of the body left the house, or a token was refused;
// a Fejl beside Result false is a refusal; whatever else is Unknown. That a
// second hand-over under the same ids does no harm is assumed of KOMBIT, not
// known: docs/kombipost.md lists what to ask.
//
// A paper address is written structurally when it fits the schema, else as free
// lines, else the letter is refused; it is never cut.
//
// A tenant's certificate may be renewed between any two calls; nothing that
// belongs to the former one is used with the new.
//
// A look-up carries a CPR number in its query, because PostForespoerg demands
// it. URLs are never logged nor put into errors.
package kombipost

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

// carrier is our name for the Postkomponent in receipts.
const carrier = string(post.KombiPost)

// Entity ids of the services, as the token service knows them.
const (
	EntitySend   = "http://entityid.kombit.dk/service/kombipostafsend/1"
	EntityLookup = "http://entityid.kombit.dk/service/postforespoerg/1"
	EntityPull   = "http://entityid.kombit.dk/service/bfo_modtag/2"
)

// Paths below the addresses of [Config].
const (
	PathIssue   = "/runtime/api/rest/wstrust/v1/issue"
	PathToken   = "/service/AccessTokenService_1/token"
	PathSend    = "/service/KombiPostAfsend_1/kombi"
	PathDigital = "/service/PostForespoerg_1/digitalpost"
	PathSMS     = "/service/PostForespoerg_1/nemsms"
)

const (
	// dialTimeout bounds the way to KOMBIT.
	dialTimeout = 10 * time.Second
	// handOverTimeout bounds one hand-over, tokens included: 100 MB at 5 Mbit/s
	// and some for the answer. The letter's lease must outlast it.
	handOverTimeout = 4 * time.Minute
	// answerTimeout bounds the wait for an answer once the last byte is out.
	answerTimeout = 60 * time.Second
	// askTimeout bounds one token or one look-up.
	askTimeout = 20 * time.Second
	// maxAnswer bounds what is read of an answer; real ones have a few KB.
	maxAnswer = 1 << 20
	// expectAbove is the form size beyond which the client asks first.
	expectAbove   = 128 << 10
	expectTimeout = time.Second
	// PaperLimit is what the Postkomponent takes on paper, in bytes before
	// encoding, unless [Config] says otherwise. Two implementers agree on it;
	// KOMBIT's own text is not public.
	PaperLimit = 7 << 20
)

// Config is what a client needs.
type Config struct {
	// TokenURL is the root of the security token service; ServiceURL that of
	// Serviceplatformen. Both have moved before (2025), so neither is built in.
	TokenURL   string
	ServiceURL string
	// RootCAs are trusted for KOMBIT's own certificates; nil is the system's.
	RootCAs *x509.CertPool
	// Systems gives the user system (anvendersystem) of each tenant.
	Systems map[post.TenantID]System
	// HTTP2 allows HTTP/2, which has reset streams there; off by default.
	HTTP2 bool
	// RequestID sends x-RequestId, new on each attempt.
	RequestID bool
	// BusyTookNothing reads 503 and 429 as NotTaken. By default they are
	// Unknown, since nobody has said whether they come before the taking.
	BusyTookNothing bool
	// MemoVersion is the version of MeMo that letters go out in: [memo.Version]
	// when empty, or [memo.Version11]. PaperLimit is [PaperLimit] when 0. Neither
	// may change while a letter is under way.
	MemoVersion string
	PaperLimit  int64
	// Codes says what carriers' error codes mean, besides those built in.
	Codes map[string]Meaning
	Log   *slog.Logger
}

// System is a tenant's user system: who it is, and how its paper is printed.
type System struct {
	CVR post.CVR
	// Certificate is the OCES3 system certificate that is registered on the
	// user system; several tenants may share one.
	Certificate tls.Certificate
	// Renewed returns the certificate to use now, instead of Certificate. It is
	// asked before each call: tokens and connections of a former certificate
	// are let go.
	Renewed func() *tls.Certificate
	Paper   Paper
}

// certificate returns what s shows now.
func (s System) certificate() tls.Certificate {
	if s.Renewed == nil {
		return s.Certificate
	}
	return *s.Renewed()
}

// Client is the Postkomponent as the outbound rooms see it. It writes each
// letter for the channel of its job; [Client.Via] gives the other choices.
type Client struct {
	tokenURL   *url.URL
	serviceURL *url.URL
	systems    map[post.TenantID]System
	tokens     *tokens
	lines      lines
	cfg        Config
	log        *slog.Logger
}

var (
	_ dispatch.Channel   = (*Client)(nil)
	_ dispatch.Directory = (*Client)(nil)
)

// New returns a client. It does not connect. It names every gap of c at once.
func New(c Config) (*Client, error) {
	var gaps []error
	c.MemoVersion, c.PaperLimit = cmp.Or(c.MemoVersion, memo.Version), cmp.Or(c.PaperLimit, PaperLimit)
	d := &Client{cfg: c, log: c.Log, systems: map[post.TenantID]System{}}
	if c.MemoVersion != memo.Version && c.MemoVersion != memo.Version11 {
		gaps = append(gaps, errors.New("kombipost: MemoVersion must be 1.1 or 1.2"))
	}
	if c.PaperLimit < 0 {
		gaps = append(gaps, errors.New("kombipost: PaperLimit must be above 0"))
	}
	for name, at := range map[string]struct {
		raw string
		to  **url.URL
	}{"TokenURL": {c.TokenURL, &d.tokenURL}, "ServiceURL": {c.ServiceURL, &d.serviceURL}} {
		u, err := url.Parse(at.raw)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
			gaps = append(gaps, fmt.Errorf("kombipost: %s must be an https address", name))
			continue
		}
		u.Path = strings.TrimSuffix(u.Path, "/")
		*at.to = u
	}
	if len(c.Systems) == 0 {
		gaps = append(gaps, errors.New("kombipost: Systems is required"))
	}
	if c.Log == nil {
		gaps = append(gaps, errors.New("kombipost: Log is required"))
	}
	for tenant, s := range c.Systems {
		if _, err := post.ParseCVR(string(s.CVR)); err != nil {
			gaps = append(gaps, fmt.Errorf("kombipost: system of tenant %s needs a CVR number", tenant))
		}
		if pair := s.certificate(); len(pair.Certificate) == 0 || pair.PrivateKey == nil {
			gaps = append(gaps, fmt.Errorf("kombipost: system of tenant %s needs a certificate", tenant))
			continue
		}
		if err := s.Paper.check(); err != nil {
			gaps = append(gaps, fmt.Errorf("kombipost: paper of tenant %s: %w", tenant, err))
		}
		d.systems[tenant] = s
	}
	d.tokens = newTokens(d)
	d.lines = lines{cfg: c, open: map[string]*line{}, last: map[post.TenantID]string{}}
	return d, errors.Join(gaps...)
}
