package samlattack

import (
	"crypto"
	"slices"

	"github.com/beevik/etree"
)

// wrappingCases move what was signed away and put something false in its place.
// Inside means in the plaintext, which anybody can encrypt to a public key;
// clear means in the Response.
func wrappingCases() []Case {
	bare := func(a *etree.Element) *etree.Element {
		c := a.Copy()
		remove(at(c, "./Signature"))
		return c
	}
	list := []Case{
		refuse("V-XSW-1", "inside: false assertion, the signed one after its statements", forge(func(a *etree.Element) {
			good := a.Copy()
			become(a, evil(a, newID()), false)
			a.AddChild(good)
		})),
		refuse("V-XSW-2", "inside: false assertion, the signed one right after Issuer", forge(func(a *etree.Element) {
			good := a.Copy()
			become(a, evil(a, newID()), false)
			a.InsertChildAt(1, good)
		})),
		refuse("V-XSW-3", "inside: false assertion keeps the signature, the bare good one last", forge(func(a *etree.Element) {
			good := bare(a)
			become(a, evil(a, newID()), true)
			a.AddChild(good)
		})),
		refuse("V-XSW-4", "inside: the bare good one inside the signature", forge(func(a *etree.Element) {
			good := bare(a)
			become(a, evil(a, newID()), true)
			at(a, "./Signature").AddChild(good)
		})),
		refuse("V-XSW-5", "inside: the bare good one in an Object of the signature", forge(func(a *etree.Element) {
			good := bare(a)
			become(a, evil(a, newID()), true)
			at(a, "./Signature").CreateElement("ds:Object").AddChild(good)
		})),
		refuse("V-XSW-6", "inside: the signed one in Advice", forge(func(a *etree.Element) {
			good := a.Copy()
			become(a, evil(a, newID()), false)
			advice := etree.NewElement("saml:Advice")
			advice.AddChild(good)
			a.InsertChildAt(3, advice)
		})),
		refuse("V-XSW-7", "inside: false and good one share their ID", forge(func(a *etree.Element) {
			good := bare(a)
			become(a, evil(a, a.SelectAttrValue("ID", "")), true)
			a.AddChild(good)
		})),
		refuse("V-XSW-8", "inside: a wrapper around both", Bend{Plaintext: func(d *Draft, b []byte) []byte {
			return []byte(`<saml:Wrapper xmlns:saml="` + nsAssertion + `">` + string(b) + `</saml:Wrapper>`)
		}}),
		refuse("V-XSW-9", "inside: false assertion with a re-digested SignedInfo and the old value, good one in a wrapper", forge(func(a *etree.Element) {
			good := bare(a)
			become(a, evil(a, newID()), true)
			r := at(a, "./Signature/SignedInfo/Reference")
			r.CreateAttr("URI", "#"+a.SelectAttrValue("ID", ""))
			at(r, "./DigestValue").SetText(digest(a, crypto.SHA256, form{}))
			a.CreateElement("saml:Wrapper").AddChild(good)
		})),
	}
	return slices.Concat(list, nestedCases(), clearCases())
}

// nestedCases hide one document inside another.
func nestedCases() []Case {
	bare := func(a *etree.Element) *etree.Element {
		c := a.Copy()
		remove(at(c, "./Signature"))
		return c
	}
	return []Case{
		refuse("V-XSW-15", "inside: a second, unsigned Subject of somebody else first", forge(func(a *etree.Element) {
			a.InsertChildAt(2, at(evil(a, newID()), "./Subject"))
		})),
		refuse("V-XSW-16", "inside: a signature from deeper stands first in the document", forge(func(a *etree.Element) {
			good := a.Copy()
			become(a, evil(a, newID()), false)
			at(a, "./Subject").InsertChildAt(0, good)
		})),
		refuse("X12/two", "inside: two signed assertions in Advice of a false one", forge(func(a *etree.Element) {
			good := a.Copy()
			become(a, evil(a, newID()), false)
			advice := a.CreateElement("saml:Advice")
			advice.AddChild(good)
			advice.AddChild(etree.NewElement("saml:Assertion"))
		})),
		refuse("X13", "inside: a false assertion whose signature refers to the good one in Advice", forge(func(a *etree.Element) {
			good := bare(a)
			become(a, evil(a, newID()), true)
			advice := etree.NewElement("saml:Advice")
			advice.AddChild(good)
			a.InsertChildAt(4, advice)
		})),
		refuse("X16", "inside: the signed assertion in a LogoutRequest", Bend{Plaintext: func(_ *Draft, b []byte) []byte {
			return []byte(`<samlp:LogoutRequest xmlns:samlp="` + nsProtocol + `">` + string(b) + `</samlp:LogoutRequest>`)
		}}),
		refuse("V-SIG-28", "inside: one more signature, deeper, well formed", forge(func(a *etree.Element) {
			at(a, "./Subject").AddChild(at(a, "./Signature").Copy())
		})),
		refuse("V-SIG-28/hidden", "inside: one more signature where nobody looks, signed by the provider", edit(func(a *etree.Element) {
			at(a, "./AuthnStatement/AuthnContext").CreateElement("ds:Signature").CreateAttr("xmlns:ds", nsDSig)
		})),
		refuse("V-XSW-14/inside", "inside: two roots, good then false", Bend{Plaintext: func(_ *Draft, b []byte) []byte {
			return append(b, `<saml:Assertion xmlns:saml="`+nsAssertion+`"/>`...)
		}}),
		refuse("V-XSW-14/evil-first", "inside: two roots, false then good", Bend{Plaintext: func(_ *Draft, b []byte) []byte {
			return append([]byte(`<saml:Assertion xmlns:saml="`+nsAssertion+`"/>`), b...)
		}}),
	}
}

