package samlattack

import (
	"context"
	"crypto"
	"fmt"
	"strings"

	"github.com/beevik/etree"
)

// Want is what a strict service does.
type Want string

// Verdicts.
const (
	Refuse Want = "refuse" // 4xx, no session
	Accept Want = "accept" // a positive control: a session
)

// Case is one attack, or one positive control.
type Case struct {
	ID     string // recipe and variant
	Story  string // one line
	Want   Want
	Bend   Bend  // how the answer is bent
	Start  Start // how the log-in begins
	Second bool  // needs a second key that the target trusts
	Roll   bool  // needs a second encryption key of the target
	Role   bool  // needs to know which role an employee must have
	Page   bool  // needs the target's protected page
	// Play is the script of a case that is more than one answer. It returns the
	// browser and the reply that the verdict is about.
	Play func(ctx context.Context, p *Player) (*Browser, Reply, error)
}

// Catalog returns every case. Identifiers are unique.
func Catalog() []Case {
	var all []Case
	for _, group := range [][]Case{
		controls(), signatureCases(), algorithmCases(), transformCases(), referenceCases(), shapeCases(), wrappingCases(), documentCases(), textCases(),
		envelopeCases(), statusCases(), timeCases(), subjectCases(), conditionCases(), statementCases(),
		levelCases(), identityCases(), encryptionCases(), cipherCases(), floodCases(), limitCases(), formCases(), flowCases(),
	} {
		all = append(all, group...)
	}
	return all
}

func refuse(id, story string, b Bend) Case { return Case{ID: id, Story: story, Want: Refuse, Bend: b} }
func accept(id, story string, b Bend) Case { return Case{ID: id, Story: story, Want: Accept, Bend: b} }

// edit changes the assertion before the provider signs it: a signed lie.
func edit(f func(a *etree.Element)) Bend {
	return Bend{Assertion: func(_ *Draft, a *etree.Element) { f(a) }}
}

// forge changes the assertion after it was signed.
func forge(f func(a *etree.Element)) Bend {
	return Bend{Signed: func(_ *Draft, a *etree.Element) { f(a) }}
}

// around changes the unsigned Response.
func around(f func(r *etree.Element)) Bend {
	return Bend{Response: func(_ *Draft, r *etree.Element) { f(r) }}
}

// inside replaces text in what gets encrypted.
func inside(old, now string) Bend {
	return Bend{Plaintext: func(_ *Draft, b []byte) []byte { return swap(b, old, now) }}
}

// outside replaces text in the written Response.
func outside(old, now string) Bend {
	return Bend{Message: func(_ *Draft, b []byte) []byte { return swap(b, old, now) }}
}

func swap(b []byte, old, now string) []byte {
	if !strings.Contains(string(b), old) {
		panic("nothing to swap: " + old)
	}
	return []byte(strings.Replace(string(b), old, now, 1))
}

func set(path, name, value string) Bend {
	return edit(func(a *etree.Element) { at(a, path).CreateAttr(name, value) })
}

func unset(path, name string) Bend {
	return edit(func(a *etree.Element) { at(a, path).RemoveAttr(name) })
}

func text(path, value string) Bend {
	return edit(func(a *etree.Element) { at(a, path).SetText(value) })
}

func drop(path string) Bend {
	return edit(func(a *etree.Element) { remove(at(a, path)) })
}

func double(path string) Bend {
	return edit(func(a *etree.Element) {
		e := at(a, path)
		e.Parent().InsertChildAt(e.Index(), e.Copy())
	})
}

// info lets f change SignedInfo and signs the result with the provider's key:
// what a careless provider might sign.
func info(hash crypto.Hash, f func(d *Draft, a, info *etree.Element)) Bend {
	return Bend{Signed: func(d *Draft, a *etree.Element) {
		sig := at(a, "./Signature")
		f(d, a, at(sig, "./SignedInfo"))
		resign(sig, d.Provider.Pair, hash, form{})
	}}
}

func remove(e *etree.Element) { e.Parent().RemoveChild(e) }

// at finds what the golden answer has; a case that looks for more is wrong.
func at(e *etree.Element, path string) *etree.Element {
	found := e.FindElement(path)
	if found == nil {
		panic("no " + path)
	}
	return found
}

func attribute(a *etree.Element, name string) *etree.Element {
	for _, x := range a.FindElements("./AttributeStatement/Attribute") {
		if strings.HasSuffix(x.SelectAttrValue("Name", ""), "/"+name) {
			return x
		}
	}
	panic("no attribute " + name)
}

func value(name, v string) Bend {
	return edit(func(a *etree.Element) { at(attribute(a, name), "./AttributeValue").SetText(v) })
}

// evil is a copy of a that says somebody else, without signature.
func evil(a *etree.Element, id string) *etree.Element {
	e := a.Copy()
	if s := e.FindElement("./Signature"); s != nil {
		remove(s)
	}
	e.CreateAttr("ID", id)
	lie(e)
	return e
}

// lie makes a say somebody else.
func lie(a *etree.Element) {
	at(attribute(a, "cprNumber"), "./AttributeValue").SetText(evilCPR)
	at(attribute(a, "fullName"), "./AttributeValue").SetText(evilName)
	at(a, "./Subject/NameID").SetText(eid + "person/uuid/" + evilUUID)
}

// become turns a into what e says. keep leaves a's own signature in its place.
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
	if keep && sig != nil {
		a.InsertChildAt(1, sig)
	}
}

func numbered(form string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, form, i)
	}
	return b.String()
}
