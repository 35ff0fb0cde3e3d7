package nemlogintest

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// chain is a logout on its way through every service provider of a session. It
// is known by the ID of the LogoutRequest that waits for an answer.
type chain struct {
	asker   string // entity id of the service provider that began it; "" for ours
	request string // the ID of its LogoutRequest
	relay   string
	left    []party
	partial bool
}

// serveLogout begins a logout at the provider.
func (i *IDP) serveLogout(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	ch := &chain{}
	if c, err := r.Cookie(ssoCookie); err == nil && i.sessions[c.Value] != nil {
		ch.left = i.sessions[c.Value].parties
		delete(i.sessions, c.Value)
	}
	i.mu.Unlock()
	i.advance(w, r, ch)
}

// serveSLO takes a service provider's LogoutRequest, or its answer to ours.
func (i *IDP) serveSLO(w http.ResponseWriter, r *http.Request) {
	var sp SP
	var m nemlogin.Redirected
	var err error
	if r.Method == http.MethodPost {
		sp, m, err = i.openPost(w, r)
	} else {
		sp, m, err = i.openRedirect(r.URL.RawQuery)
	}
	if err != nil {
		i.refuse(w, r, err)
		return
	}
	doc, err := xmldsig.Parse(m.Message, xmldsig.Strict)
	if err != nil {
		i.refuse(w, r, err)
		return
	}
	root := doc.Root()
	if d, _ := xmldsig.Attr(root, "Destination"); d != i.c.BaseURL+pathSLO {
		i.refuse(w, r, errors.New("Destination is not our logout address"))
		return
	}
	if m.Name == nemlogin.SAMLRequest {
		i.logoutRequest(w, r, sp, root, m.Relay)
		return
	}
	answers, _ := xmldsig.Attr(root, "InResponseTo")
	i.mu.Lock()
	ch := i.chains[answers]
	delete(i.chains, answers)
	i.mu.Unlock()
	if ch == nil {
		i.refuse(w, r, errors.New("InResponseTo names no request of ours"))
		return
	}
	code := root.FindElement("./Status/StatusCode")
	if v, _ := xmldsig.Attr(code, "Value"); v != statusPrefix+"Success" {
		ch.partial = true
	}
	i.advance(w, r, ch)
}

func (i *IDP) logoutRequest(w http.ResponseWriter, r *http.Request, sp SP, root *etree.Element, relay string) {
	id, _ := xmldsig.Attr(root, "ID")
	var name, index string
	for _, c := range root.ChildElements() {
		switch {
		case xmldsig.Is(c, nsAssertion, "NameID"):
			name, _ = xmldsig.Text(c)
			if q, _ := xmldsig.Attr(c, "SPNameQualifier"); q != sp.EntityID {
				i.refuse(w, r, errors.New("NameID is not as it was issued"))
				return
			}
		case xmldsig.Is(c, nsProtocol, "SessionIndex"):
			index, _ = xmldsig.Text(c)
		}
	}
	if name == "" || index == "" {
		i.refuse(w, r, errors.New("NameID or SessionIndex is missing"))
		return
	}
	ch := &chain{asker: sp.EntityID, request: id, relay: relay}
	i.mu.Lock()
	for key, s := range i.sessions {
		if !slices.Contains(s.parties, party{sp.EntityID, name, index}) {
			continue
		}
		for _, p := range s.parties {
			if p.sp != sp.EntityID {
				ch.left = append(ch.left, p)
			}
		}
		delete(i.sessions, key)
	}
	i.mu.Unlock()
	i.advance(w, r, ch)
}

