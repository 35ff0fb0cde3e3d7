package cprregister

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// HTTPConfig is what a register behind HTTP needs.
type HTTPConfig struct {
	// URL takes a POST of {"authority","id_type","id"} and answers one [Entry]:
	// the municipality's own register, or a small service before KOMBIT's or
	// Datafordeler's.
	URL         string
	Certificate tls.Certificate // ours
	// Renewed, instead of Certificate, makes the settings show a certificate that
	// renews itself; [HTTP.Close] then makes the next question show the new one.
	Renewed func(*tls.Config)
	Roots   *x509.CertPool // nil: those of the system
	Timeout time.Duration  // 10 s when 0
}

// HTTP is a register behind HTTP.
type HTTP struct {
	url    string
	client *http.Client
}

var _ dispatch.Addresses = (*HTTP)(nil)

// Question is what is asked.
type Question struct {
	Authority string `json:"authority"` // CVR number of the municipality that asks
	IDType    string `json:"id_type"`
	ID        string `json:"id"`
}

// maxAnswer bounds an answer; a real one has some 300 bytes.
const maxAnswer = 16 << 10

// NewHTTP returns a register, or an error that names every gap of c.
func NewHTTP(c HTTPConfig) (*HTTP, error) {
	var gaps []error
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		gaps = append(gaps, errors.New("cprregister: URL is required, with https"))
	}
	if len(c.Certificate.Certificate) == 0 && c.Renewed == nil {
		gaps = append(gaps, errors.New("cprregister: Certificate or Renewed is required"))
	}
	if err := errors.Join(gaps...); err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{c.Certificate}, RootCAs: c.Roots}
	if c.Renewed != nil {
		c.Renewed(secure)
	}
	return &HTTP{url: c.URL, client: &http.Client{
		Timeout: c.Timeout,
		Transport: &http.Transport{
			TLSClientConfig:     secure,
			MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a number is told to nobody else
	}}, nil
}

// Find implements [dispatch.Addresses].
func (h *HTTP) Find(ctx context.Context, tenant post.Tenant, r post.PartyRecord) dispatch.Residence {
	body, err := json.Marshal(Question{Authority: string(tenant.CVR), IDType: r.IDType, ID: digits(r.ID)})
	if err != nil {
		return unsure(codeAnswer)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return unsure(codeAnswer)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	answer, err := h.client.Do(req)
	if err != nil {
		return unsure(dispatch.Unanswered(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return unsure(fmt.Sprintf("http.%d", answer.StatusCode))
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return unsure(dispatch.CodeBroken)
	}
	var e Entry
	if len(text) > maxAnswer || json.Unmarshal(text, &e) != nil {
		return unsure(codeAnswer)
	}
	return residence(e, r)
}

// Close gives up the connections that are kept open.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }
