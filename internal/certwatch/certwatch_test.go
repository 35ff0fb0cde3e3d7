package certwatch_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/certwatch"
)

// world is a pair of files and a clock.
type world struct {
	cert, key string
	now       time.Time
	log       bytes.Buffer
	pair      *certwatch.Pair
	changed   chan struct{}
}

// put writes a certificate named name that holds from now for life.
func (w *world) put(t *testing.T, name string, from time.Time, life time.Duration) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: from, NotAfter: from.Add(life), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, w.cert, "CERTIFICATE", der)
	w.write(t, w.key, "PRIVATE KEY", secret)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (w *world) write(t *testing.T, path, kind string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{cert: filepath.Join(dir, "c.pem"), key: filepath.Join(dir, "k.pem"), now: time.Now(), changed: make(chan struct{}, 9)}
	w.put(t, "first", w.now.Add(-time.Hour), 90*24*time.Hour)
	var err error
	w.pair, err = certwatch.Open(certwatch.Config{Name: "test", CertFile: w.cert, KeyFile: w.key, Load: tls.LoadX509KeyPair,
		Log: slog.New(slog.NewTextHandler(&w.log, nil)), Changed: func() { w.changed <- struct{}{} }, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// shown returns the name on the certificate after the files were looked at.
func (w *world) shown() string {
	w.now = w.now.Add(certwatch.Look)
	return w.pair.Current().Leaf.Subject.CommonName
}

func TestANewPairIsTakenAndTold(t *testing.T) {
	w := newWorld(t)
	w.put(t, "second", w.now.Add(-time.Minute), 90*24*time.Hour)
	if got := w.pair.Current().Leaf.Subject.CommonName; got != "first" {
		t.Errorf("the files were read again at once: %s", got)
	}
	if got := w.shown(); got != "second" {
		t.Errorf("got %s", got)
	}
	<-w.changed
	if !strings.Contains(w.log.String(), "certificate renewed") {
		t.Error("nothing was logged")
	}
}

func TestABadPairLeavesTheOldOne(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, w *world){
		"cut off": func(t *testing.T, w *world) { w.write(t, w.cert, "CERTIFICATE", []byte("x")) },
		"gone":    func(t *testing.T, w *world) { _ = os.Remove(w.key) },
		"half of a renewal": func(t *testing.T, w *world) {
			key := w.read(t, w.key)
			w.put(t, "half", w.now, time.Hour)
			w.restore(t, w.key, key)
		},
		"not valid yet":          func(t *testing.T, w *world) { w.put(t, "early", w.now.Add(time.Hour), time.Hour) },
		"over":                   func(t *testing.T, w *world) { w.put(t, "late", w.now.Add(-2*time.Hour), time.Hour) },
		"empty certificate file": func(t *testing.T, w *world) { w.restore(t, w.cert, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			spoil(t, w)
			for range 3 {
				if got := w.shown(); got != "first" {
					t.Errorf("got %s", got)
				}
			}
			if n := strings.Count(w.log.String(), "not renewed"); n != 1 {
				t.Errorf("logged %d times", n)
			}
			w.put(t, "good", w.now.Add(-time.Minute), 90*24*time.Hour)
			if got := w.shown(); got != "good" {
				t.Errorf("after it was mended: %s", got)
			}
		})
	}
}

func (w *world) read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (w *world) restore(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestACertificateThatEndsSoonIsReportedOnceADay(t *testing.T) {
	w := newWorld(t)
	w.now = w.now.Add(61 * 24 * time.Hour)
	w.shown()
	w.shown()
	if n := strings.Count(w.log.String(), "ends soon"); n != 1 {
		t.Errorf("reported %d times", n)
	}
	w.now = w.now.Add(24 * time.Hour)
	w.shown()
	if n := strings.Count(w.log.String(), "ends soon"); n != 2 {
		t.Errorf("reported %d times after a day", n)
	}
}

func TestOpenRefusesWhatCannotBeUsed(t *testing.T) {
	if _, err := certwatch.Open(certwatch.Config{}); err == nil {
		t.Error("an empty configuration passed")
	}
	w := newWorld(t)
	w.restore(t, w.key, []byte("x"))
	_, err := certwatch.Open(certwatch.Config{Name: "x", CertFile: w.cert, KeyFile: w.key, Load: tls.LoadX509KeyPair, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Error("a broken key passed")
	}
}

// TestBothSidesOfAConnectionRenew lets a server and a client renew under way.
func TestBothSidesOfAConnectionRenew(t *testing.T) {
	server, client := newWorld(t), newWorld(t)
	var peer string
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer = r.TLS.PeerCertificates[0].Subject.CommonName
		_, _ = io.WriteString(w, "ok")
	}), TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert}, ReadHeaderTimeout: time.Second}
	server.pair.Server(s.TLSConfig)
	go func() { _ = s.ServeTLS(l, "", "") }()
	defer s.Close()
	call := func(roots *x509.CertPool) string {
		conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
		client.pair.Client(conf)
		transport := &http.Transport{TLSClientConfig: conf}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport}).Get("https://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.TLS.PeerCertificates[0].Subject.CommonName
	}
	for _, name := range []string{"second", "third"} {
		roots := x509.NewCertPool()
		roots.AddCert(server.put(t, name, server.now.Add(-time.Minute), time.Hour))
		client.put(t, name, client.now.Add(-time.Minute), time.Hour)
		server.shown()
		client.shown()
		if got := call(roots); got != name || peer != name {
			t.Errorf("server shows %s, client %s", got, peer)
		}
	}
}
