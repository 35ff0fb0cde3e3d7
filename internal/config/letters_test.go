package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
)

// letterCerts writes certificates of letters, and of who might have issued them, to dir.
func letterCerts(t *testing.T, dir string) {
	t.Helper()
	made := map[string]string{}
	for name, c := range map[string]x509.Certificate{
		"former":      {KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, BasicConstraintsValid: true},
		"next":        {}, // bare, as some make them: it vouches for itself alone all the same
		"issuer":      {IsCA: true, BasicConstraintsValid: true},
		"issuer-only": {KeyUsage: x509.KeyUsageCertSign},
	} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c.SerialNumber, c.NotAfter = big.NewInt(1), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, &c, &c, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		made[name] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		put(t, filepath.Join(dir, name+".pem"), made[name], 0o600)
	}
	put(t, filepath.Join(dir, "both.pem"), made["former"]+made["next"], 0o600)
	put(t, filepath.Join(dir, "chain.pem"), made["former"]+made["issuer"], 0o600)
}

func TestOtherCertificatesOfLettersAreCertificatesThatSignLetters(t *testing.T) {
	for other, wrong := range map[string]string{
		"former.pem": "", "next.pem": "", "both.pem": "",
		"letter-key.pem": "POST-0902", "nothing.pem": "POST-0902",
		"issuer.pem": "POST-0903", "issuer-only.pem": "POST-0903", "chain.pem": "POST-0903",
	} {
		dir := folder(t)
		letterCerts(t, dir)
		p, err := load[config.Dispatcher](t, dir, strings.Replace(dispatcher, `"letter_key_file":`, `"other_letter_cert_file": "`+other+`", "letter_key_file":`, 1))
		if (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), "other_letter_cert_file: "+wrong) {
			t.Errorf("%s gives %v, want %q", other, err, wrong)
		}
		if wrong == "" && !strings.HasSuffix(p.OtherLetterCertFile, "/"+other) {
			t.Errorf("it is read as %q", p.OtherLetterCertFile)
		}
		if wrong == "POST-0903" { // the person at the console sees what to do about it
			if !strings.Contains(err.Error(), post.FaultIssuerCert.Cure) {
				t.Errorf("%s is refused without its cure: %v", other, err)
			}
			if _, err := config.LoadLetterCertificates(filepath.Join(dir, other)); !errors.Is(err, post.FaultIssuerCert) {
				t.Errorf("%s: %v", other, err)
			}
		}
	}
}
