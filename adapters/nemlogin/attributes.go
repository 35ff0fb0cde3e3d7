package nemlogin

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// Attributes of OIOSAML 3 that we read. All are single-valued; others may be
// there and are left alone.
const (
	attrPrefix      = "https://data.gov.dk/"
	attrSpecVersion = attrPrefix + "model/core/specVersion"
	attrLevel       = attrPrefix + "concept/core/nsis/loa"
	attrCPR         = attrPrefix + "model/core/eid/cprNumber"
	attrFullName    = attrPrefix + "model/core/eid/fullName"
	attrFirstName   = attrPrefix + "model/core/eid/firstName"
	attrLastName    = attrPrefix + "model/core/eid/lastName"
	attrCVR         = attrPrefix + "model/core/eid/professional/cvr"
	attrOrgName     = attrPrefix + "model/core/eid/professional/orgName"
	attrUnit        = attrPrefix + "model/core/eid/professional/productionUnit"
	attrPrivileges  = attrPrefix + "model/core/eid/privilegesIntermediate"

	specVersion = "OIO-SAML-3.0"
)

var known = map[string]bool{
	attrSpecVersion: true, attrLevel: true, attrCPR: true, attrFullName: true,
	attrFirstName: true, attrLastName: true, attrCVR: true, attrOrgName: true,
	attrUnit: true, attrPrivileges: true,
}

func (r reader) attributes(el *etree.Element, c *login.Claims) error {
	values, err := read(el)
	if err != nil {
		return err
	}
	if values[attrSpecVersion] != specVersion && on("spec-version") {
		return reject("spec-version")
	}
	// The level that was reached stands in the attribute, never in the class
	// reference, and counts whatever we asked for.
	level, err := login.ParseLevel(values[attrLevel])
	if err != nil && on("level-unknown") {
		return reject("level-unknown")
	}
	if level < r.p.Level && on("level-too-low") {
		return &Rejected{"level-too-low", post.FaultLevelTooLow}
	}
	c.Level = level
	if err := r.person(values, c); err != nil {
		return err
	}
	return r.privileges(values, c)
}

// read returns the one value of each known attribute.
func read(el *etree.Element) (map[string]string, error) {
	values := map[string]string{}
	for _, a := range el.ChildElements() {
		if !xmldsig.Is(a, nsAssertion, "Attribute") && on("attribute-kind") {
			return nil, reject("attribute-kind") // EncryptedAttribute
		}
		name, _ := xmldsig.Attr(a, "Name")
		if !known[name] {
			continue
		}
		if format, has := xmldsig.Attr(a, "NameFormat"); has && format != nameFormatURI && on("attribute-format") {
			return nil, reject("attribute-format")
		}
		v := a.ChildElements()
		_, twice := values[name]
		if len(v) == 0 || (twice || len(v) > 1 || !xmldsig.Is(v[0], nsAssertion, "AttributeValue")) && on("attribute-values") {
			return nil, reject("attribute-values")
		}
		text, ok := xmldsig.Text(v[0])
		if !ok && on("attribute-values") {
			return nil, reject("attribute-values")
		}
		values[name] = text
	}
	return values, nil
}

// person reads who it is. A professional acts for a company; when NemLog-in
// gives no CPR number for the human, the human is known by name under the
// company's CVR.
func (r reader) person(values map[string]string, c *login.Claims) error {
	kind := kindOf(c.NameID.Value)
	if kind == "" { // a transient name does not tell
		kind = login.Citizen
		if values[attrCVR] != "" {
			kind = login.Professional
		}
	}
	if kind != r.p.Kind && on("identity-type") {
		return &Rejected{"identity-type", post.FaultLoginKind}
	}
	name := values[attrFullName]
	if name == "" {
		name = strings.TrimSpace(values[attrFirstName] + " " + values[attrLastName])
	}
	var cpr post.CPR
	if v := values[attrCPR]; v != "" {
		var err error
		if cpr, err = post.ParseCPR(v); (err != nil || len(v) != 10) && on("cpr") {
			return reject("cpr")
		}
	}
	if kind == login.Citizen {
		if cpr.IsZero() && on("cpr-missing") {
			return &Rejected{"cpr-missing", post.FaultNoCPR}
		}
		c.Person = post.Person{Actor: post.NewParty(cpr, "", name)}
		return nil
	}
	cvr, err := post.ParseCVR(values[attrCVR])
	if (err != nil || values[attrOrgName] == "") && on("organization") {
		return reject("organization")
	}
	company := post.NewParty(post.CPR{}, cvr, values[attrOrgName])
	human := post.NewParty(cpr, "", name)
	if cpr.IsZero() {
		human = post.NewParty(post.CPR{}, cvr, name)
	}
	c.Person = post.Person{Actor: human, OnBehalfOf: &company}
	return nil
}

// maxGrants is how many powers of attorney one log-in may bring.
const maxGrants = 32

// privileges reads what the person may do for others (OIO BPP). A list that is
// not understood gives nothing and does not stop the log-in.
//
// A citizen gets a power of attorney (fuldmagt) for each scope that holds one of
// the configured privileges and is not the person. An employee gets the
// configured roles whose scope is the own company or production unit; other
// scopes give an employee nothing, because a session has one company.
func (r reader) privileges(values map[string]string, c *login.Claims) error {
	var groups []PrivilegeGroup
	if v := values[attrPrivileges]; v != "" {
		all, skipped, err := ParsePrivileges(v)
		if err != nil || skipped > 0 {
			r.sp.c.Log.Warn("privileges left out", slog.String("request", r.p.ID), slog.Int("groups", skipped), slog.Bool("readable", err == nil))
		}
		groups = all
	}
	if c.Person.OnBehalfOf == nil {
		c.Grants = grants(groups, r.sp.c.PowerOfAttorney, c.Person.Actor)
		return nil
	}
	for _, g := range groups {
		if g.CVR != "" && g.CVR == c.Person.OnBehalfOf.CVR || g.Unit != "" && g.Unit == values[attrUnit] {
			c.Roles = append(c.Roles, g.has(r.sp.c.CompanyRoles)...)
		}
	}
	slices.Sort(c.Roles)
	c.Roles = slices.Compact(c.Roles)
	if len(r.sp.c.CompanyRoles) > 0 && len(c.Roles) == 0 && on("role-missing") {
		return &Rejected{"role-missing", post.FaultNoRole}
	}
	return nil
}

// grants returns those who gave person one of the wanted privileges, each once.
func grants(groups []PrivilegeGroup, wanted []string, person post.Party) []post.Party {
	var all []post.Party
	seen := map[string]bool{person.RevealID(): true}
	for _, g := range groups {
		grantor := post.NewParty(g.CPR, g.CVR, "") // the list tells no names
		id := grantor.RevealID()
		if id == "" || seen[id] || len(g.has(wanted)) == 0 || len(all) == maxGrants {
			continue
		}
		seen[id] = true
		all = append(all, grantor)
	}
	return all
}
