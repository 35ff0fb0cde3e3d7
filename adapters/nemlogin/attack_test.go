package nemlogin_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // an attack uses it
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

type tweak = nemlogintest.Tweak

// edit changes the assertion before the provider signs it: a signed lie.
func edit(f func(a *etree.Element)) tweak { return tweak{Assertion: f} }

// forge changes the assertion after it was signed.
func forge(f func(a *etree.Element)) tweak { return tweak{Signed: f} }

// envelope changes the unsigned Response around it.
func envelope(f func(r *etree.Element)) tweak { return tweak{Response: f} }

// swap replaces text in what gets encrypted.
func swap(old, now string) tweak {
	return tweak{Plaintext: func(b []byte) []byte {
		out := bytes.Replace(b, []byte(old), []byte(now), 1)
		if bytes.Equal(out, b) {
			panic("nothing to swap: " + old)
		}
		return out
	}}
}

// message replaces text in the written Response.
func message(old, now string) tweak {
	return tweak{Message: func(b []byte) []byte {
		out := bytes.Replace(b, []byte(old), []byte(now), 1)
		if bytes.Equal(out, b) {
			panic("nothing to swap: " + old)
		}
		return out
	}}
}

func set(path, name, value string) tweak {
	return edit(func(a *etree.Element) { at(a, path).CreateAttr(name, value) })
}

func unset(path, name string) tweak {
	return edit(func(a *etree.Element) { at(a, path).RemoveAttr(name) })
}

func drop(path string) tweak {
	return edit(func(a *etree.Element) { e := at(a, path); e.Parent().RemoveChild(e) })
}

func double(path string) tweak {
	return edit(func(a *etree.Element) {
		e := at(a, path)
		e.Parent().InsertChildAt(e.Index(), e.Copy())
	})
}

func at(a *etree.Element, path string) *etree.Element {
	e := a.FindElement(path)
	if e == nil {
		panic("no " + path)
	}
	return e
}

func attribute(a *etree.Element, name string) *etree.Element {
	for _, x := range a.FindElements("./AttributeStatement/Attribute") {
		if v := x.SelectAttrValue("Name", ""); strings.HasSuffix(v, "/"+name) {
			return x
		}
	}
	panic("no attribute " + name)
}

func value(name, v string) tweak {
	return edit(func(a *etree.Element) { at(attribute(a, name), "./AttributeValue").SetText(v) })
}

// evil is a copy of a that says somebody else, without signature.
func evil(a *etree.Element, id string) *etree.Element {
	e := a.Copy()
	if s := e.FindElement("./Signature"); s != nil {
		e.RemoveChild(s)
	}
	e.CreateAttr("ID", id)
	at(attribute(e, "cprNumber"), "./AttributeValue").SetText("6607551192")
	return e
}

// become turns a into what e says, keeping a's own signature when keep is set.
func become(a, e *etree.Element, keep bool) {
	sig := a.FindElement("./Signature")
	for len(a.Child) > 0 {
		a.RemoveChildAt(0)
	}
	a.CreateAttr("ID", e.SelectAttrValue("ID", ""))
	for len(e.Child) > 0 {
		c := e.Child[0]
		e.RemoveChildAt(0)
		a.AddChild(c)
	}
	if keep {
		a.InsertChildAt(1, sig)
	}
}

// resign lets change alter SignedInfo and signs the result with the provider's
// key and hash: what a careless provider might sign.
func resign(hash crypto.Hash, change func(a, info *etree.Element)) tweak {
	return forge(func(a *etree.Element) {
		info := at(a, "./Signature/SignedInfo")
		change(a, info)
		content, err := xmldsig.Canonical(info)
		if err != nil {
			panic(err)
		}
		h := hash.New()
		h.Write(content)
		v, err := rsa.SignPKCS1v15(rand.Reader, key("idp"), hash, h.Sum(nil))
		if err != nil {
			panic(err)
		}
		at(a, "./Signature/SignatureValue").SetText(base64.StdEncoding.EncodeToString(v))
	})
}

func alg(path, uri string) func(a, info *etree.Element) {
	return func(_, info *etree.Element) { at(info, path).CreateAttr("Algorithm", uri) }
}

