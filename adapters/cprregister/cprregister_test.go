package cprregister_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/cprregister"
	"sikkerpost.dk/gateway/adapters/cprregister/cprregistertest"
	"sikkerpost.dk/gateway/adapters/cprregister/cprregistertest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

func register(t *testing.T, entries ...cprregister.Entry) string {
	t.Helper()
	var b strings.Builder
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	path := filepath.Join(t.TempDir(), "register.jsonl")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func people() (all []cprregister.Entry) {
	for _, e := range suite.People() {
		all = append(all, e)
	}
	return all
}

func TestAFileKeepsThePromisesOfARegister(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.World {
		f, err := cprregister.OpenFile(register(t, people()...))
		if err != nil {
			t.Fatal(err)
		}
		return suite.World{Register: f, Tenant: persona.Tenants()[0]}
	})
}

var tenant = persona.Tenants()[0]

// behind serves a register over mutual TLS.
func behind(t *testing.T, s http.Handler, timeout time.Duration) *cprregister.HTTP {
	t.Helper()
	own := certificate(t)
	server := httptest.NewUnstartedServer(s)
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(own.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(leaf)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	h, err := cprregister.NewHTTP(cprregister.HTTPConfig{URL: server.URL + "/addresses", Certificate: own, Roots: roots, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestARegisterBehindHTTPKeepsThePromises(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.World {
		return suite.World{Register: behind(t, cprregistertest.New(people()...), 0), Tenant: tenant}
	})
}

func TestWhatIsNotAnAnswerIsUnsure(t *testing.T) {
	e := suite.People()["active"]
	who := post.PartyRecord{IDType: e.IDType, ID: e.ID}
	write := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	other, err := json.Marshal(suite.People()["protected"])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		h    http.HandlerFunc
		code string
	}{
		{"an error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "http.500"},
		{"not found is no answer about a person", http.NotFound, "http.404"},
		{"somewhere else", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusTemporaryRedirect)
		}, "http.307"},
		{"not JSON", write("<html>"), "answer.unreadable"},
		{"a gigabyte", write(strings.Repeat(" ", 1<<20)), "answer.unreadable"},
		{"somebody else", write(string(other)), "answer.other-recipient"},
		{"nothing", write("{}"), "answer.other-recipient"},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "no-connection"},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := cprregistertest.New(people()...)
			timeout := 5 * time.Second
			if c.name == "slow" {
				timeout = 100 * time.Millisecond
			}
			h := behind(t, s, timeout)
			s.Fail(c.h)
			if got := h.Find(t.Context(), tenant, who); got.Answer != dispatch.AddressUnsure || got.Code != c.code || len(got.Lines) != 0 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestTheQuestionNamesWhoAsksAndStandsInNoAddress(t *testing.T) {
	s := cprregistertest.New(people()...)
	var url string
	h := behind(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		url = r.URL.String()
		s.ServeHTTP(w, r)
	}), 0)
	e := suite.People()["active"]
	h.Find(t.Context(), tenant, post.PartyRecord{IDType: "CPR", ID: e.ID[:6] + "-" + e.ID[6:]})
	want := cprregister.Question{Authority: string(tenant.CVR), IDType: "CPR", ID: e.ID}
	if got := s.Asked(); len(got) != 1 || got[0] != want || strings.Contains(url, e.ID) {
		t.Errorf("asked %+v at %s", got, url)
	}
}

func TestAFileIsReadWithCare(t *testing.T) {
	e := suite.People()["active"]
	who := post.PartyRecord{IDType: e.IDType, ID: e.ID}
	path := register(t, e)
	f, err := cprregister.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Find(t.Context(), tenant, post.PartyRecord{IDType: "CPR", ID: "6901690009"}); got.Answer != dispatch.AddressUnsure {
		t.Errorf("whoever is not in an extract is %s", got.Answer)
	}
	e.Address = []string{"Nye Vej 2", "2690 Engdal"}
	line, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want dispatch.AddressAnswer
	}{
		{string(line), dispatch.AddressFound},
		{string(line)[:40], dispatch.AddressUnsure},
		{string(line) + "\n" + string(line), dispatch.AddressUnsure},
		{string(line) + "\n", dispatch.AddressFound},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got := f.Find(t.Context(), tenant, who)
			if got.Answer != c.want || c.want == dispatch.AddressFound && got.Lines[0] != "Nye Vej 2" {
				t.Errorf("%d bytes: got %+v", len(c.text), got)
			}
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := f.Find(t.Context(), tenant, who); got.Answer != dispatch.AddressUnsure || got.Code != "register.gone" {
		t.Errorf("got %+v", got)
	}
	open := register(t, e)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := cprregister.OpenFile(open); err == nil || strings.Contains(err.Error(), e.ID) {
		t.Errorf("a register that everybody may read: %v", err)
	}
	bad := register(t, cprregister.Entry{IDType: "CPR", ID: "1"})
	if _, err := cprregister.OpenFile(bad); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v", err)
	}
}
