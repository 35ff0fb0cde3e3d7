package deskapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

// maxUpload bounds a form: the documents of one letter, and room for the rest.
const maxUpload = letter.MaxLetter + 2<<20

// Target names a letter or a batch.
type Target struct {
	ID string `path:"id" maxLength:"64" doc:"the id; of a letter, also its reference"`
}

// named returns the letter that in names: by its id, or by the reference that
// papers carry.
func (s *Server) named(ctx context.Context, c *call, in Target) (post.LetterID, error) {
	id, err := s.c.Letters.Find(ctx, c.sees(), in.ID)
	if _, form := post.ParseReference(in.ID); errors.Is(err, post.ErrNotFound) && !form {
		return "", post.FaultNotFound.At("neither the id of a letter nor a reference whose check character fits")
	}
	return id, err
}

func (in Target) batch() (post.BatchID, error) {
	if !post.ValidUUID(in.ID) {
		return "", post.FaultNotFound
	}
	return post.BatchID(strings.ToLower(in.ID)), nil
}

func (s *Server) letterOperations() {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/v1/letters" + path, Summary: summary, Tags: []string{"letters"}}
	}
	submit := op("submit-letter", http.MethodPost, "", "Submit one letter; the same key with the same content is the same letter")
	submit.RequestBody = s.formBody("letter", wire.Letter{})
	submit.MaxBodyBytes = maxUpload
	submit.DefaultStatus = http.StatusCreated
	handle(s, submit, s.submit)
	handle(s, op("show-letter", http.MethodGet, "/{id}", "Show where a letter stands"), s.showLetter)
	handle(s, op("list-letter-events", http.MethodGet, "/{id}/events", "List the steps of a letter, oldest first"), s.letterEvents)
	evidence := op("fetch-evidence", http.MethodGet, "/{id}/evidence", "Fetch the evidence of a letter, to be verified offline")
	evidence.Responses = map[string]*huma.Response{"200": {
		Description: "ASiC-E with detached documents",
		Content:     map[string]*huma.MediaType{verify.MediaType: {Schema: &huma.Schema{Type: "string", Format: "binary"}}},
	}}
	handle(s, evidence, s.evidence)
	handle(s, op("list-letters", http.MethodGet, "", "List letters, those that wait for somebody among them"), s.listLetters)
	handle(s, op("hold-letter", http.MethodPost, "/{id}/hold", "Keep a letter and all that belongs to it from being purged"), s.holdLetter)
	handle(s, op("unhold-letter", http.MethodPost, "/{id}/unhold", "Lift the hold of a letter"), s.unholdLetter)
}