// digest is what the Reference of a would say with h.
func digest(a *etree.Element, sum func([]byte) []byte) string {
	c := a.Copy()
	c.RemoveChild(at(c, "./Signature"))
	content, err := xmldsig.Canonical(c)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(sum(content))
}

type attack struct {
	name   string
	bend   tweak
	reason string
}

// signatureAttacks are those on the signature and on what it covers.
func signatureAttacks() []attack {
	const ds = "http://www.w3.org/2000/09/xmldsig#"
	stranger := valid(key("stranger"))
	return []attack{
		{"nothing signed", tweak{Unsigned: true}, "assertion-sig-missing"},
		{"only the response signed", tweak{Unsigned: true, SignWhole: true}, "assertion-sig-missing"},
		{"response signature good, inner broken", tweak{SignWhole: true, Signed: swapCPR}, "assertion-sig-digest"},
		{"response signature broken, inner good", tweak{SignWhole: true, Response: func(r *etree.Element) {
			r.CreateAttr("Consent", "urn:changed")
		}}, "response-sig-digest"},
		{"foreign key with its own certificate", tweak{Key: key("stranger"), Cert: stranger}, "assertion-sig-key-unknown"},
		{"foreign key, no KeyInfo", tweak{Key: key("stranger"), Cert: stranger, Signed: func(a *etree.Element) {
			s := at(a, "./Signature")
			s.RemoveChild(at(s, "./KeyInfo"))
		}}, "assertion-sig-value"},
		{"trusted key, another certificate for it", tweak{Cert: certificate(key("idp"), testNow.Add(-24*time.Hour), testNow.Add(24*time.Hour))}, "assertion-sig-key-unknown"},
		{"signature stripped", forge(func(a *etree.Element) { a.RemoveChild(at(a, "./Signature")) }), "assertion-sig-missing"},
		{"signature empty", forge(func(a *etree.Element) {
			s := at(a, "./Signature")
			for len(s.Child) > 0 {
				s.RemoveChildAt(0)
			}
		}), "assertion-sig-shape"},
		{"CPR changed after signing", forge(swapCPR), "assertion-sig-digest"},
		{"rsa-sha1", resign(crypto.SHA1, alg("./SignatureMethod", ds+"rsa-sha1")), "assertion-sig-algorithm"},
		{"sha1 digest", resign(crypto.SHA256, func(a, info *etree.Element) {
			at(info, "./Reference/DigestMethod").CreateAttr("Algorithm", ds+"sha1")
			at(info, "./Reference/DigestValue").SetText(digest(a, func(b []byte) []byte { s := sha1.Sum(b); return s[:] })) //nolint:gosec // the attack
		}), "assertion-sig-digest-algorithm"},
		{"hmac", resign(crypto.SHA256, alg("./SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")), "assertion-sig-algorithm"},
		{"inclusive c14n", resign(crypto.SHA256, alg("./CanonicalizationMethod", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315")), "assertion-sig-c14n"},
		{"c14n with comments", resign(crypto.SHA256, alg("./Reference/Transforms/Transform[2]", "http://www.w3.org/2001/10/xml-exc-c14n#WithComments")), "assertion-sig-transforms"},
		{"XSLT transform", resign(crypto.SHA256, alg("./Reference/Transforms/Transform[1]", "http://www.w3.org/TR/1999/REC-xslt-19991116")), "assertion-sig-transforms"},
		{"three transforms", resign(crypto.SHA256, func(_, info *etree.Element) {
			at(info, "./Reference/Transforms").CreateElement("ds:Transform").CreateAttr("Algorithm", ds+"base64")
		}), "assertion-sig-transforms"},
		{"no transforms", resign(crypto.SHA256, func(_, info *etree.Element) {
			r := at(info, "./Reference")
			r.RemoveChild(at(r, "./Transforms"))
		}), "assertion-sig-shape"},
		{"two references", resign(crypto.SHA256, func(_, info *etree.Element) { info.AddChild(at(info, "./Reference").Copy()) }), "assertion-sig-shape"},
		{"reference to nothing", resign(crypto.SHA256, func(_, info *etree.Element) { at(info, "./Reference").CreateAttr("URI", "") }), "assertion-sig-reference"},
		{"reference to another id", resign(crypto.SHA256, func(_, info *etree.Element) { at(info, "./Reference").CreateAttr("URI", "#_other") }), "assertion-sig-reference"},
		{"digest of nothing", resign(crypto.SHA256, func(_, info *etree.Element) {
			s := sha256.Sum256(nil)
			at(info, "./Reference/DigestValue").SetText(base64.StdEncoding.EncodeToString(s[:]))
		}), "assertion-sig-digest-of-nothing"},
		{"two SignedInfo", forge(func(a *etree.Element) {
			s := at(a, "./Signature")
			s.InsertChildAt(0, at(s, "./SignedInfo").Copy())
		}), "assertion-sig-shape"},
		{"two Signature", forge(func(a *etree.Element) { a.InsertChildAt(1, at(a, "./Signature").Copy()) }), "assertion-sig-shape"},
		{"Object in the signature", forge(func(a *etree.Element) {
			at(a, "./Signature").CreateElement("ds:Object").AddChild(evil(a, "_evil"))
		}), "assertion-sig-shape"},
		{"comment in the digest", swap("<ds:DigestValue>", "<ds:DigestValue><!--x-->"), "assertion-xml-comment"},
	}
}

func swapCPR(a *etree.Element) {
	at(attribute(a, "cprNumber"), "./AttributeValue").SetText("6607551192")
}

// wrappingAttacks move the signed assertion away and put a false one in its place.
func wrappingAttacks() []attack {
	return []attack{
		{"XSW: false assertion around the signed one", forge(func(a *etree.Element) {
			e, good := evil(a, "_evil"), a.Copy()
			become(a, e, false)
			a.AddChild(good)
		}), "assertion-sig-missing"},
		{"XSW: false assertion keeps the signature, good one after", forge(func(a *etree.Element) {
			e, good := evil(a, "_evil"), a.Copy()
			good.RemoveChild(at(good, "./Signature"))
			become(a, e, true)
			a.AddChild(good)
		}), "assertion-sig-reference"},
		{"XSW: same id twice", forge(func(a *etree.Element) {
			e, good := evil(a, a.SelectAttrValue("ID", "")), a.Copy()
			good.RemoveChild(at(good, "./Signature"))
			become(a, e, true)
			a.AddChild(good)
		}), "assertion-xml-id"},
		{"XSW: good one inside the signature", forge(func(a *etree.Element) {
			e, good := evil(a, "_evil"), a.Copy()
			good.RemoveChild(at(good, "./Signature"))
			become(a, e, true)
			at(a, "./Signature").AddChild(good)
		}), "assertion-sig-shape"},
		{"XSW: good one in an Object", forge(func(a *etree.Element) {
			e, good := evil(a, "_evil"), a.Copy()
			good.RemoveChild(at(good, "./Signature"))
			become(a, e, true)
			at(a, "./Signature").CreateElement("ds:Object").AddChild(good)
		}), "assertion-sig-shape"},
		{"XSW: signed one in Advice", forge(func(a *etree.Element) {
			e, good := evil(a, "_evil"), a.Copy()
			become(a, e, false)
			a.CreateElement("saml:Advice").AddChild(good)
		}), "assertion-sig-missing"},
		{"XSW: wrapper element", tweak{Plaintext: func(b []byte) []byte {
			return []byte(`<saml:Wrapper xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">` + string(b) + `</saml:Wrapper>`)
		}}, "assertion-name"},
		{"second root after the good one", tweak{Plaintext: func(b []byte) []byte { return append(b, b...) }}, "assertion-xml-second-root"},
		{"unsigned assertion beside", envelope(func(r *etree.Element) {
			r.AddChild(etree.NewElement("saml:Assertion"))
		}), "response-assertions"},
		{"unsigned assertion before", envelope(func(r *etree.Element) {
			r.InsertChildAt(2, etree.NewElement("saml:Assertion"))
		}), "response-assertions"},
		{"two encrypted assertions", envelope(func(r *etree.Element) { r.AddChild(at(r, "./EncryptedAssertion").Copy()) }), "response-assertions"},
		{"assertion in clear, well signed", tweak{Plain: true}, "response-assertions"},
		{"assertion in Extensions", envelope(func(r *etree.Element) {
			r.InsertChildAt(1, etree.NewElement("samlp:Extensions"))
		}), "response-shape"},
		{"no assertion", envelope(func(r *etree.Element) { r.RemoveChild(at(r, "./EncryptedAssertion")) }), "response-assertions"},
		{"response with the assertion's id", tweak{Assertion: func(a *etree.Element) { a.CreateAttr("ID", "_same") },
			Response: func(r *etree.Element) { r.CreateAttr("ID", "_same") }}, "assertion-id"},
	}
}

// documentAttacks are those on the parser.
func documentAttacks() []attack {
	fill := func(n int) func(*etree.Element) {
		return func(a *etree.Element) {
			for range n {
				a.CreateElement("saml:x")
			}
		}
	}
	many := strings.Repeat("<a/>", 1000)
	return []attack{
		{"DOCTYPE", message("<samlp:Response", "<!DOCTYPE r><samlp:Response"), "xml-doctype"},
		{"DOCTYPE with an external entity", message("<samlp:Response", `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><samlp:Response`), "xml-doctype"},
		{"DOCTYPE inside", swap("<saml:Assertion", "<!DOCTYPE a><saml:Assertion"), "assertion-xml-doctype"},
		{"entity without DOCTYPE", swap("6503851236", "&cpr;"), "assertion-xml-syntax"},
		{"comment before the root", message("<samlp:Response", "<!--x--><samlp:Response"), "xml-comment"},
		{"comment in NameID", swap("/person/uuid/", "/person/<!--x-->uuid/"), "assertion-xml-comment"},
		{"processing instruction in NameID", swap("/person/uuid/", "/person/<?x y?>uuid/"), "assertion-xml-pi"},
		{"empty CDATA in NameID", swap("/person/uuid/", "/person/<![CDATA[]]>uuid/"), "assertion-xml-cdata"},
		{"second root", message("</samlp:Response>", "</samlp:Response><x/>"), "xml-second-root"},
		{"text after the root", message("</samlp:Response>", "</samlp:Response>x"), "xml-text-outside-root"},
		{"byte order mark", message("<samlp:Response", "\ufeff<samlp:Response"), "xml-encoding"},
		{"declared ISO-8859-1", message("<samlp:Response", `<?xml version="1.0" encoding="ISO-8859-1"?><samlp:Response`), "xml-encoding"},
		{"invalid UTF-8", message("<samlp:Status>", "\xff<samlp:Status>"), "xml-encoding"},
		{"NUL", message("<samlp:Status>", "\x00<samlp:Status>"), "xml-syntax"},
		{"undeclared prefix", message("<samlp:Status>", "<q:x/><samlp:Status>"), "xml-prefix"},
		{"relative namespace", message("<samlp:Response", `<samlp:Response xmlns:v="1"`), "xml-namespace-relative"},
		{"id in a namespace", message("<samlp:Response", `<samlp:Response samlp:ID="_x"`), "xml-id"},
		{"decoy id", message("<samlp:Response", `<samlp:Response Id="_x"`), "xml-id"},
		{"destination in a namespace", message(" Destination=", " samlp:Destination="), "response-attribute"},
		{"1000 elements beside", message("<samlp:Status>", many+"<samlp:Status>"), "xml-elements"},
		{"1000 elements inside, well signed", edit(fill(1000)), "assertion-xml-elements"},
		{"1000 elements inside, signature garbage", forge(fill(1000)), "assertion-xml-elements"},
		{"700 elements inside, well signed", edit(fill(700)), "assertion-shape"},
		{"depth 33", message("<samlp:Status>", strings.Repeat("<a>", 33)+strings.Repeat("</a>", 33)+"<samlp:Status>"), "xml-depth"},
		{"depth 9000", message("<samlp:Status>", strings.Repeat("<a>", 9000)), "xml-depth"},
		{"65 attributes", message("<samlp:Status", "<samlp:Status"+numbered(` a%d="1"`, 65)), "xml-attributes"},
		{"65 namespaces", message("<samlp:Status", "<x"+numbered(` xmlns:n%d="urn:x"`, 60)+"/><x"+numbered(` xmlns:n%d="urn:x"`, 60)+"/><samlp:Status"), "xml-namespaces"},
		{"another root", tweak{Message: func([]byte) []byte { return []byte(`<LogoutRequest xmlns="urn:oasis:names:tc:SAML:2.0:protocol"/>`) }}, "response-name"},
		{"Response of no namespace", tweak{Message: func([]byte) []byte { return []byte(`<Response/>`) }}, "response-name"},
	}
}

func numbered(form string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, form, i)
	}
	return b.String()
}

// encryptionAttacks can be made by anybody: our encryption key is public.
func encryptionAttacks() []attack {
	cut := func(n int) tweak { return tweak{Ciphertext: func(b []byte) []byte { return b[:n] }} }
	list := []attack{
		{"tag cut by one", tweak{Ciphertext: func(b []byte) []byte { return b[:len(b)-1] }}, "decrypt"},
		{"one bit flipped", tweak{Ciphertext: func(b []byte) []byte { b[40] ^= 1; return b }}, "decrypt"},
		{"aes256-cbc", tweak{Encryption: nemlogintest.Encryption{Data: "http://www.w3.org/2001/04/xmlenc#aes256-cbc"}}, "decrypt"},
		{"3DES", tweak{Encryption: nemlogintest.Encryption{Data: "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"}}, "decrypt"},
		{"rsa-1_5", tweak{Encryption: nemlogintest.Encryption{Transport: "http://www.w3.org/2001/04/xmlenc#rsa-1_5"}}, "decrypt"},
		{"plaintext empty", tweak{Plaintext: func([]byte) []byte { return nil }}, "decrypt"},
		{"plaintext only a blank", tweak{Plaintext: func([]byte) []byte { return []byte(" ") }}, "assertion-xml-syntax"},
		{"plaintext only a comment", tweak{Plaintext: func([]byte) []byte { return []byte("<!-- -->") }}, "assertion-xml-comment"},
		{"plaintext not an assertion", tweak{Plaintext: func([]byte) []byte { return []byte("<x/>") }}, "assertion-name"},
		{"for a foreign key", envelope(func(r *etree.Element) {
			at(r, "./EncryptedAssertion/EncryptedData/KeyInfo/EncryptedKey/CipherData/CipherValue").SetText("AAAA")
		}), "decrypt"},
		{"no key", envelope(func(r *etree.Element) {
			d := at(r, "./EncryptedAssertion/EncryptedData")
			d.RemoveChild(at(d, "./KeyInfo"))
		}), "decrypt"},
		{"twenty keys", envelope(func(r *etree.Element) {
			i := at(r, "./EncryptedAssertion/EncryptedData/KeyInfo")
			for range 20 {
				i.AddChild(at(i, "./EncryptedKey").Copy())
			}
		}), "decrypt"},
		{"no cipher data", envelope(func(r *etree.Element) {
			d := at(r, "./EncryptedAssertion/EncryptedData")
			d.RemoveChild(at(d, "./CipherData"))
		}), "decrypt"},
		{"empty EncryptedAssertion", envelope(func(r *etree.Element) {
			e := at(r, "./EncryptedAssertion")
			e.RemoveChildAt(0)
		}), "decrypt"},
	}
	for _, n := range []int{0, 1, 11, 12, 27, 28} {
		list = append(list, attack{fmt.Sprintf("ciphertext of %d bytes", n), cut(n), "decrypt"})
	}
	return list
}

// statementAttacks are well signed and say what we must not believe.
func statementAttacks(now time.Time) []attack {
	scd := "./Subject/SubjectConfirmation/SubjectConfirmationData"
	const hok = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
	past, future := stamp(now.Add(-24*time.Hour)), stamp(now.Add(24*time.Hour))
	list := []attack{
		{"response version", envelope(func(r *etree.Element) { r.CreateAttr("Version", "9.9") }), "response-version"},
		{"destination wrong", envelope(func(r *etree.Element) { r.CreateAttr("Destination", portal+"/other") }), "response-destination"},
		{"destination with slash", envelope(func(r *etree.Element) { r.CreateAttr("Destination", portal+"/saml/acs/") }), "response-destination"},
		{"destination missing", envelope(func(r *etree.Element) { r.RemoveAttr("Destination") }), "response-destination"},
		{"response a day old", envelope(func(r *etree.Element) { r.CreateAttr("IssueInstant", past) }), "response-time"},
		{"response a day ahead", envelope(func(r *etree.Element) { r.CreateAttr("IssueInstant", future) }), "response-time"},
		{"time without zone", envelope(func(r *etree.Element) { r.CreateAttr("IssueInstant", strings.TrimSuffix(stamp(now), "Z")) }), "response-time"},
		{"response issuer wrong", envelope(func(r *etree.Element) { at(r, "./Issuer").SetText("https://saml.simulator.test/") }), "response-issuer"},
		{"response issuer missing", envelope(func(r *etree.Element) { r.RemoveChild(at(r, "./Issuer")) }), "response-issuer"},
		{"unsolicited", envelope(func(r *etree.Element) { r.RemoveAttr("InResponseTo") }), "response-in-response-to"},
		{"two status", envelope(func(r *etree.Element) { r.InsertChildAt(1, at(r, "./Status").Copy()) }), "response-assertions"},
		{"two status codes", envelope(func(r *etree.Element) { s := at(r, "./Status"); s.AddChild(at(s, "./StatusCode").Copy()) }), "status-missing"},
		{"success that failed", envelope(func(r *etree.Element) {
			at(r, "./Status/StatusCode").CreateElement("samlp:StatusCode").CreateAttr("Value", "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed")
		}), "status-contradicts"},
		{"assertion version", set(".", "Version", "1.1"), "assertion-version"},
		{"assertion a day ahead", set(".", "IssueInstant", future), "assertion-time"},
		{"issuer with slash", edit(func(a *etree.Element) { at(a, "./Issuer").SetText("https://saml.simulator.test/") }), "assertion-issuer"},
		{"issuer of another format", set("./Issuer", "Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"), "assertion-issuer"},
		{"no subject", drop("./Subject"), "assertion-shape"},
		{"no name", drop("./Subject/NameID"), "subject-name"},
		{"no confirmation", drop("./Subject/SubjectConfirmation"), "subject-name"},
		{"two bearers", double("./Subject/SubjectConfirmation"), "subject-bearers"},
		{"holder of key only", set("./Subject/SubjectConfirmation", "Method", hok), "subject-confirmation"},
		{"sender vouches", set("./Subject/SubjectConfirmation", "Method", "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"), "subject-confirmation"},
		{"no confirmation data", drop(scd), "subject-confirmation-data"},
		{"recipient wrong", set(scd, "Recipient", "https://other.test/saml/acs"), "subject-recipient"},
		{"recipient missing", unset(scd, "Recipient"), "subject-recipient"},
		{"confirmation expired", set(scd, "NotOnOrAfter", past), "subject-expired"},
		{"confirmation without end", unset(scd, "NotOnOrAfter"), "subject-expired"},
		{"confirmation not yet", set(scd, "NotBefore", future), "subject-not-yet"},
		{"confirmation for another request", set(scd, "InResponseTo", "_other"), "subject-in-response-to"},
		{"confirmation for no request", unset(scd, "InResponseTo"), "subject-in-response-to"},
		{"no conditions", drop("./Conditions"), "assertion-shape"},
		{"conditions without times", unset("./Conditions", "NotOnOrAfter"), "conditions-times"},
		{"expired beyond the clocks", edit(func(a *etree.Element) {
			at(a, "./Conditions").CreateAttr("NotBefore", stamp(now.Add(-10*time.Minute)))
			at(a, "./Conditions").CreateAttr("NotOnOrAfter", stamp(now.Add(-3*time.Minute-2*time.Second)))
		}), "conditions-expired"},
		{"not yet valid", edit(func(a *etree.Element) {
			at(a, "./Conditions").CreateAttr("NotBefore", stamp(now.Add(3*time.Minute+3*time.Second)))
		}), "conditions-not-yet"},
		{"valid for ten years", set("./Conditions", "NotOnOrAfter", stamp(now.AddDate(10, 0, 0))), "conditions-validity"},
		{"no audience restriction", drop("./Conditions/AudienceRestriction"), "audience"},
		{"audience of another service", edit(func(a *etree.Element) { at(a, "./Conditions/AudienceRestriction/Audience").SetText(entity + "/") }), "audience"},
		{"two restrictions, one foreign", edit(func(a *etree.Element) {
			c := at(a, "./Conditions/AudienceRestriction").Copy()
			at(c, "./Audience").SetText("https://other.test")
			at(a, "./Conditions").AddChild(c)
		}), "audience"},
		{"unknown condition", edit(func(a *etree.Element) { at(a, "./Conditions").CreateElement("saml:Condition") }), "condition-unknown"},
		{"no authentication statement", drop("./AuthnStatement"), "assertion-shape"},
		{"two authentication statements", double("./AuthnStatement"), "assertion-shape"},
		{"authentication statements instead of attributes", edit(func(a *etree.Element) {
			a.RemoveChild(at(a, "./AttributeStatement"))
			a.AddChild(at(a, "./AuthnStatement").Copy())
		}), "assertion-statements"},
		{"no session index", unset("./AuthnStatement", "SessionIndex"), "session-index"},
		{"session over", set("./AuthnStatement", "SessionNotOnOrAfter", past), "session-over"},
		{"encrypted attribute", edit(func(a *etree.Element) { at(a, "./AttributeStatement").CreateElement("saml:EncryptedAttribute") }), "attribute-kind"},
		{"level missing", edit(func(a *etree.Element) { at(a, "./AttributeStatement").RemoveChild(attribute(a, "loa")) }), "level-unknown"},
		{"level twice", edit(func(a *etree.Element) { at(a, "./AttributeStatement").AddChild(attribute(a, "loa").Copy()) }), "attribute-values"},
		{"level with two values", edit(func(a *etree.Element) {
			l := attribute(a, "loa")
			l.AddChild(at(l, "./AttributeValue").Copy())
		}), "attribute-values"},
		{"element in a value", edit(func(a *etree.Element) { at(attribute(a, "cprNumber"), "./AttributeValue").CreateElement("saml:x") }), "attribute-values"},
		{"attribute of another name format", edit(func(a *etree.Element) { attribute(a, "loa").CreateAttr("NameFormat", "urn:x") }), "attribute-format"},
		{"name of another format", set("./Subject/NameID", "Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"), "name-id-format"},
		{"name that is no UUID", edit(func(a *etree.Element) { n := at(a, "./Subject/NameID"); n.SetText(n.Text() + "0") }), "name-id"},
		{"name of another country", edit(func(a *etree.Element) { at(a, "./Subject/NameID").SetText("nancy") }), "name-id"},
		{"profile of another version", value("specVersion", "DK-SAML-2.0"), "spec-version"},
	}
	for _, level := range []string{"substantial", "https://data.gov.dk/concept/core/nsis/loa/High", " High", "Нigh", ""} {
		list = append(list, attack{fmt.Sprintf("level %q", level), value("loa", level), "level-unknown"})
	}
	for _, cpr := range []string{"650385123", "650385-1236", "abcdefghij", " 6503851236"} {
		list = append(list, attack{fmt.Sprintf("CPR %q", cpr), value("cprNumber", cpr), "cpr"})
	}
	return list
}

func TestAttacksNeverLogAnybodyIn(t *testing.T) {
	groups := map[string][]attack{
		"signature": signatureAttacks(), "wrapping": wrappingAttacks(), "document": documentAttacks(),
		"encryption": encryptionAttacks(), "statement": statementAttacks(testNow),
	}
	n := 0
	for group, list := range groups {
		for _, a := range list {
			n++
			t.Run(group+"/"+a.name, func(t *testing.T) {
				w := newWorld(t)
				form := w.choose(w.begin(""), "nancy", a.bend)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				began := spent()
				rec := w.acs(form)
				took := spent() - began
				runtime.ReadMemStats(&after)
				w.rejected(rec, a.reason)
				w.audited(a.reason)
				if rec.Body.String() != w.fault.Code {
					t.Errorf("page is not the fixed one")
				}
				if alloc := after.TotalAlloc - before.TotalAlloc; alloc > 32<<20 || took > time.Second {
					t.Errorf("cost %d bytes and %v", alloc, took)
				}
			})
		}
	}
	t.Logf("%d attacks", n)
}

func TestProviderCertificateOutsideItsTimeIsRefused(t *testing.T) {
	w := newWorld(t)
	form := w.choose(w.begin(""), "nancy", tweak{})
	idp := *w.conf.IDP
	w.conf.IDP = &idp
	idp.Certs = idp.Certs[:1:1]
	expired := certificate(key("idp"), w.now.Add(-48*time.Hour), w.now.Add(-time.Hour))
	idp.Certs[0] = expired
	w.rebuild()
	w.rejected(w.acs(form), "assertion-sig-key-unknown")
	w.clear()
	w.rejected(w.login("", "nancy", tweak{Cert: expired}), "assertion-sig-key-expired")
}
