package deskapp_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/alicebob/miniredis/v2"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/cmd/internal/deskapp"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/testdata"
)

// rig is a whole desk on loopback with certificates of every kind.
type rig struct {
	t      *testing.T
	dir    string
	url    string
	cfg    config.Desk
	ca     *authority
	db     *sql.DB
	blobs  *blobstore.Store
	dpo    string // identity file
	to     []age.Recipient
	log    *syncBuffer
	nancy  persona.Persona
	tokens int
	bares  map[string]*http.Client
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// clients of the rig, by name.
var clients = map[string]config.Client{
	"tool":         {Role: config.RoleTool, Inbox: "dpo-faelles"},
	"tool-2":       {Role: config.RoleTool, Inbox: "dpo-faelles"},
	"tool-far":     {Role: config.RoleTool, Inbox: "dpo-andre"},
	"case":         {Role: config.RoleCase, Tenant: "engdal"},
	"case-far":     {Role: config.RoleCase, Tenant: "fjordby"},
	"approver":     {Role: config.RoleApprover, Tenant: "engdal"},
	"approver-far": {Role: config.RoleApprover, Tenant: "fjordby"},
	"operator":     {Role: config.RoleOperator},
	"expired":      {Role: config.RoleTool, Inbox: "dpo-faelles"},
	"foreign":      {Role: config.RoleTool, Inbox: "dpo-faelles"}, // registered, but another authority issued it
	"serverish":    {Role: config.RoleTool, Inbox: "dpo-faelles"}, // issued for servers, not for clients
}

func newRig(t *testing.T, changes ...func(*config.Desk)) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, ca: newAuthority(t, "ours"), log: &syncBuffer{}}
	r.nancy, _ = persona.By("nancy")
	other := newAuthority(t, "other")
	must(t, os.WriteFile(r.path("ca.pem"), r.ca.pem, 0o600))
	r.issue(r.ca, "desk", x509.ExtKeyUsageServerAuth, time.Hour)
	var list []config.Client
	for name, c := range clients {
		by, use, life := r.ca, x509.ExtKeyUsageClientAuth, time.Hour
		switch name {
		case "expired":
			life = -time.Minute
		case "foreign":
			by = other
		case "serverish":
			use = x509.ExtKeyUsageServerAuth
		}
		c.ID, c.Fingerprint = post.ClientID(name), r.issue(by, name, use, life)
		list = append(list, c)
	}
	r.issue(r.ca, "stranger", x509.ExtKeyUsageClientAuth, time.Hour) // not registered

	dispatcher := r.ageKey("dispatcher")
	_ = dispatcher
	r.dpo = r.path("dpo.key")
	r.to = []age.Recipient{r.ageKey("dpo")}
	for i, name := range []string{"index", "task"} {
		must(t, os.WriteFile(r.path(name+".hex"), []byte(strings.Repeat(fmt.Sprintf("%02x", i+1), 32)), 0o600))
	}
	var err error
	r.blobs, err = blobstore.Open(r.path("blobs"))
	must(t, err)
	cfg := config.Desk{
		Common: config.Common{
			Database: suite.SQLite(t, sqlstore.Open, r.path("desk.db")), Blobs: r.path("blobs"), Redis: miniredis.RunT(t).Addr(),
			Tenants: persona.Tenants(), Inboxes: []config.Inbox{{ID: "dpo-faelles"}, {ID: "dpo-andre"}},
			IndexKeyFile: r.path("index.hex"), TaskKeyFile: r.path("task.hex"), DispatcherRecipientFile: r.path("dispatcher.pub"),
		},
		Listen: "127.0.0.1:0", Clients: list,
		TLS: config.TLS{CertFile: r.path("desk.pem"), KeyFile: r.path("desk.key.pem"), CAFile: r.path("ca.pem")},
	}
	for _, change := range changes {
		change(&cfg)
	}
	ctx, stop := context.WithCancel(context.Background())
	app, err := deskapp.New(ctx, cfg, slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	must(t, err)
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	r.url, r.cfg = app.URL(), cfg
	r.db, err = sql.Open("sqlite", "file:"+r.path("desk.db")+"?_pragma=busy_timeout(60000)")
	must(t, err)
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("desk ended with %v", err)
		}
		r.db.Close()
		// Nothing personal is ever logged.
		for _, secret := range []string{r.nancy.CPR, r.nancy.Name, "Svar til borgeren", "answer.pdf"} {
			if strings.Contains(r.log.String(), secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
	return r
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) ageKey(name string) age.Recipient {
	id, err := age.GenerateHybridIdentity()
	must(r.t, err)
	must(r.t, os.WriteFile(r.path(name+".key"), []byte(id.String()+"\n"), 0o600))
	must(r.t, os.WriteFile(r.path(name+".pub"), []byte(id.Recipient().String()+"\n"), 0o600))
	return id.Recipient()
}

// client returns the library's client under the certificate called name.
func (r *rig) client(name string) *client.Client {
	c, err := client.New(client.Config{URL: r.url, CertFile: r.path(name + ".pem"), KeyFile: r.path(name + ".key.pem"), CAFile: r.path("ca.pem")})
	must(r.t, err)
	r.t.Cleanup(c.Close)
	return c
}

// bare returns the HTTP client that shows the certificate called name, or none.
func (r *rig) bare(name string) *http.Client {
	if r.bares[name] == nil {
		if r.bares == nil {
			r.bares = map[string]*http.Client{}
		}
		r.bares[name] = r.dial(name)
	}
	return r.bares[name]
}

func (r *rig) dial(name string) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.ca.pem)
	conf := &tls.Config{RootCAs: roots}
	if name != "" {
		pair, err := tls.LoadX509KeyPair(r.path(name+".pem"), r.path(name+".key.pem"))
		must(r.t, err)
		conf.Certificates = []tls.Certificate{pair}
	}
	tr := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true, ExpectContinueTimeout: time.Second}
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// ask sends a request and returns status, problem code and body.
func (r *rig) ask(as, method, path, media string, body io.Reader, headers ...string) (int, string, []byte) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, body)
	must(r.t, err)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	if method != http.MethodGet {
		r.tokens++
		req.Header.Set(wire.HeaderKey, fmt.Sprintf("test-%d", r.tokens))
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		}
	}
	resp, err := r.bare(as).Do(req)
	must(r.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(r.t, err)
	var p wire.Problem
	if resp.StatusCode >= 300 {
		if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
			r.t.Errorf("%s %s: refusal of type %q: %s", method, path, got, b)
		}
		must(r.t, json.Unmarshal(b, &p))
		if p.Code == "" || p.Title == "" || p.Cure == "" || p.Status != resp.StatusCode || !strings.HasPrefix(p.Instance, "urn:uuid:") {
			r.t.Errorf("%s %s: incomplete problem %+v", method, path, p)
		}
		if !strings.Contains(r.log.String(), strings.TrimPrefix(p.Instance, "urn:uuid:")) {
			r.t.Errorf("%s %s: the log does not know the error reference", method, path)
		}
	}
	return resp.StatusCode, p.Code, b
}

