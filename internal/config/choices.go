package config

import (
	"fmt"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// Bounds of kombi_post.paper_limit, in bytes: a page that is scanned, and what a
// letter may hold at all.
const (
	leastPaper = 1 << 20
	mostPaper  = 100 << 20
)

func (r *report) memoVersion(path, version string) {
	if version != "" {
		r.oneOf(path, version, "1.1", "1.2")
	}
}

// digitalPostChoices wants each choice to be one of those that there are, and a
// carrier that it is about.
func (r *report) digitalPostChoices(c *Dispatcher) {
	d := c.DigitalPost
	r.memoVersion("digital_post.memo_version", d.MemoVersion)
	if (d.MemoVersion != "" || d.BulkText || d.BareVersions || len(d.RecipientCodes) > 0) && !c.asksDigitalPost() {
		r.at("digital_post.base_url", "is required by the choices beside it")
	}
	for i, code := range d.RecipientCodes {
		if strings.TrimSpace(code) != code || code == "" {
			r.at(fmt.Sprintf("digital_post.recipient_codes[%d]", i), "want an error code without blanks around it")
		}
	}
	if d.MemoVersion == "1.1" && d.OriginatorAsSender {
		r.at("digital_post.originator_as_sender", "means nothing in MeMo 1.1, which has no place for a representative")
	}
}

func (r *report) kombiChoices(k KombiPost) {
	r.memoVersion("kombi_post.memo_version", k.MemoVersion)
	if k.PaperLimit != 0 && (k.PaperLimit < leastPaper || k.PaperLimit > mostPaper) {
		r.at("kombi_post.paper_limit", "want between %d and %d bytes", leastPaper, mostPaper)
	}
}

// loops refuses a municipality's contact point whose mail comes into an inbox
// here: what a person wrote to the municipality would be sent on to ourselves.
// Every program is refused with it: portal shows the road to the municipality, and
// the dispatcher takes it. A contact point of a DPO that two municipalities have is
// refused as well; the mail of one of them would find no inbox.
func (r *report) loops(all []post.Tenant) {
	ours := map[string]post.TenantID{}
	for i, t := range all {
		id := strings.ToLower(t.DPOContactPoint)
		if other, known := ours[id]; known && id != "" {
			r.at(fmt.Sprintf("tenants[%d].dpo_contact_point", i), "is that of %s too; a contact point belongs to one authority", other)
		}
		ours[id] = t.ID
	}
	for i, t := range all {
		if of, loops := ours[strings.ToLower(t.ContactPoint)]; loops && t.ContactPoint != "" {
			r.loop(i, fmt.Sprintf("the contact point of the DPO of %s", of))
		}
	}
}

// mailLoops is loops for the contact points that only the dispatcher knows of.
func (r *report) mailLoops(c *Dispatcher) {
	ours := map[string]int{}
	for i, p := range c.DigitalPost.Mail.ContactPoints {
		ours[strings.ToLower(p.ID)] = i
	}
	for i, t := range c.Tenants {
		if at, loops := ours[strings.ToLower(t.ContactPoint)]; loops && t.ContactPoint != "" {
			r.loop(i, fmt.Sprintf("digital_post.mail.contact_points[%d]", at))
		}
	}
}

func (r *report) loop(tenant int, what string) {
	r.at(fmt.Sprintf("tenants[%d].contact_point", tenant), "is %s, whose mail comes into an inbox here: "+
		"inquiries sent on would come back; name one behind which the municipality's own system stands (%s)", what, post.FaultContactPointLoops.Code)
}
