package samlattack

import (
	"bytes"
	"fmt"

	"github.com/beevik/etree"
)

// with encrypts as e says.
func with(e Encryption) Bend { return Bend{Encryption: func(*Draft) Encryption { return e }} }

// encryptionControls are the pairs of algorithms that Danish providers use.
func encryptionControls() []Case {
	return []Case{
		accept("V-ENC-1", "aes256-gcm, rsa-oaep-mgf1p with SHA-1", with(Encryption{Data: aes256GCM, Transport: oaepMGF1P, Digest: digSHA1})),
		accept("V-ENC-2", "aes128-gcm, rsa-oaep-mgf1p with SHA-1", with(Encryption{Data: aes128GCM, Transport: oaepMGF1P, Digest: digSHA1})),
		accept("V-ENC-2/default", "rsa-oaep-mgf1p without DigestMethod", with(Encryption{Digest: "none"})),
		accept("V-ENC-3", "rsa-oaep-mgf1p with SHA-256", with(Encryption{Digest: digSHA256})),
		accept("V-ENC-4/sha256", "xmlenc11 rsa-oaep with SHA-256 and MGF1 with SHA-256", with(Encryption{Transport: oaep11, Digest: digSHA256, Mask: mgf1SHA2})),
		accept("V-ENC-4/sha1", "xmlenc11 rsa-oaep with SHA-256 and MGF1 with SHA-1", with(Encryption{Transport: oaep11, Digest: digSHA256, Mask: mgf1SHA1})),
		accept("V-ENC-4/default", "xmlenc11 rsa-oaep without MGF", with(Encryption{Transport: oaep11})),
		accept("V-ENC-7", "EncryptedKey beside EncryptedData, with a RetrievalMethod", with(Encryption{Sibling: true})),
		accept("V-ENC-8", "two EncryptedKey, the second is ours", Bend{Encryption: func(*Draft) Encryption {
			return Encryption{Before: &stranger().Key.PublicKey}
		}}),
	}
}

const (
	encData = "./EncryptedAssertion/EncryptedData"
	encKey  = encData + "/KeyInfo/EncryptedKey"
)

// encryptionCases can be made by anybody: an encryption key is public.
func encryptionCases() []Case {
	plain := func(s string) Bend { return Bend{Plaintext: func(*Draft, []byte) []byte { return []byte(s) }} }
	changed := func(path string, f func(e *etree.Element)) Bend {
		return around(func(r *etree.Element) { f(at(r, path)) })
	}
	return []Case{
		refuse("V-ENC-6/rsa-1_5", "key transport rsa-1_5, well made", with(Encryption{Transport: rsa15})),
		refuse("V-ENC-6/3des", "3DES, well made", with(Encryption{Data: tripleDES})),
		refuse("V-ENC-6/192", "aes192-gcm, which our metadata does not offer", with(Encryption{Data: aes192GCM})),
		refuse("V-ENC-5/256", "aes256-cbc, well made, to a service that does not offer it", with(Encryption{Data: aes256CBC})),
		refuse("V-ENC-5/128", "aes128-cbc, well made", with(Encryption{Data: aes128CBC})),
		refuse("V-ENC-5/unknown", "an encryption method that nobody knows", changed(encData+"/EncryptionMethod", func(e *etree.Element) { e.CreateAttr("Algorithm", "urn:none") })),
		refuse("V-ENC-5/none", "no encryption method", changed(encData+"/EncryptionMethod", remove)),
		refuse("V-ENC-9/foreign", "encrypted for a stranger's key", Bend{Encryption: func(*Draft) Encryption { return Encryption{To: &stranger().Key.PublicKey} }}),
		refuse("V-ENC-13/element", "the plaintext is another element", plain("<x/>")),
		refuse("V-ENC-13/renamed", "the plaintext is signed but named Assertion2", edit(func(a *etree.Element) { a.Tag = "Assertion2" })),
		refuse("V-ENC-13/unsigned", "the plaintext is an unsigned false assertion", Bend{Unsigned: true, Assertion: func(_ *Draft, a *etree.Element) { lie(a) }}),
		refuse("V-ENC-13/response", "the plaintext is a whole Response", Bend{Plaintext: func(d *Draft, b []byte) []byte {
			return []byte(`<samlp:Response xmlns:samlp="` + nsProtocol + `">` + string(b) + `</samlp:Response>`)
		}}),
		refuse("V-ENC-13/text", "the plaintext is no XML", plain("hello")),
		refuse("V-ENC-13/empty", "the plaintext is empty", plain("")),
		refuse("V-ENC-13/blank", "the plaintext is one blank", plain(" ")),
		refuse("P05/comment", "the plaintext is only a comment", plain("<!-- -->")),
		refuse("V-ENC-13/doctype-only", "the plaintext is only a DOCTYPE", plain("<!DOCTYPE a>")),
		refuse("V-ENC-14/tail", "text after the plaintext", Bend{Plaintext: func(_ *Draft, b []byte) []byte { return append(b, 'x') }}),
		refuse("V-ENC-14/nul", "a NUL after the plaintext", Bend{Plaintext: func(_ *Draft, b []byte) []byte { return append(b, 0) }}),
		refuse("C1/no-key", "no KeyInfo, so no key", changed(encData+"/KeyInfo", remove)),
		refuse("C1/empty-key", "an EncryptedKey without content", changed(encKey, func(e *etree.Element) {
			for len(e.Child) > 0 {
				e.RemoveChildAt(0)
			}
		})),
		refuse("C1/junk-key", "an EncryptedKey of three bytes", changed(encKey+"/CipherData/CipherValue", func(e *etree.Element) { e.SetText("AAAA") })),
		refuse("C1/not-base64", "a key that is not base64", changed(encKey+"/CipherData/CipherValue", func(e *etree.Element) { e.SetText("****") })),
		refuse("C1/nested-value", "an element inside CipherValue", changed(encData+"/CipherData/CipherValue", func(e *etree.Element) { e.CreateElement("x") })),
		refuse("C1/label", "OAEPparams, which nobody sends", changed(encKey+"/EncryptionMethod", func(e *etree.Element) { e.CreateElement("xenc:OAEPparams").SetText("") })),
		refuse("C1/mask", "a mask beside rsa-oaep-mgf1p", changed(encKey+"/EncryptionMethod", func(e *etree.Element) {
			g := e.CreateElement("xenc11:MGF")
			g.CreateAttr("xmlns:xenc11", nsEnc11)
			g.CreateAttr("Algorithm", mgf1SHA1)
		})),
		refuse("C1/digest", "a digest of the padding that nobody knows", changed(encKey+"/EncryptionMethod/DigestMethod", func(e *etree.Element) { e.CreateAttr("Algorithm", "urn:none") })),
		refuse("C1/transport", "a key transport that nobody knows", changed(encKey+"/EncryptionMethod", func(e *etree.Element) { e.CreateAttr("Algorithm", "urn:none") })),
		refuse("C1/reference", "a CipherReference instead of the ciphertext", changed(encData+"/CipherData", func(e *etree.Element) {
			remove(at(e, "./CipherValue"))
			e.CreateElement("xenc:CipherReference").CreateAttr("URI", "https://attacker.example/c")
		})),
		refuse("C1/no-data", "no ciphertext", changed(encData+"/CipherData", remove)),
		refuse("C1/no-encrypted-data", "EncryptedAssertion without EncryptedData", changed(encData, remove)),
		refuse("C1/two-data", "two EncryptedData in one EncryptedAssertion", changed(encData, func(e *etree.Element) { e.Parent().AddChild(e.Copy()) })),
		refuse("C1/foreign-child", "an unknown element in EncryptedAssertion", changed("./EncryptedAssertion", func(e *etree.Element) { e.CreateElement("x") })),
		refuse("C1/loop", "EncryptedKey whose KeyInfo retrieves itself", changed(encKey, func(e *etree.Element) {
			cv := at(e, "./CipherData/CipherValue")
			cv.SetText("")
			k := e.CreateElement("ds:KeyInfo")
			k.CreateAttr("xmlns:ds", nsDSig)
			k.CreateElement("ds:RetrievalMethod").CreateAttr("URI", "#_key")
			e.CreateAttr("Id", "_key")
		})),
		refuse("C1/twenty", "twenty copies of a good EncryptedKey", changed(encKey, func(e *etree.Element) {
			for range 20 {
				e.Parent().AddChild(e.Copy())
			}
		})),
		refuse("C1/key-size", "a key of another size than the method names", changed(encData+"/EncryptionMethod", func(e *etree.Element) { e.CreateAttr("Algorithm", aes128GCM) })),
	}
}

