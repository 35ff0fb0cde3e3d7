package dispatcherapp

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"sikkerpost.dk/gateway/adapters/cprregister"
	"sikkerpost.dk/gateway/adapters/cprregister/cprregistertest"
	register "sikkerpost.dk/gateway/adapters/cprregister/cprregistertest/suite"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest"
	paperhouse "sikkerpost.dk/gateway/adapters/printhouse/printhousetest/suite"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// realPaper is the file that SIKKERPOST_PRINTHOUSE or SIKKERPOST_REGISTER names.
type realPaper struct {
	Config string        `json:"config"` // a dispatcher's configuration
	Tenant post.TenantID `json:"tenant"`
	// Recipient is whose address a print house puts into its windows.
	Recipient somebody `json:"recipient"`
	Patience  string   `json:"patience"` // how long printing may take: "15m"
	Every     string   `json:"every"`    // how often its receipts are looked for: "10s"
	// People are a register's test people, by the names of the suite's Kinds.
	People map[string]somebody `json:"people"`
}

// realSide reads the file that a variable names, and the configuration that this
// names; ok is false when there is none.
func realSide(t *testing.T, variable, what string) (at realPaper, cfg config.Dispatcher, own post.Tenant, ok bool) {
	t.Helper()
	name := os.Getenv(variable) //nolint:forbidigo // it tells a test where the other side is
	if name == "" {
		t.Logf("LEFT OUT, because %s names no file: %s", variable, what)
		return at, cfg, own, false
	}
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &at)
	}
	if err == nil {
		cfg, err = config.Load[config.Dispatcher](at.Config)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, own = range cfg.Tenants {
		if own.ID == at.Tenant {
			return at, cfg, own, true
		}
	}
	t.Fatalf("%s: %q is not one of tenants", name, at.Tenant)
	return at, cfg, own, false
}

// TestTheRealPrintHouseKeepsItsPromises leaves test letters in a print house's
// folder, for real: ask it not to post them.
func TestTheRealPrintHouseKeepsItsPromises(t *testing.T) {
	at, cfg, own, ok := realSide(t, "SIKKERPOST_PRINTHOUSE", "the promises of a print house of the world")
	if !ok {
		return
	}
	patience, err := time.ParseDuration(at.Patience)
	if err != nil {
		t.Fatal(err)
	}
	every, err := time.ParseDuration(at.Every)
	if err != nil {
		t.Fatal(err)
	}
	printsAsPromised(t, cfg, paperhouse.World{Tenant: own, Patience: patience, Every: every, Recipient: at.Recipient.party()})
}

// printsAsPromised holds the print house of a configuration to the suite.
func printsAsPromised(t *testing.T, cfg config.Dispatcher, w paperhouse.World) {
	t.Helper()
	by, err := openCarriers(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if by.house == nil {
		t.Fatal("the configuration has no print house")
	}
	t.Cleanup(func() { _ = by.house.Close() })
	w.House = by.house
	paperhouse.Run(t, func(*testing.T) paperhouse.World { return w })
}

// TestTheSimulatedPrintHouseKeepsThemThroughTheConfiguration goes the same way:
// keys and the machine's identity from files.
func TestTheSimulatedPrintHouseKeepsThemThroughTheConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	door, err := printhousetest.OpenDoor(printhousetest.DoorConfig{Root: root, Client: signer.PublicKey(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = door.Close() })
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	sim, err := printhousetest.New(printhousetest.Config{Jobs: filepath.Join(root, "jobs"), Events: filepath.Join(root, "receipts"),
		Dir: filepath.Join(root, "paper"), Identities: []age.Identity{identity}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Dispatcher{PrintHouse: config.PrintHouse{
		RecipientFile: write("recipient.txt", identity.Recipient().String()+"\n"),
		SFTP: config.SFTP{Address: door.Address(), User: "engdal", Jobs: "/jobs", Receipts: "/receipts", Timeout: time.Minute,
			KeyFile:      write("key", string(pem.EncodeToMemory(block))),
			HostKeysFile: write("host_keys", string(ssh.MarshalAuthorizedKey(door.HostKey())))},
	}}
	poul := recipient("poul")
	printsAsPromised(t, cfg, paperhouse.World{Tenant: persona.Tenants()[0], Patience: time.Minute, Recipient: *poul,
		Nudge: func(t *testing.T) {
			t.Helper()
			if _, err := sim.Step(t.Context()); err != nil {
				t.Error(err)
			}
		}})
	jobs := sim.Jobs()
	if len(jobs) == 0 {
		t.Fatal("nothing was printed")
	}
	for _, j := range jobs {
		if !strings.Contains(strings.Join(j.Ticket.Address, "\n"), poul.Address[0]) {
			t.Errorf("the window shows %q", j.Ticket.Address)
		}
	}
}

// TestTheRealRegisterKeepsItsPromises asks a register of the world about its test
// people.
func TestTheRealRegisterKeepsItsPromises(t *testing.T) {
	at, cfg, own, ok := realSide(t, "SIKKERPOST_REGISTER", "the promises of a register of addresses of the world")
	if !ok {
		return
	}
	people := map[string]post.PartyRecord{}
	for name, who := range at.People {
		if _, known := register.Kinds()[name]; !known {
			t.Fatalf("people: nobody can be %q", name)
		}
		people[name] = who.party()
	}
	answersAsPromised(t, cfg.Addresses, own, people)
}

func answersAsPromised(t *testing.T, cfg config.Addresses, own post.Tenant, people map[string]post.PartyRecord) {
	t.Helper()
	r, err := addresses(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if r == nil {
		t.Fatal("the configuration has no register of addresses")
	}
	if h, ok := r.(*cprregister.HTTP); ok {
		t.Cleanup(h.Close)
	}
	register.Ask(t, register.World{Register: r, Tenant: own}, people)
}

// TestTheSimulatedRegisterKeepsThemThroughTheConfiguration goes the same way,
// over mutual TLS with certificates from files.
func TestTheSimulatedRegisterKeepsThemThroughTheConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := newIssuer(t, dir)
	serverCert := ca.leaf(t, "server")
	ca.leaf(t, "gateway")
	sim := cprregistertest.New()
	people := map[string]post.PartyRecord{"unknown": {IDType: "CPR", ID: "6901690009"}}
	for name, e := range register.People() {
		sim.Put(e)
		if _, known := register.Kinds()[name]; known {
			people[name] = post.PartyRecord{IDType: e.IDType, ID: e.ID}
		}
	}
	server := httptest.NewUnstartedServer(sim)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{serverCert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool}
	server.StartTLS()
	t.Cleanup(server.Close)
	path := func(name string) string { return filepath.Join(dir, name) }
	own := persona.Tenants()[0]
	answersAsPromised(t, config.Addresses{URL: server.URL + "/addresses", TLS: config.TLS{CertFile: path("gateway.pem"), KeyFile: path("gateway-key.pem"), CAFile: path("ca.pem")}}, own, people)
	if asked := sim.Asked(); len(asked) != len(register.Kinds()) || asked[0].Authority != string(own.CVR) {
		t.Errorf("%d questions", len(asked))
	}
}
