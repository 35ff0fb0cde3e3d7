package attackapp

import (
	"bufio"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/adapters/nemlogin/samlattack"
)

// maxFetched bounds what is read of the target.
const maxFetched = 1 << 20

// prepare learns the provider's keys and where a log-in begins. made says that
// the keys are new, so that nobody can trust them yet.
func (o *options) prepare(ctx context.Context) (made bool, err error) {
	if o.state != "" {
		return false, o.fromState(ctx)
	}
	o.begin = map[samlattack.Start]string{samlattack.Plain: o.login}
	for start, address := range map[samlattack.Start]string{
		samlattack.AtHigh: o.high, samlattack.Fresh: o.fresh, samlattack.AsProfessional: o.professional,
	} {
		if address != "" {
			o.begin[start] = address
		}
	}
	return o.ownKeys()
}

// fromState reads the demo's state file.
func (o *options) fromState(ctx context.Context) error {
	text, err := os.ReadFile(o.state)
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	var s struct {
		Portal   string `json:"portal_url"`
		CA       string `json:"ca_file"`
		Metadata string `json:"idp_metadata_url"`
		Cert     string `json:"idp_cert_file"`
		Key      string `json:"idp_key_file"`
		Admin    string `json:"admin_url"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	if s.Portal == "" || s.Metadata == "" || s.Cert == "" || s.Key == "" {
		return errors.New("read state: portal_url, idp_metadata_url, idp_cert_file and idp_key_file are required")
	}
	for _, a := range []string{s.Portal, s.Metadata, s.Admin} {
		if err := o.local(a); err != nil {
			return err
		}
	}
	o.ca, o.admin = s.CA, s.Admin
	if o.page == "" {
		o.page = s.Portal + "/mine"
	}
	if o.role == "" {
		o.role = nemlogintest.CompanyRole
	}
	begin := s.Portal + "/saml/login?return=%2Fmine"
	o.begin = map[samlattack.Start]string{
		samlattack.Plain: begin, samlattack.AtHigh: begin + "&level=High",
		samlattack.Fresh: begin + "&force=1", samlattack.AsProfessional: begin + "&type=Professional",
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	metadata, err := fetch(ctx, client, s.Metadata)
	if err != nil {
		return err
	}
	if o.provider.EntityID, err = samlattack.ProviderName(metadata); err != nil {
		return err
	}
	o.provider.Pair, err = readPair(s.Cert, s.Key)
	return err
}

func metadataFile(dir string) string { return filepath.Join(dir, "idp-metadata.xml") }

// ownKeys reads the two keys under -keys, or makes them with their metadata.
func (o *options) ownKeys() (made bool, err error) {
	o.provider.EntityID = o.entity
	var pairs [2]samlattack.Pair
	for i := range pairs {
		cert := filepath.Join(o.keys, fmt.Sprintf("idp-%d.pem", i+1))
		key := filepath.Join(o.keys, fmt.Sprintf("idp-%d-key.pem", i+1))
		pairs[i], err = readPair(cert, key)
		if errors.Is(err, os.ErrNotExist) {
			made = true
			pairs[i], err = makePair(o.keys, cert, key)
		}
		if err != nil {
			return false, err
		}
	}
	o.provider.Pair, o.provider.Second = pairs[0], &pairs[1]
	if made {
		text := samlattack.Metadata(o.entity, o.entity+"/sso", pairs[:]...)
		if err := os.WriteFile(metadataFile(o.keys), text, 0o600); err != nil {
			return false, fmt.Errorf("write metadata: %w", err)
		}
	}
	return made, nil
}

func makePair(dir, certFile, keyFile string) (samlattack.Pair, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return samlattack.Pair{}, fmt.Errorf("make directory of keys: %w", err)
	}
	p, err := samlattack.NewPair("attack identity provider")
	if err != nil {
		return p, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		return p, fmt.Errorf("encode key: %w", err)
	}
	for name, block := range map[string]*pem.Block{
		keyFile: {Type: "PRIVATE KEY", Bytes: der}, certFile: {Type: "CERTIFICATE", Bytes: p.Cert.Raw},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			return p, fmt.Errorf("write key: %w", err)
		}
	}
	return p, nil
}

func readPair(certFile, keyFile string) (samlattack.Pair, error) {
	cert, err := readPEM(certFile)
	if err != nil {
		return samlattack.Pair{}, err
	}
	c, err := x509.ParseCertificate(cert)
	if err != nil {
		return samlattack.Pair{}, fmt.Errorf("read %s: %w", certFile, err)
	}
	der, err := readPEM(keyFile)
	if err != nil {
		return samlattack.Pair{}, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return samlattack.Pair{}, fmt.Errorf("read %s: %w", keyFile, err)
	}
	k, ok := key.(*rsa.PrivateKey)
	if !ok || !k.PublicKey.Equal(c.PublicKey) {
		return samlattack.Pair{}, fmt.Errorf("read %s: not the RSA key of %s", keyFile, certFile)
	}
	return samlattack.Pair{Key: k, Cert: c}, nil
}

func readPEM(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	b, _ := pem.Decode(text)
	if b == nil {
		return nil, fmt.Errorf("read key: %s is not PEM", name)
	}
	return b.Bytes, nil
}

// fetch reads an address, or a file.
func fetch(ctx context.Context, client *http.Client, from string) ([]byte, error) {
	if !strings.Contains(from, "://") {
		return os.ReadFile(from)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", from, resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxFetched))
}

// panics reads the target's own count of panics while it read a log-in.
func panics(ctx context.Context, admin string) (int, error) {
	text, err := fetch(ctx, http.DefaultClient, admin+"/metrics")
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		if n, ok := strings.CutPrefix(lines.Text(), "sikkerpost_login_panics_total "); ok {
			v, err := strconv.ParseFloat(n, 64)
			return int(v), err
		}
	}
	return 0, errors.New("the metrics have no sikkerpost_login_panics_total")
}
