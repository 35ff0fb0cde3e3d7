package nemlogin_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	poul = "7104521145"
	act  = nemlogintest.PowerOfAttorney
	role = nemlogintest.CompanyRole
)

// bpp wraps groups as NemLog-in 1.2 does.
func bpp(inner string) string {
	return base64.StdEncoding.EncodeToString([]byte(
		`<bpp:PrivilegeList xmlns:bpp="http://digst.dk/oiosaml/basic_privilege_profile">` + inner + `</bpp:PrivilegeList>`))
}

func groupOf(scope, inner string) string {
	return `<PrivilegeGroup Scope="` + scope + `">` + inner + `</PrivilegeGroup>`
}

// given replaces or adds the privileges of the persona.
func given(value string) tweak {
	return tweak{Assertion: func(a *etree.Element) {
		s := a.FindElement("./AttributeStatement")
		if x := attribute(a, "privilegesIntermediate"); x != nil {
			s.RemoveChild(x)
		}
		x := s.CreateElement("saml:Attribute")
		x.CreateAttr("Name", "https://data.gov.dk/model/core/eid/privilegesIntermediate")
		x.CreateElement("saml:AttributeValue").SetText(value)
	}}
}

func delegating(t *testing.T) *world {
	w := newWorld(t)
	w.conf.PowerOfAttorney = []string{act}
	w.rebuild()
	return w
}

func TestPowerOfAttorneyKeepsActorAndGrantorApart(t *testing.T) { // V-BPP-4
	w := delegating(t)
	s := w.accepted(w.login("", "jens", tweak{}))
	if s.Person.Actor.RevealID() != "6402743317" || s.Person.OnBehalfOf != nil || !s.Undecided() {
		t.Fatal("before the choice, the person acts for somebody")
	}
	if len(s.Grants) != 1 || s.Grants[0].RevealID() != poul || s.Grants[0].IDType() != "CPR" {
		t.Fatalf("%d grants", len(s.Grants))
	}
	if strings.Contains(w.log.String(), poul) {
		t.Error("the log names the grantor")
	}
}

func TestOnlyConfiguredPrivilegesLetOneActForOthers(t *testing.T) {
	w := newWorld(t)
	if s := w.accepted(w.login("", "jens", tweak{})); len(s.Grants) != 0 {
		t.Fatal("a privilege that nobody configured counts")
	}
	yes := "<Privilege>" + act + "</Privilege>"
	for name, c := range map[string]struct {
		value string
		want  string // the grantors' numbers
	}{
		"V-BPP-1 namespace of 1.0": {base64.StdEncoding.EncodeToString([]byte(
			`<PrivilegeList xmlns="http://itst.dk/oiosaml/basic_privilege_profile">` + groupOf(nemlogintest.ScopeCPR+poul, yes) + `</PrivilegeList>`)), poul},
		"V-BPP-1 white space in the base64":   {"\n " + bpp(groupOf(nemlogintest.ScopeCPR+poul, yes))[:20] + "\n\t" + bpp(groupOf(nemlogintest.ScopeCPR+poul, yes))[20:], poul},
		"V-BPP-1 declaration and line breaks": {bpp("\n " + groupOf(nemlogintest.ScopeCPR+poul, "\n "+yes+"\n") + "\n"), poul},
		"a company as grantor":                {bpp(groupOf(nemlogintest.ScopeCVR+"11223491", yes)), "11223491"},
		"two grantors, one of them twice":     {bpp(groupOf(nemlogintest.ScopeCPR+poul, yes) + groupOf(nemlogintest.ScopeCVR+"11223491", yes) + groupOf(nemlogintest.ScopeCPR+poul, yes)), poul + " 11223491"},
		"V-BPP-2 unknown scope":               {bpp(groupOf("urn:dk:gov:saml:seNumberIdentifier:11223491", yes) + groupOf(nemlogintest.ScopeCPR+poul, yes)), poul},
		"V-BPP-2 unknown privilege":           {bpp(groupOf(nemlogintest.ScopeCPR+poul, "<Privilege>urn:other</Privilege>")), ""},
		"known and unknown privilege":         {bpp(groupOf(nemlogintest.ScopeCPR+poul, "<Privilege>urn:other</Privilege>"+yes)), poul},
		"privilege with another case":         {bpp(groupOf(nemlogintest.ScopeCPR+poul, "<Privilege>"+strings.ToUpper(act)+"</Privilege>")), ""},
		"a constraint narrows it, before":     {bpp(groupOf(nemlogintest.ScopeCPR+poul, `<Constraint Name="urn:dk:kombit:KLE">27.*</Constraint>`+yes)), ""},
		"a constraint narrows it, after":      {bpp(groupOf(nemlogintest.ScopeCPR+poul, yes+`<Constraint Name="urn:dk:kombit:KLE">27.*</Constraint>`)), ""},
		"production unit is no party":         {bpp(groupOf(nemlogintest.ScopeUnit+"1003000000", yes)), ""},
		"V-BPP-3 broken base64":               {"****", ""},
		"V-BPP-3 DTD":                         {base64.StdEncoding.EncodeToString([]byte(`<!DOCTYPE a><PrivilegeList xmlns="http://digst.dk/oiosaml/basic_privilege_profile"/>`)), ""},
		"V-BPP-3 wrong root":                  {base64.StdEncoding.EncodeToString([]byte(`<Privileges xmlns="http://digst.dk/oiosaml/basic_privilege_profile"/>`)), ""},
		"V-BPP-3 root without namespace":      {base64.StdEncoding.EncodeToString([]byte(`<PrivilegeList>` + groupOf(nemlogintest.ScopeCPR+poul, yes) + `</PrivilegeList>`)), ""},
		"V-BPP-3 CVR of seven digits":         {bpp(groupOf(nemlogintest.ScopeCVR+"1122349", yes)), ""},
		"V-BPP-3 CPR with a dash":             {bpp(groupOf(nemlogintest.ScopeCPR+"710452-1145", yes)), ""},
		"markup in a privilege":               {bpp(groupOf(nemlogintest.ScopeCPR+poul, "<Privilege>"+act+"<x/></Privilege>")), ""},
		"V-BPP-5 the person's own number":     {bpp(groupOf(nemlogintest.ScopeCPR+"6402743317", yes)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := delegating(t)
			var got []string
			for _, g := range w.accepted(w.login("", "jens", given(c.value))).Grants {
				got = append(got, g.RevealID())
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("acts for %q, want %q", got, c.want)
			}
			if strings.Contains(w.log.String(), poul) || strings.Contains(w.log.String(), "Privilege>") {
				t.Error("the log quotes the list")
			}
		})
	}
}

