package deskapi

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/inbound/inbox"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// Ref names an inquiry; exported, as everything that huma is to fill.
type Ref struct {
	ID string `path:"id" maxLength:"64" doc:"id or reference"`
}

// WriteKey is what every write carries; it is read before the operation runs.
type WriteKey struct {
	Key string `header:"Idempotency-Key" required:"true" maxLength:"200" doc:"new for each write, the same for each retry"`
}

type answer[T any] struct{ Body T }

func (s *Server) inquiryOperations() {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/v1/inquiries" + path, Summary: summary, Tags: []string{"inquiries"}}
	}
	handle(s, op("list-inquiries", http.MethodGet, "", "List the inbox, the most urgent first"), s.listInquiries)
	handle(s, op("show-inquiry", http.MethodGet, "/{id}", "Show one inquiry without its content"), s.showInquiry)
	handle(s, op("lease-inquiry", http.MethodPost, "/{id}/lease", "Take the sole right to open and settle"), s.lease)
	handle(s, op("extend-lease", http.MethodPost, "/{id}/extend", "Make the lease last from now"), s.extend)
	content := op("open-content", http.MethodGet, "/{id}/content", "Download the sealed content; the person can see that it was opened")
	content.Responses = map[string]*huma.Response{"200": {
		Description: "age header followed by the payload; together a plain age file",
		Content:     map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}},
		Headers:     map[string]*huma.Param{wire.HeaderLength: {Description: "bytes of the age header", Schema: &huma.Schema{Type: "integer"}}},
	}}
	handle(s, content, s.content)
	handle(s, op("acknowledge-inquiry", http.MethodPost, "/{id}/acknowledge", "Take the inquiry over, or reject it with a reason"), s.acknowledge)
	reply := op("reply-to-inquiry", http.MethodPost, "/{id}/reply", "Answer an acknowledged inquiry with a letter to its person")
	reply.RequestBody = s.formBody("reply", wire.Reply{})
	reply.MaxBodyBytes = maxUpload
	reply.DefaultStatus = http.StatusCreated
	handle(s, reply, s.reply)
}

func (s *Server) listInquiries(ctx context.Context, c *call, in *struct {
	State  []string `query:"state,explode" enum:"waiting,leased,acknowledged,rejected,answered,closed,purged" doc:"waiting and leased when absent"`
	Tenant string   `query:"tenant" maxLength:"60"`
	After  string   `query:"after" maxLength:"200" doc:"next of the page before"`
	Limit  int      `query:"limit" minimum:"1" maximum:"500" doc:"100 when absent"`
}) (*answer[wire.Inquiries], error) {
	if in.Tenant != "" && !s.tenants[post.TenantID(in.Tenant)] {
		return nil, post.FaultTenant
	}
	q := inbox.Query{Tenant: post.TenantID(in.Tenant), Limit: in.Limit}
	for _, st := range in.State {
		q.States = append(q.States, post.InquiryState(st))
	}
	var ok bool
	if q.After, ok = readKey(in.After); !ok {
		return nil, post.FaultRequestForm.At("query.after")
	}
	page, next, err := s.c.Inbox.List(ctx, c.caller(), q)
	if err != nil {
		return nil, err
	}
	out := wire.Inquiries{Items: []wire.Inquiry{}, Next: showKey(next)}
	for _, e := range page {
		out.Items = append(out.Items, inquiryOf(e))
	}
	return &answer[wire.Inquiries]{out}, nil
}

func (s *Server) showInquiry(ctx context.Context, c *call, in *Ref) (*answer[wire.Inquiry], error) {
	e, err := s.c.Inbox.Find(ctx, c.caller(), in.ID)
	if err != nil {
		return nil, err
	}
	return &answer[wire.Inquiry]{inquiryOf(e)}, nil
}

func (s *Server) lease(ctx context.Context, c *call, in *struct {
	Ref
	WriteKey
}) (*answer[wire.Lease], error) {
	e, token, err := s.c.Inbox.Lease(ctx, c.caller(), in.ID)
	if err != nil {
		return nil, err
	}
	return &answer[wire.Lease]{wire.Lease{Token: token, Until: e.Lease.Until.UTC(), Inquiry: inquiryOf(e)}}, nil
}

func (s *Server) extend(ctx context.Context, c *call, in *struct {
	Ref
	WriteKey
	Body wire.Extend
}) (*answer[wire.Lease], error) {
	e, err := s.c.Inbox.Extend(ctx, c.caller(), in.ID, in.Body.LeaseToken)
	if err != nil {
		return nil, err
	}
	return &answer[wire.Lease]{wire.Lease{Token: in.Body.LeaseToken, Until: e.Lease.Until.UTC(), Inquiry: inquiryOf(e)}}, nil
}

