package config

import (
	"fmt"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// Road names who carries a tenant's letters. What is empty is the usual
// carrier: Digital Post directly, and the print house.
type Road struct {
	Digital  post.Carrier `json:"digital,omitempty"`  // digitalpost or kombipost
	Physical post.Carrier `json:"physical,omitempty"` // printhouse or kombipost
}

// Road returns who carries letters of tenant from now on. A hand-over that is
// under way stays with its carrier.
func (c Dispatcher) Road(tenant post.TenantID) Road { return roadOf(c.Roads, tenant) }

// Senders are the tenants, each with who carries its letters on paper.
func (c Dispatcher) Senders() []post.Tenant { return senders(c.Tenants, c.Roads) }

// Senders are the tenants, each with who will carry its letters on paper.
func (c Desk) Senders() []post.Tenant { return senders(c.Tenants, c.Roads) }

func senders(tenants []post.Tenant, roads map[post.TenantID]Road) []post.Tenant {
	all := slices.Clone(tenants)
	for i := range all {
		all[i].PaperBy = roadOf(roads, all[i].ID).Physical
	}
	return all
}

func roadOf(roads map[post.TenantID]Road, tenant post.TenantID) Road {
	r := roads[tenant]
	if r.Digital == "" {
		r.Digital = post.UsualCarrier(post.Digital)
	}
	if r.Physical == "" {
		r.Physical = post.UsualCarrier(post.Physical)
	}
	return r
}

// Uses reports whether a carrier must be there: some tenant's road goes by it.
func (c Dispatcher) Uses(carrier post.Carrier) bool {
	for _, t := range c.Tenants {
		if r := c.Road(t.ID); r.Digital == carrier || r.Physical == carrier {
			return true
		}
	}
	return false
}

// KombiPost configures KOMBIT's Postkomponent (SF1601) and the statuses that
// Beskedfordeler brings. It may stay configured when no tenant's road goes by it
// any more: what is under way there goes on.
type KombiPost struct {
	TokenURL   string `json:"token_url"`   // root of the security token service
	ServiceURL string `json:"service_url"` // root of Serviceplatformen
	// CAFile is whom to trust as KOMBIT; the machine's authorities when empty.
	CAFile string `json:"ca_file,omitempty"`
	// Systems are the tenants' user systems (anvendersystem).
	Systems map[post.TenantID]KombiSystem `json:"systems"`
	// Rate bounds the hand-overs a second of one dispatcher; 0 does not.
	Rate int `json:"rate,omitempty"`
	// Choices that only KOMBIT can settle; docs/kombipost.md explains each.
	HTTP2            bool              `json:"http2,omitempty"`
	RequestID        bool              `json:"request_id,omitempty"`
	BusyTookNothing  bool              `json:"busy_took_nothing,omitempty"`
	RefuseUnreadable bool              `json:"refuse_unreadable,omitempty"`
	Codes            map[string]string `json:"codes,omitempty"`   // error code: content, recipient, later or unclear
	Updates          map[string]string `json:"updates,omitempty"` // type of an Opdatering: returned, delivered-proven or posted
	Senders          []KombiSender     `json:"senders,omitempty"` // of statuses, besides the four known ones
	// MemoVersion is the version of MeMo that letters go out in, 1.1 or 1.2; 1.2
	// when empty. PaperLimit is how much goes on paper in one letter, in bytes
	// before encoding; 7 MiB when 0.
	MemoVersion string `json:"memo_version,omitempty"`
	PaperLimit  int64  `json:"paper_limit,omitempty"`
	// Push is where Beskedfordeler pushes statuses to; Pull is where they are
	// fetched. A carrier without either is silent for ever.
	Push Push      `json:"push,omitzero"`
	Pull KombiPull `json:"pull,omitzero"`
}

// KombiSystem is one tenant's user system and what its print house agreed.
type KombiSystem struct {
	CertFile string     `json:"cert_file"` // OCES3 system certificate; tenants may share one
	KeyFile  string     `json:"key_file"`
	Paper    KombiPaper `json:"paper,omitzero"`
}

// KombiPaper says how a tenant's letters are printed; what is left out is for
// the print house's agreement with the municipality to say.
type KombiPaper struct {
	ShipmentType   int    `json:"shipment_type,omitempty"` // ForsendelseTypeIdentifikator
	Unit           string `json:"unit,omitempty"`          // EnhedTekst
	User           string `json:"user,omitempty"`          // BrugerNavn
	Account        string `json:"account,omitempty"`       // KonteringsGruppeTekst
	Receipts       string `json:"receipts,omitempty"`      // KvitteringsTypeKode
	Sides          string `json:"sides,omitempty"`         // Simplex or Duplex
	Color          string `json:"color,omitempty"`         // SH or Farve
	Envelope       string `json:"envelope,omitempty"`      // C4, C5 or MA
	Category       string `json:"category,omitempty"`      // PostKategoriKode
	Allocation     int    `json:"allocation,omitempty"`    // AllokeringsIdentifikator
	StampRecipient bool   `json:"stamp_recipient,omitempty"`
	StampDate      bool   `json:"stamp_date,omitempty"`
	Returns        bool   `json:"returns,omitempty"` // the print house takes returned letters in
	Moves          bool   `json:"moves,omitempty"`   // news of changed addresses
	Batches        bool   `json:"batches,omitempty"` // a letter's batch is named (MasseForsendelseIdentifikator)
}

// KombiSender is a further actor from whom statuses come.
type KombiSender struct {
	ID      string       `json:"id"` // BeskedAnsvarligAktoer
	Name    string       `json:"name"`
	Channel post.Channel `json:"channel"`
}

// KombiPull is where statuses are fetched over AMQP 0-9-1.
type KombiPull struct {
	Address string `json:"address"` // host:port; KOMBIT's is port 5671
	// CAFile is whom to trust there; kombi_post.ca_file when empty.
	CAFile      string                   `json:"ca_file,omitempty"`
	VirtualHost string                   `json:"virtual_host,omitempty"` // BF when empty
	Queues      map[post.TenantID]string `json:"queues"`                 // UUID of each tenant's dueslag
	// Prefetch is how many statuses of one queue are under way; 10 when 0.
	Prefetch int `json:"prefetch,omitempty"`
}

// asksDigitalPost reports whether anything needs Digital Post itself: a road, or
// mail that comes in.
func (c Dispatcher) asksDigitalPost() bool {
	d := c.DigitalPost
	return c.Uses(post.DigitalPost) || d.BaseURL != "" || len(d.Mail.Systems) > 0 || d.Mail.Push.Listen != ""
}

// roads wants each of the roads to be a tenant's, by a carrier of that channel.
func (r *report) roads(all map[post.TenantID]Road, tenants []post.Tenant) {
	known := map[post.TenantID]bool{}
	for _, t := range tenants {
		known[t.ID] = true
		road := roadOf(all, t.ID)
		for ch, by := range map[post.Channel]post.Carrier{post.Digital: road.Digital, post.Physical: road.Physical} {
			if !by.Carries(ch) {
				r.at(fmt.Sprintf("roads.%s.%s", t.ID, ch), "want %s or %s", post.UsualCarrier(ch), post.KombiPost)
			}
		}
	}
	for id := range all {
		if !known[id] {
			r.at("roads."+string(id), "is not one of tenants")
		}
	}
}

// kombiSystems wants a user system for each tenant whose road goes by KombiPost.
func (r *report) kombiSystems(c *Dispatcher) {
	for _, t := range c.Tenants {
		if road := c.Road(t.ID); (road.Digital == post.KombiPost || road.Physical == post.KombiPost) && c.KombiPost.Systems[t.ID] == (KombiSystem{}) {
			r.at("kombi_post.systems", "tenant %q has no user system", t.ID)
		}
	}
}

func (r *report) kombiPost(c *Dispatcher) {
	k := c.KombiPost
	if !c.Uses(post.KombiPost) && k.TokenURL == "" && k.ServiceURL == "" && len(k.Systems) == 0 {
		return
	}
	r.https("kombi_post.token_url", k.TokenURL)
	r.https("kombi_post.service_url", k.ServiceURL)
	if k.CAFile != "" {
		r.pool("kombi_post.ca_file", k.CAFile)
	}
	tenants := map[post.TenantID]bool{}
	for _, t := range c.Tenants {
		tenants[t.ID] = true
	}
	for id, s := range k.Systems {
		at := "kombi_post.systems." + string(id)
		if !tenants[id] {
			r.at(at, "is not one of tenants")
		}
		r.pair(at, TLS{CertFile: s.CertFile, KeyFile: s.KeyFile})
	}
	for code, meaning := range k.Codes {
		r.oneOf("kombi_post.codes."+code, meaning, "content", "recipient", "later", "unclear")
	}
	for kind, means := range k.Updates {
		r.oneOf("kombi_post.updates."+kind, means, "returned", "delivered-proven", "posted")
	}
	for i, s := range k.Senders {
		at := fmt.Sprintf("kombi_post.senders[%d]", i)
		r.uuid(at+".id", strings.ToLower(s.ID))
		r.oneOf(at+".channel", string(s.Channel), string(post.Digital), string(post.Physical))
	}
	r.kombiChoices(k)
	r.kombiStatuses(c)
}

// kombiStatuses wants each tenant that goes by KombiPost to hear of its letters.
func (r *report) kombiStatuses(c *Dispatcher) {
	k := c.KombiPost
	r.push("kombi_post.push", k.Push)
	for i, print := range k.Push.Peers {
		if !fingerprintForm.MatchString(print) {
			r.at(fmt.Sprintf("kombi_post.push.peers[%d]", i), "want the SHA-256 of the certificate as 64 lower-case hex digits")
		}
	}
	if k.Pull.Address == "" && len(k.Pull.Queues) > 0 {
		r.at("kombi_post.pull.address", "is required")
	}
	if k.Pull.Address != "" {
		r.address("kombi_post.pull.address", k.Pull.Address)
		if k.Pull.CAFile != "" {
			r.pool("kombi_post.pull.ca_file", k.Pull.CAFile)
		}
	}
	if k.Pull.Prefetch < 0 || k.Pull.Prefetch > 1000 {
		r.at("kombi_post.pull.prefetch", "want between 1 and 1000")
	}
	for id, queue := range k.Pull.Queues {
		at := "kombi_post.pull.queues." + string(id)
		if k.Systems[id] == (KombiSystem{}) {
			r.at(at, "has no user system in kombi_post.systems")
		}
		r.uuid(at, queue)
	}
	if k.Push.Listen != "" {
		return
	}
	for id := range k.Systems {
		if k.Pull.Queues[id] == "" {
			r.at("kombi_post.pull.queues", "tenant %q has no queue, and nothing is pushed: no status would ever come", id)
		}
	}
}

func (r *report) oneOf(path, value string, of ...string) {
	if !slices.Contains(of, value) {
		r.at(path, "want %s or %s", strings.Join(of[:len(of)-1], ", "), of[len(of)-1])
	}
}

// pool wants a file of certificates.
func (r *report) pool(path, name string) {
	if _, err := ReadPool(name); err != nil {
		r.at(path, "%v", err)
	}
}
