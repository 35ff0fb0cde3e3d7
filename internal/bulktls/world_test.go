package bulktls_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// peers are two that know each other's certificates, and a server that keeps what
// it reads until the other side has ended.
type peers struct {
	address        string
	client, server *tls.Config
	drain          bool // keep nothing

	mu   sync.Mutex
	got  bytes.Buffer
	done chan error // how each connection ended: nil is a proper end
}

func newPeers(t testing.TB) *peers {
	t.Helper()
	cert, pool := certificate(t, "127.0.0.1")
	p := &peers{done: make(chan error, 100),
		server: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool},
		client: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, RootCAs: pool}}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p.address = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(tls.Server(c, p.server))
		}
	}()
	return p
}

func (p *peers) serve(c *tls.Conn) {
	defer c.Close()
	var err error
	if p.drain {
		_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, c, make([]byte, 64<<10))
	} else {
		buf := make([]byte, 64<<10)
		for err == nil {
			var n int
			n, err = c.Read(buf)
			p.mu.Lock()
			p.got.Write(buf[:n])
			p.mu.Unlock()
		}
		if err == io.EOF { //nolint:errorlint // a proper end is exactly that
			err = nil
		}
	}
	p.done <- err
}

func (p *peers) text() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.got.Bytes())
}

// certificate is one for host that signs itself.
func certificate(t testing.TB, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.ParseIP(host)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert}, pool
}

func discard() *log.Logger { return log.New(io.Discard, "", 0) }