// formBody describes a form whose first part, named name, is head as JSON.
func (s *Server) formBody(name string, head any) *huma.RequestBody {
	reg := s.api.OpenAPI().Components.Schemas
	return &huma.RequestBody{
		Required:    true,
		Description: "First the part " + name + " (JSON), then one part document for each of its documents, in that order.",
		Content: map[string]*huma.MediaType{"multipart/form-data": {
			Schema: &huma.Schema{
				Type: huma.TypeObject, Required: []string{name, "document"},
				Properties: map[string]*huma.Schema{
					name:       reg.Schema(reflect.TypeOf(head), true, ""),
					"document": {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
				},
			},
			Encoding: map[string]*huma.Encoding{name: {ContentType: "application/json"}, "document": {ContentType: "application/octet-stream"}},
		}},
	}
}

// readHead reads the JSON part of the form into out, a pointer to a struct,
// under the same rules as any other JSON body.
func (s *Server) readHead(c *call, name string, out any) error {
	b, err := c.form.head(name)
	if err != nil {
		return err
	}
	var loose any
	if err := json.Unmarshal(b, &loose); err != nil {
		return post.FaultRequestUnreadable.At("%s is not JSON", name)
	}
	if err := wire.Once(b); err != nil {
		return post.FaultRequestForm.At("%s: %v", name, err)
	}
	reg := s.api.OpenAPI().Components.Schemas
	path, res := huma.NewPathBuffer([]byte(name), 0), &huma.ValidateResult{}
	huma.Validate(reg, reg.Schema(reflect.TypeOf(out).Elem(), true, ""), path, huma.ModeWriteToServer, loose, res)
	if len(res.Errors) > 0 {
		return &formErrors{res.Errors}
	}
	if err := json.Unmarshal(b, out); err != nil {
		return post.FaultRequestForm.At("%s", name)
	}
	return nil
}

// formErrors is what was wrong with a JSON part.
type formErrors struct{ errs []error }

// Error implements error.
func (*formErrors) Error() string { return "a part of the form is not as described" }

func (s *Server) submit(ctx context.Context, c *call, in *struct{ WriteKey }) (*answer[wire.LetterReceipt], error) {
	defer c.form.close()
	var l wire.Letter
	if err := s.readHead(c, "letter", &l); err != nil {
		return nil, err
	}
	tenant, err := c.tenant(l.Tenant)
	if err != nil {
		return nil, err
	}
	to := recipientOf(l.Recipient)
	if _, err := to.Party(); err != nil { // before the files are read
		return nil, err
	}
	docs, err := c.form.documents(l.Documents)
	if err != nil {
		return nil, err
	}
	sub := letter.Submission{
		Tenant: tenant, Client: c.client.ID, BusinessKey: l.Key, Title: l.Title, Recipient: &to, Documents: docs,
		Arrive: post.Day(l.ArriveBy), Urgent: l.Urgent, Registered: l.Registered,
	}
	if l.NotBefore != nil {
		sub.NotBefore = *l.NotBefore
	}
	got, err := s.c.Letters.Submit(ctx, sub)
	if err != nil {
		return nil, err
	}
	return &answer[wire.LetterReceipt]{receiptOf(got)}, nil
}

func (s *Server) showLetter(ctx context.Context, c *call, in *Target) (*answer[wire.LetterView], error) {
	v, err := s.view(ctx, c, in)
	if err != nil {
		return nil, err
	}
	return &answer[wire.LetterView]{letterOf(v)}, nil
}

func (s *Server) letterEvents(ctx context.Context, c *call, in *Target) (*answer[wire.Events], error) {
	v, err := s.view(ctx, c, in)
	if err != nil {
		return nil, err
	}
	out := wire.Events{Items: []wire.Event{}}
	for _, e := range v.Events {
		out.Items = append(out.Items, wire.Event{ID: e.ID, At: e.At, Kind: e.Kind, Actor: e.Actor, Outcome: e.Outcome, Digest: e.Digest})
	}
	return &answer[wire.Events]{out}, nil
}

func (s *Server) view(ctx context.Context, c *call, in *Target) (letter.View, error) {
	l, err := s.named(ctx, c, *in)
	if err != nil {
		return letter.View{}, err
	}
	return s.c.Letters.Show(ctx, c.sees(), l)
}

type file struct {
	Type string `header:"Content-Type"`
	Body []byte
}

func (s *Server) evidence(ctx context.Context, c *call, in *Target) (*file, error) {
	l, err := s.named(ctx, c, *in)
	if err != nil {
		return nil, err
	}
	b, err := s.c.Letters.Evidence(ctx, c.sees(), l)
	if err != nil {
		return nil, err
	}
	return &file{verify.MediaType, b}, nil
}

func recipientOf(p wire.Party) post.PartyRecord {
	return post.PartyRecord{IDType: p.IDType, ID: p.ID, Name: p.Name, ContactPoint: p.ContactPoint, Address: p.Address}
}

func receiptOf(r letter.Receipt) wire.LetterReceipt {
	return wire.LetterReceipt{ID: string(r.ID), Reference: r.Reference, State: string(r.State), Repeated: r.Repeated, Timing: string(r.Timing)}
}

func letterOf(v letter.View) wire.LetterView {
	return wire.LetterView{
		ID: string(v.ID), Reference: v.Reference, Tenant: string(v.Tenant), Batch: string(v.Batch), Line: v.Line,
		Inquiry: string(v.Inquiry), State: string(v.State), Final: v.State.Final(), Channel: string(v.Channel),
		Generation: v.Generation, Code: v.Code, MessageID: v.MessageID, Carrier: string(v.Carrier), Transmission: v.Transmission, Tracking: v.Tracking,
		PostingDay: string(v.Posting),
		AcceptedAt: v.AcceptedAt, SignedAt: v.SignedAt, NotBefore: v.NotBefore, AvailableAt: v.AvailableAt,
		Since: v.Since, SentAt: v.SentAt, ArriveBy: string(v.Arrive), Timing: string(v.Timing), Urgent: v.Urgent, Registered: v.Registered, HeldAt: v.HeldAt, Hold: string(v.Hold),
	}
}
