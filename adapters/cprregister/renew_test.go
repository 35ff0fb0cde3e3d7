package cprregister_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"sikkerpost.dk/gateway/adapters/cprregister"
	"sikkerpost.dk/gateway/adapters/cprregister/cprregistertest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// TestANewCertificateIsShownWithTheNextQuestion: without a restart, and with no
// question lost between.
func TestANewCertificateIsShownWithTheNextQuestion(t *testing.T) {
	e := suite.People()["active"]
	var shown [][]byte
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown = append(shown, r.TLS.PeerCertificates[0].Raw)
		_ = json.NewEncoder(w).Encode(e)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	first, second := certificate(t), certificate(t)
	now := &first
	h, err := cprregister.NewHTTP(cprregister.HTTPConfig{URL: server.URL, Roots: roots, Renewed: func(c *tls.Config) {
		c.Certificates = nil
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return now, nil }
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	ask := func() {
		t.Helper()
		if got := h.Find(t.Context(), tenant, post.PartyRecord{IDType: e.IDType, ID: e.ID}); got.Answer != dispatch.AddressFound {
			t.Fatalf("got %s %s", got.Answer, got.Code)
		}
	}
	ask()
	now = &second
	h.Close() // as a renewed certificate makes it do
	ask()
	if len(shown) != 2 || string(shown[0]) != string(first.Certificate[0]) || string(shown[1]) != string(second.Certificate[0]) {
		t.Errorf("%d certificates were shown, and not the two in turn", len(shown))
	}
}
