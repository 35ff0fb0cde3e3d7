package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
)

// folder holds every file that the good configurations below name.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"index.hex": strings.Repeat("0a", 32), "task.hex": strings.Repeat("0b", 32),
		"dispatcher.recipients": "public", "dpo.recipients": "public", "print.recipients": "public",
		"dispatcher.identity": "secret", "receipt.key": "secret", "checkpoint.key": "secret", "token": "secret",
		"idp.xml": "<EntityDescriptor/>", "receipt.cert": "public", "checkpoint.pub": "public",
	} {
		put(t, filepath.Join(dir, name), text, 0o600)
	}
	for _, name := range []string{"server", "sp-signing", "sp-encryption", "letter", "gateway"} {
		pair(t, dir, name)
	}
	return dir
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func pair(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true,
		BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, name+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})), 0o644)
	put(t, filepath.Join(dir, name+"-key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), 0o600)
}

const common = `"database": "sqlite:///var/lib/sikkerpost/post.db", "blobs": "/var/lib/sikkerpost/blobs",
"redis": "127.0.0.1:6379", "admin": "127.0.0.1:9090",
"index_key_file": "index.hex", "task_key_file": "task.hex", "dispatcher_recipient_file": "dispatcher.recipients",
"inboxes": [{"id": "dpo", "name": "DPO", "recipients_file": "dpo.recipients"}],
"tenants": [{"id": "engdal", "name": "Engdal Kommune", "cvr": "29000011", "inbox": "dpo", "phone": "+45 00",
  "contact_point": "a1000000-0001-350c-0000-000000000440", "dpo_contact_point": "a1000000-0001-350c-0000-000000000441"}]`

const portal = `{` + common + `,
"listen": "127.0.0.1:8443", "public_url": "https://post.example.dk", "ledger_dir": "ledger", "idle": "30m",
"tls": {"cert_file": "server.pem", "key_file": "server-key.pem"}, "receipt_key_file": "receipt.key",
"receipt_cert_file": "receipt.cert", "ledger_key_file": "checkpoint.pub",
"saml": {"entity_id": "https://post.example.dk", "signing_cert_file": "sp-signing.pem", "signing_key_file": "sp-signing-key.pem",
  "encryption_cert_file": "sp-encryption.pem", "encryption_key_file": "sp-encryption-key.pem", "idp_metadata_file": "idp.xml"}
}`

const desk = `{` + common + `,
"listen": "127.0.0.1:8444", "tls": {"cert_file": "server.pem", "key_file": "server-key.pem", "ca_file": "server.pem"},
"clients": [
 {"id": "tool-1", "role": "tool", "inbox": "dpo", "fingerprint": "aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11"},
 {"id": "case-1", "role": "case", "tenant": "engdal", "fingerprint": "bb11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11"}
]}`

const dispatcher = `{` + common + `,
"identity_file": "dispatcher.identity", "letter_cert_file": "letter.pem", "letter_key_file": "letter-key.pem",
"checkpoint_key_file": "checkpoint.key", "ledger_dir": "ledger", "sweep": "30s", "lookup_budget": "72h",
"digital_post": {"base_url": "https://carrier.example.dk", "tls": {"cert_file": "gateway.pem", "key_file": "gateway-key.pem", "ca_file": "server.pem"},
  "systems": {"engdal": {"id": "s-1", "token_file": "token"}}},
"print_house": {"out": "out", "events": "events", "recipient_file": "print.recipients"}
}`

func load[T config.Program](t *testing.T, dir, text string) (T, error) {
	t.Helper()
	path := filepath.Join(dir, "program.json")
	put(t, path, text, 0o600)
	return config.Load[T](path)
}

func TestGoodFilesLoad(t *testing.T) {
	dir := folder(t)
	p, err := load[config.Portal](t, dir, portal)
	if err != nil {
		t.Fatal(err)
	}
	if p.Idle != 30*time.Minute || p.Tenants[0].CVR != "29000011" || p.AdminAddress() != "127.0.0.1:9090" {
		t.Errorf("values are lost: %+v", p)
	}
	if p.TLS.KeyFile != filepath.Join(dir, "server-key.pem") || p.LedgerDir != filepath.Join(dir, "ledger") {
		t.Errorf("names of files are not relative to the configuration: %s, %s", p.TLS.KeyFile, p.LedgerDir)
	}
	if err := config.Check(p); err != nil {
		t.Errorf("Check of what Load returned: %v", err)
	}
	if _, err := load[config.Desk](t, dir, desk); err != nil {
		t.Error(err)
	}
	d, err := load[config.Dispatcher](t, dir, dispatcher)
	if err != nil {
		t.Fatal(err)
	}
	if d.DigitalPost.Systems["engdal"].TokenFile != filepath.Join(dir, "token") {
		t.Errorf("system = %+v", d.DigitalPost.Systems["engdal"])
	}
}

func TestPortalIsRefused(t *testing.T) {
	tests := []struct {
		name     string
		old, new string // changed in the good file
		want     []string
	}{
		{"an unknown key, with what was probably meant", `"public_url"`, `"publicUrl"`, []string{`publicUrl: unknown key; did you mean "public_url"?`, "line 7"}},
		{"a key in other case", `"listen"`, `"Listen"`, []string{"Listen: unknown key", "listen: want an address"}},
		{"a key given twice", `"idle": "30m"`, `"idle": "30m", "idle": "20m"`, []string{"idle: given twice"}},
		{"anything after the end", "}}", "}} {}", nil},
		{"a number where a text belongs", `"cvr": "29000011"`, `"cvr": 29000011`, []string{"tenants[0].cvr: want a text"}},
		{"a bare number as duration", `"30m"`, `1800`, []string{"idle: want a duration"}},
		{"a negative duration", `"30m"`, `"-30m"`, []string{"idle: want a duration"}},
		{"null", `"30m"`, `null`, []string{"idle: want a duration"}},
		{"an idle time of a day", `"30m"`, `"24h"`, []string{"idle: want between"}},
		{"a short CVR", `29000011`, `2900001`, []string{"tenants[0].cvr: want eight digits"}},
		{"a tenant without its inbox", `"inbox": "dpo"`, `"inbox": "dpo2"`, []string{`tenants[0].inbox: "dpo2" is not one`}},
		{"a missing file", `"idp.xml"`, `"nowhere.xml"`, []string{"saml.idp_metadata_file", "no such file"}},
		{"one key for two duties", `"task.hex"`, `"index.hex"`, []string{"task_key_file: holds the same key"}},
		{"the key of another certificate", `"sp-signing-key.pem"`, `"server-key.pem"`, []string{"saml.signing_key_file", "does not match"}},
		{"an inbox's secret in the portal", `"name": "DPO"`, `"name": "DPO", "identity_file": "dispatcher.identity"`, []string{"inboxes[0].identity_file: only desk"}},
		{"a plain http address", `https://post.example.dk", "ledger`, `http://post.example.dk", "ledger`, []string{"public_url: want an https"}},
		{"a password in the database address", `sqlite:///var/lib/sikkerpost/post.db`, `postgres://u:hunter2@db/post`, []string{"database: holds a password"}},
		{"a scanner without its port", `"idle": "30m"`, `"clamd": "tcp://scanner"`, []string{"clamd: want unix"}},
		{"client certificates for citizens", `"key_file": "server-key.pem"`, `"key_file": "server-key.pem", "ca_file": "server.pem"`, []string{"tls.ca_file"}},
		{"all faults at once", `"listen": "127.0.0.1:8443", "public_url": "https://post.example.dk"`, `"listn": "x"`, []string{"listn: unknown", "listen: want", "public_url: want"}},
	}
	dir := folder(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(portal, tt.old, tt.new, 1)
			if tt.want == nil {
				text, tt.want = portal+" {}", []string{"something follows"}
			} else if text == portal {
				t.Fatal("the case changes nothing")
			}
			_, err := load[config.Portal](t, dir, text)
			if !errors.Is(err, post.FaultConfig) {
				t.Fatalf("Load = %v, want POST-0901", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats a secret:\n%v", err)
			}
		})
	}
}

