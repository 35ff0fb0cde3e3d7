package bulktls_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/bulktls"
)

func transport(p *peers, http2 bool) *http.Transport {
	t := &http.Transport{DialContext: (&net.Dialer{Timeout: time.Minute}).DialContext, TLSHandshakeTimeout: time.Minute, TLSClientConfig: p.client,
		Protocols: &http.Protocols{}}
	t.Protocols.SetHTTP1(true)
	t.Protocols.SetHTTP2(http2)
	return t
}

// hello is what a server sees of its client.
type hello struct {
	Protocols []string
	Name      string
	Versions  []uint16
	Suites    []uint16
	Version   string
	Body      int
	Client    bool
}

func greet(t *testing.T, conf *tls.Config, client *http.Transport, body []byte) hello {
	t.Helper()
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var seen hello
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen.Version, seen.Client = r.Proto, len(r.TLS.VerifiedChains) == 1
		if bytes.Equal(b, body) {
			seen.Body = len(b)
		}
	}))
	s.TLS = conf.Clone()
	s.TLS.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		seen.Protocols, seen.Name, seen.Versions, seen.Suites = h.SupportedProtos, h.ServerName, h.SupportedVersions, h.CipherSuites
		return nil, nil //nolint:nilnil // as it is
	}
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	for range 2 { // the second on the same connection
		res, err := (&http.Client{Transport: client}).Post(s.URL, "text/plain", struct{ io.Reader }{bytes.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	return seen
}

// TestTheOtherSideSeesTheSame: a client of this package greets, shows its
// certificate and speaks as net/http's own does.
func TestTheOtherSideSeesTheSame(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		p, body := newPeers(t), noise(300_000)
		own, ours := transport(p, http2), transport(p, http2)
		bulktls.Use(ours)
		if (ours.DialTLSContext == nil) != http2 {
			t.Errorf("HTTP/2 %v: dialed by us: %v", http2, ours.DialTLSContext != nil)
		}
		want, got := greet(t, p.server, own, body), greet(t, p.server, ours, body)
		if !slices.Equal(want.Protocols, got.Protocols) || want.Name != got.Name || !slices.Equal(want.Versions, got.Versions) ||
			!slices.Equal(want.Suites, got.Suites) || want.Version != got.Version || want.Body != got.Body || want.Client != got.Client {
			t.Errorf("HTTP/2 %v:\n%+v\n%+v", http2, want, got)
		}
		if got.Body != len(body) || !got.Client {
			t.Errorf("%+v", got)
		}
	}
}

// TestABodyInMemoryIsBorrowedThroughTheWholeClient: net/http hands it down.
func TestABodyInMemoryIsBorrowedThroughTheWholeClient(t *testing.T) {
	p, body := newPeers(t), noise(134_000)
	var mu sync.Mutex
	var got []byte
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got, _ = io.ReadAll(r.Body)
	}))
	s.TLS = p.server
	s.StartTLS()
	defer s.Close()
	tr := transport(p, false)
	bulktls.Use(tr)
	defer tr.CloseIdleConnections()
	for _, expect := range []string{"", "100-continue"} {
		m := lending(body)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, m)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(len(body))
		req.Header.Set("Expect", expect)
		tr.ExpectContinueTimeout = time.Minute
		res, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		mu.Lock()
		if !bytes.Equal(got, body) || len(m.back) != 1 || <-m.back < 129_000 {
			t.Errorf("%q: %d bytes came", expect, len(got))
		}
		mu.Unlock()
	}
}

func TestWhoIsNotTheOneMeantIsRefused(t *testing.T) {
	p := newPeers(t)
	_, strangers := certificate(t, "127.0.0.1")
	elsewhere, pool := certificate(t, "192.0.2.1")
	for name, change := range map[string]func(*tls.Config, *tls.Config){
		"an authority that is not ours": func(client, _ *tls.Config) { client.RootCAs = strangers },
		"a certificate for another host": func(client, server *tls.Config) {
			client.RootCAs, server.Certificates = pool, []tls.Certificate{elsewhere}
		},
		"a check of our own that says no": func(client, _ *tls.Config) {
			client.VerifyConnection = func(tls.ConnectionState) error { return errors.New("pinned") }
		},
		"too old a version": func(client, server *tls.Config) {
			client.MinVersion, server.MaxVersion = tls.VersionTLS13, tls.VersionTLS12
		},
	} {
		client, server := p.client.Clone(), p.server.Clone()
		change(client, server)
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ErrorLog = discard()
		s.TLS = server
		s.StartTLS()
		tr := transport(&peers{client: client}, false)
		bulktls.Use(tr)
		res, err := (&http.Client{Transport: tr}).Get(s.URL)
		if err == nil {
			res.Body.Close()
			t.Errorf("%s: let in", name)
		}
		s.Close()
	}
}

// TestARefusedCertificateOfOursIsTold: a hand-over tells by this error that the
// other side never took anything.
func TestARefusedCertificateOfOursIsTold(t *testing.T) {
	p := newPeers(t)
	p.client.Certificates = nil
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = discard()
	s.TLS = p.server
	s.StartTLS()
	defer s.Close()
	tr := transport(p, false)
	bulktls.Use(tr)
	res, err := (&http.Client{Transport: tr}).Get(s.URL)
	if err == nil {
		res.Body.Close()
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || !strings.Contains(op.Err.Error(), "certificate") {
		t.Errorf("%T %v", err, err)
	}
}

// TestEachConnectionShowsTheCertificateOfItsDay: one that is renewed is asked for
// anew.
func TestEachConnectionShowsTheCertificateOfItsDay(t *testing.T) {
	p, asked := newPeers(t), 0
	cert := p.client.Certificates[0]
	p.client.Certificates = nil
	p.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { asked++; return &cert, nil }
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = p.server
	s.StartTLS()
	defer s.Close()
	tr := transport(p, false)
	bulktls.Use(tr)
	for want := 1; want < 4; want++ {
		res, err := (&http.Client{Transport: tr}).Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		tr.CloseIdleConnections()
		if asked != want {
			t.Errorf("asked %d times, want %d", asked, want)
		}
	}
}

func TestAServerThatDoesNotShakeHandsIsGivenUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tr := transport(newPeers(t), false)
	tr.TLSHandshakeTimeout = 30 * time.Millisecond
	bulktls.Use(tr)
	res, err := (&http.Client{Transport: tr}).Get("https://" + l.Addr().String())
	if err == nil {
		res.Body.Close()
	}
	var n net.Error
	if !errors.As(err, &n) || !n.Timeout() {
		t.Errorf("%v", err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.Copy(io.Discard, c); err != nil { // ends: our side has closed
		t.Error(err)
	}
}