// cipherCases bend the ciphertext itself.
func cipherCases() []Case {
	bend := func(id, story string, e Encryption, f func(b []byte) []byte) Case {
		e.Bend = f
		return refuse(id, story, with(e))
	}
	cbc := Encryption{Data: aes256CBC}
	list := []Case{
		bend("V-ENC-11/flip", "one bit of the ciphertext flipped", Encryption{}, func(b []byte) []byte { b[40] ^= 1; return b }),
		bend("V-ENC-11/nonce", "one bit of the nonce flipped", Encryption{}, func(b []byte) []byte { b[0] ^= 1; return b }),
		bend("V-ENC-11/tag", "one bit of the tag flipped", Encryption{}, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }),
		bend("V-ENC-11/short-tag", "the tag cut by a byte", Encryption{}, func(b []byte) []byte { return b[:len(b)-1] }),
		bend("V-ENC-11/no-tag", "the tag cut away", Encryption{}, func(b []byte) []byte { return b[:len(b)-16] }),
		bend("V-ENC-11/longer", "a byte more after the tag", Encryption{}, func(b []byte) []byte { return append(b, 0) }),
		bend("V-ENC-11/swapped", "two blocks exchanged", Encryption{}, func(b []byte) []byte {
			return bytes.Join([][]byte{b[:12], b[28:44], b[12:28], b[44:]}, nil)
		}),
	}
	for _, n := range []int{0, 1, 8, 11, 12, 13, 27, 28} {
		list = append(list, bend(fmt.Sprintf("V-ENC-10/gcm-%d", n), fmt.Sprintf("a GCM ciphertext of %d bytes", n), Encryption{}, func(b []byte) []byte { return b[:n] }))
	}
	for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 33} {
		list = append(list, bend(fmt.Sprintf("V-ENC-10/cbc-%d", n), fmt.Sprintf("a CBC ciphertext of %d bytes", n), cbc, func(b []byte) []byte { return b[:n] }))
	}
	// The padding oracle: whatever the last byte becomes, the answer is the same.
	for _, x := range []byte{1, 2, 15, 16, 17, 128, 255} {
		list = append(list, bend(fmt.Sprintf("V-ENC-12/%d", x), fmt.Sprintf("the byte before the last CBC block changed by %d", x), cbc, func(b []byte) []byte {
			b[len(b)-17] ^= x
			return b
		}))
	}
	return list
}
