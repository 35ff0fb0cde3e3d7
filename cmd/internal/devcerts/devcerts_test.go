package devcerts_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

func made(t *testing.T, dir string, o devcerts.Options) *devcerts.Set {
	t.Helper()
	s, err := devcerts.Make(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// set is one that tests read and leave as it is: new RSA keys take long.
// TestMain removes it.
var set = sync.OnceValues(func() (*devcerts.Set, error) {
	dir, err := os.MkdirTemp("", "sikkerpost-devcerts-")
	if err != nil {
		return nil, err
	}
	return devcerts.Make(filepath.Join(dir, "dev"), devcerts.Options{})
})

func TestMain(m *testing.M) {
	code := m.Run()
	if s, err := set(); err == nil {
		os.RemoveAll(filepath.Dir(s.Dir))
	}
	os.Exit(code)
}

func once(t *testing.T) *devcerts.Set {
	t.Helper()
	s, err := set()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// copied returns a folder with a copy of the set, for a test that changes it.
func copied(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(once(t).Dir)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(p, 0o600) // a copy is anybody's to read
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFilesAreForTheOwnerAlone(t *testing.T) {
	s := once(t)
	err := filepath.WalkDir(s.Dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else if !slices.Contains(s.Made, p) {
			t.Errorf("%s is there but not told of", p)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %#o, want %#o", p, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestASecondRunKeepsWhatIsValid(t *testing.T) {
	dir := copied(t)
	if s := made(t, dir, devcerts.Options{}); len(s.Made) != 0 {
		t.Errorf("made again: %v", s.Made)
	}
	has := func(s *devcerts.Set, paths ...string) {
		t.Helper()
		slices.Sort(s.Made)
		slices.Sort(paths)
		if !slices.Equal(s.Made, paths) {
			t.Errorf("made %v, want %v", s.Made, paths)
		}
	}
	s := made(t, dir, devcerts.Options{Hosts: []string{"post.example.dk"}})
	has(s, s.Web.Cert, s.Web.Key, s.CarrierServer.Cert, s.CarrierServer.Key)

	if err := os.WriteFile(s.Tool.Key, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = made(t, dir, devcerts.Options{})
	has(s, s.Tool.Cert, s.Tool.Key)

	if err := os.Remove(filepath.Join(dir, "letters", "ca.pem")); err != nil {
		t.Fatal(err)
	}
	s = made(t, dir, devcerts.Options{})
	has(s, s.LetterCA, filepath.Join(dir, "letters", "ca-key.pem"), s.LetterRSA.Cert, s.LetterRSA.Key, s.LetterP256.Cert, s.LetterP256.Key)

	s = made(t, dir, devcerts.Options{Now: time.Now().AddDate(0, 0, 85)})
	for _, p := range s.Made {
		if strings.HasPrefix(p, filepath.Join(dir, "age")) || strings.HasPrefix(p, filepath.Join(dir, "keys")) {
			t.Errorf("%s was made again; what was sealed to it is lost", p)
		}
	}
	if len(s.Made) != 36 { // 5 authorities and 13 leafs, two files each
		t.Errorf("%d files made a few days before the end, want every certificate and key", len(s.Made))
	}
}

func TestADamagedSecretStops(t *testing.T) {
	dir := copied(t)
	s := made(t, dir, devcerts.Options{})
	for _, path := range []string{s.DPO.Identity, s.Receipt.Signer, s.IndexKey} {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := devcerts.Make(dir, devcerts.Options{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Make with a damaged %s = %v, want it named", path, err)
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSecretsFitTheirPublicHalves(t *testing.T) {
	s := once(t)
	read := func(path string) string {
		t.Helper()
		text, err := config.ReadSecret(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, k := range []devcerts.AgeKey{s.DPO, s.Dispatcher, s.PrintHouse, s.LoginArchive} {
		to, err := age.ParseHybridRecipient(read(k.Recipients))
		if err != nil {
			t.Fatal(err)
		}
		id, err := age.ParseHybridIdentity(read(k.Identity))
		if err != nil {
			t.Fatal(err)
		}
		var sealed bytes.Buffer
		w, err := age.Encrypt(&sealed, to)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "hello")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := age.Decrypt(&sealed, id)
		if err != nil {
			t.Fatalf("%s does not open what is sealed to its recipient: %v", k.Identity, err)
		}
		if b, _ := io.ReadAll(r); string(b) != "hello" {
			t.Errorf("opened %q", b)
		}
	}
	for _, k := range []devcerts.NoteKey{s.Checkpoint, s.Receipt} {
		signer, err := note.NewSigner(read(k.Signer))
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := note.NewVerifier(read(k.Verifier))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := note.Sign(&note.Note{Text: "hello\n"}, signer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := note.Open(signed, note.VerifierList(verifier)); err != nil {
			t.Errorf("%s does not verify: %v", k.Verifier, err)
		}
	}
	log, err := ledger.Known(read(s.Checkpoint.Verifier))
	if err != nil {
		t.Fatal(err)
	}
	cert := []byte(read(s.ReceiptCert) + "\n")
	for _, at := range []time.Time{time.Now(), time.Now().AddDate(9, 0, 0)} {
		if _, err := ledger.CheckReceiptKey(cert, at, log); err != nil || !bytes.Contains(cert, []byte(read(s.Receipt.Verifier))) {
			t.Errorf("the ledger's key does not vouch for the receipt key at %s: %v", at.Format(time.DateOnly), err)
		}
	}
	index, err := config.ReadHexKey(s.IndexKey)
	if err != nil {
		t.Fatal(err)
	}
	task, err := config.ReadHexKey(s.TaskKey)
	if err != nil || bytes.Equal(index, task) {
		t.Errorf("index and task keys: %v; want two different ones", err)
	}
}

// TestEachAuthorityHoldsItsOwnBoundary shakes hands with every pair of client
// and server settings that must and must not fit.
func TestEachAuthorityHoldsItsOwnBoundary(t *testing.T) {
	s := once(t)
	for _, tt := range []struct {
		name           string
		server, client config.TLS
		host           string
		ok             bool
	}{
		{"a browser and the portal", config.TLS{CertFile: s.Web.Cert, KeyFile: s.Web.Key}, config.TLS{CAFile: s.WebCA}, "localhost", true},
		{"a browser and engdal.localhost", config.TLS{CertFile: s.Web.Cert, KeyFile: s.Web.Key}, config.TLS{CAFile: s.WebCA}, "engdal.localhost", true},
		{"a tool and the desk", config.TLS{CertFile: s.Web.Cert, KeyFile: s.Web.Key, CAFile: s.ClientCA},
			config.TLS{CertFile: s.Tool.Cert, KeyFile: s.Tool.Key, CAFile: s.WebCA}, "127.0.0.1", true},
		{"the gateway and Digital Post", config.TLS{CertFile: s.CarrierServer.Cert, KeyFile: s.CarrierServer.Key, CAFile: s.CarrierCA},
			config.TLS{CertFile: s.CarrierClient.Cert, KeyFile: s.CarrierClient.Key, CAFile: s.CarrierCA}, "127.0.0.1", true},
		{"a carrier's certificate at the desk", config.TLS{CertFile: s.Web.Cert, KeyFile: s.Web.Key, CAFile: s.ClientCA},
			config.TLS{CertFile: s.CarrierClient.Cert, KeyFile: s.CarrierClient.Key, CAFile: s.WebCA}, "127.0.0.1", false},
		{"no certificate at the desk", config.TLS{CertFile: s.Web.Cert, KeyFile: s.Web.Key, CAFile: s.ClientCA}, config.TLS{CAFile: s.WebCA}, "127.0.0.1", false},
		{"a client certificate as server", config.TLS{CertFile: s.Tool.Cert, KeyFile: s.Tool.Key}, config.TLS{CAFile: s.ClientCA}, "127.0.0.1", false},
		{"the web's certificate for a carrier", config.TLS{CertFile: s.Web.Cert, KeyFile: s.Web.Key}, config.TLS{CAFile: s.CarrierCA}, "127.0.0.1", false},
		{"another host", config.TLS{CertFile: s.Web.Cert, KeyFile: s.Web.Key}, config.TLS{CAFile: s.WebCA}, "post.example.dk", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, err := config.ServerTLS(tt.server)
			if err != nil {
				t.Fatal(err)
			}
			client, err := config.ClientTLS(tt.client)
			if err != nil {
				t.Fatal(err)
			}
			client.ServerName = tt.host
			a, b := net.Pipe()
			theirs := make(chan error, 1)
			go func() {
				theirs <- tls.Server(a, server).Handshake()
				a.Close()
			}()
			ours := tls.Client(b, client).Handshake()
			b.Close()
			if ok := ours == nil && <-theirs == nil; ok != tt.ok {
				t.Errorf("hands shaken = %t (client: %v), want %t", ok, ours, tt.ok)
			}
		})
	}
}

func TestSigningCertificatesSayWhatTheyAreFor(t *testing.T) {
	s := once(t)
	for _, tt := range []struct {
		pair  devcerts.Pair
		usage x509.KeyUsage
		alg   x509.PublicKeyAlgorithm
	}{
		{s.SPSigning, x509.KeyUsageDigitalSignature, x509.RSA},
		{s.IDPSigning, x509.KeyUsageDigitalSignature, x509.RSA},
		{s.SPEncryption, x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment, x509.RSA},
		{s.LetterRSA, x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, x509.RSA},
		{s.LetterP256, x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, x509.ECDSA},
	} {
		_, cert, err := config.LoadSigner(tt.pair.Cert, tt.pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		if cert.KeyUsage != tt.usage || cert.PublicKeyAlgorithm != tt.alg || len(cert.ExtKeyUsage) > 0 {
			t.Errorf("%s: usage %b, algorithm %s", tt.pair.Cert, cert.KeyUsage, cert.PublicKeyAlgorithm)
		}
	}
	if f, err := devcerts.Fingerprint(s.Tool.Cert); err != nil || len(f) != 64 {
		t.Errorf("Fingerprint = %q, %v", f, err)
	}
}
