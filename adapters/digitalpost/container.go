package digitalpost

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

// A container carries many letters of one tenant at once (POST memos/ with a
// .tar.lzma). Each letter keeps the message id that it would have alone, so that
// a container may be sent again, and a letter of it alone, without a second
// delivery. NgDP answers for the container as a whole and gives a business
// receipt for each message.

// RenderContainer writes the container of jobs. The same jobs in the same order
// yield the same bytes. A job that its form refuses ends the writing; the error
// wraps [post.ErrPermanent] and names the message.
func (c *Client) RenderContainer(jobs []dispatch.Job, w io.Writer) error {
	out, err := memo.NewContainerWriter(w, c.version)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		m, err := c.threaded(j)
		if err != nil {
			return err
		}
		if err := refused(j, out.Add(m)); err != nil {
			return err
		}
	}
	return out.Close()
}

// HandOverContainer gives a container to NgDP. Its outcome holds for every letter
// in it, except that "known already" says nothing of the single letter: that is
// Unknown, and receipts tell.
func (c *Client) HandOverContainer(ctx context.Context, tenant post.TenantID, f dispatch.Form) dispatch.Outcome {
	out := func(v dispatch.Verdict, code string) dispatch.Outcome {
		return dispatch.Outcome{Verdict: v, Code: code, At: time.Now().UTC()}
	}
	system, err := c.system(tenant)
	if err != nil {
		return out(dispatch.NotTaken, "auth.no-system")
	}
	ctx, cancel := context.WithTimeout(ctx, c.handing)
	defer cancel()
	body := dispatch.Watch(f.Open())
	defer func() { _ = body.Close() }() // of a reader
	req, err := outgoing(body.Trace(ctx), system, c.address("memos/", ""), "application/x-lzma", f.Size, body)
	if err != nil {
		return out(dispatch.NotTaken, codeNoConnection)
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return out(body.Verdict(err, f.Size))
	}
	defer answer.Body.Close()
	text, err := bounded(answer)
	var r receipt
	if json.Unmarshal(text, &r) != nil {
		r = receipt{}
	}
	o := c.judge(answer.StatusCode, text, err, r.MessageUUID) // it may name any message, or none
	if o.Code == codeDuplicate {
		o.Verdict = dispatch.Unknown
	}
	o = body.Heard(o, f.Size, false)
	if o.At.IsZero() {
		o.At = time.Now().UTC()
	}
	return o
}
