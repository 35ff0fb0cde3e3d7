package digitalpost_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// authority issues certificates in memory.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, cert := issue(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	a := authority{cert: cert, key: key, pool: x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

func issue(t *testing.T, template *x509.Certificate, by *authority) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: "test"}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func (a authority) leaf(t *testing.T) tls.Certificate {
	t.Helper()
	key, cert := issue(t, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, &a)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// record is a log that tests read.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// world is a client and a simulator that know each other.
type world struct {
	suite.World
	client *digitalpost.Client
	sim    *digitalposttest.Server
	server *httptest.Server
	ca     authority
	cert   tls.Certificate
	log    *record
	tenant post.Tenant
}

func (w *world) config() digitalpost.Config {
	return digitalpost.Config{
		BaseURL: w.server.URL + digitalposttest.BasePath, Certificate: w.cert, RootCAs: w.ca.pool,
		Systems: map[post.TenantID]digitalpost.System{"engdal": {ID: "system-engdal", Token: "secret"}},
		Log:     slog.New(slog.NewTextHandler(w.log, nil)),
	}
}

func newWorld(t *testing.T, bend func(*digitalposttest.Config)) *world {
	t.Helper()
	w := &world{ca: newAuthority(t), log: &record{}, tenant: persona.Tenants()[0]}
	w.cert = w.ca.leaf(t)
	c := digitalposttest.Config{
		Systems: map[string]digitalposttest.System{
			"system-engdal":  {Token: "secret", CVR: w.tenant.CVR, Fingerprint: digitalposttest.Fingerprint(w.cert.Certificate[0])},
			"system-fjordby": {Token: "other", CVR: "29000022", Fingerprint: "somebody else's"},
		},
		Authorities: map[post.CVR][]digitalposttest.ContactPoint{w.tenant.CVR: {{ID: w.tenant.ContactPoint}, {ID: w.tenant.DPOContactPoint}}},
		Dir:         t.TempDir(),
		Log:         slog.New(slog.NewTextHandler(w.log, nil)),
	}
	for _, p := range persona.All() {
		c.Parties = append(c.Parties, digitalposttest.Party{Key: p.Key, Name: p.Name, CPR: p.CPR, CVR: p.CVR, Registration: p.Registration})
	}
	c.Parties = append(c.Parties, digitalposttest.Party{CVR: "11223492", Registration: "REGISTERED", Since: time.Now().Add(72 * time.Hour)})
	if bend != nil {
		bend(&c)
	}
	var err error
	if w.sim, err = digitalposttest.New(c); err != nil {
		t.Fatal(err)
	}
	w.serve(t, w.sim)
	w.client = w.connect(t, w.config())
	w.World = suite.World{
		Client: w.client, Tenant: w.tenant, Patience: time.Minute,
		Registered: record0("nancy"), Exempt: record0("poul"), Closed: record0("lukket"), Unknown: record0("ukendt"),
	}
	return w
}

func (w *world) serve(t *testing.T, h http.Handler) {
	t.Helper()
	w.server = httptest.NewUnstartedServer(h)
	w.server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelDebug)
	w.server.TLS = digitalposttest.TLS(w.ca.leaf(t), w.ca.pool)
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
}

func (w *world) connect(t *testing.T, c digitalpost.Config) *digitalpost.Client {
	t.Helper()
	client, err := digitalpost.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func record0(key string) post.PartyRecord {
	p, ok := persona.By(key)
	if !ok {
		panic(key)
	}
	return post.PartyRecord{IDType: "CPR", ID: p.CPR, Name: p.Name, Address: p.Address}
}

func (w *world) job(to post.PartyRecord) dispatch.Job {
	id := post.LetterID(post.NewID())
	return dispatch.Job{
		Tenant: w.tenant, Letter: id, Reference: post.NewReference(), Channel: post.Digital, Generation: 1,
		MessageID: post.DerivedID(id, post.Digital, 1), CreatedAt: time.Now().UTC().Truncate(time.Second),
		Label: "Prøve", Recipient: to,
		Documents: []dispatch.Document{suite.Document("brev.txt", "text/plain", []byte("Kære borger"))},
	}
}

func (w *world) send(t *testing.T, j dispatch.Job) dispatch.Outcome {
	t.Helper()
	return w.client.HandOver(t.Context(), j, suite.Form(t, w.client, j))
}

func cvrTenant(cvr post.CVR) post.Tenant {
	for _, t := range persona.Tenants() {
		if t.CVR == cvr {
			return t
		}
	}
	return post.Tenant{}
}

// client returns one that shows a certificate of a and trusts what a issued.
func (a authority) client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: a.pool, Certificates: []tls.Certificate{a.leaf(t)}}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// peers lets every certificate in, or none.
type peers struct{ any bool }

func (p *peers) peer(*x509.Certificate) bool { return p.any }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// verifiedBy is a connection whose client certificate was verified.
func verifiedBy(t *testing.T) *tls.ConnectionState {
	t.Helper()
	cert := newAuthority(t).leaf(t).Leaf
	return &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{cert}}}
}
