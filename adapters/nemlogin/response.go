package nemlogin

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// maxBody bounds the form post and with it every message.
const maxBody = 128 << 10

// Claims implements [login.Provider]. answer is the XML of one Response.
func (sp *SP) Claims(ctx context.Context, p login.Pending, answer []byte) (c login.Claims, err error) {
	defer func() {
		// The value may hold part of the message: only its type is told.
		if v := recover(); v != nil {
			panics.Inc()
			sp.c.Log.ErrorContext(ctx, "login reader panicked", slog.String("stack", string(debug.Stack())))
			c, err = login.Claims{}, reject("panic")
		}
	}()
	now := sp.c.Now()
	sealed, err := sp.response(p, answer, now)
	if err != nil {
		return login.Claims{}, err
	}
	plain, err := sp.decrypt(sealed.assertion, sealed.signed)
	if err != nil {
		return login.Claims{}, reject("decrypt")
	}
	doc, err := xmldsig.Parse(plain, xmldsig.Strict)
	if err != nil {
		return login.Claims{}, reject("assertion-" + xmldsig.Reason(err))
	}
	if !xmldsig.Is(doc.Root(), nsAssertion, "Assertion") && on("assertion-name") {
		return login.Claims{}, reject("assertion-name")
	}
	if err := signaturePlace(doc.Root()); err != nil {
		return login.Claims{}, err
	}
	verified, err := xmldsig.Verify(doc.Root(), sp.idp.Load().Certs, xmldsig.Rules{At: now})
	if err != nil {
		return login.Claims{}, reject("assertion-" + reasonOr(err, "signature"))
	}
	a := reader{sp: sp, p: p, now: now}
	return a.assertion(verified, sealed.id)
}

func reasonOr(err error, other string) string {
	if r := xmldsig.Reason(err); r != "" {
		return r
	}
	return other
}

// sealed is what a Response that passed its checks holds.
type sealed struct {
	id        string         // of the Response
	signed    bool           // the Response itself, by the provider
	assertion *etree.Element // EncryptedAssertion
}

// response checks the envelope, which is usually not signed, and returns its
// only EncryptedAssertion.
func (sp *SP) response(p login.Pending, answer []byte, now time.Time) (sealed, error) {
	doc, err := xmldsig.Parse(answer, xmldsig.Strict)
	if err != nil {
		return sealed{}, reject(xmldsig.Reason(err))
	}
	root := doc.Root()
	if !xmldsig.Is(root, nsProtocol, "Response") && on("response-name") {
		return sealed{}, reject("response-name")
	}
	parts, err := sp.envelope(root)
	if err != nil {
		return sealed{}, err
	}
	signed := parts.signature != nil
	if signed {
		if root, err = xmldsig.Verify(root, sp.idp.Load().Certs, xmldsig.Rules{At: now}); err != nil {
			return sealed{}, reject("response-" + reasonOr(err, "signature"))
		}
		if parts, err = sp.envelope(root); err != nil {
			return sealed{}, err
		}
	}
	issued, issuedOK := instant(root, "IssueInstant")
	id, _ := xmldsig.Attr(root, "ID")
	if err := fails(
		check{is(root, "Version", "2.0"), "response-version"},
		check{id != "", "response-id"},
		check{is(root, "Destination", sp.acs), "response-destination"},
		check{issuedOK && near(issued, now), "response-time"},
		check{parts.issuer == nil || sp.isIssuer(parts.issuer), "response-issuer"},
	); err != nil {
		return sealed{}, err
	}
	if !is(root, "InResponseTo", p.ID) && on("response-in-response-to") {
		return sealed{}, &Rejected{"response-in-response-to", post.FaultLoginMixedUp}
	}
	if err := status(parts.status); err != nil {
		return sealed{}, err
	}
	// SAML profiles 4.1.4.2: with an encrypted assertion Issuer must be there.
	if parts.issuer == nil && on("response-issuer") {
		return sealed{}, reject("response-issuer")
	}
	if len(parts.rest) == 0 ||
		(len(parts.rest) != 1 || !xmldsig.Is(parts.rest[0], nsAssertion, "EncryptedAssertion")) && on("response-assertions") {
		return sealed{}, reject("response-assertions")
	}
	return sealed{id, signed, parts.rest[0]}, nil
}

// envelope are the children of a Response, in the order of its schema.
type envelope struct {
	issuer, signature, status *etree.Element
	rest                      []*etree.Element
}

func (sp *SP) envelope(root *etree.Element) (envelope, error) {
	var e envelope
	c := root.ChildElements()
	if len(c) > 0 && xmldsig.Is(c[0], nsAssertion, "Issuer") {
		e.issuer, c = c[0], c[1:]
	}
	if len(c) > 0 && xmldsig.Is(c[0], xmldsig.NamespaceDSig, "Signature") {
		e.signature, c = c[0], c[1:]
	}
	if len(c) == 0 || !xmldsig.Is(c[0], nsProtocol, "Status") && on("response-shape") {
		return envelope{}, reject("response-shape")
	}
	// The schema has none. Readers that look at local names only would take one
	// for the attribute of the same name.
	for _, a := range root.Attr {
		if a.Space != "" && a.Space != "xmlns" && on("response-attribute") {
			return envelope{}, reject("response-attribute")
		}
	}
	e.status, e.rest = c[0], c[1:]
	if err := onlySpace(root); err != nil {
		return envelope{}, err
	}
	return e, nil
}

