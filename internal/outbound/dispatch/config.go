package dispatch

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

// Config is what an [Advancer] needs. Zero durations and counts take the
// values of [New].
type Config struct {
	Store     Store
	Blobs     Blobs
	Opener    Opener
	Signer    Signer
	Certs     []*x509.Certificate // that letters may be signed with
	Roads     *Roads
	Directory Directory // nil: Roads
	Roots     Roots     // nil: no batch is signed as a whole
	Threads   Threads   // nil: no letter answers what came by mail
	Addresses Addresses // nil: a letter on paper without an address needs a person
	// Seal seals an address that was found; required with Addresses.
	Seal    func(ctx context.Context, clear []byte) ([]byte, error)
	Tenants []post.Tenant
	Log     *slog.Logger

	// Gate keeps letters back from a carrier; nil: none is.
	Gate *Gate
	// Leases extends leases while work lasts; nil: LeaseTime bounds one run over
	// a letter, and a hand-over must fit in it.
	Leases Extender
	// LeaseTime is how long a dead process blocks its letters.
	LeaseTime time.Duration // 6 s with Leases, else 90 s
	// InFlight is how many letters [Advancer.AdvanceDue] works on at once.
	InFlight int // 64
	// LookupBudget is how long an unsure look-up waits before a person is asked.
	LookupBudget time.Duration // 72 h
	// Quiet is how long after an unclear outcome the same is sent again.
	Quiet time.Duration // 2 min
	// Backoff is the first pause after a failure; it doubles up to 15 min.
	Backoff time.Duration // 5 s
	// Resends is how often an unclear hand-over is repeated before a person is asked;
	// repetitions that our own shutdown broke off are not counted.
	Resends int // 30
	// Poison is how many failures in a row make a letter need a person, when others
	// get through meanwhile.
	Poison int // 8
	// Overdue is how long a hand-over may go without a receipt before it is
	// reported, again and again.
	Overdue time.Duration // 24 h

	// Check returns what a kept manifest proves, or an error that wraps
	// [verify.ErrNotProven]; nil is [verify.Signed] with Certs.
	Check func(manifest []byte) (verify.Manifest, error)
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
	// Rand returns a duration in [0, n); nil is [rand.N].
	Rand func(n time.Duration) time.Duration
}

// Advancer takes letters from step to step.
type Advancer struct {
	Config
	tenants map[post.TenantID]post.Tenant
	batches batches
	slots   slots
	grace   time.Duration
	memory  memory
	health  health
}

// New returns an advancer, or an error that names every gap of c.
func New(c Config) (*Advancer, error) {
	var gaps []error
	need := func(ok bool, what string) {
		if !ok {
			gaps = append(gaps, errors.New("dispatch: "+what+" is required"))
		}
	}
	need(c.Store != nil, "Store")
	need(c.Blobs != nil, "Blobs")
	need(c.Opener != nil, "Opener")
	need(c.Signer != nil, "Signer")
	need(len(c.Certs) > 0 || c.Check != nil, "Certs")
	need(c.Roads != nil, "Roads")
	need(len(c.Tenants) > 0, "Tenants")
	need(c.Log != nil, "Log")
	if c.Addresses != nil && c.Seal == nil {
		gaps = append(gaps, errNoSeal)
	}
	if len(gaps) > 0 {
		return nil, errors.Join(gaps...)
	}
	lease := longLease
	if c.Leases != nil {
		lease = shortLease
	}
	for _, d := range []struct {
		have *time.Duration
		def  time.Duration
	}{
		{&c.LeaseTime, lease}, {&c.LookupBudget, 72 * time.Hour}, {&c.Quiet, 2 * time.Minute},
		{&c.Backoff, 5 * time.Second}, {&c.Overdue, 24 * time.Hour},
	} {
		if *d.have == 0 {
			*d.have = d.def
		}
	}
	if c.Check == nil {
		c.Check = verify.NewChecker(c.Certs).Signed
	}
	if c.Directory == nil {
		c.Directory = c.Roads
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.N[time.Duration]
	}
	if c.Resends == 0 {
		c.Resends = 30
	}
	if c.Poison == 0 {
		c.Poison = 8
	}
	if c.InFlight == 0 {
		c.InFlight = 64
	}
	a := &Advancer{Config: c, slots: newSlots(c.InFlight), grace: grace, tenants: map[post.TenantID]post.Tenant{}}
	for _, t := range c.Tenants {
		a.tenants[t.ID] = t
	}
	return a, nil
}
