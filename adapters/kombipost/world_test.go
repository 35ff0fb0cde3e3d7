package kombipost_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest/suite"
	"sikkerpost.dk/gateway/internal/certwatch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// authority issues certificates in memory.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	key, cert := issue(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	a := authority{cert: cert, key: key, pool: x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

func issue(t testing.TB, template *x509.Certificate, by *authority) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: "test"}
	if template.IsCA {
		template.Subject.CommonName = "test authority" // a name of its own, or Erlang takes what it issues for self-signed
	}
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

func (a authority) leaf(t testing.TB) tls.Certificate {
	t.Helper()
	key, cert := issue(t, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, &a)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// client returns an HTTP client that shows cert.
func (a authority) client(t testing.TB, cert tls.Certificate) *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{cert}}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
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

// inbox is a small honest Inbox.
type inbox struct {
	mu     sync.Mutex
	kept   []track.Receipt
	ids    map[string]bool
	owners map[string]post.TenantID
	down   bool // Keep fails
	blind  bool // Owner fails
	hold   func()
}

var errDown = errors.New("store is down")

func newInbox() *inbox { return &inbox{ids: map[string]bool{}, owners: map[string]post.TenantID{}} }

func (i *inbox) Keep(_ context.Context, r track.Receipt) error {
	i.mu.Lock()
	hold := i.hold
	i.mu.Unlock()
	if hold != nil {
		hold()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down {
		return errDown
	}
	if !i.ids[r.EventID] {
		i.ids[r.EventID], i.kept = true, append(i.kept, r)
	}
	return nil
}

func (i *inbox) Owner(_ context.Context, messageID string) (post.TenantID, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.blind {
		return "", errDown
	}
	if t, ok := i.owners[messageID]; ok {
		return t, nil
	}
	return "", post.ErrNotFound
}

func (i *inbox) all() []track.Receipt {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]track.Receipt(nil), i.kept...)
}

// world is a client, a simulator and a receiver that know each other.
type world struct {
	suite.World
	client   *kombipost.Client
	sim      *kombiposttest.Server
	server   *httptest.Server
	callback *httptest.Server
	receiver kombipost.PushConfig
	inbox    *inbox
	ca       authority
	cert     tls.Certificate // of Engdal and Fjordby
	next     tls.Certificate // of Engdal, when cert is over
	other    tls.Certificate // of Lyngsø
	bfo      tls.Certificate // of Beskedfordeler
	log      *record
	tenants  []post.Tenant
}

func (w *world) config() kombipost.Config {
	return kombipost.Config{
		TokenURL: w.server.URL, ServiceURL: w.server.URL, RootCAs: w.ca.pool,
		Systems: map[post.TenantID]kombipost.System{
			w.tenants[0].ID: {CVR: w.tenants[0].CVR, Certificate: w.cert},
			w.tenants[1].ID: {CVR: w.tenants[1].CVR, Certificate: w.cert},
			w.tenants[2].ID: {CVR: w.tenants[2].CVR, Certificate: w.other},
		},
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
}

func newWorld(t *testing.T, bend func(*kombiposttest.Config)) *world {
	t.Helper()
	w := &world{ca: newAuthority(t), log: &record{}, inbox: newInbox(), tenants: persona.Tenants()}
	w.cert, w.next, w.other, w.bfo = w.ca.leaf(t), w.ca.leaf(t), w.ca.leaf(t), w.ca.leaf(t)
	c := kombiposttest.Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for i, cert := range []tls.Certificate{w.cert, w.cert, w.other} {
		c.Agreements = append(c.Agreements, kombiposttest.Agreement{
			CVR: w.tenants[i].CVR, Fingerprint: kombiposttest.Fingerprint(cert.Certificate[0])})
	}
	c.Agreements = append(c.Agreements, kombiposttest.Agreement{CVR: w.tenants[0].CVR, Fingerprint: kombiposttest.Fingerprint(w.next.Certificate[0])})
	for _, p := range persona.All() {
		c.Parties = append(c.Parties, kombiposttest.Party{ID: p.CPR + p.CVR, Digital: p.Registration == "REGISTERED", SMS: p.Registration == "REGISTERED"})
	}
	if bend != nil {
		bend(&c)
	}
	var err error
	if w.sim, err = kombiposttest.New(c); err != nil {
		t.Fatal(err)
	}
	w.server = w.serve(t, w.sim)
	w.client = w.connect(t, w.config())
	w.receiver = kombipost.PushConfig{
		StatusConfig: kombipost.StatusConfig{Inbox: w.inbox, Tenants: map[post.CVR]post.TenantID{}, Log: slog.New(slog.NewTextHandler(w.log, nil))},
		Peer:         certwatch.Peers(kombiposttest.Fingerprint(w.bfo.Certificate[0])),
	}
	for _, tenant := range w.tenants[:3] {
		w.receiver.Tenants[tenant.CVR] = tenant.ID
	}
	w.listen(t)
	w.World = suite.World{
		Client: w.client, Tenant: w.tenants[0], Patience: time.Minute,
		Registered: person("nancy"), Exempt: person("poul"), Statuses: w.statuses,
	}
	return w
}

// listen (re)opens the callback with the present receiver.
func (w *world) listen(t *testing.T) {
	t.Helper()
	h, err := kombipost.NewReceiver(w.receiver)
	if err != nil {
		t.Fatal(err)
	}
	w.callback = w.serve(t, h)
	w.sim.SetCallback(kombiposttest.Callback{URL: w.callback.URL, Client: w.ca.client(t, w.bfo)})
}

func (w *world) serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelDebug)
	s.TLS = kombiposttest.TLS(w.ca.leaf(t), w.ca.pool)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (w *world) connect(t *testing.T, c kombipost.Config) *kombipost.Client {
	t.Helper()
	client, err := kombipost.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// push delivers everything that waits.
func (w *world) push(t *testing.T) {
	t.Helper()
	if _, err := w.sim.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) statuses(t *testing.T, id string) []track.Receipt {
	t.Helper()
	w.push(t)
	var mine []track.Receipt
	for _, r := range w.inbox.all() {
		if r.MessageID == id {
			mine = append(mine, r)
		}
	}
	return mine
}

func person(key string) post.PartyRecord {
	p, ok := persona.By(key)
	if !ok {
		panic(key)
	}
	return post.PartyRecord{IDType: "CPR", ID: p.CPR, Name: p.Name, Address: p.Address}
}

func (w *world) send(t *testing.T, c dispatch.Channel, j dispatch.Job) dispatch.Outcome {
	t.Helper()
	w.inbox.mu.Lock()
	w.inbox.owners[j.MessageID] = j.Tenant.ID
	w.inbox.mu.Unlock()
	return c.HandOver(t.Context(), j, suite.Form(t, c, j))
}