// signaturePlace wants the signature of an assertion right after its Issuer and
// none anywhere else.
func signaturePlace(root *etree.Element) error {
	c := root.ChildElements()
	if (len(c) < 2 || !xmldsig.Is(c[1], xmldsig.NamespaceDSig, "Signature")) && on("assertion-sig-missing") {
		return reject("assertion-sig-missing")
	}
	if count(root, xmldsig.NamespaceDSig, "Signature") != 1 && on("assertion-sig-shape") {
		return reject("assertion-sig-shape")
	}
	return nil
}

func count(el *etree.Element, ns, tag string) int {
	n := 0
	for _, c := range el.ChildElements() {
		n += count(c, ns, tag)
		if xmldsig.Is(c, ns, tag) {
			n++
		}
	}
	return n
}

// status maps what the provider answered to what the person is told. Sub-status
// codes count to a depth of two; messages are not read at all.
func status(el *etree.Element) error {
	var codes []*etree.Element
	for _, c := range el.ChildElements() {
		if xmldsig.Is(c, nsProtocol, "StatusCode") {
			codes = append(codes, c)
		}
	}
	if len(codes) == 0 || len(codes) > 1 && on("status-missing") {
		return reject("status-missing")
	}
	top := codes[len(codes)-1]
	value, _ := xmldsig.Attr(top, "Value")
	code := strings.TrimPrefix(value, statusPrefix)
	sub := ""
	if len(top.ChildElements()) > 0 {
		s := child(top, nsProtocol, "StatusCode")
		if s == nil && on("status-shape") {
			return reject("status-shape")
		}
		if s != nil {
			v, _ := xmldsig.Attr(s, "Value")
			sub = strings.TrimPrefix(v, statusPrefix)
		}
	}
	r := outcome(code, sub)
	if r == nil || !on(r.Reason) {
		return nil
	}
	return r
}

// outcome is what a status tells, or nil for success.
func outcome(code, sub string) *Rejected {
	switch {
	case code == "Success" && sub == "":
		return nil
	case code == "Success":
		return &Rejected{"status-contradicts", post.FaultLoginRefused}
	case sub == "AuthnFailed" || code == "AuthnFailed":
		return &Rejected{"status-cancelled", post.FaultLoginCancelled}
	case sub == "NoAuthnContext":
		return &Rejected{"status-no-authn-context", post.FaultLevelTooLow}
	case sub == "NoPassive":
		return &Rejected{"status-no-passive", post.FaultLoginNeeded}
	case code == "Responder":
		return &Rejected{"status-responder", post.FaultLoginDown}
	case code == "Requester" || code == "VersionMismatch":
		return &Rejected{"status-requester", post.FaultLoginDown}
	}
	return &Rejected{"status-unknown", post.FaultLoginDown}
}

// isIssuer compares the whole string: entity ids with and without a trailing
// slash are different parties.
func (sp *SP) isIssuer(el *etree.Element) bool {
	format, has := xmldsig.Attr(el, "Format")
	text, ok := xmldsig.Text(el)
	return ok && text == sp.idp.Load().EntityID && (!has || format == formatEntity)
}

func is(el *etree.Element, name, want string) bool {
	v, ok := xmldsig.Attr(el, name)
	return ok && v == want
}

// instant reads an xs:dateTime with a zone.
func instant(el *etree.Element, name string) (time.Time, bool) {
	v, ok := xmldsig.Attr(el, name)
	if !ok || strings.ContainsAny(v, ", ") {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	return t, err == nil
}

// near reports whether t is now, as far as clocks agree.
func near(t, now time.Time) bool { return !t.Before(now.Add(-skew)) && !t.After(now.Add(skew)) }

// onlySpace refuses text between elements.
func onlySpace(el *etree.Element) error {
	for _, t := range el.Child {
		if c, ok := t.(*etree.CharData); ok && strings.TrimSpace(c.Data) != "" && on("text-between-elements") {
			return reject("text-between-elements")
		}
	}
	return nil
}

// rejection returns the reason and the public fault of any failure to log in.
func rejection(err error) (reason string, f *post.Fault) {
	var r *Rejected
	if errors.As(err, &r) {
		return r.Reason, r.Fault
	}
	if errors.Is(err, post.ErrStale) {
		return "replay", post.FaultLoginMixedUp
	}
	if errors.As(err, &f) {
		return "fault-" + f.Code, f
	}
	return "internal", post.FaultUnavailable
}
