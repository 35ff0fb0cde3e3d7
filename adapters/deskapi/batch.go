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

// maxPart bounds the JSON of a part: 1,000 lines of 2,000 bytes.
const maxPart = 2 << 20

func (s *Server) batchOperations() {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/v1/batches" + path, Summary: summary, Tags: []string{"batches"}}
	}
	open := op("open-batch", http.MethodPost, "", "Name a batch with its lines, or announce how many come in parts; the same batch again changes nothing")
	open.MaxBodyBytes = maxLines
	handle(s, open, s.openBatch)
	part := op("put-lines", http.MethodPut, "/{id}/lines/{part}", "Put one part of the lines announced; the same part again changes nothing")
	part.MaxBodyBytes = maxPart
	handle(s, part, s.putLines)
	put := op("put-document", http.MethodPut, "/{id}/documents/{sha256}", "Put one document that the lines announce")
	put.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}},
		"application/pdf":          {Schema: &huma.Schema{Type: "string", Format: "binary"}},
	}}
	put.MaxBodyBytes = letter.MaxDocument + 1
	put.DefaultStatus = http.StatusNoContent
	handle(s, put, s.putDocument)
	s.documentOperations()
	for _, o := range []struct {
		verb, summary string
		do            func(context.Context, *call, post.BatchID) (batch.View, error)
	}{
		{"close", "Check the whole batch and hold a letter for each line; asked again while the answer is closing", s.closeBatch},
		{"approve", "Release the letters, or the canary, as a second person", s.approveBatch},
		{"continue", "Release the rest after the canary, as a second person", s.continueBatch},
		{"pause", "Hand over nothing more of the batch until it is resumed", s.pauseBatch},
		{"resume", "Let a paused batch go on", s.resumeBatch},
		{"stop", "Cancel every letter that no carrier has; the counts say how many", s.stopBatch},
	} {
		handle(s, op(o.verb+"-batch", http.MethodPost, "/{id}/"+o.verb, o.summary), func(ctx context.Context, c *call, in *batchStep) (*answer[wire.Batch], error) {
			id, err := in.batch()
			if err != nil {
				return nil, err
			}
			v, err := o.do(ctx, c, id)
			if err != nil {
				return nil, err
			}
			return &answer[wire.Batch]{batchOf(v)}, nil
		})
	}
	handle(s, op("show-batch", http.MethodGet, "/{id}", "Show where a batch stands"), s.showBatch)
	handle(s, op("list-batch-letters", http.MethodGet, "/{id}/letters", "List the letters of a batch"), s.batchLetters)
}

type batchStep struct {
	Target
	WriteKey
}

func (s *Server) closeBatch(ctx context.Context, c *call, id post.BatchID) (batch.View, error) {
	return s.c.Batches.Close(ctx, c.client.Tenant, id, c.client.ID)
}

func (s *Server) approveBatch(ctx context.Context, c *call, id post.BatchID) (batch.View, error) {
	return s.released(ctx, id)(s.c.Batches.Approve(ctx, c.client.Tenant, id, c.client.ID))
}

func (s *Server) continueBatch(ctx context.Context, c *call, id post.BatchID) (batch.View, error) {
	return s.released(ctx, id)(s.c.Batches.Continue(ctx, c.client.Tenant, id, c.client.ID))
}

func (s *Server) pauseBatch(ctx context.Context, c *call, id post.BatchID) (batch.View, error) {
	return s.c.Batches.Pause(ctx, c.sees(), id, c.client.ID)
}

func (s *Server) resumeBatch(ctx context.Context, c *call, id post.BatchID) (batch.View, error) {
	return s.released(ctx, id)(s.c.Batches.Resume(ctx, c.sees(), id, c.client.ID))
}

// released says that letters of a batch may go, unless what would let them failed.
func (s *Server) released(ctx context.Context, id post.BatchID) func(batch.View, error) (batch.View, error) {
	return func(v batch.View, err error) (batch.View, error) {
		if err == nil && s.c.Released != nil {
			s.c.Released(ctx, id)
		}
		return v, err
	}
}

func (s *Server) stopBatch(ctx context.Context, c *call, id post.BatchID) (batch.View, error) {
	return s.c.Batches.Stop(ctx, c.sees(), id, c.client.ID)
}

func (s *Server) openBatch(ctx context.Context, c *call, in *struct {
	WriteKey
	Body wire.BatchOpen
}) (*answer[wire.Batch], error) {
	b := in.Body
	o := batch.Options{Policy: post.SigningPolicy(b.Policy), Urgent: b.Urgent, Canary: b.Canary}
	var v batch.View
	var err error
	switch {
	case b.Announced > 0 && len(b.Lines) > 0:
		err = post.FaultRequestForm.At("body: give lines or announced, not both")
	case b.Announced > 0:
		v, err = s.c.Batches.Announce(ctx, c.client.Tenant, c.client.ID, b.Key, b.Announced, o)
	default:
		v, err = s.c.Batches.Open(ctx, c.client.Tenant, c.client.ID, b.Key, linesOf(b.Lines), o)
	}
	if err != nil {
		return nil, err
	}
	return &answer[wire.Batch]{batchOf(v)}, nil
}

func linesOf(in []wire.BatchLine) []batch.Line {
	lines := make([]batch.Line, 0, len(in))
	for _, l := range in {
		lines = append(lines, batch.Line{
			Key: l.Key, Recipient: recipientOf(l.Recipient), Title: l.Title, Filename: l.Document, SHA256: l.SHA256, Language: l.Language,
			Arrive: l.ArriveBy, Registered: l.Registered,
		})
	}
	return lines
}

func (s *Server) putLines(ctx context.Context, c *call, in *struct {
	Target
	WriteKey
	Part int `path:"part" minimum:"1" maximum:"100"`
	Body wire.BatchPart
}) (*answer[wire.BatchPartKept], error) {
	b, err := in.batch()
	if err != nil {
		return nil, err
	}
	repeated, err := s.c.Batches.PutLines(ctx, c.client.Tenant, b, in.Part, linesOf(in.Body.Lines))
	if err != nil {
		return nil, err
	}
	return &answer[wire.BatchPartKept]{wire.BatchPartKept{Part: in.Part, Lines: len(in.Body.Lines), Repeated: repeated}}, nil
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
	// A batch that the client may not see does not exist for it. Whoever reads on
	// is not asked again: that counts all letters, and of a batch that they may not
	// see, as of one that does not exist, no letter is found.
	if in.After == "" {
		if _, err := s.c.Batches.Show(ctx, c.sees(), b); err != nil {
			return nil, err
		}
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
		Received: v.Received, Parts: v.Parts, Policy: string(v.Policy), Signed: v.Signed, Urgent: v.Urgent, Canary: v.Canary,
		Waiting: v.Waiting, Paused: v.Paused,
	}
	for state, n := range v.Letters {
		if out.Letters == nil {
			out.Letters = map[string]int{}
		}
		out.Letters[string(state)] = n
	}
	return out
}