// advance asks the next service provider to log off, or ends the chain.
func (i *IDP) advance(w http.ResponseWriter, r *http.Request, ch *chain) {
	if len(ch.left) == 0 {
		i.finish(w, r, ch)
		return
	}
	p := ch.left[0]
	ch.left = ch.left[1:]
	address, id, err := i.LogoutRequest(p.sp, p.name, p.index)
	if err != nil {
		i.refuse(w, r, err)
		return
	}
	i.mu.Lock()
	i.chains[id] = ch
	i.mu.Unlock()
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// LogoutRequest returns the address at which the service provider sp is asked to
// end sessions of name: those of indexes, or all when there is none.
func (i *IDP) LogoutRequest(entity, name string, indexes ...string) (address, id string, err error) {
	i.mu.Lock()
	sp, ok := i.sps[entity]
	i.mu.Unlock()
	if !ok || sp.SLO == "" {
		return "", "", errors.New("the service provider has no single logout")
	}
	doc, id := i.logoutRequestFor(sp, name, indexes)
	b, err := doc.WriteToBytes()
	if err != nil {
		return "", "", err
	}
	address, err = nemlogin.SignRedirect(sp.SLO, nemlogin.SAMLRequest, b, "relay-"+id[1:9], i.c.Key)
	return address, id, err
}

// LogoutForm is [IDP.LogoutRequest] on the POST binding: the form that the
// browser brings to the service provider.
func (i *IDP) LogoutForm(entity, name string, indexes ...string) (form map[string]string, err error) {
	i.mu.Lock()
	sp, ok := i.sps[entity]
	i.mu.Unlock()
	if !ok || sp.SLO == "" {
		return nil, errors.New("the service provider has no single logout")
	}
	doc, id := i.logoutRequestFor(sp, name, indexes)
	message, err := nemlogin.SignPost(doc, i.c.Key, i.c.Cert)
	return map[string]string{nemlogin.SAMLRequest: message, "RelayState": "relay-" + id[1:9]}, err
}

func (i *IDP) logoutRequestFor(sp SP, name string, indexes []string) (doc *etree.Document, id string) {
	id = newID()
	now := i.c.Now().UTC()
	doc, l := i.protocol("LogoutRequest", id, sp.SLO, now)
	l.CreateAttr("NotOnOrAfter", now.Add(lifetime).Format(timeForm))
	n := l.CreateElement("saml:NameID")
	n.CreateAttr("Format", formatPersistent)
	n.CreateAttr("SPNameQualifier", sp.EntityID)
	n.SetText(name)
	for _, x := range indexes {
		l.CreateElement("samlp:SessionIndex").SetText(x)
	}
	return doc, id
}

// openPost is openRedirect for the POST binding.
func (i *IDP) openPost(w http.ResponseWriter, r *http.Request) (SP, nemlogin.Redirected, error) {
	r.Body = http.MaxBytesReader(w, r.Body, 128<<10)
	m := nemlogin.Redirected{Name: nemlogin.SAMLRequest, Relay: r.PostFormValue("RelayState")}
	if r.PostFormValue(nemlogin.SAMLResponse) != "" {
		m.Name = nemlogin.SAMLResponse
	}
	data, err := base64.StdEncoding.DecodeString(r.PostFormValue(m.Name))
	if err != nil {
		return SP{}, m, err
	}
	doc, err := xmldsig.Parse(data, xmldsig.Strict)
	if err != nil {
		return SP{}, m, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, sp := range i.sps {
		root, err := xmldsig.Verify(doc.Root(), sp.Signing, xmldsig.Rules{At: i.c.Now()})
		if err != nil {
			continue
		}
		issuer := root.ChildElements()[0]
		if text, _ := xmldsig.Text(issuer); !xmldsig.Is(issuer, nsAssertion, "Issuer") || text != sp.EntityID {
			return SP{}, m, errors.New("Issuer is not the one who signed")
		}
		m.Message, err = etree.NewDocumentWithRoot(root).WriteToBytes()
		return sp, m, err
	}
	return SP{}, m, errors.New("the message is not signed by a service provider known here")
}

func (i *IDP) finish(w http.ResponseWriter, r *http.Request, ch *chain) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // all three stand on the next line
		Name: ssoCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode,
	})
	i.mu.Lock()
	sp, ok := i.sps[ch.asker]
	i.mu.Unlock()
	if !ok {
		i.page(w, r, http.StatusOK, loggedOffPage(), "")
		return
	}
	doc, l := i.protocol("LogoutResponse", newID(), sp.SLO, i.c.Now().UTC())
	l.CreateAttr("InResponseTo", ch.request)
	code := l.CreateElement("samlp:Status").CreateElement("samlp:StatusCode")
	code.CreateAttr("Value", statusPrefix+"Success")
	if ch.partial {
		code.CreateElement("samlp:StatusCode").CreateAttr("Value", statusPrefix+"PartialLogout")
	}
	b, err := doc.WriteToBytes()
	if err == nil {
		var address string
		if address, err = nemlogin.SignRedirect(sp.SLO, nemlogin.SAMLResponse, b, ch.relay, i.c.Key); err == nil {
			http.Redirect(w, r, address, http.StatusSeeOther)
			return
		}
	}
	i.c.Log.ErrorContext(r.Context(), "simulator could not answer a logout", slog.Any("error", err))
	http.Error(w, "NemLog-in (simulator): cannot answer.", http.StatusInternalServerError)
}

// protocol begins a message of ours.
func (i *IDP) protocol(tag, id, destination string, at time.Time) (*etree.Document, *etree.Element) {
	doc := etree.NewDocument()
	l := doc.CreateElement("samlp:" + tag)
	l.CreateAttr("xmlns:samlp", nsProtocol)
	l.CreateAttr("xmlns:saml", nsAssertion)
	l.CreateAttr("ID", id)
	l.CreateAttr("Version", "2.0")
	l.CreateAttr("IssueInstant", at.Format(timeForm))
	l.CreateAttr("Destination", destination)
	l.CreateElement("saml:Issuer").SetText(i.c.EntityID)
	return doc, l
}
