package nemlogin_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// FuzzResponse feeds foreign bytes as the whole Response or, encrypted to our
// public key as anybody can, as its assertion; with splice they take the place of
// as many bytes of this run's genuine message, from at on. An identity may come
// out only if xmldsig verified it with the provider's key, and then it is the one
// that was signed.
func FuzzResponse(f *testing.F) {
	w := newWorld(f)
	p := login.Pending{
		ID: "_0000000000000000000000000000000000000000000000000000000000000000", Level: login.Substantial,
		Kind: login.Citizen, Return: "/", StartedAt: w.now, ExpiresAt: w.now.Add(600e9),
	}
	req := nemlogintest.Request{ID: p.ID, SP: nemlogintest.SP{EntityID: entity, ACS: portal + "/saml/acs", Encryption: w.conf.Decryption[0].Cert}}
	nancy, _ := persona.By("nancy")
	var inside []byte
	golden, err := w.idp.Answer(req, nancy, "_index", tweak{Plaintext: func(b []byte) []byte { inside = b; return b }})
	if err != nil {
		f.Fatal(err)
	}
	if c, err := w.sp.Claims(f.Context(), p, golden); err != nil || c.Person.Actor.RevealID() != nancy.CPR {
		f.Fatalf("the golden response is refused: %v", err)
	}
	f.Add([]byte("_other"), false, true, uint16(200))
	f.Add([]byte("<!--x-->"), true, true, uint16(500))
	f.Add([]byte("6607551192"), true, true, uint16(3000))
	files, err := filepath.Glob("../../testdata/saml/*.xml")
	if err != nil || len(files) < 8 {
		f.Fatalf("seeds are missing: %d %v", len(files), err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false, false, uint16(0))
		f.Add(b, true, false, uint16(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, encrypt, splice bool, at uint16) {
		if splice {
			genuine := golden
			if encrypt {
				genuine = inside
			}
			from := int(at) % len(genuine)
			data = slices.Concat(genuine[:from], data, genuine[min(from+len(data), len(genuine)):])
		}
		answer := data
		if encrypt {
			var err error
			if answer, err = w.idp.Answer(req, nancy, "_i", tweak{Unsigned: true, Plaintext: func([]byte) []byte { return data }}); err != nil {
				t.Fatal(err)
			}
		}
		c, err := w.sp.Claims(t.Context(), p, answer)
		if err != nil {
			if c.Person != (post.Person{}) || c.Level != 0 || c.NameID.Value != "" {
				t.Fatal("a refused answer left claims behind")
			}
			return
		}
		if c.Person.Actor.RevealID() != nancy.CPR || c.Level != login.Substantial {
			t.Fatal("somebody came out who was never signed")
		}
		if !encrypt {
			return
		}
		doc, err := xmldsig.Parse(data, xmldsig.Strict)
		if err != nil {
			t.Fatalf("claims from what does not parse: %v", err)
		}
		if _, err := xmldsig.Verify(doc.Root(), w.conf.IDP.Certs, xmldsig.Rules{At: w.now}); err != nil {
			t.Fatalf("claims from what does not verify: %v", err)
		}
	})
}
