package samlattack

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // a case digests with it
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// signatureCases: who signed, and whether anybody did.
func signatureCases() []Case {
	foreign := func(d *Draft) Pair { return stranger() }
	return []Case{
		refuse("V-SIG-1", "nothing is signed", Bend{Unsigned: true}),
		refuse("V-SIG-2", "only the Response is signed", Bend{Unsigned: true, SignWhole: true}),
		refuse("V-SIG-3", "Response signature good, inner assertion changed after signing", Bend{SignWhole: true, Signed: func(_ *Draft, a *etree.Element) { lie(a) }}),
		refuse("V-SIG-4", "Response changed after signing, inner assertion good", Bend{SignWhole: true, Response: func(_ *Draft, r *etree.Element) {
			r.CreateAttr("Consent", "urn:changed")
		}}),
		refuse("V-SIG-4/foreign", "Response signed by a stranger, inner assertion good", Bend{Response: func(_ *Draft, r *etree.Element) { sign(r, stranger()) }}),
		refuse("V-SIG-5", "a stranger's key with a certificate of the provider's name", Bend{By: foreign}),
		refuse("V-SIG-6/expired", "the provider's key with a certificate that has expired", Bend{By: func(d *Draft) Pair {
			return another(d.Provider.Pair, d.Now.AddDate(-2, 0, 0), d.Now.AddDate(-1, 0, 0))
		}}),
		refuse("V-SIG-6/early", "the provider's key with a certificate that is not yet valid", Bend{By: func(d *Draft) Pair {
			return another(d.Provider.Pair, d.Now.AddDate(1, 0, 0), d.Now.AddDate(2, 0, 0))
		}}),
		refuse("V-SIG-7", "the provider's key with another certificate for it", Bend{By: func(d *Draft) Pair {
			return another(d.Provider.Pair, d.Now.Add(-time.Hour), d.Now.AddDate(1, 0, 0))
		}}),
		refuse("V-SIG-10/foreign", "KeyInfo holds a stranger's key as KeyValue only", Bend{By: foreign, Signed: func(_ *Draft, a *etree.Element) {
			keyValue(at(a, "./Signature/KeyInfo"))
		}}),
		refuse("V-SIG-18", "somebody else's number after signing", forge(lie)),
		refuse("V-SIG-18/attribute", "one XML attribute changed after signing", forge(func(a *etree.Element) {
			at(a, "./AuthnStatement").CreateAttr("SessionIndex", newID())
		})),
		refuse("V-SIG-18/value", "one bit of the signature changed", forge(func(a *etree.Element) { flip(at(a, "./Signature/SignatureValue")) })),
		refuse("V-SIG-18/empty", "an empty SignatureValue", forge(func(a *etree.Element) { at(a, "./Signature/SignatureValue").SetText("") })),
		refuse("V-SIG-18/digest", "one bit of the digest changed", forge(func(a *etree.Element) { flip(at(a, "./Signature/SignedInfo/Reference/DigestValue")) })),
		refuse("S1/stripped", "the signature taken away", forge(func(a *etree.Element) { remove(at(a, "./Signature")) })),
		refuse("S1/empty", "an empty Signature element", forge(func(a *etree.Element) {
			s := at(a, "./Signature")
			for len(s.Child) > 0 {
				s.RemoveChildAt(0)
			}
		})),
		refuse("S1/namespace", "Signature in another namespace", forge(func(a *etree.Element) { at(a, "./Signature").CreateAttr("xmlns:ds", "urn:x") })),
		refuse("S1/last", "Signature as last child", forge(func(a *etree.Element) { a.AddChild(a.RemoveChild(at(a, "./Signature"))) })),
		refuse("S1/first", "Signature before Issuer", forge(func(a *etree.Element) { a.InsertChildAt(0, a.RemoveChild(at(a, "./Signature"))) })),
		refuse("S1/status", "the signature moved to a StatusDetail, somebody else asserted", Bend{Signed: func(_ *Draft, a *etree.Element) {
			remove(at(a, "./Signature"))
			lie(a)
		}, Response: func(_ *Draft, r *etree.Element) {
			at(r, "./Status").CreateElement("samlp:StatusDetail").CreateElement("ds:Signature").CreateAttr("xmlns:ds", nsDSig)
		}}),
		refuse("S2/trusted", "a stranger's key beside the trusted certificate", Bend{By: func(d *Draft) Pair { return Pair{stranger().Key, d.Provider.Cert} }}),
		refuse("S2/none", "a stranger's key and no KeyInfo", Bend{By: foreign, Signed: func(_ *Draft, a *etree.Element) { remove(at(a, "./Signature/KeyInfo")) }}),
		refuse("S2/two", "a stranger's key, its certificate beside the trusted one", Bend{By: foreign, Signed: func(d *Draft, a *etree.Element) {
			at(a, "./Signature/KeyInfo/X509Data").CreateElement("ds:X509Certificate").SetText(base64Cert(d.Provider.Pair))
		}}),
		refuse("S2/issued", "a stranger's key, certified by an authority of the provider's name", Bend{By: func(d *Draft) Pair { return issued(d.Provider.Pair) }}),
		refuse("S2/retrieval", "KeyInfo is a RetrievalMethod to elsewhere", forge(func(a *etree.Element) {
			k := at(a, "./Signature/KeyInfo")
			remove(at(k, "./X509Data"))
			k.CreateElement("ds:RetrievalMethod").CreateAttr("URI", "https://attacker.example/key")
		})),
		refuse("S2/keyinfo-foreign", "KeyInfo holds an element of another namespace", forge(func(a *etree.Element) {
			at(a, "./Signature/KeyInfo").CreateElement("x:KeyValue").CreateAttr("xmlns:x", "urn:x")
		})),
		refuse("S2/other-names", "KeyInfo names a certificate that is not trusted, value by the provider", forge(func(a *etree.Element) {
			at(a, "./Signature/KeyInfo/X509Data/X509Certificate").SetText(base64Cert(stranger()))
		})),
		refuse("G02", "signed with an RSA key of 1024 bits in the provider's name", Bend{By: func(*Draft) Pair { return weak() }}),
	}
}

