package kombipost

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	// assertionMargin is how long before its end an assertion is renewed; it
	// lives for some eight hours.
	assertionMargin = 15 * time.Minute
	// tokenMargin is the same for an access token, which lives for one hour.
	tokenMargin = time.Minute
	// maxToken bounds the life that is believed of any token.
	maxToken = 24 * time.Hour
)

// errOtherTenant says that the token service issued an assertion for another
// authority than the one asked for.
var errOtherTenant = errors.New("the assertion names another authority")

// tokenKey is what a token is good for. Leaving any of the three out would send
// a letter in another municipality's name.
type tokenKey struct {
	cvr    post.CVR
	entity string
	print  string // of the certificate
}

// tokens keeps assertions and access tokens. Only one renewal of a key is under
// way at a time; others wait for it and share it.
type tokens struct {
	client *Client
	mu     sync.Mutex // guards byKey, not what it holds
	byKey  map[tokenKey]*held
}

// held is what is kept for one key.
type held struct {
	turn             chan struct{} // holds one value while free
	assertion        string
	assertionExpires time.Time
	access           string
	accessExpires    time.Time
}

func newTokens(c *Client) *tokens { return &tokens{client: c, byKey: map[tokenKey]*held{}} }

func (t *tokens) of(k tokenKey) *held {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.byKey[k]
	if h == nil {
		h = &held{turn: make(chan struct{}, 1)}
		h.turn <- struct{}{}
		t.byKey[k] = h
	}
	return h
}

// forget lets go of what was issued to a certificate that nobody shows any more.
func (t *tokens) forget(print string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.byKey {
		if k.print == print {
			delete(t.byKey, k)
		}
	}
}

