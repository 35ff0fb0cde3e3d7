package deskapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outbound/batch"
)

// maxArchive bounds a request of many documents. Memory does not depend on it;
// it is what passes within the time that a request has.
const maxArchive = 72 << 20

func (s *Server) documentOperations() {
	put := huma.Operation{
		OperationID: "put-documents", Method: http.MethodPut, Path: "/v1/batches/{id}/documents", Tags: []string{"batches"},
		Summary: "Put many documents that the lines announce; one that is refused does not spoil the others",
		Description: "The body is an uncompressed tar of at most 500 files, each named by the SHA-256 of its bytes in lower-case hexadecimal digits. " +
			"Documents become durable in groups as they come in: when the request breaks off, those of whole groups are kept and are known when sent again.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			mediaTar: {Schema: &huma.Schema{Type: "string", Format: "binary"}},
		}},
		MaxBodyBytes: maxArchive,
	}
	handle(s, put, s.putDocuments)
}

func (s *Server) putDocuments(ctx context.Context, c *call, in *struct {
	Target
	WriteKey
}) (*answer[wire.Documents], error) {
	b, err := in.batch()
	if err != nil {
		return nil, err
	}
	verdicts, err := s.c.Batches.PutDocuments(ctx, c.client.Tenant, b, c.archive.next)
	if err != nil {
		return nil, err
	}
	out := wire.Documents{Items: make([]wire.DocumentPut, 0, len(verdicts))}
	for i, v := range verdicts {
		c.archive.note(v)
		item := wire.DocumentPut{N: i + 1, SHA256: v.SHA256, State: string(v.State)}
		switch v.State {
		case batch.Stored:
			out.Stored++
		case batch.Known:
			out.Known++
		case batch.Refused:
			out.Refused++
			item.Code, item.Message, item.Cure = v.Fault.Code, v.Fault.English, v.Fault.Cure
			if c.danish {
				item.Message, item.Cure = v.Fault.Danish, v.Fault.CureDA
			}
		}
		out.Items = append(out.Items, item)
	}
	return &answer[wire.Documents]{out}, nil
}
