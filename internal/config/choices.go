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
	if (d.MemoVersion != "" || d.BulkText || d.BareVersions) && !c.asksDigitalPost() {
		r.at("digital_post.base_url", "is required by the choices beside it")
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
func (r *report) loops(c *Dispatcher) {
	ours := map[string]string{}
	for _, t := range c.Tenants {
		ours[strings.ToLower(t.DPOContactPoint)] = fmt.Sprintf("the contact point of the DPO of %s", t.ID)
	}
	for i, p := range c.DigitalPost.Mail.ContactPoints {
		ours[strings.ToLower(p.ID)] = fmt.Sprintf("digital_post.mail.contact_points[%d]", i)
	}
	delete(ours, "")
	for i, t := range c.Tenants {
		if what, loops := ours[strings.ToLower(t.ContactPoint)]; loops {
			r.at(fmt.Sprintf("tenants[%d].contact_point", i), "is %s, whose mail comes into an inbox here: "+
				"inquiries sent on would come back; name one behind which the municipality's own system stands (%s)", what, post.FaultContactPointLoops.Code)
		}
	}
}