// claim waits for the turn at what is kept for a key; release gives it back.
func (t *tokens) claim(ctx context.Context, s *system, entity string) (h *held, release func(), err error) {
	h = t.of(tokenKey{s.CVR, entity, s.print})
	select {
	case <-h.turn:
		return h, func() { h.turn <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("wait for a token: %w", ctx.Err())
	}
}

// fresh brings h an assertion that has some life left.
func (t *tokens) fresh(ctx context.Context, s *system, entity string, h *held) error {
	if h.assertion != "" && time.Now().Before(h.assertionExpires.Add(-assertionMargin)) {
		return nil
	}
	assertion, expires, err := t.client.issue(ctx, s, entity)
	if err != nil {
		return err
	}
	h.assertion, h.assertionExpires = assertion, expires
	return nil
}

// shown returns the assertion of s for entity itself, for a service that takes
// it without an access token. spent is one that the service refused, or "".
func (t *tokens) shown(ctx context.Context, s *system, entity, spent string) (string, error) {
	h, release, err := t.claim(ctx, s, entity)
	if err != nil {
		return "", err
	}
	defer release()
	if spent != "" && h.assertion == spent {
		h.assertion = ""
	}
	if err := t.fresh(ctx, s, entity, h); err != nil {
		return "", err
	}
	return h.assertion, nil
}

// access returns the value of Authorization for a call of s to entity. spent is
// a value that the service refused, or ""; while it is the one kept, both legs
// are walked again.
func (t *tokens) access(ctx context.Context, s *system, entity, spent string) (string, error) {
	h, release, err := t.claim(ctx, s, entity)
	if err != nil {
		return "", err
	}
	defer release()
	if spent != "" && h.access == spent {
		*h = held{turn: h.turn}
	}
	if h.access != "" && time.Now().Before(h.accessExpires.Add(-tokenMargin)) {
		return h.access, nil
	}
	if err := t.fresh(ctx, s, entity, h); err != nil {
		return "", err
	}
	access, expires, err := t.client.exchange(ctx, s, h.assertion)
	if err != nil {
		h.assertion = "" // it may be what was refused
		return "", err
	}
	h.access, h.accessExpires = access, expires
	return access, nil
}

// A tokenError is a leg that failed. It holds no URL and no token.
type tokenError struct {
	leg, code string
	cause     error
}

func (e *tokenError) Error() string { return "obtain " + e.leg + ": " + e.code }
func (e *tokenError) Unwrap() error { return e.cause }

// issueRequest is the body of WS-Trust Issue in its JSON form.
type issueRequest struct {
	TokenType, RequestType, KeyType string
	AnvenderKontekst                struct{ Cvr string }
	UseKey                          string
	AppliesTo                       struct{ EndpointReference struct{ Address string } }
	OnBehalfOf                      *string
}

// issue asks the security token service for an assertion (first leg).
func (c *Client) issue(ctx context.Context, s *system, entity string) (string, time.Time, error) {
	fail := func(code string, cause error) (string, time.Time, error) {
		return "", time.Time{}, &tokenError{"assertion", code, cause}
	}
	in := issueRequest{ //nolint:gosec // names of types, no secrets
		TokenType:   "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0",
		RequestType: "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue",
		KeyType:     "http://docs.oasis-open.org/ws-sx/ws-trust/200512/PublicKey",
		UseKey:      s.useIt, // undocumented, and required
	}
	in.AnvenderKontekst.Cvr = string(s.CVR)
	in.AppliesTo.EndpointReference.Address = entity
	body, err := json.Marshal(in)
	if err != nil {
		return fail(codeUnreadable, err)
	}
	status, answer, err := c.tell(ctx, s, c.tokenURL.String()+PathIssue, "application/json", body)
	if err != nil {
		return fail(dispatch.Unanswered(err), err)
	}
	var out struct {
		RequestedSecurityToken struct{ Assertion string }
		Lifetime               string
	}
	if status != http.StatusOK {
		return fail(fmt.Sprintf("http.%d", status), nil)
	}
	if json.Unmarshal(answer, &out) != nil || out.RequestedSecurityToken.Assertion == "" {
		return fail(codeUnreadable, nil)
	}
	assertion := out.RequestedSecurityToken.Assertion
	expires, err := assertionEnd(assertion, out.Lifetime, string(s.CVR))
	if err != nil {
		return fail(codeOtherTenant, err)
	}
	return assertion, expires, nil
}

// cvrClaim is the attribute in which the token service names the authority.
const cvrClaim = "dk:gov:saml:attribute:CvrNumberIdentifier"

// assertionEnd returns when an assertion ends: the earlier of what it says of
// itself and what the reply says of it, which is a US date without a zone. When
// neither can be read it is used once and not kept. One that names another CVR
// than cvr is refused; one whose content cannot be read (it may be encrypted)
// is the service's to judge.
func assertionEnd(assertion, lifetime, cvr string) (time.Time, error) {
	now := time.Now()
	end := now.Add(maxToken)
	known := false
	if t, err := time.Parse("01/02/2006 15:04:05", lifetime); err == nil {
		end, known = earlier(end, t), true
	}
	if text, err := base64.StdEncoding.DecodeString(assertion); err == nil {
		notAfter, names := readAssertion(text)
		if !notAfter.IsZero() {
			end, known = earlier(end, notAfter), true
		}
		for _, name := range names {
			if name != cvr {
				return time.Time{}, errOtherTenant
			}
		}
	}
	if !known {
		return now, nil
	}
	return end, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// readAssertion returns Conditions/NotOnOrAfter and the values of the CVR claim,
// as far as text can be read. It is a check against mistakes, not of the
// signature: that is for the service which the token is shown to.
func readAssertion(text []byte) (notAfter time.Time, cvrs []string) {
	d := xml.NewDecoder(bytes.NewReader(text))
	inClaim := false
	for {
		token, err := d.Token()
		if err != nil {
			return notAfter, cvrs
		}
		switch e := token.(type) {
		case xml.StartElement:
			for _, a := range e.Attr {
				switch {
				case e.Name.Local == "Conditions" && a.Name.Local == "NotOnOrAfter":
					notAfter, _ = time.Parse(time.RFC3339, a.Value) // zero when unreadable
				case e.Name.Local == "Attribute" && a.Name.Local == "Name":
					inClaim = a.Value == cvrClaim
				}
			}
		case xml.EndElement:
			inClaim = inClaim && e.Name.Local != "Attribute"
		case xml.CharData:
			if v := strings.TrimSpace(string(e)); inClaim && v != "" {
				cvrs = append(cvrs, v)
			}
		}
	}
}

// exchange shows an assertion and gets an access token for it (second leg).
func (c *Client) exchange(ctx context.Context, s *system, assertion string) (string, time.Time, error) {
	fail := func(code string, cause error) (string, time.Time, error) {
		return "", time.Time{}, &tokenError{"access token", code, cause}
	}
	form := url.Values{"saml-token": {assertion}}.Encode()
	asked := time.Now()
	status, answer, err := c.tell(ctx, s, c.serviceURL.String()+PathToken, "application/x-www-form-urlencoded", []byte(form))
	if err != nil {
		return fail(dispatch.Unanswered(err), err)
	}
	if status != http.StatusOK {
		return fail(fmt.Sprintf("http.%d", status), nil)
	}
	var out struct {
		Token   string      `json:"access_token"`
		Type    string      `json:"token_type"`
		Seconds json.Number `json:"expires_in"`
	}
	if json.Unmarshal(answer, &out) != nil || !headerSafe(out.Token) {
		return fail(codeUnreadable, nil)
	}
	seconds, err := out.Seconds.Int64()
	if err != nil {
		seconds = 0 // used once, not kept
	}
	life := min(time.Duration(max(seconds, 0))*time.Second, maxToken)
	return "Holder-of-key " + out.Token, asked.Add(life), nil
}

// headerSafe reports whether a token may stand in a header.
func headerSafe(s string) bool {
	return s != "" && len(s) <= 16<<10 && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// tell posts a small body and returns the bounded answer. Its error must not be
// logged: it may hold the URL.
func (c *Client) tell(ctx context.Context, s *system, to, media string, body []byte) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("Accept", "application/json")
	return do(s, req)
}

func do(s *system, req *http.Request) (int, []byte, error) {
	answer, err := s.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err := bounded(answer.Body)
	return answer.StatusCode, body, err
}

// bounded reads an answer, and refuses one beyond maxAnswer.
func bounded(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(b) > maxAnswer {
		return nil, fmt.Errorf("read answer: more than %d bytes", maxAnswer)
	}
	return b, nil
}
