package samlattack

import (
	"crypto"
	"encoding/base64"

	"github.com/beevik/etree"
)

// transformCases: what is done to the signed part before it is digested.
func transformCases() []Case {
	first := func(alg string) Bend {
		return info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			at(info, "./Reference/Transforms/Transform[1]").CreateAttr("Algorithm", alg)
		})
	}
	return []Case{
		refuse("V-SIG-15/xslt", "an XSLT transform", first("http://www.w3.org/TR/1999/REC-xslt-19991116")),
		refuse("V-SIG-15/xpath", "an XPath transform", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			t := at(info, "./Reference/Transforms/Transform[1]")
			t.CreateAttr("Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116")
			t.CreateElement("ds:XPath").SetText("not(ancestor-or-self::*)")
		})),
		refuse("V-SIG-15/xpath2", "an XPath filter 2 transform", first("http://www.w3.org/2002/06/xmldsig-filter2")),
		refuse("V-SIG-15/none", "no Transforms", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) { remove(at(info, "./Reference/Transforms")) })),
		refuse("V-SIG-15/empty", "an empty Transforms", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			t := at(info, "./Reference/Transforms")
			remove(at(t, "./Transform[2]"))
			remove(at(t, "./Transform[1]"))
		})),
		refuse("S7/base64", "a third transform: base64", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			at(info, "./Reference/Transforms").CreateElement("ds:Transform").CreateAttr("Algorithm", nsDSig+"base64")
		})),
		refuse("S7/twice", "enveloped-signature twice", first(enveloped+" ")),
		refuse("S7/many", "a hundred transforms", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			t := at(info, "./Reference/Transforms")
			for range 100 {
				t.CreateElement("ds:Transform").CreateAttr("Algorithm", excC14N)
			}
		})),
		refuse("S7/order", "the transforms the other way round", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			at(info, "./Reference/Transforms/Transform[1]").CreateAttr("Algorithm", excC14N)
			at(info, "./Reference/Transforms/Transform[2]").CreateAttr("Algorithm", enveloped)
		})),
	}
}

// referenceCases: what the signature is about.
func referenceCases() []Case {
	uri := func(u string) Bend {
		return info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) { at(info, "./Reference").CreateAttr("URI", u) })
	}
	list := []Case{
		refuse("V-SIG-16/after", "an extra Reference after the good one", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			info.AddChild(bogus(at(info, "./Reference")))
		})),
		refuse("V-SIG-16/before", "an extra Reference before the good one", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			r := at(info, "./Reference")
			info.InsertChildAt(r.Index(), bogus(r))
		})),
		refuse("S9", "two References to the assertion, the last with a wrong digest", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			r := at(info, "./Reference").Copy()
			at(r, "./DigestValue").SetText(base64.StdEncoding.EncodeToString(make([]byte, 32)))
			info.AddChild(r)
		})),
		refuse("S6/zero", "no Reference", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) { remove(at(info, "./Reference")) })),
		refuse("V-SIG-17/absent", "Reference without URI", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) { at(info, "./Reference").RemoveAttr("URI") })),
		refuse("G03", "Reference whose URI begins with ? instead of #", info(crypto.SHA256, func(_ *Draft, a, info *etree.Element) {
			at(info, "./Reference").CreateAttr("URI", "?"+a.SelectAttrValue("ID", ""))
		})),
		refuse("V-ID-2", "the assertion has Id, not ID", Bend{Assertion: func(_ *Draft, a *etree.Element) {
			id := a.RemoveAttr("ID")
			a.CreateAttr("Id", id.Value)
		}, Signed: func(d *Draft, a *etree.Element) {
			sig := at(a, "./Signature")
			at(sig, "./SignedInfo/Reference").CreateAttr("URI", "#"+a.SelectAttrValue("Id", ""))
			resign(sig, d.Provider.Pair, crypto.SHA256, form{})
		}}),
		refuse("G05", "two DigestValue in a signed Reference", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			r := at(info, "./Reference")
			r.AddChild(at(r, "./DigestValue").Copy())
		})),
		refuse("S8/digest", "the digest of nothing, signed", info(crypto.SHA256, func(_ *Draft, a, info *etree.Element) {
			lie(a)
			at(info, "./Reference/DigestValue").SetText("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
		})),
		refuse("S8/golden", "a relative namespace and the digest of nothing (void canonicalization)", info(crypto.SHA256, func(_ *Draft, a, info *etree.Element) {
			lie(a)
			a.CreateAttr("xmlns:v", "1")
			at(info, "./Reference/DigestValue").SetText("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
		})),
	}
	for _, v := range [][2]string{
		{"V-SIG-17/empty", ""}, {"V-SIG-17/other", "#_other"}, {"S6/hash", "#"}, {"S6/root", "#xpointer(/)"},
		{"S6/id", "#xpointer(id('x'))"}, {"S6/external", "https://attacker.example/doc.xml"}, {"S6/file", "file:///etc/hostname"},
	} {
		list = append(list, refuse(v[0], "Reference to "+`"`+v[1]+`"`, uri(v[1])))
	}
	return list
}