func TestEmployeeNeedsAConfiguredRoleOfTheOwnCompany(t *testing.T) {
	for name, c := range map[string]struct {
		groups []nemlogintest.Group
		ok     bool
	}{
		"own company":       {[]nemlogintest.Group{{Scope: nemlogintest.ScopeCVR + "11223491", Privileges: []string{role}}}, true},
		"another company":   {[]nemlogintest.Group{{Scope: nemlogintest.ScopeCVR + "29000011", Privileges: []string{role}}}, false},
		"own unit":          {[]nemlogintest.Group{{Scope: nemlogintest.ScopeUnit + "1003000000", Privileges: []string{role}}}, true},
		"another unit":      {[]nemlogintest.Group{{Scope: nemlogintest.ScopeUnit + "1003000001", Privileges: []string{role}}}, false},
		"another privilege": {[]nemlogintest.Group{{Scope: nemlogintest.ScopeCVR + "11223491", Privileges: []string{"urn:other"}}}, false},
		"constrained":       {[]nemlogintest.Group{{Scope: nemlogintest.ScopeCVR + "11223491", Privileges: []string{role}, Constraint: "27"}}, false},
		"none":              {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.conf.CompanyRoles = []string{role}
			w.rebuild()
			bend := given(nemlogintest.Privileges(c.groups...))
			inner := bend.Assertion
			bend.Assertion = func(a *etree.Element) {
				inner(a)
				x := a.FindElement("./AttributeStatement").CreateElement("saml:Attribute")
				x.CreateAttr("Name", "https://data.gov.dk/model/core/eid/professional/productionUnit")
				x.CreateElement("saml:AttributeValue").SetText("1003000000")
			}
			rec := w.login("?type=Professional", "firma", bend)
			if !c.ok {
				w.rejected(rec, "role-missing")
				if w.fault != post.FaultNoRole {
					t.Errorf("told %v", w.fault)
				}
				return
			}
			s := w.accepted(rec)
			if len(s.Roles) != 1 || s.Roles[0] != role || len(s.Grants) != 0 || s.Person.OnBehalfOf.RevealID() != "11223491" {
				t.Errorf("roles %v", s.Roles)
			}
		})
	}
}

func TestEmployeesOfACompanyMayActWhereNoRoleIsAskedFor(t *testing.T) {
	w := delegating(t)
	s := w.accepted(w.login("?type=Professional", "firma", given(bpp(groupOf(nemlogintest.ScopeCPR+poul, "<Privilege>"+act+"</Privilege>")))))
	if len(s.Roles) != 0 || len(s.Grants) != 0 || s.Undecided() {
		t.Error("an employee got a citizen's power of attorney")
	}
}

func TestPrivilegeListIsBounded(t *testing.T) { // V-BPP-3
	for name, inner := range map[string]string{
		"64 KiB":       strings.Repeat(" ", 65<<10),
		"1,000 groups": strings.Repeat(groupOf("x", ""), 1000),
		"depth 9":      strings.Repeat("<PrivilegeGroup>", 9) + strings.Repeat("</PrivilegeGroup>", 9),
	} {
		if groups, _, err := nemlogin.ParsePrivileges(bpp(inner)); err == nil || groups != nil {
			t.Errorf("%s was read", name)
		}
	}
}

func FuzzPrivileges(f *testing.F) {
	f.Add(nemlogintest.Privileges(nemlogintest.Group{Scope: nemlogintest.ScopeCPR + poul, Privileges: []string{act}, Constraint: "27"}))
	f.Add(bpp(groupOf(nemlogintest.ScopeCVR+"11223491", "<Privilege>urn:a</Privilege>") + groupOf("x", "")))
	f.Add("")
	f.Add("****")
	f.Fuzz(func(t *testing.T, value string) {
		groups, _, err := nemlogin.ParsePrivileges(value)
		if err != nil {
			if groups != nil {
				t.Fatal("an error with groups")
			}
			return
		}
		// Oracle: what came out stands in the decoded text, digit for digit.
		text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
		if err != nil {
			t.Fatal("groups out of what is not base64")
		}
		for _, g := range groups {
			id := g.CPR.Reveal() + string(g.CVR) + g.Unit
			if len(id) != 8 && len(id) != 10 {
				t.Fatalf("scope %q", id)
			}
			if !strings.Contains(string(text), id) && !strings.Contains(string(text), "&#") {
				t.Fatal("a scope that nobody wrote")
			}
			if _, err := post.ParseCPR(id); len(g.CPR.Reveal()) > 0 && errors.Is(err, post.FaultCPR) {
				t.Fatal("no CPR number")
			}
		}
	})
}
