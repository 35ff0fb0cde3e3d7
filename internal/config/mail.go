package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// Mail configures what is written to the tenants by Digital Post.
type Mail struct {
	// Systems are the tenants' recipient systems whose messages are fetched
	// (REST_PULL). A tenant without one has its mail pushed, or takes none.
	Systems map[post.TenantID]System `json:"systems,omitempty"`
	// ContactPoints are further contact points and the inbox behind each; the
	// tenants' own DPO contact points lead to their inboxes by themselves.
	ContactPoints []ContactPoint `json:"contact_points,omitempty"`
	// Every is how often messages are fetched; 15 s when 0.
	Every time.Duration `json:"every,omitempty"`
	// Clamd is where the malware scanner listens, as for the portal.
	Clamd string `json:"clamd,omitempty"`
	// Push is where Digital Post pushes messages and receipts to; none when its
	// Listen is empty.
	Push Push `json:"push,omitzero"`
}

// ContactPoint leads what is sent to one contact point into an inbox.
type ContactPoint struct {
	ID     string           `json:"id"` // UUID, as registered
	Tenant post.TenantID    `json:"tenant"`
	Inbox  post.InboxID     `json:"inbox"`
	Kind   post.InquiryKind `json:"kind,omitempty"` // what it is about; a question when empty
}

// Push is a listener for one carrier.
type Push struct {
	Listen string `json:"listen"`
	TLS    TLS    `json:"tls"` // CAFile issues the carrier's client certificate
	// Peers are the hex SHA-256 fingerprints of the carrier's client certificates.
	Peers []string `json:"peers"`
}

// minEvery keeps a small number from becoming an attack.
const minEvery = time.Second

func (r *report) mail(c *Dispatcher) {
	r.digitalPostChoices(c)
	r.mailLoops(c)
	m := c.DigitalPost.Mail
	tenants, inboxes := map[post.TenantID]bool{}, map[post.InboxID]bool{}
	for _, t := range c.Tenants {
		tenants[t.ID] = true
	}
	for _, i := range c.Inboxes {
		inboxes[i.ID] = true
	}
	for id, s := range m.Systems {
		at := "digital_post.mail.systems." + string(id)
		if !tenants[id] {
			r.at(at, "is not one of tenants")
		}
		r.required(at+".id", s.ID)
		r.secret(at+".token_file", s.TokenFile)
	}
	for i, p := range m.ContactPoints {
		at := fmt.Sprintf("digital_post.mail.contact_points[%d]", i)
		r.uuid(at+".id", p.ID)
		if !tenants[p.Tenant] {
			r.at(at+".tenant", "%q is not one of tenants", p.Tenant)
		}
		if !inboxes[p.Inbox] {
			r.at(at+".inbox", "%q is not one of inboxes", p.Inbox)
		}
	}
	if m.Every != 0 && m.Every < minEvery {
		r.at("digital_post.mail.every", "want at least 1s")
	}
	if u, err := url.Parse(m.Clamd); m.Clamd != "" && (err != nil ||
		(u.Scheme != "unix" || !filepath.IsAbs(u.Path)) && (u.Scheme != "tcp" || u.Port() == "")) {
		r.at("digital_post.mail.clamd", "want unix:///path or tcp://host:port")
	}
	r.push("digital_post.mail.push", m.Push)
}

func (r *report) push(at string, p Push) {
	if p.Listen == "" {
		return
	}
	r.address(at+".listen", p.Listen)
	r.pair(at+".tls", p.TLS)
	r.file(at+".tls.ca_file", p.TLS.CAFile)
	if len(p.Peers) == 0 {
		r.at(at+".peers", "name at least one certificate of the carrier")
	}
}
