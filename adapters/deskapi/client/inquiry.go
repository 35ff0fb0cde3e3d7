package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// Filter chooses inquiries. The zero value is everything that waits for a
// tool: waiting and leased.
type Filter struct {
	States []string // inquiry states
	Tenant string
	After  string // [wire.Inquiries.Next] of the page before
	Limit  int    // 100 when 0; at most 500
}

// Inquiries returns one page of the inbox, the most urgent first.
func (c *Client) Inquiries(ctx context.Context, f Filter) (out wire.Inquiries, err error) {
	q := url.Values{}
	for _, s := range f.States {
		q.Add("state", s)
	}
	for k, v := range map[string]string{"tenant": f.Tenant, "after": f.After} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	path := "/v1/inquiries"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	err = c.call(ctx, http.MethodGet, path, nil, &out)
	return out, err
}

func inquiry(ref, verb string) string {
	p := "/v1/inquiries/" + url.PathEscape(ref)
	if verb != "" {
		p += "/" + verb
	}
	return p
}

// Inquiry returns one inquiry by its id or reference.
func (c *Client) Inquiry(ctx context.Context, ref string) (out wire.Inquiry, err error) {
	err = c.call(ctx, http.MethodGet, inquiry(ref, ""), nil, &out)
	return out, err
}

// Lease takes the sole right to open and settle the inquiry.
func (c *Client) Lease(ctx context.Context, ref string) (out wire.Lease, err error) {
	err = c.call(ctx, http.MethodPost, inquiry(ref, "lease"), nil, &out)
	return out, err
}

// Extend prolongs the lease from now.
func (c *Client) Extend(ctx context.Context, ref, token string) (out wire.Lease, err error) {
	err = c.call(ctx, http.MethodPost, inquiry(ref, "extend"), wire.Extend{LeaseToken: token}, &out)
	return out, err
}

// Sealed is the content of an inquiry on its way in. The caller closes Body.
type Sealed struct {
	HeaderLength int64 // bytes of Body that are the age header
	Size         int64 // bytes of Body in all
	Body         io.ReadCloser
}

// Content downloads the sealed content. Each call is an opening that the
// person can see.
func (c *Client) Content(ctx context.Context, ref, token string) (Sealed, error) {
	resp, err := c.do(ctx, request{method: http.MethodGet, path: inquiry(ref, "content"), lease: token})
	if err != nil {
		return Sealed{}, err
	}
	n, err := strconv.ParseInt(resp.Header.Get(wire.HeaderLength), 10, 64)
	if err != nil || n <= 0 || resp.ContentLength < n {
		resp.Body.Close()
		return Sealed{}, fmt.Errorf("%w: content without a usable %s", ErrUnreachable, wire.HeaderLength)
	}
	return Sealed{HeaderLength: n, Size: resp.ContentLength, Body: resp.Body}, nil
}

// Acknowledge settles the inquiry under a lease.
func (c *Client) Acknowledge(ctx context.Context, ref string, a wire.Acknowledge) (out wire.Acknowledged, err error) {
	err = c.call(ctx, http.MethodPost, inquiry(ref, "acknowledge"), a, &out)
	return out, err
}

// Reply answers an acknowledged inquiry with a letter to its person. files are
// in the order of r.Documents.
func (c *Client) Reply(ctx context.Context, ref string, r wire.Reply, files []File) (out wire.LetterReceipt, err error) {
	err = c.upload(ctx, inquiry(ref, "reply"), "reply", r, files, &out)
	return out, err
}
