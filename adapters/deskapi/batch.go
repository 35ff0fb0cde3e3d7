package deskapi

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// maxLines bounds the JSON of a whole batch: 10,000 lines of 1,600 bytes.
const maxLines = 16 << 20

func (s *Server) batchOperations() {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/v1/batches" + path, Summary: summary, Tags: []string{"batches"}}
	}
	open := op("open-batch", http.MethodPost, "", "Name a batch and its lines; the same batch again changes nothing")
	open.MaxBodyBytes = maxLines
	handle(s, open, s.openBatch)
	put := op("put-document", http.MethodPut, "/{id}/documents/{sha256}", "Put one document that the lines announce")
	put.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}},
		"application/pdf":          {Schema: &huma.Schema{Type: "string", Format: "binary"}},
	}}
	put.MaxBodyBytes = letter.MaxDocument + 1
	put.DefaultStatus = http.StatusNoContent
	handle(s, put, s.putDocument)
	handle(s, op("close-batch", http.MethodPost, "/{id}/close", "Check the whole batch and hold a letter for each line"), s.closeBatch)
	handle(s, op("approve-batch", http.MethodPost, "/{id}/approve", "Release the letters, as a second person"), s.approveBatch)
	handle(s, op("show-batch", http.MethodGet, "/{id}", "Show where a batch stands"), s.showBatch)
	handle(s, op("list-batch-letters", http.MethodGet, "/{id}/letters", "List the letters of a batch"), s.batchLetters)
}

func (s *Server) openBatch(ctx context.Context, c *call, in *struct {
	WriteKey
	Body wire.BatchOpen
}) (*answer[wire.Batch], error) {
	lines := make([]batch.Line, 0, len(in.Body.Lines))
	for _, l := range in.Body.Lines {
		lines = append(lines, batch.Line{
			Key: l.Key, Recipient: recipientOf(l.Recipient), Title: l.Title, Filename: l.Document, SHA256: l.SHA256, Language: l.Language,
		})
	}
	v, err := s.c.Batches.Open(ctx, c.client.Tenant, c.client.ID, in.Body.Key, lines)
	if err != nil {
		return nil, err
	}
	return &answer[wire.Batch]{batchOf(v)}, nil
}

// Stream lets a handler read the request as it comes in.
type Stream struct{ reader io.Reader }

// Resolve implements [huma.Resolver].
func (b *Stream) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	b.reader = r.Body
	return nil
}

var _ huma.Resolver = (*Stream)(nil)

func (s *Server) putDocument(ctx context.Context, c *call, in *struct {
	Target
	WriteKey
	Stream
	SHA256 string `path:"sha256" pattern:"^[0-9a-f]{64}$"`
}) (*struct{}, error) {
	b, err := in.batch()
	if err != nil {
		return nil, err
	}
	if err := s.c.Batches.PutDocument(ctx, c.client.Tenant, b, in.SHA256, in.reader); err != nil {
		return nil, err
	}
	return nil, nil
}

type batchStep struct {
	Target
	WriteKey
}

func (s *Server) closeBatch(ctx context.Context, c *call, in *batchStep) (*answer[wire.Batch], error) {
	b, err := in.batch()
	if err != nil {
		return nil, err
	}
	v, err := s.c.Batches.Close(ctx, c.client.Tenant, b, c.client.ID)
	if err != nil {
		return nil, err
	}
	return &answer[wire.Batch]{batchOf(v)}, nil
}

func (s *Server) approveBatch(ctx context.Context, c *call, in *batchStep) (*answer[wire.Batch], error) {
	b, err := in.batch()
	if err != nil {
		return nil, err
	}
	v, err := s.c.Batches.Approve(ctx, c.client.Tenant, b, c.client.ID)
	if err != nil {
		return nil, err
	}
	return &answer[wire.Batch]{batchOf(v)}, nil
}

func (s *Server) showBatch(ctx context.Context, c *call, in *Target) (*answer[wire.Batch], error) {
	b, err := in.batch()
	if err != nil {
		return nil, err
	}
	v, err := s.c.Batches.Show(ctx, c.sees(), b)
	if err != nil {
		return nil, err
	}
	return &answer[wire.Batch]{batchOf(v)}, nil
}

func (s *Server) batchLetters(ctx context.Context, c *call, in *struct {
	Target
	State string `query:"state" maxLength:"40"`
	After string `query:"after" maxLength:"64"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" doc:"500 when absent"`
}) (*answer[wire.BatchLetters], error) {
	b, err := in.batch()
	if err != nil {
		return nil, err
	}
	// A batch that the client may not see does not exist for it.
	if _, err := s.c.Batches.Show(ctx, c.sees(), b); err != nil {
		return nil, err
	}
	if in.Limit == 0 {
		in.Limit = 500
	}
	page, err := s.c.Letters.List(ctx, letter.Filter{
		Tenant: c.sees(), Batch: b, State: post.LetterState(in.State), After: post.LetterID(in.After), Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := wire.BatchLetters{Items: []wire.LetterView{}}
	for _, v := range page {
		out.Items = append(out.Items, letterOf(v))
	}
	if len(page) == in.Limit {
		out.Next = string(page[len(page)-1].ID)
	}
	return &answer[wire.BatchLetters]{out}, nil
}

func batchOf(v batch.View) wire.Batch {
	out := wire.Batch{
		ID: string(v.ID), Tenant: string(v.Tenant), State: string(v.State), Lines: v.Lines, Missing: v.Missing,
		Submitter: string(v.Submitter), Approver: string(v.Approver), OpenedAt: v.OpenedAt, Repeated: v.Repeated,
	}
	for state, n := range v.Letters {
		if out.Letters == nil {
			out.Letters = map[string]int{}
		}
		out.Letters[string(state)] = n
	}
	return out
}
