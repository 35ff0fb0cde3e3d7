package nemlogin

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"sikkerpost.dk/gateway/internal/config"
)

// Load reads the keys, certificates and provider metadata that c names. The
// caller adds Sessions, Audit, OnFault and Log.
func Load(c config.SAML, publicURL string) (Config, error) {
	out := Config{
		EntityID: c.EntityID, PublicURL: publicURL, PowerOfAttorney: c.PowerOfAttorney, CompanyRoles: c.CompanyRoles,
		AllowCBC: c.AllowCBC,
	}
	key, cert, err := pair(c.SigningKey, c.SigningCert)
	if err != nil {
		return Config{}, fmt.Errorf("load SAML signing key: %w", err)
	}
	out.SigningKey, out.SigningCert = key, cert
	key, cert, err = pair(c.EncryptionKey, c.EncryptionCert)
	if err != nil {
		return Config{}, fmt.Errorf("load SAML encryption key: %w", err)
	}
	out.Decryption = []Decryption{{Key: key, Cert: cert}}
	if err := rollOver(c, &out); err != nil {
		return Config{}, err
	}
	metadata, err := os.ReadFile(c.IDPMetadata)
	if err != nil {
		return Config{}, fmt.Errorf("load provider metadata: %w", err)
	}
	if out.IDP, err = ParseIDP(metadata); err != nil {
		return Config{}, err
	}
	if out.IDP.stale(time.Now()) {
		return Config{}, errors.New("load provider metadata: it has expired")
	}
	return out, nil
}

// rollOver adds the keys that are on their way in or out.
func rollOver(c config.SAML, out *Config) error {
	if c.NextEncryptionKey != "" {
		key, cert, err := pair(c.NextEncryptionKey, c.NextEncryptionCert)
		if err != nil {
			return fmt.Errorf("load next SAML encryption key: %w", err)
		}
		out.Decryption = append(out.Decryption, Decryption{Key: key, Cert: cert})
	}
	if c.PreviousEncryptionKey != "" {
		key, cert, err := pair(c.PreviousEncryptionKey, c.PreviousEncryptionCert)
		if err != nil {
			return fmt.Errorf("load previous SAML encryption key: %w", err)
		}
		out.Decryption = append(out.Decryption, Decryption{Key: key, Cert: cert, Hidden: true})
	}
	if c.NextSigningCert != "" {
		der, err := pemFile(c.NextSigningCert, "CERTIFICATE")
		if err != nil {
			return fmt.Errorf("load next SAML signing certificate: %w", err)
		}
		if out.NextSigning, err = x509.ParseCertificate(der); err != nil {
			return fmt.Errorf("load next SAML signing certificate: %w", err)
		}
	}
	return nil
}

func pair(keyFile, certFile string) (*rsa.PrivateKey, *x509.Certificate, error) {
	der, err := pemFile(certFile, "CERTIFICATE")
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", certFile, err)
	}
	der, err = pemFile(keyFile, "PRIVATE KEY", "RSA PRIVATE KEY")
	if err != nil {
		return nil, nil, err
	}
	var key crypto.PrivateKey
	if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(der); err != nil {
			return nil, nil, fmt.Errorf("read %s: neither PKCS #8 nor PKCS #1", keyFile)
		}
	}
	k, ok := key.(*rsa.PrivateKey)
	if !ok || !k.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, errors.New("the key is not RSA or not that of the certificate")
	}
	return k, cert, nil
}

func pemFile(name string, kinds ...string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	b, _ := pem.Decode(data)
	if b == nil {
		return nil, fmt.Errorf("read %s: not PEM", name)
	}
	for _, k := range kinds {
		if b.Type == k {
			return b.Bytes, nil
		}
	}
	return nil, fmt.Errorf("read %s: holds %s", name, b.Type)
}
