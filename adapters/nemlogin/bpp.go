package nemlogin

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// Namespaces of the OIO Basic Privilege Profile, versions 1.0 to 1.1 and 1.2.
const (
	nsPrivileges10 = "http://itst.dk/oiosaml/basic_privilege_profile"
	nsPrivileges12 = "http://digst.dk/oiosaml/basic_privilege_profile"
)

// Scopes of a privilege group: whom or what it concerns. A seNumberIdentifier
// is not among them: nobody here can be one.
const (
	scopePrefix = "urn:dk:gov:saml:"
	scopeCPR    = scopePrefix + "cprNumberIdentifier:"
	scopeCVR    = scopePrefix + "cvrNumberIdentifier:"
	scopeUnit   = scopePrefix + "productionUnitIdentifier:"
)

// bppLimits bound a privilege list; a real one has about ten groups.
var bppLimits = xmldsig.Limits{Bytes: 64 << 10, Elements: 800, Depth: 8, Attributes: 8, Namespaces: 8}

// PrivilegeGroup says what may be done and whom it concerns.
type PrivilegeGroup struct {
	CPR        post.CPR // of whom, or:
	CVR        post.CVR // of which company, or:
	Unit       string   // of which production unit (P-nummer): ten digits
	Privileges []string // URIs, as they came
	// Constrained tells that the group has a Constraint, which narrows it in a
	// way that only the service that defined it knows.
	Constrained bool
}

// has reports whether g gives one of the wanted privileges, unnarrowed.
func (g PrivilegeGroup) has(wanted []string) (given []string) {
	for _, w := range wanted {
		for _, p := range g.Privileges {
			if p == w && !g.Constrained {
				given = append(given, w)
				break
			}
		}
	}
	return given
}

// ParsePrivileges reads the value of privilegesIntermediate (OIO BPP, models 2
// and 3): base64 of a PrivilegeList, white space anywhere in it. As the profile
// demands, a group whose scope is not understood is left out, whole; skipped
// tells how many. Anything that is no privilege list within bounds is an error,
// which holds nothing of the value, and gives nothing.
func ParsePrivileges(value string) (groups []PrivilegeGroup, skipped int, err error) {
	if len(value) > 2*bppLimits.Bytes {
		return nil, 0, errors.New("read privileges: too large")
	}
	data, err := base64.StdEncoding.Strict().DecodeString(strings.Join(strings.Fields(value), ""))
	if err != nil {
		return nil, 0, errors.New("read privileges: not base64")
	}
	doc, err := xmldsig.Parse(data, bppLimits)
	if err != nil {
		return nil, 0, fmt.Errorf("read privileges: %w", err)
	}
	root := doc.Root()
	ns := root.NamespaceURI()
	if root.Tag != "PrivilegeList" || ns != nsPrivileges10 && ns != nsPrivileges12 || onlySpace(root) != nil {
		return nil, 0, errors.New("read privileges: not a PrivilegeList")
	}
	for _, el := range root.ChildElements() {
		if !local(el, ns, "PrivilegeGroup") {
			return nil, 0, errors.New("read privileges: something else than groups")
		}
		g, ok, err := group(el, ns)
		if err != nil {
			return nil, 0, err
		}
		if !ok {
			skipped++
			continue
		}
		groups = append(groups, g)
	}
	return groups, skipped, nil
}

// local reports whether el has the name tag: the schema leaves the inner
// elements unqualified, some senders qualify them.
func local(el *etree.Element, ns, tag string) bool {
	return el.Tag == tag && (el.NamespaceURI() == "" || el.NamespaceURI() == ns)
}

// group reads one group; ok is false when its scope is not understood.
func group(el *etree.Element, ns string) (g PrivilegeGroup, ok bool, err error) {
	if err := onlySpace(el); err != nil {
		return g, false, errors.New("read privileges: text in a group")
	}
	for _, c := range el.ChildElements() {
		switch {
		case local(c, ns, "Privilege"):
			text, plain := xmldsig.Text(c)
			if !plain {
				return g, false, errors.New("read privileges: a privilege is no text")
			}
			g.Privileges = append(g.Privileges, strings.TrimSpace(text))
		case local(c, ns, "Constraint"):
			g.Constrained = true
		default:
			return g, false, errors.New("read privileges: something else in a group")
		}
	}
	scope, _ := xmldsig.Attr(el, "Scope")
	if id, is := strings.CutPrefix(scope, scopeCPR); is && len(id) == 10 {
		g.CPR, err = post.ParseCPR(id)
		return g, err == nil, nil
	}
	if id, is := strings.CutPrefix(scope, scopeCVR); is {
		g.CVR, err = post.ParseCVR(id)
		return g, err == nil, nil
	}
	if id, is := strings.CutPrefix(scope, scopeUnit); is && len(id) == 10 && strings.Trim(id, "0123456789") == "" {
		g.Unit = id
		return g, true, nil
	}
	return g, false, nil
}