type stream struct{ Body func(huma.Context) }

func (s *Server) content(ctx context.Context, c *call, in *struct {
	Ref
	Lease string `header:"X-Lease-Token" required:"true" maxLength:"200"`
}) (*stream, error) {
	sealed, payload, err := s.c.Inbox.Content(ctx, c.caller(), in.ID, in.Lease)
	if err != nil {
		return nil, err
	}
	return &stream{func(h huma.Context) {
		defer payload.Close()
		h.SetHeader("Content-Type", "application/octet-stream")
		h.SetHeader("Content-Length", strconv.FormatInt(int64(len(sealed.Header))+sealed.Size, 10))
		h.SetHeader(wire.HeaderLength, strconv.Itoa(len(sealed.Header)))
		h.SetStatus(http.StatusOK)
		w := h.BodyWriter()
		_, err := w.Write(sealed.Header)
		if err == nil {
			_, err = io.Copy(w, payload)
		}
		if err != nil {
			s.c.Log.ErrorContext(ctx, "content broken off", slog.String("ref", c.id), slog.Any("error", err))
			panic(http.ErrAbortHandler) // the caller must not take a part for the whole
		}
	}}, nil
}

func (s *Server) acknowledge(ctx context.Context, c *call, in *struct {
	Ref
	WriteKey
	Body wire.Acknowledge
}) (*answer[wire.Acknowledged], error) {
	digest, err := hex.DecodeString(in.Body.Digest)
	if err != nil {
		return nil, post.FaultRequestForm.At("body.digest")
	}
	if (in.Body.Outcome == wire.Reject) != (in.Body.Reason != "") {
		return nil, post.FaultReason
	}
	e, err := s.c.Inbox.Acknowledge(ctx, c.caller(), in.ID, in.Body.LeaseToken, digest, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &answer[wire.Acknowledged]{wire.Acknowledged{
		ID: string(e.ID), Reference: e.Reference, State: string(e.State), SettledAt: e.SettledAt,
	}}, nil
}

func (s *Server) reply(ctx context.Context, c *call, in *struct {
	Ref
	WriteKey
}) (*answer[wire.LetterReceipt], error) {
	defer c.form.close()
	var r wire.Reply
	if err := s.readHead(c, "reply", &r); err != nil {
		return nil, err
	}
	// Checked before the files are read, and again, for good, at accept.
	e, err := s.c.Inbox.Replyable(ctx, c.caller(), in.ID)
	if err != nil {
		return nil, err
	}
	docs, err := c.form.documents(r.Documents)
	if err != nil {
		return nil, err
	}
	got, err := s.c.Letters.Submit(ctx, letter.Submission{
		Tenant: e.Tenant, Client: c.client.ID, BusinessKey: "reply:" + string(e.ID) + ":" + c.key,
		Title: r.Title, Inquiry: e.ID, Documents: docs, Arrive: post.Day(r.ArriveBy), Urgent: r.Urgent, Registered: r.Registered,
	})
	if err != nil {
		return nil, err
	}
	return &answer[wire.LetterReceipt]{receiptOf(got)}, nil
}

func inquiryOf(e inbox.Entry) wire.Inquiry {
	w := wire.Inquiry{
		ID: string(e.ID), Reference: e.Reference, Tenant: string(e.Tenant), Kind: string(e.Kind), State: string(e.State),
		AcceptedAt: e.AcceptedAt, DueAt: optional(e.DueAt), Attachments: e.Attachments, Size: e.Size,
		SettledAt: optional(e.SettledAt), Reason: e.Reason, Letter: string(e.Letter),
	}
	if e.State == post.InquiryLeased {
		w.LeasedUntil = optional(e.Lease.Until)
	}
	return w
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// showKey and readKey turn a place in a list into an opaque word and back.
func showKey(k inbox.Key) string {
	if k.ID == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(k.DueAt.UnixMicro(), 10) + "." + string(k.ID)))
}

func readKey(s string) (inbox.Key, bool) {
	if s == "" {
		return inbox.Key{}, true
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	due, id, ok := strings.Cut(string(b), ".")
	us, err2 := strconv.ParseInt(due, 10, 64)
	if err != nil || !ok || err2 != nil || !post.ValidUUID(id) {
		return inbox.Key{}, false
	}
	return inbox.Key{DueAt: time.UnixMicro(us), ID: post.InquiryID(id)}, true
}
