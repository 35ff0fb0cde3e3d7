package nemlogin

import (
	"strings"
	"time"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// maxValidity bounds how long an assertion may be usable, and so how long it
// must be remembered against replay.
const maxValidity = time.Hour

// reader reads one verified assertion for one pending log-in.
type reader struct {
	sp  *SP
	p   login.Pending
	now time.Time
}

// assertion checks el, which the signature check returned, and turns it into
// claims. responseID is the envelope's id, which must be another.
func (r reader) assertion(el *etree.Element, responseID string) (login.Claims, error) {
	issued, issuedOK := instant(el, "IssueInstant")
	id, _ := xmldsig.Attr(el, "ID")
	c := el.ChildElements()
	if err := fails(
		check{is(el, "Version", "2.0"), "assertion-version"},
		check{id != "" && len(id) <= 256 && id != responseID, "assertion-id"},
		check{issuedOK && near(issued, r.now), "assertion-time"},
		check{len(c) == 5, "assertion-shape"},
		check{len(c) > 2 && xmldsig.Is(c[0], nsAssertion, "Issuer") && r.sp.isIssuer(c[0]), "assertion-issuer"},
		check{len(c) > 2 && xmldsig.Is(c[1], nsAssertion, "Subject"), "subject-missing"},
		check{len(c) > 2 && xmldsig.Is(c[2], nsAssertion, "Conditions"), "conditions-missing"},
	); err != nil {
		return login.Claims{}, err
	}
	if err := onlySpace(el); err != nil {
		return login.Claims{}, err
	}
	authn, once := first(el, "AuthnStatement")
	attrs, once2 := first(el, "AttributeStatement")
	if authn == nil || attrs == nil || len(c) < 3 || !(once && once2) && on("assertion-statements") {
		return login.Claims{}, reject("assertion-statements")
	}
	claims := login.Claims{Issuer: r.sp.idp.Load().EntityID, Audience: r.sp.c.EntityID, AssertionID: id}
	if err := r.subject(c[1], &claims); err != nil {
		return login.Claims{}, err
	}
	if err := r.conditions(c[2], &claims); err != nil {
		return login.Claims{}, err
	}
	if err := r.authn(authn, &claims); err != nil {
		return login.Claims{}, err
	}
	if err := r.attributes(attrs, &claims); err != nil {
		return login.Claims{}, err
	}
	return claims, nil
}

// first returns the first child of el that is a tag of SAML, and whether it is
// the only one.
func first(el *etree.Element, tag string) (found *etree.Element, only bool) {
	for _, c := range el.ChildElements() {
		if !xmldsig.Is(c, nsAssertion, tag) {
			continue
		}
		if found != nil {
			return found, false
		}
		found, only = c, true
	}
	return found, only
}

func (r reader) subject(el *etree.Element, c *login.Claims) error {
	parts := el.ChildElements()
	if len(parts) < 2 || !xmldsig.Is(parts[0], nsAssertion, "NameID") && on("subject-name") {
		return reject("subject-name")
	}
	if err := nameID(parts[0], c); err != nil {
		return err
	}
	var bearer *etree.Element
	for _, s := range parts[1:] {
		if !xmldsig.Is(s, nsAssertion, "SubjectConfirmation") && on("subject-shape") {
			return reject("subject-shape")
		}
		if !is(s, "Method", methodBearer) && on("subject-confirmation") {
			continue // of no use to us, and harmless
		}
		if bearer != nil && on("subject-bearers") {
			return reject("subject-bearers")
		}
		bearer = s
	}
	if bearer == nil {
		return reject("subject-confirmation")
	}
	return r.bearer(bearer)
}

func (r reader) bearer(el *etree.Element) error {
	parts := el.ChildElements()
	if len(parts) == 0 || (len(parts) != 1 || !xmldsig.Is(parts[0], nsAssertion, "SubjectConfirmationData")) && on("subject-confirmation-data") {
		return reject("subject-confirmation-data")
	}
	d := parts[0]
	ends, ok := instant(d, "NotOnOrAfter")
	if err := fails(
		check{is(d, "Recipient", r.sp.acs), "subject-recipient"},
		check{ok && r.now.Before(ends.Add(skew)), "subject-expired"},
		check{is(d, "InResponseTo", r.p.ID), "subject-in-response-to"},
	); err != nil {
		return err
	}
	if _, has := xmldsig.Attr(d, "NotBefore"); has {
		begins, ok := instant(d, "NotBefore")
		if (!ok || r.now.Before(begins.Add(-skew))) && on("subject-not-yet") {
			return reject("subject-not-yet")
		}
	}
	return nil
}

// nameID takes the name with every attribute, as a LogoutRequest must repeat it.
func nameID(el *etree.Element, c *login.Claims) error {
	text, ok := xmldsig.Text(el)
	if (!ok || text == "" || len(text) > 256) && on("name-id") {
		return reject("name-id")
	}
	n := login.NameID{Value: text}
	n.NameFormat, _ = xmldsig.Attr(el, "Format")
	n.NameQualifier, _ = xmldsig.Attr(el, "NameQualifier")
	n.SPNameQualifier, _ = xmldsig.Attr(el, "SPNameQualifier")
	n.SPProvidedID, _ = xmldsig.Attr(el, "SPProvidedID")
	switch n.NameFormat {
	case formatTransient:
	case formatPersistent:
		if kindOf(text) == "" && on("name-id") {
			return reject("name-id")
		}
	default:
		if on("name-id-format") {
			return reject("name-id-format")
		}
	}
	c.NameID = n
	return nil
}

// kindOf reads the identity type from a persistent name.
func kindOf(name string) login.Kind {
	rest, ok := strings.CutPrefix(name, attrPrefix+"model/core/eid/")
	if !ok {
		return ""
	}
	if id, ok := strings.CutPrefix(rest, "person/uuid/"); ok && post.ValidUUID(id) {
		return login.Citizen
	}
	if id, ok := strings.CutPrefix(rest, "professional/uuid/"); ok && post.ValidUUID(id) {
		return login.Professional
	}
	return ""
}

func (r reader) conditions(el *etree.Element, c *login.Claims) error {
	begins, ok := instant(el, "NotBefore")
	ends, ok2 := instant(el, "NotOnOrAfter")
	if err := fails(
		check{ok && ok2, "conditions-times"},
		check{!r.now.Before(begins.Add(-skew)), "conditions-not-yet"},
		check{r.now.Before(ends.Add(skew)), "conditions-expired"},
		check{begins.Before(ends) && ends.Sub(begins) <= maxValidity, "conditions-validity"}, // SAML core 2.5.1.2
	); err != nil {
		return err
	}
	restrictions := 0
	for _, x := range el.ChildElements() {
		switch {
		case xmldsig.Is(x, nsAssertion, "AudienceRestriction"):
			if !r.addressed(x) && on("audience") {
				return reject("audience")
			}
			restrictions++
		case xmldsig.Is(x, nsAssertion, "OneTimeUse"): // every assertion is, here
		default:
			if on("condition-unknown") {
				return reject("condition-unknown")
			}
		}
	}
	if restrictions == 0 && on("audience") {
		return reject("audience")
	}
	c.UsableUntil = ends.Add(skew)
	return nil
}

func (r reader) addressed(restriction *etree.Element) bool {
	for _, a := range restriction.ChildElements() {
		text, ok := xmldsig.Text(a)
		if ok && xmldsig.Is(a, nsAssertion, "Audience") && text == r.sp.c.EntityID {
			return true
		}
	}
	return false
}

func (r reader) authn(el *etree.Element, c *login.Claims) error {
	at, ok := instant(el, "AuthnInstant")
	index, _ := xmldsig.Attr(el, "SessionIndex")
	if err := fails(
		check{ok && !at.After(r.now.Add(skew)), "authn-instant"},
		check{index != "" && len(index) <= 256, "session-index"},
		check{child(el, nsAssertion, "AuthnContext") != nil, "authn-context"},
		check{!r.p.Force || !at.Before(r.p.StartedAt.Add(-skew)), "authn-not-fresh"},
	); err != nil {
		return err
	}
	if _, has := xmldsig.Attr(el, "SessionNotOnOrAfter"); has {
		ends, ok := instant(el, "SessionNotOnOrAfter")
		if (!ok || !r.now.Before(ends)) && on("session-over") {
			return reject("session-over")
		}
		c.SessionEnds = ends
	}
	c.AuthnAt, c.SessionIndex = at, index
	return nil
}
