package deskapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
)

// call is one request: who asks, and under which reference the log knows it.
type call struct {
	server *Server
	client config.Client
	id     string
	danish bool
	form   *form // of a multipart request
	// archive is of a request of many documents.
	archive *archive
	key     string
}

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

func prefersDanish(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.Header.Get("Accept-Language")), "da")
}

// refusal is a problem as huma writes it.
type refusal struct{ wire.Problem }

var _ huma.StatusError = (*refusal)(nil)

// Error implements error.
func (r *refusal) Error() string { return r.Code + ": " + r.Title }

// GetStatus implements [huma.StatusError].
func (r *refusal) GetStatus() int { return r.Status }

// ContentType implements [huma.ContentTypeFilter].
func (*refusal) ContentType(string) string { return "application/problem+json" }

// problem makes the answer to err and puts it on the log, once.
func (c *call) problem(ctx context.Context, err error) *refusal {
	f, spots := c.faults(err)
	p := &refusal{wire.Problem{
		Type: "urn:sikkerpost:error:" + f.Code, Code: f.Code, Title: f.English, Cure: f.Cure, Status: f.Status,
		Instance: "urn:uuid:" + c.id, Errors: spots,
	}}
	if c.danish {
		p.Title, p.Cure = f.Danish, f.CureDA
	}
	var at *post.Refusal
	if len(spots) == 0 && errors.As(err, &at) {
		p.Detail = at.Detail
	}
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.String("ref", c.id), slog.String("code", f.Code), slog.String("client", string(c.client.ID))}
	if f.Status >= 500 {
		level = slog.LevelError
	}
	if f.Status >= 500 || f == post.FaultClientCertificate {
		attrs = append(attrs, slog.Any("error", err))
	}
	if c.server != nil {
		c.server.c.Log.LogAttrs(ctx, level, "request refused", attrs...)
	}
	return p
}

// faults returns the fault that err is, and every spot when there are several.
func (c *call) faults(err error) (*post.Fault, []wire.ProblemSpot) {
	if spots := c.spots(err); len(spots) > 1 {
		return post.FaultSeveral, spots
	}
	var f *post.Fault
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return post.FaultBodyTooLarge, nil
	case errors.As(err, &f):
		return f, nil
	case errors.Is(err, post.ErrNotFound):
		return post.FaultNotFound, nil
	case errors.Is(err, post.ErrStale):
		return post.FaultStale, nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return post.FaultUnavailable, nil
	}
	return post.FaultInternal, nil
}

// joins digs out the errors that errors.Join put together, below any wrapping.
func joins(err error) []error {
	for err != nil {
		if _, one := err.(*post.Refusal); one { //nolint:errorlint // looking at each layer by itself
			return nil
		}
		if j, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // as above
			return j.Unwrap()
		}
		err = errors.Unwrap(err)
	}
	return nil
}

func (c *call) spots(err error) []wire.ProblemSpot {
	var out []wire.ProblemSpot
	for _, e := range joins(err) {
		var f *post.Fault
		if !errors.As(e, &f) {
			continue
		}
		s := wire.ProblemSpot{Code: f.Code, Message: f.English, Cure: f.Cure}
		if c.danish {
			s.Message, s.Cure = f.Danish, f.CureDA
		}
		var at *post.Refusal
		if errors.As(e, &at) {
			s.Location = at.Detail
		}
		out = append(out, s)
	}
	return out
}

// write answers outside of any operation.
func write(w http.ResponseWriter, p *refusal) {
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusConflict || p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p.Problem) //nolint:errcheck // the caller is gone when this fails
}

// refuse answers from within a middleware.
func refuse(ctx huma.Context, p *refusal) {
	_, w := humago.Unwrap(ctx)
	write(w, p)
}

// formFault is the fault of a request that huma itself refuses.
func formFault(status int, errs []error) *post.Fault {
	var tooLarge *http.MaxBytesError
	for _, e := range errs {
		if errors.As(e, &tooLarge) {
			return post.FaultBodyTooLarge
		}
	}
	switch status {
	case http.StatusBadRequest:
		return post.FaultRequestUnreadable
	case http.StatusRequestEntityTooLarge:
		return post.FaultBodyTooLarge
	case http.StatusUnsupportedMediaType:
		return post.FaultMediaType
	case http.StatusUnprocessableEntity:
		return post.FaultRequestForm
	case http.StatusRequestTimeout:
		return post.FaultUnavailable
	}
	return post.FaultInternal
}

// huma has no other place for the form of its errors than these variables; no
// other package of the house uses huma.
func init() { //nolint:gochecknoinits // see above
	huma.ValidateStrictCasing = true // "Digest" is not "digest"
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError {
		return formProblem(context.Background(), &call{}, status, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, _ string, errs ...error) huma.StatusError {
		return formProblem(ctx.Context(), callOf(ctx.Context()), status, errs)
	}
}

// formProblem lists what was wrong where. Values are left out: they may be
// personal.
func formProblem(ctx context.Context, c *call, status int, errs []error) *refusal {
	f := formFault(status, errs)
	p := c.problem(ctx, f)
	if f.Status >= 500 {
		return p
	}
	for _, e := range errs {
		var d huma.ErrorDetailer
		if errors.As(e, &d) {
			detail := d.ErrorDetail()
			p.Errors = append(p.Errors, wire.ProblemSpot{Location: detail.Location, Message: plain(detail.Message)})
		}
	}
	if len(p.Errors) == 1 {
		p.Detail = p.Errors[0].Location
	}
	return p
}

// plain drops what a JSON decoder quotes from the body.
func plain(message string) string {
	for _, prefix := range []string{"invalid character", "json:", "unexpected end"} {
		if strings.HasPrefix(message, prefix) {
			return "is not JSON of the form described"
		}
	}
	return message
}

// handle registers h as the operation op. Errors of h become problems.
func handle[I, O any](s *Server, op huma.Operation, h func(context.Context, *call, *I) (*O, error)) {
	if len(Matrix()[op.OperationID]) == 0 {
		panic(fmt.Sprintf("operation %s is nobody's", op.OperationID))
	}
	op.Errors = []int{http.StatusForbidden, http.StatusNotFound, http.StatusConflict}
	// A form that huma knows of at this point it would read itself, whole.
	var late *huma.RequestBody
	if op.RequestBody != nil && op.RequestBody.Content["multipart/form-data"] != nil {
		late, op.RequestBody = op.RequestBody, nil
	}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		c := callOf(ctx)
		out, err := h(ctx, c, in)
		var form *formErrors
		if errors.As(err, &form) {
			return nil, formProblem(ctx, c, http.StatusUnprocessableEntity, form.errs)
		}
		if err != nil {
			return nil, c.problem(ctx, err)
		}
		return out, nil
	})
	if late != nil {
		s.api.OpenAPI().Paths[op.Path].Post.RequestBody = late
	}
}
