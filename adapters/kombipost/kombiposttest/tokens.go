package kombiposttest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

const assertionLife = 8 * time.Hour

// issue is the security token service: WS-Trust Issue in its JSON form.
func (s *Server) issue(w http.ResponseWriter, r *http.Request) {
	var in struct {
		AnvenderKontekst struct{ Cvr string }
		UseKey           string
		AppliesTo        struct{ EndpointReference struct{ Address string } }
		TokenType        string
		RequestType      string
		KeyType          string
	}
	print, cert := caller(r)
	cvr, entity := "", ""
	if json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&in) == nil {
		cvr, entity = in.AnvenderKontekst.Cvr, in.AppliesTo.EndpointReference.Address
	}
	switch {
	case s.spend(func(f *Faults) *int { return &f.NoAssertions }):
		http.Error(w, "unavailable", http.StatusServiceUnavailable)
		return
	case in.TokenType == "" || in.RequestType == "" || in.KeyType == "":
		http.Error(w, "not a request for a token", http.StatusBadRequest)
		return
	case cert == nil || in.UseKey != base64.StdEncoding.EncodeToString(cert.Raw):
		http.Error(w, "UseKey is not the caller's certificate", http.StatusBadRequest)
		return
	case !s.allowed(post.CVR(cvr), print, entity):
		http.Error(w, "no service agreement", http.StatusForbidden)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	named := cvr
	if spend(&s.faults.WrongAssertions) {
		named = "29000099"
	}
	end := s.cfg.Now().Add(assertionLife).UTC()
	assertion := base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf(
		`<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="_%s"><saml2:Conditions NotOnOrAfter="%s"/>`+
			`<saml2:AttributeStatement><saml2:Attribute Name="dk:gov:saml:attribute:CvrNumberIdentifier">`+
			`<saml2:AttributeValue>%s</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement></saml2:Assertion>`,
		post.NewID(), end.Format(time.RFC3339), named)))
	s.sweep(s.assertions)
	s.assertions[assertion] = issued{post.CVR(cvr), entity, print, end}
	s.stats.Assertions++
	writeJSON(w, map[string]any{
		"RequestedSecurityToken": map[string]string{"Assertion": assertion},
		"Lifetime":               end.Format("01/02/2006 15:04:05"),
	})
}

// exchange is AccessTokenService.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	print, _ := caller(r)
	text := r.PostFormValue("saml-token")
	s.mu.Lock()
	defer s.mu.Unlock()
	a, known := s.assertions[text]
	if spend(&s.faults.NoTokens) {
		fault(w, http.StatusServiceUnavailable, "sim.unavailable")
		return
	}
	if text == "" {
		fault(w, http.StatusBadRequest, "sim.assertion.missing")
		return
	}
	if !known || a.print != print || s.cfg.Now().After(a.expires) {
		fault(w, http.StatusUnauthorized, "sim.assertion.refused")
		return
	}
	s.sweep(s.tokens)
	token := post.NewID()
	a.expires = s.cfg.Now().Add(s.cfg.TokenLife)
	s.tokens[token] = a
	s.stats.Tokens++
	writeJSON(w, map[string]any{"access_token": token, "token_type": "Holder-of-key", "expires_in": int(s.cfg.TokenLife.Seconds())})
}

// sweep drops what has ended: a client may ask for a token for each letter. The
// caller holds mu.
func (s *Server) sweep(all map[string]issued) {
	now := s.cfg.Now()
	for text, one := range all {
		if now.After(one.expires) {
			delete(all, text)
		}
	}
}
