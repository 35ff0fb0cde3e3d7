package config

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// keyBytes is the size of the index and task keys (HMAC-SHA-256).
const keyBytes = 32

// ReadHexKey reads a key of 32 bytes, written as 64 hex digits. It refuses a
// file that others may read ([post.FaultKeyFile]).
func ReadHexKey(path string) ([]byte, error) {
	text, err := ReadSecret(path)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != keyBytes {
		// The cause would quote the key.
		return nil, post.FaultKeyFile.At("%s: want %d bytes as %d hex digits", path, keyBytes, 2*keyBytes)
	}
	return key, nil
}

// ReadSecret reads a small secret file, without the white space around it. It
// refuses an empty file, one larger than 64 KiB and one that others may read.
func ReadSecret(path string) (string, error) {
	if err := private(path); err != nil {
		return "", err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", post.FaultKeyFile.Because(err)
	}
	text := strings.TrimSpace(string(b))
	if text == "" || len(b) > 64<<10 {
		return "", post.FaultKeyFile.At("%s: empty or too large", path)
	}
	return text, nil
}

// private refuses a secret that others than its owner and group may read, or
// that anybody but its owner may write.
func private(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return post.FaultKeyFile.Because(err)
	}
	if !info.Mode().IsRegular() {
		return post.FaultKeyFile.At("%s: not a regular file", path)
	}
	if perm := info.Mode().Perm(); perm&0o027 != 0 {
		return post.FaultKeyFile.At("%s: others may use it (mode %#o), want 0600, 0400 or 0440", path, perm)
	}
	return nil
}

// LoadPair reads a certificate (chain) and its private key. The leaf is parsed.
func LoadPair(certFile, keyFile string) (tls.Certificate, error) {
	if err := private(keyFile); err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return tls.Certificate{}, post.FaultKeyFile.Because(fmt.Errorf("read %s with %s: %w", certFile, keyFile, err))
	}
	return pair, nil
}

// LoadSigner reads a certificate and its key for signing documents.
func LoadSigner(certFile, keyFile string) (crypto.Signer, *x509.Certificate, error) {
	pair, err := LoadPair(certFile, keyFile)
	if err != nil {
		return nil, nil, err
	}
	s, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, nil, post.FaultKeyFile.At("%s: the key cannot sign", keyFile)
	}
	return s, pair.Leaf, nil
}

// LoadCertificate reads the one certificate of a PEM file, whose key is
// elsewhere.
func LoadCertificate(path string) (*x509.Certificate, error) {
	all, err := LoadCertificates(path)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, post.FaultKeyFile.At("%s: want one certificate in PEM", path)
	}
	return all[0], nil
}

// LoadCertificates reads the certificates of a PEM file, one or more, and nothing else.
func LoadCertificates(path string) (all []*x509.Certificate, err error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, post.FaultKeyFile.Because(err)
	}
	for len(all) == 0 || len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, post.FaultKeyFile.At("%s: want certificates in PEM, and nothing else", path)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, post.FaultKeyFile.Because(fmt.Errorf("read %s: %w", path, err))
		}
		all = append(all, c)
	}
	return all, nil
}

// LoadLetterCertificates reads the certificates of a PEM file that letters may have been
// signed with. Each stands for itself alone: nothing is taken because one of them issued
// it. So an authority's does not belong there, and is [post.FaultIssuerCert].
func LoadLetterCertificates(path string) ([]*x509.Certificate, error) {
	all, err := LoadCertificates(path)
	if err != nil {
		return nil, err
	}
	for i, c := range all {
		if c.IsCA || c.KeyUsage&x509.KeyUsageCertSign != 0 {
			return nil, post.FaultIssuerCert.At("%s: certificate %d of %d", path, i+1, len(all))
		}
	}
	return all, nil
}

// ReadPool reads the certificates of a PEM file as a pool of authorities. It
// refuses a file without one.
func ReadPool(path string) (*x509.CertPool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, post.FaultKeyFile.Because(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, post.FaultKeyFile.At("%s: no certificate in it", path)
	}
	return pool, nil
}

// ServerTLS returns the settings of a server that shows t's certificate. With
// CAFile every client must show a certificate that one of those authorities
// issued for client use; without, none is asked for. TLS 1.2 is the floor.
func ServerTLS(t TLS) (*tls.Config, error) {
	pair, err := LoadPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if t.CAFile == "" {
		return c, nil
	}
	if c.ClientCAs, err = ReadPool(t.CAFile); err != nil {
		return nil, err
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}

// ClientTLS returns the settings of a client that shows t's certificate, if t
// has one, and trusts only the authorities of CAFile; without CAFile those of
// the machine.
func ClientTLS(t TLS) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CertFile != "" || t.KeyFile != "" {
		pair, err := LoadPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if t.CAFile == "" {
		return c, nil
	}
	pool, err := ReadPool(t.CAFile)
	if err != nil {
		return nil, err
	}
	c.RootCAs = pool
	return c, nil
}
