package nemlogintest

import (
	"encoding/base64"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/internal/persona"
)

// Privileges that the simulator hands out, as a service would define them in
// NemLog-in Administration.
const (
	PowerOfAttorney = "urn:dk:sikkerpost:privilege:fuldmagt"    // to who has a grantor
	CompanyRole     = "urn:dk:sikkerpost:privilege:henvendelse" // to employees
)

// Scopes of privilege groups.
const (
	ScopeCPR  = "urn:dk:gov:saml:cprNumberIdentifier:"
	ScopeCVR  = "urn:dk:gov:saml:cvrNumberIdentifier:"
	ScopeUnit = "urn:dk:gov:saml:productionUnitIdentifier:"
)

// Group is one PrivilegeGroup of OIO BPP.
type Group struct {
	Scope      string
	Privileges []string
	Constraint string // of the name urn:dk:kombit:KLE; "" for none
}

// Privileges returns the value of privilegesIntermediate for groups (OIO BPP
// 1.2, model 3), or "" when there is none.
func Privileges(groups ...Group) string {
	if len(groups) == 0 {
		return ""
	}
	doc := etree.NewDocument()
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	root := doc.CreateElement("bpp:PrivilegeList")
	root.CreateAttr("xmlns:bpp", "http://digst.dk/oiosaml/basic_privilege_profile")
	for _, g := range groups {
		el := root.CreateElement("PrivilegeGroup")
		el.CreateAttr("Scope", g.Scope)
		for _, p := range g.Privileges {
			el.CreateElement("Privilege").SetText(p)
		}
		if g.Constraint != "" {
			c := el.CreateElement("Constraint")
			c.CreateAttr("Name", "urn:dk:kombit:KLE")
			c.SetText(g.Constraint)
		}
	}
	b, err := doc.WriteToBytes()
	if err != nil {
		panic(err) // a document in memory always writes
	}
	return base64.StdEncoding.EncodeToString(b)
}

// privileges are those of a persona.
func privileges(who persona.Persona) string {
	var all []Group
	if who.Grantor != "" {
		all = append(all, Group{Scope: ScopeCPR + who.Grantor, Privileges: []string{PowerOfAttorney}})
	}
	if who.CVR != "" {
		all = append(all, Group{Scope: ScopeCVR + who.CVR, Privileges: []string{CompanyRole}})
	}
	return Privileges(all...)
}
