package samlattack

import (
	"encoding/base64"
	"strings"

	"github.com/beevik/etree"
)

// statementCases: the statements of the assertion.
func statementCases() []Case {
	return []Case{
		refuse("V-AST-1", "no AuthnStatement", drop("./AuthnStatement")),
		refuse("V-AST-2", "two AuthnStatement", double("./AuthnStatement")),
		refuse("V-AST-2/instead", "a second AuthnStatement in the place of the attributes", edit(func(a *etree.Element) {
			remove(at(a, "./AttributeStatement"))
			a.AddChild(at(a, "./AuthnStatement").Copy())
		})),
		refuse("V-AST-3", "no AttributeStatement", drop("./AttributeStatement")),
		refuse("V-AST-4", "two AttributeStatement", double("./AttributeStatement")),
		refuse("V-AST-5/encrypted", "an EncryptedAttribute", edit(func(a *etree.Element) { at(a, "./AttributeStatement").CreateElement("saml:EncryptedAttribute") })),
		refuse("V-AST-5/decision", "an AuthzDecisionStatement", edit(func(a *etree.Element) { a.CreateElement("saml:AuthzDecisionStatement") })),
		refuse("V-AST-6", "no SessionIndex", unset("./AuthnStatement", "SessionIndex")),
		refuse("V-AST-6/long", "a SessionIndex of 300 characters", set("./AuthnStatement", "SessionIndex", strings.Repeat("a", 300))),
		refuse("V-AST-7", "no AuthnContext", drop("./AuthnStatement/AuthnContext")),
		refuse("V-AST-8", "text between the statements", edit(func(a *etree.Element) {
			a.InsertChildAt(at(a, "./AuthnStatement").Index(), etree.NewText("x"))
		})),
		refuse("V-AST-9", "the statements before Conditions", edit(func(a *etree.Element) { a.AddChild(at(a, "./Conditions")) })),
	}
}

// levelCases: how sure the provider is.
func levelCases() []Case {
	loa := func(id, v string) Case { return refuse(id, "level "+`"`+v+`"`, value("loa", v)) }
	high := refuse("V-LOA-5", "High was asked, the class reference says High, the attribute Substantial", edit(func(a *etree.Element) {
		at(a, "./AuthnStatement/AuthnContext/AuthnContextClassRef").SetText(dataGov + "concept/core/nsis/loa/High")
		at(attribute(a, "loa"), "./AttributeValue").SetText("Substantial")
	}))
	high.Start = AtHigh
	return []Case{
		loa("V-LOA-1", "Low"), high,
		refuse("V-LOA-3/missing", "no level", edit(func(a *etree.Element) { remove(attribute(a, "loa")) })),
		loa("V-LOA-3/lower-case", "substantial"),
		loa("V-LOA-3/uri", dataGov+"concept/core/nsis/loa/High"),
		loa("V-LOA-3/look-alike", "Нigh"),
		loa("V-LOA-3/blank", " High"),
		loa("V-LOA-3/empty", ""),
		loa("V-LOA-3/number", "4"),
		refuse("V-LOA-3/twice", "the level twice, Low and High", edit(func(a *etree.Element) {
			addAttribute(at(a, "./AttributeStatement"), dataGov+"concept/core/nsis/loa", "High")
			at(attribute(a, "loa"), "./AttributeValue").SetText("Low")
		})),
		refuse("V-LOA-3/two-values", "one level with two values", edit(func(a *etree.Element) {
			l := attribute(a, "loa")
			l.AddChild(at(l, "./AttributeValue").Copy())
		})),
		refuse("V-LOA-3/friendly", "the level only in FriendlyName", edit(func(a *etree.Element) {
			l := attribute(a, "loa")
			l.CreateAttr("FriendlyName", l.SelectAttrValue("Name", ""))
			l.CreateAttr("Name", "urn:other")
		})),
		refuse("V-LOA-4", "the legacy AssuranceLevel only", edit(func(a *etree.Element) {
			remove(attribute(a, "loa"))
			addAttribute(at(a, "./AttributeStatement"), "dk:gov:saml:attribute:AssuranceLevel", "3")
		})),
		refuse("V-SPEC-1/missing", "no specVersion", edit(func(a *etree.Element) { remove(attribute(a, "specVersion")) })),
		refuse("V-SPEC-1/old", "specVersion of OIOSAML 2", value("specVersion", "DK-SAML-2.0")),
		refuse("V-SPEC-1/new", "specVersion of OIOSAML 4", value("specVersion", "OIO-SAML-4.0")),
	}
}

