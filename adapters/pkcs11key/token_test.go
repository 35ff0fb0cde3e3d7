//go:build pkcs11

package pkcs11key_test

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ThalesGroup/crypto11"

	"sikkerpost.dk/gateway/adapters/pkcs11key"
	"sikkerpost.dk/gateway/internal/outbound/sign"
	"sikkerpost.dk/gateway/internal/outbound/verify"
)

const pin = "648219"

// token makes a SoftHSM token with one key of each kind and two of one name.
func token(t *testing.T) pkcs11key.Key {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(conf, []byte("directories.tokendir = "+dir+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	if out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "letters", "--pin", pin, "--so-pin", pin).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	k := pkcs11key.Key{Token: "letters", PIN: pin}
	for _, path := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/libsofthsm2.so"} {
		if _, err := os.Stat(path); err == nil {
			k.Module = path
		}
	}
	c, err := crypto11.Configure(&crypto11.Config{Path: k.Module, TokenLabel: k.Token, Pin: k.PIN})
	if err != nil {
		t.Fatal(err)
	}
	for i, label := range []string{"twice", "twice"} {
		if _, err := c.GenerateECDSAKeyPairWithLabel([]byte{byte(i)}, []byte(label), elliptic.P256()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.GenerateECDSAKeyPairWithLabel([]byte("ec"), []byte("ecdsa"), elliptic.P256()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GenerateRSAKeyPairWithLabel([]byte("rsa"), []byte("rsa"), 3072); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestLettersAreSignedByAKeyThatStaysOnItsToken(t *testing.T) {
	k := token(t)
	for _, label := range []string{"rsa", "ecdsa"} {
		k.Label = label
		key, err := pkcs11key.Open(k)
		if err != nil {
			t.Fatal(err)
		}
		tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "letters"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		s, err := sign.New(key, cert)
		if err != nil {
			t.Fatal(err)
		}
		m := verify.Manifest{Letter: "l", Reference: "SP-0000-0000", Tenant: "engdal", CVR: "29000011", SignedAt: time.Now().UTC().Truncate(time.Second),
			Documents: []verify.Document{{MediaType: "application/pdf", Size: 1}}}
		b, err := s.Sign(m)
		if err != nil {
			t.Fatalf("%s: %v", label, err)
		}
		if got, err := verify.Signed(b, []*x509.Certificate{cert}); err != nil || got.Letter != "l" {
			t.Errorf("%s: %v", label, err)
		}
		if err := key.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAKeyThatIsNotThereExactlyOnceIsRefused(t *testing.T) {
	k := token(t)
	for name, spoil := range map[string]func(*pkcs11key.Key){
		"no such key":    func(k *pkcs11key.Key) { k.Label = "other" },
		"two of a name":  func(k *pkcs11key.Key) { k.Label = "twice" },
		"no such token":  func(k *pkcs11key.Key) { k.Label, k.Token = "rsa", "other" },
		"a wrong PIN":    func(k *pkcs11key.Key) { k.Label, k.PIN = "rsa", "000000" },
		"no such module": func(k *pkcs11key.Key) { k.Label, k.Module = "rsa", "/nowhere.so" },
	} {
		k := k
		spoil(&k)
		if s, err := pkcs11key.Open(k); err == nil {
			s.Close()
			t.Errorf("%s: opened", name)
		} else if bad := fmt.Sprint(err); len(bad) == 0 || bad == k.PIN {
			t.Errorf("%s: %s", name, bad)
		}
	}
}