// shapeCases: a signature of another shape.
func shapeCases() []Case {
	return []Case{
		refuse("V-SIG-19/signature", "two Signature, the first twice", forge(func(a *etree.Element) { a.InsertChildAt(1, at(a, "./Signature").Copy()) })),
		refuse("V-SIG-19/stranger", "two Signature, a stranger's first", forge(func(a *etree.Element) { sign(a, stranger()) })),
		refuse("V-SIG-19/info-before", "two SignedInfo, a false one first", forge(func(a *etree.Element) {
			s, e := at(a, "./Signature"), evil(a, a.SelectAttrValue("ID", ""))
			i := at(s, "./SignedInfo").Copy()
			at(i, "./Reference/DigestValue").SetText(digest(e, crypto.SHA256, form{}))
			s.InsertChildAt(0, i)
			become(a, e, true)
		})),
		refuse("V-SIG-19/info-after", "two SignedInfo, a false one last", forge(func(a *etree.Element) {
			s, e := at(a, "./Signature"), evil(a, a.SelectAttrValue("ID", ""))
			i := at(s, "./SignedInfo").Copy()
			at(i, "./Reference/DigestValue").SetText(digest(e, crypto.SHA256, form{}))
			s.InsertChildAt(1, i)
			become(a, e, true)
		})),
		refuse("V-SIG-19/value", "two SignatureValue", forge(func(a *etree.Element) {
			s := at(a, "./Signature")
			s.InsertChildAt(2, at(s, "./SignatureValue").Copy())
		})),
		refuse("S4/object", "a false SignedInfo in place, the real one inside an Object", forge(func(a *etree.Element) {
			s, e := at(a, "./Signature"), evil(a, a.SelectAttrValue("ID", ""))
			real := at(s, "./SignedInfo").Copy()
			at(s, "./SignedInfo/Reference/DigestValue").SetText(digest(e, crypto.SHA256, form{}))
			s.CreateElement("ds:Object").AddChild(real)
			become(a, e, true)
		})),
		refuse("V-SIG-25", "a false assertion in an Object of the signature", forge(func(a *etree.Element) {
			at(a, "./Signature").CreateElement("ds:Object").AddChild(evil(a, newID()))
		})),
		refuse("V-SIG-25/text", "text inside the signature", forge(func(a *etree.Element) {
			s := at(a, "./Signature")
			s.InsertChildAt(0, etree.NewText("x"))
		})),
		refuse("V-SIG-27/base64", "a digest that is not base64", forge(func(a *etree.Element) {
			at(a, "./Signature/SignedInfo/Reference/DigestValue").SetText("!!!!")
		})),
		refuse("V-SIG-27/nested", "an element inside SignatureValue", forge(func(a *etree.Element) {
			at(a, "./Signature/SignatureValue").CreateElement("ds:x")
		})),
	}
}

// bogus is a Reference to something else.
func bogus(r *etree.Element) *etree.Element {
	r = r.Copy()
	r.CreateAttr("URI", "#_other")
	return r
}