// inquiry puts a sealed inquiry from nancy into the database, as the portal does.
func (r *rig) inquiry(inboxID string, attachments ...string) (id, reference string, digest [32]byte) {
	t := r.t
	t.Helper()
	id, reference = post.NewID(), post.NewReference()
	cpr, err := post.ParseCPR(r.nancy.CPR)
	must(t, err)
	person := post.Person{Actor: post.NewParty(cpr, "", r.nancy.Name)}
	request := pdf(t, "request")
	var parts []seal.Part
	for _, name := range attachments {
		parts = append(parts, seal.Part{Name: name, MediaType: "application/pdf", Size: int64(len(request)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(request)), nil }})
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	o, err := seal.Stream(context.Background(), r.blobs, r.to, func(w io.Writer) error {
		var err error
		digest, err = seal.Pack(w, seal.Facts{V: seal.Version, Kind: "inquiry", Tenant: "engdal", Object: id}, seal.Message{
			Kind: post.Access, Road: post.ToDPO, Language: "da", Subject: "Indsigt i mine oplysninger",
			Text: "Jeg vil gerne se alt.\x1b[31m", Person: person.Record(), AcceptedAt: now, Reference: reference,
		}, parts)
		return err
	})
	must(t, err)
	keys, err := seal.ReadRecipientsFile(r.path("dispatcher.pub"))
	must(t, err)
	clear, err := json.Marshal(person.Record())
	must(t, err)
	sealed, err := seal.Small(clear, keys...)
	must(t, err)
	_, err = r.db.Exec(`INSERT INTO inquiry (id, reference, tenant, inbox, road, kind, state, accepted_at, due_at, digest, header, blob,
		blob_sha256, blob_size, attachments, person_index, person, statement) VALUES ($1,$2,'engdal',$3,'dpo','access','waiting',$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)`,
		id, reference, inboxID, now.UnixMicro(), now.AddDate(0, 1, 0).UnixMicro(), digest[:], o.Header, o.Blob, o.SHA256, o.Size,
		len(attachments), []byte("index"), sealed, []byte("statement"))
	must(t, err)
	return id, reference, digest
}

// snapshot is every row of every table, so that "nothing changed" can be said.
func (r *rig) snapshot() string {
	r.t.Helper()
	return suite.Snapshot(r.t, r.db, nil)
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(2 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue writes NAME.pem and NAME.key.pem and returns the fingerprint.
func (r *rig) issue(by *authority, name string, use x509.ExtKeyUsage, life time.Duration) string {
	t := r.t
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{use}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, by.cert, &key.PublicKey, by.key)
	must(t, err)
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	must(t, os.WriteFile(r.path(name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(r.path(name+".key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk}), 0o600))
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func pdf(t *testing.T, name string) []byte {
	t.Helper()
	b, err := testdata.FS.ReadFile("pdf/" + name + ".pdf")
	must(t, err)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