// identityCases: who it is.
func identityCases() []Case {
	const nid = "./Subject/NameID"
	cpr := func(id, v string) Case { return refuse(id, "CPR number "+`"`+v+`"`, value("cprNumber", v)) }
	list := []Case{
		refuse("V-NID-1/uuid", "a name whose UUID has a digit more", text(nid, eid+"person/uuid/"+goodUUID+"0")),
		refuse("V-NID-1/bare", "a name of one word", text(nid, "nancy")),
		refuse("V-NID-1/elsewhere", "a name of another authority", text(nid, "https://data.gov.example/model/core/eid/person/uuid/"+goodUUID)),
		refuse("V-NID-1/kind", "a name of neither person nor professional", text(nid, eid+"robot/uuid/"+goodUUID)),
		refuse("V-NID-1/empty", "an empty name", text(nid, "")),
		refuse("V-NID-1/long", "a transient name of 300 characters", edit(func(a *etree.Element) {
			n := at(a, nid)
			n.CreateAttr("Format", strings.Replace(persistent, "persistent", "transient", 1))
			n.SetText(strings.Repeat("a", 300))
		})),
		refuse("V-NID-1/format", "a name of another format", set(nid, "Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified")),
		refuse("V-NID-1/no-format", "a name without format", unset(nid, "Format")),
		refuse("V-NID-1/nested", "an element inside the name", edit(func(a *etree.Element) { at(a, nid).CreateElement("saml:x") })),
		refuse("V-NID-2/person", "a person was asked, a professional comes", text(nid, eid+"professional/uuid/"+goodUUID)),
		refuse("V-NID-3", "a transient name with a company although a person was asked", edit(func(a *etree.Element) {
			n := at(a, nid)
			n.CreateAttr("Format", strings.Replace(persistent, "persistent", "transient", 1))
			n.SetText(newID())
			addAttribute(at(a, "./AttributeStatement"), eid+"professional/cvr", goodCVR)
			addAttribute(at(a, "./AttributeStatement"), eid+"professional/orgName", goodOrg)
		})),
		cpr("V-CPR-1/short", "650385123"), cpr("V-CPR-1/dash", "650385-1236"), cpr("V-CPR-1/letters", "abcdefghij"),
		cpr("V-CPR-1/blank", " "+goodCPR), cpr("V-CPR-1/long", goodCPR+"0"), cpr("V-CPR-1/arabic", "٦٥٠٣٨٥١٢٣٦"),
		refuse("V-CPR-1/missing", "no CPR number although the service needs one", edit(func(a *etree.Element) { remove(attribute(a, "cprNumber")) })),
		refuse("V-CPR-1/two-values", "two CPR numbers in one attribute", edit(func(a *etree.Element) {
			attribute(a, "cprNumber").CreateElement("saml:AttributeValue").SetText(evilCPR)
		})),
		refuse("V-ATT-2", "the CPR number twice, with different values", edit(func(a *etree.Element) {
			addAttribute(at(a, "./AttributeStatement"), eid+"cprNumber", evilCPR)
		})),
		refuse("V-ATT-3", "an element inside the CPR number", edit(func(a *etree.Element) {
			at(attribute(a, "cprNumber"), "./AttributeValue").CreateElement("saml:x")
		})),
		refuse("V-ATT-4", "the level as an attribute of another name format", edit(func(a *etree.Element) { attribute(a, "loa").CreateAttr("NameFormat", "urn:x") })),
		refuse("V-ATT-5", "an attribute without values", edit(func(a *etree.Element) {
			l := attribute(a, "cprNumber")
			remove(at(l, "./AttributeValue"))
		})),
	}
	for _, v := range []struct {
		id, story string
		b         Bend
	}{
		{"V-NID-2/professional", "a professional was asked, a person comes", text(nid, eid+"person/uuid/"+goodUUID)},
		{"V-PRO-1/no-cvr", "a professional without CVR", edit(func(a *etree.Element) { remove(attribute(a, "cvr")) })},
		{"V-PRO-1/short-cvr", "a professional with a CVR of seven digits", value("cvr", "1122349")},
		{"V-PRO-1/letters", "a professional with a CVR of letters", value("cvr", "abcdefgh")},
		{"V-PRO-1/no-name", "a professional without the company's name", edit(func(a *etree.Element) { remove(attribute(a, "orgName")) })},
		{"V-PRO-1/empty-name", "a professional with an empty company name", value("orgName", "")},
	} {
		c := refuse(v.id, v.story, v.b)
		c.Start = AsProfessional
		list = append(list, c)
	}
	for _, v := range []struct {
		id, story string
		f         func(d *Draft) string
	}{
		{"V-BPP-6/other-company", "an employee whose role is for another company", func(d *Draft) string { return privileges("11223492", d.Target.Role) }},
		{"V-BPP-6/other-role", "an employee with another role", func(*Draft) string { return privileges(goodCVR, "urn:other") }},
		{"V-BPP-3/base64", "an employee whose privileges are not base64", func(*Draft) string { return "****" }},
		{"V-BPP-3/doctype", "an employee whose privileges have a DOCTYPE", func(d *Draft) string { return bent(d, `<bpp:PrivilegeList`, `<!DOCTYPE p><bpp:PrivilegeList`) }},
		{"V-BPP-3/root", "an employee whose privileges have another root", func(d *Draft) string { return bent(d, `bpp:PrivilegeList`, `bpp:List`) }},
		{"V-BPP-2/scope", "an employee whose role has a scope that nobody knows", func(d *Draft) string { return bent(d, `cvrNumberIdentifier`, `dogNumberIdentifier`) }},
		{"V-BPP-1/constraint", "an employee whose role is narrowed by a constraint", func(d *Draft) string {
			return bent(d, `<Privilege>`, `<Constraint Name="urn:x">y</Constraint><Privilege>`)
		}},
	} {
		c := refuse(v.id, v.story, Bend{Assertion: func(d *Draft, a *etree.Element) {
			at(attribute(a, "privilegesIntermediate"), "./AttributeValue").SetText(v.f(d))
		}})
		c.Start, c.Role = AsProfessional, true
		list = append(list, c)
	}
	return list
}

// bent is a privilege list in which every old is now something else.
func bent(d *Draft, old, now string) string {
	text, err := base64.StdEncoding.DecodeString(privileges(goodCVR, d.Target.Role))
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(string(text), old, now)))
}
