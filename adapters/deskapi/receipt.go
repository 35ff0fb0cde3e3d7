package deskapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// receiptOperations are what operators do about receipts that nobody else can make
// sense of, and about mail that nobody will take.
func (s *Server) receiptOperations() {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/v1/parked-receipts" + path, Summary: summary, Tags: []string{"receipts"}}
	}
	handle(s, op("list-parked-receipts", http.MethodGet, "", "List receipts that wait for a person: ids, times and codes"), s.parkedReceipts)
	handle(s, op("show-receipt", http.MethodGet, "/{id}", "Show what is known of a receipt; nothing of it names a person"), s.showReceipt)
	handle(s, op("retry-receipts", http.MethodPost, "/retry", "Let a page of parked receipts with one code be judged again, with all checks"), s.retryReceipts)
	handle(s, op("retry-receipt", http.MethodPost, "/{id}/retry", "Let a parked receipt be judged again, with all checks"), s.retryReceipt)
	handle(s, op("close-receipt", http.MethodPost, "/{id}/close", "Say that a parked receipt needs nobody any more; it stays stored"), s.closeReceipt)
	handle(s, huma.Operation{OperationID: "close-mail", Method: http.MethodPost, Path: "/v1/parked-mail/{id}/close",
		Summary: "Say that a parked message needs nobody any more", Tags: []string{"mail"}}, s.closeMail)
}

// ReceiptTarget names a receipt.
type ReceiptTarget struct {
	ID string `path:"id" maxLength:"400" doc:"carrier and the carrier's id of the event, with the slash between them escaped as %2F"`
}

func keptOf(k track.Kept) wire.ParkedReceipt {
	return wire.ParkedReceipt{ID: k.ID.String(), Tenant: string(k.Tenant), Carrier: k.ID.Carrier, Code: k.Word(), Said: string(k.Kind), Reason: k.Code,
		Letter: string(k.Letter), State: string(k.State), MessageID: k.MessageID, Tracking: k.Tracking, At: k.At, Since: k.Since,
		Verdict: string(k.Verdict), Size: k.Size}
}

// after reads where a page begins.
func after(s string) (*track.ReceiptID, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // the beginning is no receipt
	}
	id, err := track.ParseReceiptID(s)
	return &id, err
}

func (s *Server) parkedReceipts(ctx context.Context, _ *call, in *struct {
	Code   string `query:"code" maxLength:"80" doc:"why they are parked"`
	Tenant string `query:"tenant" maxLength:"32"`
	After  string `query:"after" maxLength:"400"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" doc:"100 when absent"`
}) (*answer[wire.ParkedReceipts], error) {
	from, err := after(in.After)
	if err != nil {
		return nil, err
	}
	if in.Tenant != "" && !s.tenants[post.TenantID(in.Tenant)] {
		return nil, post.FaultTenant
	}
	if in.Limit == 0 {
		in.Limit = 100
	}
	page, err := s.c.Receipts.List(ctx, track.ParkedPage{Word: in.Code, Tenant: post.TenantID(in.Tenant), After: from, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	out := wire.ParkedReceipts{Items: []wire.ParkedReceipt{}}
	for _, k := range page {
		out.Items = append(out.Items, keptOf(k))
	}
	if len(page) == in.Limit {
		out.Next = page[len(page)-1].ID.String()
	}
	return &answer[wire.ParkedReceipts]{out}, nil
}

func (s *Server) showReceipt(ctx context.Context, _ *call, in *ReceiptTarget) (*answer[wire.ParkedReceipt], error) {
	id, err := track.ParseReceiptID(in.ID)
	if err != nil {
		return nil, err
	}
	k, err := s.c.Receipts.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	return &answer[wire.ParkedReceipt]{keptOf(k)}, nil
}

func (s *Server) retryReceipt(ctx context.Context, c *call, in *struct {
	ReceiptTarget
	WriteKey
	Body struct{}
}) (*answer[wire.ParkedReceipt], error) {
	id, err := track.ParseReceiptID(in.ID)
	if err != nil {
		return nil, err
	}
	k, err := s.c.Receipts.Retry(ctx, c.client.ID, id)
	if err != nil {
		return nil, err
	}
	return &answer[wire.ParkedReceipt]{keptOf(k)}, nil
}

func (s *Server) retryReceipts(ctx context.Context, c *call, in *struct {
	WriteKey
	Body wire.RetryReceipts
}) (*answer[wire.RetriedReceipts], error) {
	from, err := after(in.Body.After)
	if err != nil {
		return nil, err
	}
	got, err := s.c.Receipts.RetryAll(ctx, c.client.ID, track.ParkedPage{Word: in.Body.Code, After: from, Limit: track.MaxParked})
	if err != nil {
		return nil, err
	}
	out := wire.RetriedReceipts{Tried: got.Tried, LeftOut: got.LeftOut}
	if got.Next != nil {
		out.Next = got.Next.String()
	}
	return &answer[wire.RetriedReceipts]{out}, nil
}

func (s *Server) closeReceipt(ctx context.Context, c *call, in *struct {
	ReceiptTarget
	WriteKey
	Body wire.CloseReceipt
}) (*answer[wire.ParkedReceipt], error) {
	id, err := track.ParseReceiptID(in.ID)
	if err != nil {
		return nil, err
	}
	k, err := s.c.Receipts.Close(ctx, c.client.ID, id, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &answer[wire.ParkedReceipt]{keptOf(k)}, nil
}

func (s *Server) closeMail(ctx context.Context, c *call, in *struct {
	Target
	WriteKey
	Body wire.CloseMail
}) (*answer[wire.ParkedMail], error) {
	id, err := in.mail()
	if err != nil {
		return nil, err
	}
	p, err := s.c.Mail.Close(ctx, c.client.ID, id, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &answer[wire.ParkedMail]{mailOf(p)}, nil
}
