package postctlapp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/alicebob/miniredis/v2"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/cmd/internal/deskapp"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/persona"
)

// bureau is a whole desk on loopback, over SQLite, with a case system and an
// approver of one municipality.
type bureau struct {
	t   *testing.T
	dir string
	url string
}

func newBureau(t *testing.T) *bureau {
	t.Helper()
	b := &bureau{t: t, dir: t.TempDir()}
	ca := newIssuer(t)
	b.put("ca.pem", ca.pem)
	ca.issue(b, "desk", x509.ExtKeyUsageServerAuth)
	clients := []config.Client{
		{ID: "case", Role: config.RoleCase, Tenant: "engdal", Fingerprint: ca.issue(b, "case", x509.ExtKeyUsageClientAuth)},
		{ID: "approver", Role: config.RoleApprover, Tenant: "engdal", Fingerprint: ca.issue(b, "approver", x509.ExtKeyUsageClientAuth)},
	}
	id, err := age.GenerateHybridIdentity()
	must(t, err)
	b.put("dispatcher.pub", []byte(id.Recipient().String()+"\n"))
	b.put("index.hex", []byte(strings.Repeat("01", 32)))
	b.put("task.hex", []byte(strings.Repeat("02", 32)))
	must(t, os.Mkdir(b.path("blobs"), 0o700))
	ctx, stop := context.WithCancel(context.Background())
	app, err := deskapp.New(ctx, config.Desk{
		Common: config.Common{
			Database: suite.SQLite(t, sqlstore.Open, b.path("desk.db")), Blobs: b.path("blobs"), Redis: miniredis.RunT(t).Addr(),
			Tenants: persona.Tenants(), Inboxes: []config.Inbox{{ID: "dpo-faelles"}},
			IndexKeyFile: b.path("index.hex"), TaskKeyFile: b.path("task.hex"), DispatcherRecipientFile: b.path("dispatcher.pub"),
		},
		Listen: "127.0.0.1:0", Clients: clients,
		TLS: config.TLS{CertFile: b.path("desk.pem"), KeyFile: b.path("desk.key.pem"), CAFile: b.path("ca.pem")},
	}, slog.New(slog.DiscardHandler))
	must(t, err)
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	b.url = app.URL()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("desk ended with %v", err)
		}
	})
	return b
}

func (b *bureau) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bureau) put(name string, text []byte) {
	b.t.Helper()
	must(b.t, os.WriteFile(b.path(name), text, 0o600))
}

// as are the flags by which postctl speaks to desk as the client called name.
func (b *bureau) as(name string) []string {
	return []string{"-url", b.url, "-client-cert", b.path(name + ".pem"), "-client-key", b.path(name + ".key.pem"), "-ca", b.path("ca.pem")}
}

type issuer struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ours"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(2 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	must(t, err)
	cert, err = x509.ParseCertificate(der)
	must(t, err)
	return &issuer{t, cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue writes NAME.pem and NAME.key.pem and returns the fingerprint.
func (i *issuer) issue(b *bureau, name string, use x509.ExtKeyUsage) string {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(i.t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{use}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, i.cert, &key.PublicKey, i.key)
	must(i.t, err)
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	must(i.t, err)
	b.put(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	b.put(name+".key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk}))
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
