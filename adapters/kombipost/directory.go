package kombipost

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// Look implements [dispatch.Directory]: PostForespoerg. It answers for Digital
// Post; true is reachable, false is unreachable, all else is unsure. An outage
// is never a "no": it would turn letters into paper.
func (c *Client) Look(ctx context.Context, tenant post.Tenant, recipient post.PartyRecord) dispatch.Reach {
	return c.look(ctx, tenant, recipient, PathDigital)
}

// LookSMS asks the same of NemSMS, which only people have.
func (c *Client) LookSMS(ctx context.Context, tenant post.Tenant, recipient post.PartyRecord) dispatch.Reach {
	if !strings.EqualFold(recipient.IDType, "CPR") {
		return dispatch.Reach{Answer: dispatch.Unsure, Code: "no-number"}
	}
	return c.look(ctx, tenant, recipient, PathSMS)
}

func (c *Client) look(ctx context.Context, tenant post.Tenant, recipient post.PartyRecord, path string) dispatch.Reach {
	unsure := func(code string) dispatch.Reach { return dispatch.Reach{Answer: dispatch.Unsure, Code: code} }
	s, err := c.system(tenant.ID)
	if err != nil || s.CVR != tenant.CVR {
		return unsure(codeNoSystem)
	}
	parameter := map[string]string{"CPR": "cprNumber", "CVR": "cvrNumber"}[strings.ToUpper(recipient.IDType)]
	if parameter == "" || recipient.ID == "" {
		return unsure("no-number")
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	query := url.Values{parameter: {recipient.ID}}.Encode()
	spent := ""
	for {
		token, err := c.tokens.access(ctx, s, EntityLookup, spent)
		if err != nil {
			return unsure(tokenCode(err))
		}
		status, body, err := c.ask(ctx, s, token, c.serviceURL.String()+path+"?"+query)
		switch {
		case err != nil:
			return unsure(dispatch.Unanswered(err))
		case status == http.StatusUnauthorized && spent == "":
			spent = token // renewed once; a second 401 is a missing agreement
			continue
		case status == http.StatusUnauthorized:
			return unsure(codeUnauthorized)
		case status == http.StatusForbidden:
			return unsure(codeForbidden)
		case status != http.StatusOK:
			return unsure(refusal(status, body))
		}
		return reach(body)
	}
}

func reach(body []byte) dispatch.Reach {
	var answer struct {
		Result *bool `json:"result"`
	}
	switch err := json.Unmarshal(body, &answer); {
	case err != nil || answer.Result == nil:
		return dispatch.Reach{Answer: dispatch.Unsure, Code: codeUnreadable}
	case *answer.Result:
		return dispatch.Reach{Answer: dispatch.Reachable, Code: "registered"}
	}
	return dispatch.Reach{Answer: dispatch.Unreachable, Code: "not-registered"}
}

// ask gets one answer. Its error must not be logged: it holds the URL, and the
// URL a CPR number.
func (c *Client) ask(ctx context.Context, s *system, token, from string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Accept", "application/json")
	c.sign(req, token, post.NewID())
	return do(s, req)
}
