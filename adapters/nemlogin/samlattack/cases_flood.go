package samlattack

import (
	"net/url"
	"strings"

	"github.com/beevik/etree"
)

// Heaviest returns the cases that cost a careless service the most: time,
// memory or its stack. There are 16.
func Heaviest() []Case {
	var list []Case
	for _, c := range floodCases() {
		if strings.HasPrefix(c.ID, "Q1/") {
			list = append(list, c)
		}
	}
	return list
}

// floodCases are documents near the size that any service takes, made to cost.
func floodCases() []Case {
	status := func(s string) Bend { return outside("<samlp:Status>", s+"<samlp:Status>") }
	const room = 60 << 10 // what fits into a body of 128 KiB once it is base64
	return []Case{
		refuse("Q1/elements", "15,000 empty elements", status(strings.Repeat("<a/>", room/4))),
		refuse("Q1/elements-hidden", "1,000 elements where nobody looks", keyInfo(strings.Repeat("<ds:a/>", 1000))),
		refuse("Q1/deep", "9,000 nested elements, not closed", status(strings.Repeat("<a>", 9000))),
		refuse("Q1/deep-closed", "9,000 nested elements, closed", status(strings.Repeat("<a>", 9000)+strings.Repeat("</a>", 9000))),
		refuse("Q1/attributes", "6,000 attributes on one element", outside("<samlp:Status>", "<samlp:Status"+numbered(` a%d="1"`, 6000)+">")),
		refuse("Q1/namespaces", "4,000 namespaces on one element", outside("<samlp:Status>", "<samlp:Status"+numbered(` xmlns:n%d="urn:x"`, 4000)+">")),
		refuse("Q1/namespaces-spread", "3,000 elements with a namespace each", status(strings.Repeat(`<n:x xmlns:n="urn:x"/>`, 3000))),
		refuse("Q1/base64", "80 KB of ciphertext for a stranger's key", Bend{Encryption: func(*Draft) Encryption {
			return Encryption{To: &stranger().Key.PublicKey, Bend: func([]byte) []byte { return make([]byte, 58<<10) }}
		}}),
		refuse("Q1/assertions", "150 EncryptedAssertion elements", around(func(r *etree.Element) {
			for range 150 {
				e := r.CreateElement("saml:EncryptedAssertion")
				e.CreateElement("xenc:EncryptedData").CreateAttr("xmlns:xenc", nsEnc)
			}
		})),
		refuse("Q1/keys", "60 EncryptedKey elements, each a private-key operation", around(func(r *etree.Element) {
			k := at(r, encKey)
			for range 60 {
				k.Parent().AddChild(k.Copy())
			}
		})),
		refuse("Q1/references", "200 References, well signed", Bend{Signed: func(d *Draft, a *etree.Element) {
			sig := at(a, "./Signature")
			i := at(sig, "./SignedInfo")
			r := at(i, "./Reference")
			for range 100 {
				i.AddChild(r.Copy())
			}
		}}),
		refuse("Q1/signatures", "190 Signature elements", forge(func(a *etree.Element) {
			for range 190 {
				a.CreateElement("ds:Signature").CreateAttr("xmlns:ds", nsDSig)
			}
		})),
		refuse("Q1/signature-big", "a SignatureValue of 40 KB", forge(func(a *etree.Element) {
			at(a, "./Signature/SignatureValue").SetText(strings.Repeat("AAAA", 10<<10))
		})),
		refuse("Q1/certificates", "30 certificates in KeyInfo", forge(func(a *etree.Element) {
			x := at(a, "./Signature/KeyInfo/X509Data")
			remove(at(x, "./X509Certificate"))
			for range 30 {
				x.CreateElement("ds:X509Certificate").SetText(base64Cert(stranger()))
			}
		})),
		refuse("Q1/prefixes", "an InclusiveNamespaces list of 10,000 prefixes", forge(func(a *etree.Element) {
			n := at(a, "./Signature/SignedInfo/CanonicalizationMethod").CreateElement("ec:InclusiveNamespaces")
			n.CreateAttr("xmlns:ec", excC14N)
			n.CreateAttr("PrefixList", strings.Repeat("ds ", 10_000))
		})),
		refuse("Q1/laughs", "entities that would multiply to a gigabyte", Bend{Message: func(_ *Draft, b []byte) []byte {
			var e strings.Builder
			e.WriteString(`<!DOCTYPE r [<!ENTITY a0 "ha">`)
			for i := range 9 {
				from, to := string(rune('0'+i)), string(rune('1'+i))
				e.WriteString(`<!ENTITY a` + to + ` "` + strings.Repeat("&a"+from+";", 10) + `">`)
			}
			return swap(swap(b, "<samlp:Response", e.String()+"]><samlp:Response"), "<samlp:Status>", "<samlp:Status>&a9;")
		}}),
	}
}

// limitCases go a little beyond what a message ever needs, some of them where a
// reader has no business to look.
func limitCases() []Case {
	fill := func(n int) func(*etree.Element) {
		return func(a *etree.Element) {
			for range n {
				a.CreateElement("saml:x")
			}
		}
	}
	status := func(s string) Bend { return outside("<samlp:Status>", s+"<samlp:Status>") }
	return []Case{
		refuse("V-XML-3/33", "depth 33", status(strings.Repeat("<a>", 33)+strings.Repeat("</a>", 33))),
		refuse("V-XML-3/hidden", "depth 40 where nobody looks", keyInfo(strings.Repeat("<ds:a>", 40)+strings.Repeat("</ds:a>", 40))),
		refuse("V-XML-4/hidden", "100 attributes where nobody looks", keyInfo("<ds:a"+numbered(` a%d="1"`, 100)+"/>")),
		refuse("V-XML-4/namespaces-hidden", "100 namespaces where nobody looks", keyInfo(strings.Repeat(`<n:x xmlns:n="urn:x"/>`, 100))),
		refuse("V-XML-5", "a message of 96 KB, all blanks", Bend{Message: func(_ *Draft, b []byte) []byte {
			return swap(b, "<samlp:Status>", strings.Repeat(" ", 140<<10)+"<samlp:Status>")
		}}),
		refuse("V-XML-6", "1,000 elements in the assertion, the signature worthless", forge(fill(1000))),
		refuse("V-XML-6/shell", "1,000 elements in an assertion with an empty signature", Bend{Unsigned: true, Signed: func(_ *Draft, a *etree.Element) {
			a.CreateElement("ds:Signature").CreateAttr("xmlns:ds", nsDSig)
			fill(1000)(a)
		}}),
		refuse("V-XML-7", "1,000 elements in the assertion, well signed", edit(fill(1000))),
		refuse("V-XML-7/700", "700 elements in the assertion, well signed", edit(fill(700))),
		refuse("V-XML-7/value", "900 values of an attribute, well signed", edit(func(a *etree.Element) {
			x := addAttribute(at(a, "./AttributeStatement"), dataGov+"x")
			for range 900 {
				x.CreateElement("saml:AttributeValue")
			}
		})),
		refuse("V-XML-14", "a form of a thousand fields", Bend{Form: func(_ *Draft, v url.Values) {
			for i := range 1000 {
				v.Add("f"+string(rune('a'+i%26)), "1")
			}
			v.Add("SAMLResponse", "AAAA")
		}}),
	}
}
