package nemlogin_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/adapters/nemlogin/samlattack"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/persona"
)

// opinion asks xmlsec1 about many documents with few starts of the program.
type opinion struct {
	t    *testing.T
	tool string
	dir  string
	docs []string
}

func newOpinion(t *testing.T, tool string) *opinion {
	t.Helper()
	o := &opinion{t: t, tool: tool, dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(o.dir, "key.der"), valid(key("idp")).Raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *opinion) add(doc []byte) {
	o.t.Helper()
	name := fmt.Sprintf("doc%04d.xml", len(o.docs))
	if err := os.WriteFile(filepath.Join(o.dir, name), doc, 0o600); err != nil {
		o.t.Fatal(err)
	}
	o.docs = append(o.docs, name)
}

func (o *opinion) verify(docs ...string) (string, error) {
	cmd := exec.Command(o.tool, append([]string{"--verify", "--enabled-reference-uris", "same-doc",
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response",
		"--pubkey-cert-der", "key.der"}, docs...)...)
	cmd.Dir = o.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// all checks that xmlsec1 accepts every document, and that it would notice one
// that is changed.
func (o *opinion) all() {
	o.t.Helper()
	for batch := range slices.Chunk(o.docs, 100) {
		if _, err := o.verify(batch...); err == nil {
			continue
		}
		for _, doc := range batch { // which one
			if out, err := o.verify(doc); err != nil {
				o.t.Errorf("xmlsec1 refuses %s, which we accept: %v\n%s", doc, err, out)
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(o.dir, o.docs[0]))
	if err != nil {
		o.t.Fatal(err)
	}
	changed := bytes.Replace(text, []byte("Nancy"), []byte("Nansy"), 1)
	if bytes.Equal(changed, text) {
		changed = bytes.Replace(text, []byte(`Version="2.0"`), []byte(`Version="2.1"`), 1)
	}
	if err := os.WriteFile(filepath.Join(o.dir, "changed.xml"), changed, 0o600); err != nil {
		o.t.Fatal(err)
	}
	if _, err := o.verify(append(slices.Clone(o.docs[:min(3, len(o.docs))]), "changed.xml")...); err == nil {
		o.t.Error("xmlsec1 accepts a changed document in a batch: this test proves nothing")
	}
}

// documents is how many documents get a second opinion.
func documents() int {
	if outside.Full() {
		return 1000
	}
	return 50
}

// TestWhateverWeAcceptXMLSecAcceptsToo makes documents from a seed: genuine
// ones, genuine ones with changed bytes, and attacks. The assertion of each that
// we accept must satisfy xmlsec1 with the provider's key as well.
func TestWhateverWeAcceptXMLSecAcceptsToo(t *testing.T) {
	tool, ok := outside.Program(t, "xmlsec1", "a second opinion on the assertions that we accept")
	if !ok {
		return
	}
	w := newWorld(t)
	w.conf.Log = slog.New(slog.DiscardHandler)
	c := attacked(w)
	o := newOpinion(t, tool)
	dice := rand.New(rand.NewPCG(20261122, 3)) //nolint:gosec // a seed, so that a failure comes back
	accepted, refused, changed := 0, 0, 0
	cases := slices.DeleteFunc(samlattack.Catalog(), func(k samlattack.Case) bool {
		return k.Play != nil || k.Second || k.Roll || k.Bend.Form != nil || k.Bend.Request != nil
	})
	controls := slices.DeleteFunc(slices.Clone(cases), func(k samlattack.Case) bool { return k.Want == samlattack.Refuse })
	for range documents() {
		k := controls[dice.IntN(len(controls))]
		mutate := false
		switch dice.IntN(3) {
		case 0:
			k = cases[dice.IntN(len(cases))]
		case 1:
			mutate = true
		}
		p := pendingFor(w, k.Start)
		var inside []byte
		bend := k.Bend
		before := bend.Plaintext
		bend.Plaintext = func(d *samlattack.Draft, b []byte) []byte {
			if before != nil {
				b = before(d, b)
			}
			if mutate {
				b = mutated(dice, b)
			}
			inside = b
			return b
		}
		d := &samlattack.Draft{Target: c.Target, Provider: c.Provider, Now: w.now,
			Login: samlattack.Login{RequestID: p.ID, Start: k.Start}}
		claims, err := w.sp.Claims(t.Context(), p, d.Answer(bend))
		switch {
		case err != nil:
			refused++
			continue
		case k.Want == samlattack.Refuse:
			t.Errorf("%s is accepted", k.ID)
		case mutate:
			changed++
			if claims.Person.Actor.RevealID() != "6503851236" {
				t.Error("a changed document says somebody else")
			}
		}
		accepted++
		o.add(inside)
	}
	if accepted < documents()/10 || refused < documents()/10 {
		t.Fatalf("%d accepted, %d refused: one side is not tried", accepted, refused)
	}
	o.all()
	t.Logf("%d documents: %d refused, %d accepted by both, of which %d had been changed where nothing is signed", documents(), refused, accepted, changed)
}

func pendingFor(w *world, s samlattack.Start) login.Pending {
	p := login.Pending{
		ID: "_0000000000000000000000000000000000000000000000000000000000000000", Level: login.Substantial, Kind: login.Citizen,
		Return: "/", StartedAt: w.now, ExpiresAt: w.now.Add(600e9),
	}
	switch s {
	case samlattack.Plain:
	case samlattack.AtHigh:
		p.Level = login.High
	case samlattack.Fresh:
		p.Force = true
	case samlattack.AsProfessional:
		p.Kind = login.Professional
	}
	return p
}

// mutated changes one to three places of a genuine document: bytes, copied and
// moved pieces, and what XML lets stand between words.
func mutated(dice *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + dice.IntN(3) {
		at := dice.IntN(len(b))
		to := min(len(b), at+1+dice.IntN(40))
		switch dice.IntN(6) {
		case 0:
			b[at] ^= 1 << dice.IntN(7)
		case 1:
			b = slices.Delete(b, at, to)
		case 2:
			b = slices.Insert(b, dice.IntN(len(b)), bytes.Clone(b[at:to])...)
		case 3: // white space inside a tag is no part of what is signed
			if i := bytes.IndexByte(b[at:], ' '); i >= 0 {
				b = slices.Insert(b, at+i, ' ')
			}
		case 4:
			b = slices.Insert(b, at, []byte([]string{"<!-- -->", "<?x?>", "&#32;", "<x/>", "\n"}[dice.IntN(5)])...)
		case 5: // the other quotes mean the same
			b = bytes.Replace(b, []byte(`"2.0"`), []byte(`'2.0'`), 1)
		}
	}
	return b
}

// TestXMLSecAcceptsWhatOurProviderSigns checks the simulator of NemLog-in, which
// signs with the code of internal/xmldsig: each persona, Response and assertion.
func TestXMLSecAcceptsWhatOurProviderSigns(t *testing.T) {
	tool, ok := outside.Program(t, "xmlsec1", "a second opinion on what the simulator of NemLog-in signs")
	if !ok {
		return
	}
	w := newWorld(t)
	o := newOpinion(t, tool)
	req := nemlogintest.Request{ID: "_request", SP: nemlogintest.SP{EntityID: entity, ACS: portal + "/saml/acs", Encryption: w.conf.Decryption[0].Cert}}
	for _, who := range persona.All() {
		for _, whole := range []bool{false, true} {
			answer, err := w.idp.Answer(req, who, "_index", tweak{SignWhole: whole, Plaintext: func(b []byte) []byte { o.add(b); return b }})
			if err != nil {
				t.Fatal(err)
			}
			if whole {
				o.add(answer)
			}
		}
	}
	o.all()
	t.Logf("%d documents of the simulator", len(o.docs))
}

// FuzzMutated changes a genuine assertion at places and by pieces that the fuzzer
// chooses. It is refused, or says exactly what the provider signed.
func FuzzMutated(f *testing.F) {
	w := newWorld(f)
	w.conf.Log = slog.New(slog.DiscardHandler)
	c := attacked(w)
	p := pendingFor(w, samlattack.Plain)
	d := &samlattack.Draft{Target: c.Target, Provider: c.Provider, Now: w.now, Login: samlattack.Login{RequestID: p.ID}}
	genuine, err := w.sp.Claims(f.Context(), p, d.Answer(samlattack.Bend{}))
	if err != nil {
		f.Fatal(err)
	}
	for seed := range uint64(20) {
		f.Add(seed, []byte{}, uint16(0))
	}
	f.Add(uint64(0), []byte("<!---->"), uint16(700))
	f.Add(uint64(0), []byte("6607551192"), uint16(2500))
	f.Fuzz(func(t *testing.T, seed uint64, piece []byte, at uint16) {
		var signed []byte
		answer := d.Answer(samlattack.Bend{Plaintext: func(_ *samlattack.Draft, b []byte) []byte {
			signed = b
			if len(piece) > 0 {
				return slices.Insert(bytes.Clone(b), int(at)%len(b), piece...)
			}
			return mutated(rand.New(rand.NewPCG(seed, 1)), b) //nolint:gosec // a seed
		}})
		got, err := w.sp.Claims(t.Context(), p, answer)
		if err != nil {
			return
		}
		if got.Person.Actor.RevealID() != genuine.Person.Actor.RevealID() || got.Person.Actor.Name() != genuine.Person.Actor.Name() ||
			got.Level != genuine.Level || got.NameID != genuine.NameID || !bytes.Contains(signed, []byte(got.AssertionID)) ||
			!bytes.Contains(signed, []byte(got.SessionIndex)) {
			t.Fatalf("another identity came out of %s", base64.StdEncoding.EncodeToString(answer))
		}
	})
}