// clearCases stand beside or around the encrypted assertion.
func clearCases() []Case {
	type place func(r, e *etree.Element)
	beside := func(p place) Bend {
		return Bend{Response: func(d *Draft, r *etree.Element) { p(r, evil(d.golden(), newID())) }}
	}
	last := func(r, e *etree.Element) { r.AddChild(e) }
	first := func(r, e *etree.Element) { r.InsertChildAt(2, e) }
	return []Case{
		refuse("V-XSW-10/after", "a false unsigned assertion after the encrypted good one", beside(last)),
		refuse("V-XSW-10/before", "a false unsigned assertion before it", beside(first)),
		refuse("V-XSW-10/copied", "a false assertion before it, with a copied signature shell", Bend{Response: func(d *Draft, r *etree.Element) {
			e := evil(d.golden(), newID())
			sign(e, stranger())
			first(r, e)
		}}),
		refuse("V-XSW-11", "two validly signed assertions, one encrypted, one in clear", Bend{Response: func(d *Draft, r *etree.Element) {
			e := d.golden()
			sign(e, d.Provider.Pair)
			r.AddChild(e)
		}}),
		refuse("V-XSW-12", "two EncryptedAssertion, both genuine", Bend{Response: func(d *Draft, r *etree.Element) {
			r.AddChild(d.enclose(d.assertion(Bend{}), Bend{}))
		}}),
		refuse("V-XSW-12/false", "two EncryptedAssertion, a false one first", Bend{Response: func(d *Draft, r *etree.Element) {
			r.InsertChildAt(2, d.enclose(evil(d.golden(), newID()), Bend{}))
		}}),
		refuse("V-XSW-13", "a false assertion in Extensions", Bend{Response: func(d *Draft, r *etree.Element) {
			x := etree.NewElement("samlp:Extensions")
			x.AddChild(evil(d.golden(), newID()))
			r.InsertChildAt(1, x)
		}}),
		refuse("X7/hidden", "the encrypted good one in Extensions, a false one in its place", Bend{Response: func(d *Draft, r *etree.Element) {
			x := etree.NewElement("samlp:Extensions")
			x.AddChild(at(r, "./EncryptedAssertion"))
			r.InsertChildAt(1, x)
			r.AddChild(evil(d.golden(), newID()))
		}}),
		refuse("X11", "the signed assertion in a StatusDetail, a false one in place", Bend{Plain: true, Response: func(d *Draft, r *etree.Element) {
			at(r, "./Status").CreateElement("samlp:StatusDetail").AddChild(at(r, "./Assertion"))
			r.AddChild(evil(d.golden(), newID()))
		}}),
		refuse("V-XSW-17", "no assertion at all", around(func(r *etree.Element) { remove(at(r, "./EncryptedAssertion")) })),
		refuse("V-ENC-15", "the assertion in clear, well signed", Bend{Plain: true}),
		refuse("V-ENC-15/whole", "the assertion in clear, and the Response signed too", Bend{Plain: true, SignWhole: true}),
		refuse("V-ENC-16", "the assertion in clear, its encrypted form beside it", Bend{Response: func(d *Draft, r *etree.Element) {
			r.AddChild(evil(d.golden(), newID()))
		}}),
		refuse("X1", "Response signed; its bare clone inside the signature of a false one", wholeWrap(func(sig, r, clone *etree.Element) { sig.AddChild(clone) })),
		refuse("X2", "Response signed; its bare clone before the signature of a false one", wholeWrap(func(sig, r, clone *etree.Element) {
			r.InsertChildAt(sig.Index(), clone)
		})),
		refuse("X4", "a false Response around a signed one", Bend{SignWhole: true, Message: func(d *Draft, b []byte) []byte {
			outer := d.Answer(Bend{Status: []string{"Success"}})
			return swap(outer, "</samlp:Response>", string(b)+"</samlp:Response>")
		}}),
		refuse("X5", "the provider signed another Response; its signature on this one", Bend{Response: func(d *Draft, r *etree.Element) {
			other, err := parse(d.Answer(Bend{SignWhole: true}))
			if err != nil {
				panic(err)
			}
			r.InsertChildAt(1, at(other, "./Signature").Copy())
		}}),
	}
}

// wholeWrap signs the Response, then makes it claim another status of affairs
// with its clone somewhere else.
func wholeWrap(put func(sig, r, clone *etree.Element)) Bend {
	return Bend{SignWhole: true, Response: func(_ *Draft, r *etree.Element) {
		clone := r.Copy()
		remove(at(clone, "./Signature"))
		r.CreateAttr("ID", newID())
		put(at(r, "./Signature"), r, clone)
	}}
}