// algorithmCases: what the signature is made with.
func algorithmCases() []Case {
	method := func(uri string) func(*Draft, *etree.Element, *etree.Element) {
		return func(_ *Draft, _, info *etree.Element) { at(info, "./SignatureMethod").CreateAttr("Algorithm", uri) }
	}
	return []Case{
		refuse("V-SIG-12/method", "rsa-sha1", info(crypto.SHA1, method(rsaSHA1))),
		refuse("V-SIG-12/digest", "a SHA-1 digest under rsa-sha256", info(crypto.SHA256, func(_ *Draft, a, info *etree.Element) {
			at(info, "./Reference/DigestMethod").CreateAttr("Algorithm", digSHA1)
			at(info, "./Reference/DigestValue").SetText(digest(a, crypto.SHA1, form{}))
		})),
		refuse("V-SIG-12/both", "rsa-sha1 with a SHA-1 digest", hashes(crypto.SHA1, rsaSHA1, digSHA1)),
		refuse("V-SIG-13/hmac", "HMAC-SHA256 keyed with the provider's certificate", keyed(func(d *Draft) []byte { return d.Provider.Cert.Raw })),
		refuse("V-SIG-13/hmac-key", "HMAC-SHA256 keyed with the provider's public key", keyed(func(d *Draft) []byte { return d.Provider.Cert.RawSubjectPublicKeyInfo })),
		refuse("V-SIG-13/unknown", "a signature method that nobody knows", info(crypto.SHA256, method("urn:none"))),
		refuse("V-SIG-13/none", "no signature method at all", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			at(info, "./SignatureMethod").RemoveAttr("Algorithm")
		})),
		refuse("S3/md5", "rsa-md5 with an MD5 digest", info(crypto.SHA256, func(_ *Draft, a, info *etree.Element) {
			at(info, "./SignatureMethod").CreateAttr("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#rsa-md5")
			at(info, "./Reference/DigestMethod").CreateAttr("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#md5")
			s := md5.Sum(canonical(a, form{skip: at(a, "./Signature")})) //nolint:gosec // the attack
			at(info, "./Reference/DigestValue").SetText(base64.StdEncoding.EncodeToString(s[:]))
		})),
		refuse("S3/length", "HMACOutputLength inside SignatureMethod", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			at(info, "./SignatureMethod").CreateElement("ds:HMACOutputLength").SetText("1")
		})),
		refuse("S3/ecdsa", "a stranger's elliptic key under rsa-sha256", forge(func(a *etree.Element) {
			info := at(a, "./Signature/SignedInfo")
			v, err := ecdsa.SignASN1(rand.Reader, curve(), sum(crypto.SHA256, canonical(info, form{})))
			if err != nil {
				panic(err)
			}
			at(a, "./Signature/SignatureValue").SetText(base64.StdEncoding.EncodeToString(v))
		})),
		refuse("V-SIG-14/inclusive", "inclusive canonicalization, well made", Bend{Signed: func(d *Draft, a *etree.Element) {
			sig := at(a, "./Signature")
			i := at(sig, "./SignedInfo")
			at(i, "./CanonicalizationMethod").CreateAttr("Algorithm", incC14N)
			at(i, "./Reference/Transforms/Transform[2]").CreateAttr("Algorithm", incC14N)
			at(i, "./Reference/DigestValue").SetText(digest(a, crypto.SHA256, form{inclusive: true}))
			resign(sig, d.Provider.Pair, crypto.SHA256, form{inclusive: true})
		}}),
		refuse("V-SIG-14/claimed", "SignedInfo claims canonicalization with comments", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			at(info, "./CanonicalizationMethod").CreateAttr("Algorithm", excC14NComments)
		})),
		refuse("V-SIG-14/transform", "a transform that keeps comments", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			at(info, "./Reference/Transforms/Transform[2]").CreateAttr("Algorithm", excC14NComments)
		})),
		refuse("V-SIG-14/unknown", "a canonicalization that nobody knows", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			at(info, "./CanonicalizationMethod").CreateAttr("Algorithm", "urn:c14n")
		})),
		refuse("V-SIG-14/prefixes", "InclusiveNamespaces names a prefix that is not declared", info(crypto.SHA256, func(_ *Draft, _, info *etree.Element) {
			n := at(info, "./CanonicalizationMethod").CreateElement("ec:InclusiveNamespaces")
			n.CreateAttr("xmlns:ec", excC14N)
			n.CreateAttr("PrefixList", "nowhere")
		})),
	}
}

func keyed(key func(d *Draft) []byte) Bend {
	return Bend{Signed: func(d *Draft, a *etree.Element) {
		lie(a)
		sig := at(a, "./Signature")
		i := at(sig, "./SignedInfo")
		at(i, "./SignatureMethod").CreateAttr("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
		at(i, "./Reference/DigestValue").SetText(digest(a, crypto.SHA256, form{}))
		m := hmac.New(sha256.New, key(d))
		m.Write(canonical(i, form{}))
		at(sig, "./SignatureValue").SetText(base64.StdEncoding.EncodeToString(m.Sum(nil)))
	}}
}

// flip changes one bit of a base64 text.
func flip(el *etree.Element) {
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(el.Text()), ""))
	if err != nil {
		panic(err)
	}
	b[len(b)/2] ^= 1
	el.SetText(base64.StdEncoding.EncodeToString(b))
}
