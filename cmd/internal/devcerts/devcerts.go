// Package devcerts makes the keys and certificates of an installation that
// lives on one machine and trusts nobody: the demo, tests, a developer's copy.
// Nothing that it makes belongs in production; docs/operations.md says where
// the real ones come from.
//
// One folder is one PKI, each with its own authority, so that a certificate
// meant for one boundary is refused at every other: web (what browsers see),
// login (SAML), carrier (Digital Post), clients (DPO tool, case system,
// approver, operator) and letters. The folders age and keys hold what is not
// X.509.
//
// It writes directories 0700 and files 0600, each file whole or not at all. A
// second run keeps whatever is still valid for [Options.RenewBefore] and makes
// the rest again; what hangs on something remade is remade too. A damaged
// certificate or its key is remade; a damaged secret in age or keys is a reason
// to stop, since whatever was sealed or signed with it would be lost. Two runs
// at once in one folder are not guarded against.
package devcerts

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options say what is unusual about this set. The zero value suits the demo.
type Options struct {
	// Hosts are further DNS names and IP addresses of the server certificates,
	// besides 127.0.0.1, ::1, localhost and *.localhost.
	Hosts []string
	// Lifetime of every certificate; 90 days when 0.
	Lifetime time.Duration
	// RenewBefore is how long a certificate that is kept must still be valid;
	// 7 days when 0.
	RenewBefore time.Duration
	// Now is the time of making; the clock's when zero.
	Now time.Time
}

// A Pair is a certificate file and its key file, both PEM (keys: PKCS #8).
type Pair struct{ Cert, Key string }

// An AgeKey is a hybrid post-quantum age identity file and the file of its
// public recipient.
type AgeKey struct{ Identity, Recipients string }

// A NoteKey is an Ed25519 key in the encoding of golang.org/x/mod/sumdb/note:
// the secret signer key and the public verifier key.
type NoteKey struct{ Signer, Verifier string }

// A Set names every file of the set.
type Set struct {
	Dir string

	WebCA string
	Web   Pair // HTTPS server: portal, desk, ledger and the pages of the simulators

	LoginCA      string
	SPSigning    Pair // RSA-3072; signs SAML requests
	SPEncryption Pair // RSA-3072; assertions are encrypted to it
	IDPSigning   Pair // RSA-3072; the NemLog-in simulator's

	CarrierCA     string
	CarrierServer Pair // the Digital Post simulator's HTTPS server
	CarrierClient Pair // what the dispatcher shows it
	StatusClient  Pair // what the simulated Beskedfordeler shows when it pushes statuses

	ClientCA string
	Tool     Pair // the DPO's own tool
	Case     Pair // a case system
	Approver Pair // the second person who approves batches
	Operator Pair // reads states of every tenant

	LetterCA   string
	LetterRSA  Pair // RSA-3072
	LetterP256 Pair

	DPO          AgeKey // the inbox shared by the DPO office
	Dispatcher   AgeKey
	PrintHouse   AgeKey
	LoginArchive AgeKey // messages from and to NemLog-in

	Checkpoint NoteKey // ledger checkpoints
	Receipt    NoteKey // receipts to persons

	ReceiptCert string // what the checkpoint key says of the receipt key

	IndexKey string // 32 bytes, hex: keyed look-up
	TaskKey  string // 32 bytes, hex: MAC of tasks

	// Made lists the files that this run wrote, in no particular order; empty
	// when everything was kept.
	Made []string
}

// Names under which the note keys sign.
const (
	CheckpointName = "sikkerpost.localhost/ledger"
	ReceiptName    = "sikkerpost.localhost/receipts"
)

// Make makes in dir what is missing or about to expire, and returns the paths
// of all.
func Make(dir string, o Options) (*Set, error) {
	o.Lifetime = cmp.Or(o.Lifetime, 90*24*time.Hour)
	o.RenewBefore = cmp.Or(o.RenewBefore, 7*24*time.Hour)
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("place certificates: %w", err)
	}
	m := &maker{opts: o, dir: dir}
	s := m.plan()
	for _, sub := range []string{"web", "login", "carrier", "clients", "letters", "age", "keys"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("make certificate folder: %w", err)
		}
	}
	if err := m.run(); err != nil {
		return nil, err
	}
	s.Made = m.made
	return s, nil
}

// maker collects the jobs of one run; they are independent and run in parallel.
type maker struct {
	opts Options
	dir  string
	jobs []func() error

	mu   sync.Mutex // guards made
	made []string
}

// plan fills in the set's paths and the jobs that bring its files about.
func (m *maker) plan() *Set {
	s := &Set{Dir: m.dir}
	web := m.authority("web", &s.WebCA)
	web.leaf("server", serverLeaf, p256, &s.Web)
	login := m.authority("login", &s.LoginCA)
	login.leaf("sp-signing", signingLeaf, rsa3072, &s.SPSigning)
	login.leaf("sp-encryption", encryptionLeaf, rsa3072, &s.SPEncryption)
	login.leaf("idp-signing", signingLeaf, rsa3072, &s.IDPSigning)
	carrier := m.authority("carrier", &s.CarrierCA)
	carrier.leaf("server", serverLeaf, p256, &s.CarrierServer)
	carrier.leaf("gateway", clientLeaf, p256, &s.CarrierClient)
	carrier.leaf("beskedfordeler", clientLeaf, p256, &s.StatusClient)
	clients := m.authority("clients", &s.ClientCA)
	clients.leaf("tool", clientLeaf, p256, &s.Tool)
	clients.leaf("case", clientLeaf, p256, &s.Case)
	clients.leaf("approver", clientLeaf, p256, &s.Approver)
	clients.leaf("operator", clientLeaf, p256, &s.Operator)
	letters := m.authority("letters", &s.LetterCA)
	letters.leaf("rsa", letterLeaf, rsa3072, &s.LetterRSA)
	letters.leaf("p256", letterLeaf, p256, &s.LetterP256)
	for _, pki := range []*authority{web, login, carrier, clients, letters} {
		m.jobs = append(m.jobs, pki.make)
	}
	m.ageKey("dpo", &s.DPO)
	m.ageKey("dispatcher", &s.Dispatcher)
	m.ageKey("printhouse", &s.PrintHouse)
	m.ageKey("login-archive", &s.LoginArchive)
	m.noteKeys(s)
	m.hexKey("index", &s.IndexKey)
	m.hexKey("task", &s.TaskKey)
	return s
}

func (m *maker) run() error { return parallel(m.jobs) }

// parallel runs every job and returns what failed.
func parallel(jobs []func() error) error {
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, job := range jobs {
		wg.Go(func() { errs[i] = job() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
