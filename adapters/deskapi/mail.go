package deskapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/post"
)

// mailOperations are what operators do about mail that could not be taken in.
func (s *Server) mailOperations() {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/v1/parked-mail" + path, Summary: summary, Tags: []string{"mail"}}
	}
	handle(s, op("list-parked-mail", http.MethodGet, "", "List messages that wait for a person: ids, times and codes"), s.parkedMail)
	handle(s, op("retry-mail", http.MethodPost, "/{id}/retry", "Let a parked message be read again, with all checks"), s.retryMail)
	handle(s, op("file-mail", http.MethodPost, "/{id}/file", "Put a message to an unknown contact point into the inbox of its municipality"), s.fileMail)
}

func mailOf(p mailroom.Parked) wire.ParkedMail {
	return wire.ParkedMail{ID: p.ID, Tenant: string(p.Tenant), Since: p.Since, Code: p.Code}
}

func (s *Server) parkedMail(ctx context.Context, _ *call, in *struct {
	After string `query:"after" maxLength:"64"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" doc:"100 when absent"`
}) (*answer[wire.ParkedMails], error) {
	if in.Limit == 0 {
		in.Limit = 100
	}
	if in.After != "" && !post.ValidUUID(in.After) {
		return nil, post.FaultNotFound
	}
	page, err := s.c.Mail.List(ctx, strings.ToLower(in.After), in.Limit)
	if err != nil {
		return nil, err
	}
	out := wire.ParkedMails{Items: []wire.ParkedMail{}}
	for _, p := range page {
		out.Items = append(out.Items, mailOf(p))
	}
	if len(page) == in.Limit {
		out.Next = page[len(page)-1].ID
	}
	return &answer[wire.ParkedMails]{out}, nil
}

// mail returns the id of the message that in names.
func (in Target) mail() (string, error) {
	if !post.ValidUUID(in.ID) {
		return "", post.FaultNotFound
	}
	return strings.ToLower(in.ID), nil
}

func (s *Server) retryMail(ctx context.Context, c *call, in *struct {
	Target
	WriteKey
	Body struct{}
}) (*answer[wire.ParkedMail], error) {
	id, err := in.mail()
	if err != nil {
		return nil, err
	}
	p, err := s.c.Mail.Retry(ctx, c.client.ID, id)
	if err != nil {
		return nil, err
	}
	return &answer[wire.ParkedMail]{mailOf(p)}, nil
}

func (s *Server) fileMail(ctx context.Context, c *call, in *struct {
	Target
	WriteKey
	Body wire.FileMail
}) (*answer[wire.ParkedMail], error) {
	id, err := in.mail()
	if err != nil {
		return nil, err
	}
	p, err := s.c.Mail.File(ctx, c.client.ID, id, post.InboxID(in.Body.Inbox))
	if err != nil {
		return nil, err
	}
	return &answer[wire.ParkedMail]{mailOf(p)}, nil
}
