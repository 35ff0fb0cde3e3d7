// Package deskapi is the HTTP API of desk for DPO tools, case systems,
// approvers and operators, over mutual TLS. OpenAPI 3.1 at /openapi.json is
// made from the code.
//
// A client is known by the SHA-256 fingerprint of its certificate, which also
// must be issued by the installation's own authority and be within its dates.
// Its role decides what it may do ([Matrix]); its inbox or municipality decides
// what it sees. What it may not see does not exist for it.
//
// Every write needs an Idempotency-Key. The same key with the same request gets
// the same answer; with another request it is refused; while the first is under
// way it is told to come back. Only answers of success are kept, and none holds
// personal data.
//
// It refuses unknown members, unknown query parameters, bodies beyond a bound
// (early, from the Content-Length, where there is one), and files that do not
// match their list. Every refusal is problem+json with a stable code, a
// sentence, a cure and an error reference, and has changed nothing. One write may
// be done in part: of many documents of a batch, those are kept that were durable
// before the request broke off. Uploads are never written to a disk in clear:
// documents of one letter are in memory while it is taken, within a budget for
// the whole program ([Config.Memory]), and documents of a batch in groups.
package deskapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/inbound/inbox"
	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/lookup"
	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/outbound/trace"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// Config is what a [Server] needs.
type Config struct {
	Inbox   *inbox.Desk
	Letters *letter.Desk
	Batches *batch.Desk
	Answers Answers
	Pauses  letter.Pauses
	// Mail is what operators do about parked mail.
	Mail *mailroom.Hands
	// Receipts is what operators do about parked receipts.
	Receipts *track.Hands
	// Traces takes operators' questions to carriers.
	Traces *trace.Desk
	// LookUps tells who of a batch could be reached.
	LookUps *lookup.Desk
	// Mailroom takes envelopes that came back.
	Mailroom *track.Mailroom
	// Preflight is who looks at documents as paper; nil: nobody does.
	Preflight *preflight.Checker
	Clients   []config.Client
	Tenants   []post.Tenant
	Issuers   *x509.CertPool // of the clients' certificates
	Log       *slog.Logger
	// Released is told that letters of a batch may go: it was approved, continued or
	// resumed. Nil: nobody is told.
	Released func(ctx context.Context, id post.BatchID)
	// Memory bounds, in bytes, the documents of all letters under way; what
	// comes beyond is told to come back. 256 MB when 0.
	Memory int64
}

// Server answers the API. It is safe for concurrent use.
type Server struct {
	c       Config
	clients map[string]config.Client // by fingerprint
	tenants map[post.TenantID]bool
	mux     *http.ServeMux
	api     huma.API
	memory  *budget
}

// New returns a server, or names every gap in c.
func New(c Config) (*Server, error) {
	var gaps []error
	need := func(ok bool, what string) {
		if !ok {
			gaps = append(gaps, fmt.Errorf("deskapi: %s is required", what))
		}
	}
	need(c.Inbox != nil, "Inbox")
	need(c.Letters != nil, "Letters")
	need(c.Batches != nil, "Batches")
	need(c.Answers != nil, "Answers")
	need(c.Pauses != nil, "Pauses")
	need(c.Mailroom != nil, "Mailroom")
	need(c.Mail != nil, "Mail")
	need(c.Receipts != nil, "Receipts")
	need(c.Traces != nil, "Traces")
	need(c.LookUps != nil, "LookUps")
	need(c.Issuers != nil, "Issuers")
	need(c.Log != nil, "Log")
	need(len(c.Tenants) > 0, "Tenants")
	s := &Server{c: c, tenants: map[post.TenantID]bool{}, mux: http.NewServeMux()}
	for _, t := range c.Tenants {
		s.tenants[t.ID] = true
	}
	var err error
	if s.clients, err = registry(c.Clients, s.tenants); err != nil {
		gaps = append(gaps, err)
	}
	if len(gaps) > 0 {
		return nil, errors.Join(gaps...)
	}
	if c.Memory == 0 {
		c.Memory = 256 << 20
	}
	s.memory = newBudget(c.Memory)
	s.describe()
	return s, nil
}

// describe makes the operations and their description.
func (s *Server) describe() {
	once := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: func(b []byte, v any) error {
		if err := wire.Once(b); errors.Is(err, wire.ErrTwice) {
			return err
		}
		return huma.DefaultJSONFormat.Unmarshal(b, v)
	}}
	s.api = humago.New(s.mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "Sikkerpost desk", Version: "1",
				Description: "For DPO tools, case systems, approvers and operators. Mutual TLS; see docs/api.md."},
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)},
		},
		OpenAPIPath:                  "/openapi",
		Formats:                      map[string]huma.Format{"application/json": once, "json": once},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	})
	s.api.UseMiddleware(s.allowed, s.once)
	s.inquiryOperations()
	s.letterOperations()
	s.batchOperations()
	s.decideOperations()
	s.returnOperations()
	s.timesOperations()
	s.mailOperations()
	s.receiptOperations()
	s.traceOperations()
	s.lookUpOperations()
}

// TLS returns how desk speaks TLS: 1.3 only, client certificate asked for. The
// certificate is judged by the handler and not in the handshake, so that a
// wrong one gets a sentence, a code and a cure.
func TLS(own tls.Certificate) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert}
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	c := &call{server: s, id: post.NewID(), danish: prefersDanish(r)}
	r = r.WithContext(withCall(r.Context(), c))
	defer func() { //nolint:contextcheck // r carries it
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel, compared as net/http does
			panic(p)
		}
		// The value of a panic may hold personal data; the stack does not.
		s.c.Log.ErrorContext(r.Context(), "handler panicked", slog.String("ref", c.id), slog.String("stack", string(debug.Stack())))
		write(w, c.problem(r.Context(), post.FaultInternal))
	}()
	var err error
	if c.client, err = s.identify(r); err != nil {
		write(w, c.problem(r.Context(), err))
		return
	}
	// The router takes HEAD for GET; to what stands around the operations it is a write.
	if _, pattern := s.mux.Handler(r); pattern == "" || r.Method == http.MethodHead {
		write(w, c.problem(r.Context(), s.nowhere(r)))
		return
	}
	s.mux.ServeHTTP(w, r)
}

// nowhere tells an unknown address from a wrong method.
func (s *Server) nowhere(r *http.Request) error {
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); pattern != "" {
			return post.FaultVerb
		}
	}
	return post.FaultNotFound
}
