package deskapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outbound/track"
)

// returnOperations are what the mail room does.
func (s *Server) returnOperations() {
	handle(s, huma.Operation{
		OperationID: "enter-returned-mail", Method: http.MethodPost, Path: "/v1/returned-mail",
		Summary: "Enter an envelope that came back; the same one again changes nothing", Tags: []string{"letters"},
	}, s.returnedMail)
}

func (s *Server) returnedMail(ctx context.Context, c *call, in *struct {
	WriteKey
	Body wire.ReturnedMail
}) (*answer[wire.ReturnedLetter], error) {
	got, err := s.c.Mailroom.Enter(ctx, track.Return{Tenant: c.sees(), Actor: c.client.ID, Code: in.Body.Code, Reason: in.Body.Reason})
	if err != nil {
		return nil, err
	}
	return &answer[wire.ReturnedLetter]{wire.ReturnedLetter{ID: string(got.Letter), Reference: got.Reference,
		Generation: got.Generation, State: string(got.State), Repeated: got.Repeated}}, nil
}
