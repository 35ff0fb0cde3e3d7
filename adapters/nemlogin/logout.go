package nemlogin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// logoutLife is how long a LogoutRequest of ours may be answered.
const logoutLife = 10 * time.Minute

// End implements [login.Provider]: a signed LogoutRequest that repeats NameID
// exactly as received.
func (sp *SP) End(_ context.Context, s login.Session) (login.Farewell, error) {
	idp := sp.idp.Load()
	if idp.SLO == "" || s.Issuer != idp.EntityID {
		return login.Farewell{}, errors.New("nemlogin: the provider has no single logout")
	}
	id := "_" + newToken()
	now := sp.c.Now()
	doc := etree.NewDocument()
	r := message(doc, "samlp:LogoutRequest", id, idp.SLO, now)
	r.CreateAttr("NotOnOrAfter", now.Add(logoutLife).UTC().Format(timeForm))
	r.CreateElement("saml:Issuer").SetText(sp.c.EntityID)
	n := r.CreateElement("saml:NameID")
	for _, a := range []struct{ name, value string }{
		{"NameQualifier", s.NameID.NameQualifier}, {"SPNameQualifier", s.NameID.SPNameQualifier},
		{"Format", s.NameID.NameFormat}, {"SPProvidedID", s.NameID.SPProvidedID},
	} {
		if a.value != "" {
			n.CreateAttr(a.name, a.value)
		}
	}
	n.SetText(s.NameID.Value)
	r.CreateElement("samlp:SessionIndex").SetText(s.SessionIndex)
	return sp.farewell(doc, id, SAMLRequest, idp.SLO, "")
}

// farewell signs a message on the binding that the provider has.
func (sp *SP) farewell(doc *etree.Document, id, name, to, relay string) (login.Farewell, error) {
	f := login.Farewell{ID: id, Address: to}
	if !sp.idp.Load().SLOPost {
		b, err := doc.WriteToBytes()
		if err != nil {
			return login.Farewell{}, fmt.Errorf("write logout message %s: %w", id, err)
		}
		f.Address, err = SignRedirect(to, name, b, relay, sp.c.SigningKey)
		return f, err
	}
	message, err := SignPost(doc, sp.c.SigningKey, sp.c.SigningCert)
	if err != nil {
		return login.Farewell{}, fmt.Errorf("sign logout message %s: %w", id, err)
	}
	f.Form = map[string]string{name: message}
	if relay != "" {
		f.Form["RelayState"] = relay
	}
	return f, nil
}

// logoutRequest handles a provider's LogoutRequest, whose signature is verified,
// and returns our answer.
func (sp *SP) logoutRequest(ctx context.Context, m logoutMessage) (login.Farewell, error) {
	root, none := m.root, login.Farewell{}
	if err := sp.logoutChecks(root, "LogoutRequest"); err != nil {
		return none, err
	}
	now := sp.c.Now()
	until := now.Add(logoutLife)
	if _, has := xmldsig.Attr(root, "NotOnOrAfter"); has {
		ends, ok := instant(root, "NotOnOrAfter")
		if !ok || !now.Before(ends.Add(skew)) {
			return none, rejectLogout("logout-expired")
		}
		until = ends.Add(skew)
	}
	name := child(root, nsAssertion, "NameID")
	if name == nil {
		return none, rejectLogout("logout-name")
	}
	value, ok := xmldsig.Text(name)
	if !ok || value == "" {
		return none, rejectLogout("logout-name")
	}
	id, _ := xmldsig.Attr(root, "ID")
	n := login.Named{
		Issuer: sp.idp.Load().EntityID, Audience: sp.c.EntityID, NameID: value, MessageID: id, UsableUntil: until,
	}
	for _, c := range root.ChildElements() {
		if !xmldsig.Is(c, nsProtocol, "SessionIndex") {
			continue
		}
		index, ok := xmldsig.Text(c)
		if !ok || len(n.SessionIndexes) == 16 {
			return none, rejectLogout("logout-index")
		}
		n.SessionIndexes = append(n.SessionIndexes, index)
	}
	// Success also when nobody was logged in: any other answer makes NemLog-in
	// show an error (integration test IT-SLO-3).
	if _, err := sp.c.Sessions.LogoutNamed(ctx, n); err != nil {
		if errors.Is(err, post.ErrStale) {
			return none, rejectLogout("logout-replay")
		}
		return none, err
	}
	return sp.logoutAnswer(id, m.relay)
}

func (sp *SP) logoutAnswer(inResponseTo, relay string) (login.Farewell, error) {
	idp, id := sp.idp.Load(), "_"+newToken()
	doc := etree.NewDocument()
	r := message(doc, "samlp:LogoutResponse", id, idp.SLOReply, sp.c.Now())
	r.CreateAttr("InResponseTo", inResponseTo)
	r.CreateElement("saml:Issuer").SetText(sp.c.EntityID)
	r.CreateElement("samlp:Status").CreateElement("samlp:StatusCode").CreateAttr("Value", statusPrefix+"Success")
	return sp.farewell(doc, id, SAMLResponse, idp.SLOReply, relay)
}

// logoutResponse checks the answer to our request asked. partial says that some
// other service is still logged in.
func (sp *SP) logoutResponse(m logoutMessage, asked string) (partial bool, err error) {
	root := m.root
	if err := sp.logoutChecks(root, "LogoutResponse"); err != nil {
		return false, err
	}
	if asked == "" || !is(root, "InResponseTo", asked) {
		return false, rejectLogout("logout-in-response-to")
	}
	s := child(root, nsProtocol, "Status")
	if s == nil {
		return false, rejectLogout("logout-status")
	}
	top := child(s, nsProtocol, "StatusCode")
	if top == nil {
		return false, rejectLogout("logout-status")
	}
	if sub := child(top, nsProtocol, "StatusCode"); sub != nil {
		return true, nil
	}
	return !is(top, "Value", statusPrefix+"Success"), nil
}

// logoutChecks checks what both kinds of message have in common.
func (sp *SP) logoutChecks(root *etree.Element, tag string) error {
	if !xmldsig.Is(root, nsProtocol, tag) {
		return rejectLogout("logout-name-of-message")
	}
	c := root.ChildElements()
	issued, ok := instant(root, "IssueInstant")
	id, _ := xmldsig.Attr(root, "ID")
	for _, k := range []check{
		{is(root, "Version", "2.0"), "logout-version"},
		{id != "" && len(id) <= 256, "logout-id"},
		{is(root, "Destination", sp.slo), "logout-destination"},
		{ok && near(issued, sp.c.Now()), "logout-time"},
		{len(c) > 0 && xmldsig.Is(c[0], nsAssertion, "Issuer") && sp.isIssuer(c[0]), "logout-issuer"},
	} {
		if !k.ok {
			return rejectLogout(k.reason)
		}
	}
	return nil
}

func rejectLogout(reason string) error { return &Rejected{reason, post.FaultLogout} }
