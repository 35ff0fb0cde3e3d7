package kombipost

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// Our own codes of an outcome; all others are KOMBIT's.
const (
	codeUnauthorized = "auth.unauthorized"    // a fresh token is refused: alarm
	codeForbidden    = dispatch.CodeForbidden // our certificate is refused: alarm
	codeNoSystem     = "auth.no-system"
	codeOtherTenant  = "auth.other-tenant" // a token for another authority: alarm
	codeNoConnection = dispatch.CodeNoConnection
	codeTimeout      = dispatch.CodeTimeout
	codeBroken       = dispatch.CodeBroken
	codeForm         = dispatch.CodeForm // our own form did not render as committed
	codeUnreadable   = "answer.unreadable"
	codeContradicts  = "answer.contradicts" // Result and Fejl do not agree
	codeNoResult     = "answer.no-result"
)

// HandOver implements [dispatch.Channel]: the three legs, with the form as the
// body of the third. A token that the service refuses is renewed once.
func (c *Client) HandOver(ctx context.Context, j dispatch.Job, f dispatch.Form) dispatch.Outcome {
	out := func(v dispatch.Verdict, code string) dispatch.Outcome {
		return dispatch.Outcome{Verdict: v, Code: code, At: time.Now().UTC()}
	}
	s, err := c.system(j.Tenant.ID)
	if err != nil || s.CVR != j.Tenant.CVR { // another name than the letter's own is never sent in
		return out(dispatch.NotTaken, codeNoSystem)
	}
	ctx, cancel := context.WithTimeout(ctx, handOverTimeout)
	defer cancel()
	spent := ""
	for {
		token, err := c.tokens.access(ctx, s, EntitySend, spent)
		if err != nil {
			return out(dispatch.NotTaken, tokenCode(err))
		}
		o, again := c.send(ctx, s, token, j, f)
		if o.Verdict == dispatch.RefusedRecipient && j.Channel == post.Physical {
			o.Verdict = dispatch.RefusedContent // there is no other channel after paper: a person looks
		}
		if o.At.IsZero() {
			o.At = time.Now().UTC()
		}
		if !again || spent != "" {
			return o
		}
		spent = token
	}
}

// tokenCode names why there is no token.
func tokenCode(err error) string {
	var t *tokenError
	switch {
	case errors.As(err, &t) && (t.code == "http.401" || t.code == "http.403"):
		return codeForbidden // the token services know us by our certificate only
	case errors.As(err, &t):
		return t.code
	}
	return codeTimeout
}

// send makes the call. It reports true when the token was refused.
func (c *Client) send(ctx context.Context, s *system, token string, j dispatch.Job, f dispatch.Form) (dispatch.Outcome, bool) {
	body := dispatch.Watch(f.Open())
	defer func() { _ = body.Close() }() // what it says, reading has said
	req, err := http.NewRequestWithContext(body.Trace(ctx), http.MethodPost, c.serviceURL.String()+PathSend, body)
	if err != nil {
		return dispatch.Outcome{Verdict: dispatch.NotTaken, Code: codeNoConnection}, false
	}
	req.ContentLength = f.Size
	req.Header.Set("Content-Type", "application/xml")
	req.Header.Set("Accept", "application/xml")
	if f.Size > expectAbove {
		req.Header.Set("Expect", "100-continue")
	}
	c.sign(req, token, j.MessageID)
	answer, err := s.http.Do(req)
	if err != nil {
		verdict, code := body.Verdict(err, f.Size)
		return dispatch.Outcome{Verdict: verdict, Code: code}, false
	}
	defer answer.Body.Close()
	text, err := bounded(answer.Body)
	return body.Heard(c.judge(answer.StatusCode, text, err), f.Size, false), answer.StatusCode == http.StatusUnauthorized
}

// sign puts KOMBIT's headers on a call. TransaktionsId stays the same over
// retries; RequestId is new on each.
func (c *Client) sign(req *http.Request, token, transaction string) {
	req.Header.Set("Authorization", token)
	req.Header.Set("x-TransaktionsId", transaction)
	req.Header.Set("x-TransaktionsTid", time.Now().UTC().Format("2006-01-02T15:04:05Z"))
	if c.cfg.RequestID {
		req.Header.Set("x-RequestId", post.NewID())
	}
}
