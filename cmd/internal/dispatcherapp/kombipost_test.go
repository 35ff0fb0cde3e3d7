package dispatcherapp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest/suite"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// realPost is the file that SIKKERPOST_KOMBIPOST names: a Postkomponent to hold
// to its promises, such as KOMBIT's external test environment.
type realPost struct {
	Config     string        `json:"config"` // a dispatcher's configuration
	Tenant     post.TenantID `json:"tenant"`
	Registered somebody      `json:"registered"` // test people of that environment
	Exempt     somebody      `json:"exempt"`
	Patience   string        `json:"patience"` // how long a status may take: "10m"
}

type somebody struct {
	IDType  string   `json:"id_type"`
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Address []string `json:"address"`
}

func (s somebody) party() post.PartyRecord {
	return post.PartyRecord{IDType: s.IDType, ID: s.ID, Name: s.Name, Address: s.Address}
}

// TestTheRealPostkomponentKeepsItsPromises sends test letters for real.
func TestTheRealPostkomponentKeepsItsPromises(t *testing.T) {
	name := os.Getenv("SIKKERPOST_KOMBIPOST") //nolint:forbidigo // it tells a test where the other side is
	if name == "" {
		t.Log("LEFT OUT, because SIKKERPOST_KOMBIPOST names no file: the promises of KOMBIT's own Postkomponent")
		return
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var at realPost
	if err := json.Unmarshal(text, &at); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load[config.Dispatcher](at.Config)
	if err != nil {
		t.Fatal(err)
	}
	patience, err := time.ParseDuration(at.Patience)
	if err != nil {
		t.Fatal(err)
	}
	in := &heard{tenant: at.Tenant}
	w := suite.World{Registered: at.Registered.party(), Exempt: at.Exempt.party(), Patience: patience}
	keepsItsPromises(t, cfg, at.Tenant, in, w, func(string) func(*testing.T) { return func(*testing.T) {} })
}

// TestTheSimulatedPostkomponentKeepsThemThroughTheConfiguration goes the same
// way: certificates from files, statuses through the listener.
func TestTheSimulatedPostkomponentKeepsThemThroughTheConfiguration(t *testing.T) {
	t.Parallel()
	dir, tenant := t.TempDir(), persona.Tenants()[0]
	ca := newIssuer(t, dir)
	serverCert, clientCert, bfo := ca.leaf(t, "server"), ca.leaf(t, "gateway"), ca.leaf(t, "beskedfordeler")
	parties := []kombiposttest.Party{}
	for _, p := range persona.All() {
		parties = append(parties, kombiposttest.Party{ID: p.CPR + p.CVR, Digital: p.Registration == "REGISTERED"})
	}
	sim, err := kombiposttest.New(kombiposttest.Config{Parties: parties, Log: slog.New(slog.DiscardHandler),
		Agreements: []kombiposttest.Agreement{{CVR: tenant.CVR, Fingerprint: kombiposttest.Fingerprint(clientCert.Certificate[0])}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(sim)
	server.TLS = kombiposttest.TLS(serverCert, ca.pool)
	server.StartTLS()
	t.Cleanup(server.Close)
	path := func(name string) string { return filepath.Join(dir, name) }
	cfg := config.Dispatcher{
		Common: config.Common{Tenants: []post.Tenant{tenant}},
		KombiPost: config.KombiPost{
			TokenURL: server.URL, ServiceURL: server.URL, CAFile: path("ca.pem"),
			Systems: map[post.TenantID]config.KombiSystem{tenant.ID: {CertFile: path("gateway.pem"), KeyFile: path("gateway-key.pem")}},
			Push: config.Push{Listen: "127.0.0.1:0", Peers: []string{kombiposttest.Fingerprint(bfo.Certificate[0])},
				TLS: config.TLS{CertFile: path("server.pem"), KeyFile: path("server-key.pem"), CAFile: path("ca.pem")}},
		},
		Roads: map[post.TenantID]config.Road{tenant.ID: {Digital: post.KombiPost, Physical: post.KombiPost}},
	}
	w := suite.World{Registered: *recipient("nancy"), Exempt: *recipient("poul"), Patience: time.Minute}
	keepsItsPromises(t, cfg, tenant.ID, &heard{tenant: tenant.ID}, w, func(callback string) func(*testing.T) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{bfo}}}
		t.Cleanup(transport.CloseIdleConnections)
		sim.SetCallback(kombiposttest.Callback{URL: callback, Client: &http.Client{Transport: transport}})
		return func(t *testing.T) {
			if _, err := sim.Step(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	// Whoever is not Beskedfordeler is turned away at the same door.
	for _, who := range []tls.Certificate{clientCert, {}} {
		in := &heard{tenant: tenant.ID}
		url := listening(t, cfg, in)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{who}}}
		answer, err := (&http.Client{Transport: transport}).Post(url, "application/xml", nil)
		transport.CloseIdleConnections()
		if err == nil {
			answer.Body.Close()
		}
		if err == nil && answer.StatusCode != http.StatusForbidden || len(in.all("")) > 0 {
			t.Errorf("a stranger gets HTTP %d", answer.StatusCode)
		}
	}
}

// listening runs the tasks of a configuration's statuses and returns where they
// are pushed.
func listening(t *testing.T, cfg config.Dispatcher, in *heard) (url string) {
	t.Helper()
	a := &App{log: slog.New(slog.DiscardHandler)}
	client, err := kombiClient(cfg, a.log)
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := a.statusTasks(cfg, client, in)
	if err != nil || len(tasks) == 0 {
		t.Fatalf("%d tasks, %v", len(tasks), err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, task := range tasks {
		all.Go(func() {
			if err := task.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { stop(); all.Wait(); _ = client.Close() })
	return a.KombiPushURL()
}

func keepsItsPromises(t *testing.T, cfg config.Dispatcher, tenant post.TenantID, in *heard, w suite.World, push func(callback string) func(*testing.T)) {
	t.Helper()
	by, err := openCarriers(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := by.roads(cfg); err != nil {
		t.Fatal(err)
	}
	deliver := push(listening(t, cfg, in))
	for _, known := range cfg.Tenants {
		if known.ID == tenant {
			w.Tenant = known
		}
	}
	w.Client = by.kombi
	w.Statuses = func(t *testing.T, id string) []track.Receipt { deliver(t); return in.all(id) }
	suite.Run(t, func(*testing.T) suite.World { return w })
}

// heard is an inbox in memory for the letters of one tenant.
type heard struct {
	tenant post.TenantID
	mu     sync.Mutex
	kept   []track.Receipt
}

func (h *heard) Keep(_ context.Context, r track.Receipt) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range h.kept {
		if k.EventID == r.EventID {
			return nil
		}
	}
	h.kept = append(h.kept, r)
	return nil
}

func (h *heard) Owner(context.Context, string) (post.TenantID, error) { return h.tenant, nil }

func (h *heard) all(id string) (mine []track.Receipt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.kept {
		if id == "" || r.MessageID == id {
			mine = append(mine, r)
		}
	}
	return mine
}

// issuer makes certificates in files, as a configuration names them.
type issuer struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newIssuer(t *testing.T, dir string) *issuer {
	t.Helper()
	i := &issuer{dir: dir, pool: x509.NewCertPool()}
	i.issue(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	i.pool.AddCert(i.cert)
	return i
}

func (i *issuer) leaf(t *testing.T, name string) tls.Certificate {
	t.Helper()
	return i.issue(t, name, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
}

func (i *issuer) issue(t *testing.T, name string, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(60*24*time.Hour)
	parent, signer := i.cert, i.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if i.cert == nil {
		i.key = key
		if i.cert, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + "-key.pem": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(filepath.Join(i.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
