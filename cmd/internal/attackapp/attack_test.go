package attackapp

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/inbound/login/logintest"
	"sikkerpost.dk/gateway/internal/post"
)

func TestMisuseIsToldApartFromFailure(t *testing.T) {
	const acs, md = "https://127.0.0.1:1/acs", "https://127.0.0.1:1/metadata"
	for name, c := range map[string]struct {
		args []string
		want int
		says string
	}{
		"neither state nor login":  {[]string{"-acs", acs, "-metadata", md}, exitMisuse, "-state or -login"},
		"login without keys":       {[]string{"-acs", acs, "-metadata", md, "-login", acs}, exitMisuse, "-keys"},
		"no target":                {[]string{"-state", "x"}, exitMisuse, "-acs"},
		"a target beyond loopback": {[]string{"-acs", "https://example.com/acs", "-metadata", md, "-state", "x"}, exitMisuse, "not on this machine"},
		"a look-alike of loopback": {[]string{"-acs", "https://127.0.0.1.example.com/acs", "-metadata", md, "-state", "x"}, exitMisuse, "not on this machine"},
		"a stray word":             {[]string{"-acs", acs, "-metadata", md, "-state", "x", "now"}, exitMisuse, "nothing but flags"},
		"a missing state file":     {[]string{"-acs", acs, "-metadata", md, "-state", "/nowhere/x"}, exitFailed, "read state"},
		"help":                     {[]string{"-h"}, exitDone, "-keys"},
	} {
		var out, errs bytes.Buffer
		if got := Run(t.Context(), c.args, &out, &errs); got != c.want || !strings.Contains(errs.String(), c.says) || out.Len() > 0 {
			t.Errorf("%s: %d, %s%s", name, got, errs.String(), out.String())
		}
	}
	var out bytes.Buffer
	if code := Run(t.Context(), []string{"-list"}, &out, io.Discard); code != exitDone || strings.Count(out.String(), "\n") < 220 {
		t.Errorf("-list: %d, %d lines", code, strings.Count(out.String(), "\n"))
	}
}

// TestAnyServiceThatTrustsOurMetadataCanBeTried makes keys, has a service trust
// them, and attacks it; then a service that trusts somebody else.
func TestAnyServiceThatTrustsOurMetadataCanBeTried(t *testing.T) {
	dir := t.TempDir()
	var handler http.Handler
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	defer srv.Close()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"-acs", srv.URL + nemlogin.PathACS, "-metadata", srv.URL + nemlogin.PathMetadata, "-login", srv.URL + nemlogin.PathLogin,
		"-page", srv.URL + "/mine", "-ca", ca, "-only", "V-SIG-1", "-keys", dir,
	}
	var out, errs bytes.Buffer
	if code := Run(t.Context(), args, &out, &errs); code != exitMisuse || !strings.Contains(errs.String(), metadataFile(dir)) {
		t.Fatalf("making keys: %d, %s", code, errs.String())
	}
	handler = service(t, srv.URL, metadataFile(dir))
	if code := Run(t.Context(), args, &out, &errs); code != exitDone || !strings.Contains(out.String(), `"sessions":0`) {
		t.Fatalf("attack: %d, %s%s", code, out.String(), errs.String())
	}
	args[len(args)-1] = filepath.Join(dir, "others")
	Run(t.Context(), args, io.Discard, io.Discard)
	if code := Run(t.Context(), args, &out, &errs); code != exitFailed || !strings.Contains(errs.String(), "trust") {
		t.Fatalf("a service that does not trust us: %d, %s", code, errs.String())
	}
}

func service(t *testing.T, address, metadata string) http.Handler {
	t.Helper()
	text, err := os.ReadFile(metadata)
	if err != nil {
		t.Fatal(err)
	}
	idp, err := nemlogin.ParseIDP(text)
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "service"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	store := &logintest.Memory{}
	sessions, err := login.New(login.Config{Store: store, Sealer: logintest.Clear{}})
	if err != nil {
		t.Fatal(err)
	}
	sp, err := nemlogin.New(nemlogin.Config{
		EntityID: "https://saml.service.test", PublicURL: address, SigningKey: key, SigningCert: cert,
		Decryption: []nemlogin.Decryption{{Key: key, Cert: cert}}, IDP: idp, Sessions: sessions, Audit: store,
		Log:     slog.New(slog.DiscardHandler),
		OnFault: func(w http.ResponseWriter, _ *http.Request, f *post.Fault, _ string) { w.WriteHeader(f.Status) },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", sp.Handler())
	mux.HandleFunc("GET /mine", func(w http.ResponseWriter, r *http.Request) {
		if _, err := sp.Session(r); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	return mux
}