func TestEveryFaultIsListedOnce(t *testing.T) {
	dir := folder(t)
	_, err := load[config.Portal](t, dir, strings.NewReplacer(`"listen"`, `"Listen"`, `29000011`, `1`, `"30m"`, `7`).Replace(portal))
	var all *config.Findings
	if !errors.As(err, &all) {
		t.Fatalf("Load = %v, want findings", err)
	}
	var paths []string
	for _, f := range all.All {
		paths = append(paths, f.Path)
	}
	if got, want := strings.Join(paths, " "), "listen tenants[0].cvr Listen idle"; got != want {
		t.Errorf("findings at %q, want %q (what is missing first, then in the order of the file)", got, want)
	}
}

func TestDeskIsRefused(t *testing.T) {
	dir := folder(t)
	for _, tt := range []struct{ name, old, new, want string }{
		{"a tool without an inbox", `"role": "tool", "inbox": "dpo"`, `"role": "tool"`, "clients[0].inbox"},
		{"a case system without a tenant", `"role": "case", "tenant": "engdal"`, `"role": "case"`, "clients[1].tenant"},
		{"an unknown role", `"role": "case"`, `"role": "admin"`, "clients[1].role"},
		{"two clients with one certificate", `bb11`, `aa11`, "another client has the same"},
		{"a fingerprint with colons", `aa11aa`, `aa:1aa`, "clients[0].fingerprint"},
		{"no authority for clients", `, "ca_file": "server.pem"`, ``, "tls.ca_file: is required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load[config.Desk](t, dir, strings.Replace(desk, tt.old, tt.new, 1))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestDispatcherIsRefused(t *testing.T) {
	dir := folder(t)
	for _, tt := range []struct{ name, old, new, want string }{
		{"a tenant without its sender system", `"engdal": {"id"`, `"fjordby": {"id"`, `tenant "engdal" has no sender system`},
		{"receipts where jobs go out", `"events": "events"`, `"events": "out"`, "print_house.events"},
		{"no print house recipient", `, "recipient_file": "print.recipients"`, ``, "print_house.recipient_file: is required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load[config.Dispatcher](t, dir, strings.Replace(dispatcher, tt.old, tt.new, 1))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFilesThatOthersMayTouchAreRefused(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "open.json")
	put(t, path, portal, 0o666)
	if _, err := config.Load[config.Portal](path); err == nil || !strings.Contains(err.Error(), "others may write") {
		t.Errorf("Load of a file that all may write = %v", err)
	}
	put(t, filepath.Join(dir, "index.hex"), strings.Repeat("0a", 32), 0o644)
	if _, err := load[config.Portal](t, dir, portal); err == nil || !strings.Contains(err.Error(), "index_key_file") {
		t.Errorf("Load with a key that all may read = %v", err)
	}
}

func TestReadHexKey(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"32 bytes and a line end", strings.Repeat("a1", 32) + "\n", true},
		{"31 bytes", strings.Repeat("a1", 31), false},
		{"not hex", strings.Repeat("zz", 32), false},
		{"empty", "\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, "key")
			put(t, path, tt.text, 0o600)
			key, err := config.ReadHexKey(path)
			if (err == nil) != tt.ok || tt.ok != (len(key) == 32) {
				t.Errorf("ReadHexKey = %d bytes, %v", len(key), err)
			}
			if err != nil && !errors.Is(err, post.FaultKeyFile) {
				t.Errorf("ReadHexKey = %v, want POST-0902", err)
			}
			if err != nil && strings.Contains(err.Error(), "zzzz") {
				t.Errorf("the error repeats the key: %v", err)
			}
		})
	}
}

// FuzzLoad: whatever stands in the file, Load answers and never panics, and what
// it accepts it accepts again.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{portal, desk, dispatcher, `{}`, `[`, `{"tls": []}`, `{"saml": {"x": [1, {"a": null}]}}`, "\xef\xbb\xbf{}", `{"tenants": [{}, null, 1e9]}`} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "program.json")
	f.Fuzz(func(t *testing.T, text string) {
		put(t, path, text, 0o600)
		_, err := config.Load[config.Dispatcher](path)
		var all *config.Findings
		if err != nil && (!errors.As(err, &all) || len(all.All) == 0) {
			t.Errorf("Load = %v, want findings", err)
		}
	})
}
