package digitalpost_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest/suite"
	"sikkerpost.dk/gateway/internal/post"
)

// realWorld describes a real test environment: docs/carriers.md.
type realWorld struct {
	BaseURL   string           `json:"base_url"`
	CertFile  string           `json:"cert_file"`
	KeyFile   string           `json:"key_file"`
	CAFile    string           `json:"ca_file"`
	Tenant    post.Tenant      `json:"tenant"`
	SystemID  string           `json:"system_id"`
	TokenFile string           `json:"token_file"`
	People    map[string]party `json:"people"` // registered, exempt, closed, unknown
	Patience  string           `json:"patience"`
	Singly    bool             `json:"receipts_singly"`
	HTTP2     bool             `json:"http2"`
	// Containers says that the sender system may send them.
	Containers bool `json:"containers"`
	// The system behind dpo_contact_point, when it pulls.
	RecipientSystemID  string `json:"recipient_system_id"`
	RecipientTokenFile string `json:"recipient_token_file"`
}

type party = post.PartyRecord

// TestARealEnvironmentKeepsThePromises runs the suite against the environment
// that the file named by SIKKERPOST_DIGITALPOST describes. Letters are sent.
func TestARealEnvironmentKeepsThePromises(t *testing.T) {
	path := os.Getenv("SIKKERPOST_DIGITALPOST")
	if path == "" {
		t.Log("LEFT OUT: a real test environment of Digital Post, because SIKKERPOST_DIGITALPOST names no file")
		return
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	must(err)
	var r realWorld
	must(json.Unmarshal(text, &r))
	patience, err := time.ParseDuration(r.Patience)
	must(err)
	pair, err := tls.LoadX509KeyPair(r.CertFile, r.KeyFile)
	must(err)
	token, err := os.ReadFile(r.TokenFile)
	must(err)
	recipientToken := ""
	if r.RecipientTokenFile != "" {
		b, err := os.ReadFile(r.RecipientTokenFile)
		must(err)
		recipientToken = strings.TrimSpace(string(b))
	}
	var roots *x509.CertPool
	if r.CAFile != "" {
		pem, err := os.ReadFile(r.CAFile)
		must(err)
		roots = x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
	}
	world := func(t *testing.T) suite.World {
		client, err := digitalpost.New(digitalpost.Config{BaseURL: r.BaseURL, Certificate: pair, RootCAs: roots,
			Systems:        map[post.TenantID]digitalpost.System{r.Tenant.ID: {ID: r.SystemID, Token: strings.TrimSpace(string(token))}},
			ReceiptsSingly: r.Singly, HTTP2: r.HTTP2, Log: quiet()})
		must(err)
		t.Cleanup(func() { _ = client.Close() })
		box := client.Mailbox(map[post.TenantID]digitalpost.System{r.Tenant.ID: {ID: r.RecipientSystemID, Token: recipientToken}}, nil)
		return suite.World{Client: client, Mailbox: box, Containers: client, Tenant: r.Tenant, Patience: patience,
			Registered: r.People["registered"], Exempt: r.People["exempt"], Closed: r.People["closed"], Unknown: r.People["unknown"]}
	}
	suite.Run(t, world)
	if r.RecipientSystemID == "" {
		t.Log("LEFT OUT: the recipient side, because the file names no recipient_system_id")
	} else {
		t.Run("recipient side", func(t *testing.T) { suite.RunMail(t, world) })
	}
	if !r.Containers {
		t.Log(`LEFT OUT: containers, because the file does not say "containers": true`)
	} else {
		t.Run("containers", func(t *testing.T) { suite.RunContainers(t, world) })
	}
}
