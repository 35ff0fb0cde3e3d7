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

// End implements [login.Provider]: a signed LogoutRequest on the redirect
// binding that repeats NameID exactly as received.
func (sp *SP) End(_ context.Context, s login.Session) (address, id string, err error) {
	idp := sp.idp.Load()
	if idp.SLO == "" || s.Issuer != idp.EntityID {
		return "", "", errors.New("nemlogin: the provider has no single logout")
	}
	id = "_" + newToken()
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
	b, err := doc.WriteToBytes()
	if err != nil {
		return "", "", fmt.Errorf("write logout request %s: %w", id, err)
	}
	address, err = SignRedirect(idp.SLO, SAMLRequest, b, "", sp.c.SigningKey)
	return address, id, err
}

// logoutRequest handles a provider's LogoutRequest, whose query signature is
// verified, and returns the address of our answer.
func (sp *SP) logoutRequest(ctx context.Context, m Redirected) (string, error) {
	root, err := sp.logoutMessage(m.Message, "LogoutRequest")
	if err != nil {
		return "", err
	}
	now := sp.c.Now()
	until := now.Add(logoutLife)
	if _, has := xmldsig.Attr(root, "NotOnOrAfter"); has {
		ends, ok := instant(root, "NotOnOrAfter")
		if !ok || !now.Before(ends.Add(skew)) {
			return "", rejectLogout("logout-expired")
		}
		until = ends.Add(skew)
	}
	name := child(root, nsAssertion, "NameID")
	if name == nil {
		return "", rejectLogout("logout-name")
	}
	value, ok := xmldsig.Text(name)
	if !ok || value == "" {
		return "", rejectLogout("logout-name")
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
			return "", rejectLogout("logout-index")
		}
		n.SessionIndexes = append(n.SessionIndexes, index)
	}
	// Success also when nobody was logged in: any other answer makes NemLog-in
	// show an error (integration test IT-SLO-3).
	if _, err := sp.c.Sessions.LogoutNamed(ctx, n); err != nil {
		if errors.Is(err, post.ErrStale) {
			return "", rejectLogout("logout-replay")
		}
		return "", err
	}
	return sp.logoutAnswer(id, m.Relay)
}

func (sp *SP) logoutAnswer(inResponseTo, relay string) (string, error) {
	idp := sp.idp.Load()
	doc := etree.NewDocument()
	r := message(doc, "samlp:LogoutResponse", "_"+newToken(), idp.SLOReply, sp.c.Now())
	r.CreateAttr("InResponseTo", inResponseTo)
	r.CreateElement("saml:Issuer").SetText(sp.c.EntityID)
	r.CreateElement("samlp:Status").CreateElement("samlp:StatusCode").CreateAttr("Value", statusPrefix+"Success")
	b, err := doc.WriteToBytes()
	if err != nil {
		return "", fmt.Errorf("write logout response: %w", err)
	}
	return SignRedirect(idp.SLOReply, SAMLResponse, b, relay, sp.c.SigningKey)
}

// logoutResponse checks the answer to our request asked. partial says that some
// other service is still logged in.
func (sp *SP) logoutResponse(m Redirected, asked string) (partial bool, err error) {
	root, err := sp.logoutMessage(m.Message, "LogoutResponse")
	if err != nil {
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

// logoutMessage parses and checks what both kinds of message have in common.
func (sp *SP) logoutMessage(data []byte, tag string) (*etree.Element, error) {
	doc, err := xmldsig.Parse(data, xmldsig.Strict)
	if err != nil {
		return nil, rejectLogout("logout-" + xmldsig.Reason(err))
	}
	root := doc.Root()
	if !xmldsig.Is(root, nsProtocol, tag) {
		return nil, rejectLogout("logout-name-of-message")
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
			return nil, rejectLogout(k.reason)
		}
	}
	return root, nil
}

func rejectLogout(reason string) error { return &Rejected{reason, post.FaultLogout} }
