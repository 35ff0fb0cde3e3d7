package deskapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"hash"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/post"
)

// Answers keeps one answer for each key of each client. It is written in basic
// types so that a store links nothing of this package.
type Answers interface {
	// ClaimAnswer takes key for a request that begins now. It answers
	// [post.ErrStale] while another request claims it since after stale; or the
	// kept answer (status > 0) with the digest of the request that got it; or a
	// claim.
	ClaimAnswer(ctx context.Context, client, key string, now, stale time.Time) (claim int64, request []byte, status int, answer []byte, err error)
	// KeepAnswer ends the claim with an answer; a lost claim changes nothing.
	KeepAnswer(ctx context.Context, client, key string, claim int64, request []byte, status int, answer []byte) error
	// DropAnswer gives the claim up, so that the key may be used again.
	DropAnswer(ctx context.Context, client, key string, claim int64) error
}

// claimTime is how long a claim blocks its key when the process that made it
// is gone. Taking over too early would be harmless: what writes do is itself
// done at most once.
const claimTime = 2 * time.Minute

// once lets a write pass at most once for each key. It runs after the role was
// checked and before anything of the body was read.
func (s *Server) once(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if r.Method == http.MethodGet {
		next(ctx)
		return
	}
	c := callOf(r.Context())
	c.key = r.Header.Get(wire.HeaderKey)
	if !usableKey(c.key) {
		refuse(ctx, c.problem(r.Context(), post.FaultKeyMissing))
		return
	}
	op := ctx.Operation()
	// One byte more, so that huma's own bound speaks first where it has one.
	limit := max(op.MaxBodyBytes, 1)
	if r.ContentLength > limit {
		refuse(ctx, c.problem(r.Context(), post.FaultBodyTooLarge))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit+1)
	d := &digest{sum: sha256.New()}
	if err := d.open(r, op, c); err != nil {
		refuse(ctx, c.problem(r.Context(), err))
		return
	}
	now := time.Now()
	claim, request, status, answer, err := s.c.Answers.ClaimAnswer(r.Context(), string(c.client.ID), c.key, now, now.Add(-claimTime))
	switch {
	case errors.Is(err, post.ErrStale):
		refuse(ctx, c.problem(r.Context(), post.FaultKeyBusy))
	case err != nil:
		refuse(ctx, c.problem(r.Context(), post.FaultUnavailable.Because(err)))
	case status > 0:
		s.replay(r, w, c, d, request, status, answer)
	default:
		s.first(r, w, op, c, d, claim, next)
	}
}

// replay gives the kept answer again, when the request is the one that got it.
func (s *Server) replay(r *http.Request, w http.ResponseWriter, c *call, d *digest, request []byte, status int, answer []byte) {
	same, err := d.finish()
	if err != nil {
		write(w, c.problem(r.Context(), unreadable(err)))
		return
	}
	if subtle.ConstantTimeCompare(same, request) != 1 {
		write(w, c.problem(r.Context(), post.FaultKeyReused))
		return
	}
	w.Header().Set(wire.HeaderReplayed, "true")
	give(w, status, answer)
}

// first lets the operation run, keeps its answer when it is one of success,
// and only then gives it.
func (s *Server) first(r *http.Request, w http.ResponseWriter, op *huma.Operation, c *call, d *digest, claim int64, next func(huma.Context)) {
	ctx := context.WithoutCancel(r.Context()) // the caller may be gone; the effect is not
	done := false
	defer func() {
		if !done {
			if err := s.c.Answers.DropAnswer(ctx, string(c.client.ID), c.key, claim); err != nil {
				s.c.Log.WarnContext(ctx, "claim not dropped", slog.String("ref", c.id), slog.Any("error", err))
			}
		}
	}()
	rec := &recorder{header: w.Header(), status: http.StatusOK}
	next(humago.NewContext(op, r, rec))
	if rec.status >= 300 {
		if rec.status == http.StatusConflict || rec.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "2")
		}
		give(w, rec.status, rec.body.Bytes())
		return
	}
	request, err := d.finish()
	if err != nil { // it was read to its end before it took effect
		s.c.Log.WarnContext(ctx, "request not digested", slog.String("ref", c.id), slog.Any("error", err))
		give(w, rec.status, rec.body.Bytes())
		return
	}
	err = s.c.Answers.KeepAnswer(ctx, string(c.client.ID), c.key, claim, request, rec.status, rec.body.Bytes())
	done = err == nil
	if err != nil {
		s.c.Log.WarnContext(ctx, "answer not kept", slog.String("ref", c.id), slog.Any("error", err))
	}
	give(w, rec.status, rec.body.Bytes())
}

func give(w http.ResponseWriter, status int, body []byte) {
	if len(body) > 0 && w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	w.Write(body) //nolint:errcheck // the caller is gone when this fails
}

func usableKey(k string) bool {
	return k != "" && len(k) <= 200 && !strings.ContainsFunc(k, func(r rune) bool { return r < '!' || r > '~' })
}

// digest is what makes two requests the same: method, address, and the body
// (of a form: its parts, because the boundary is drawn anew each time; of an
// archive: its documents, whose digests are known anyway).
type digest struct {
	sum     hash.Hash
	body    io.Reader
	form    *form
	archive *archive
}

// open puts itself between r's body and whoever reads it.
func (d *digest) open(r *http.Request, op *huma.Operation, c *call) error {
	io.WriteString(d.sum, r.Method+" "+r.URL.RequestURI()+"\n") //nolint:errcheck // a hash never fails
	if op.RequestBody == nil {
		if n, _ := io.ReadFull(r.Body, make([]byte, 1)); n > 0 {
			return post.FaultRequestForm.At("body: this operation takes none")
		}
		return nil
	}
	media, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if _, ok := op.RequestBody.Content[media]; !ok || media == "multipart/form-data" && params["boundary"] == "" {
		return post.FaultMediaType
	}
	if media == "multipart/form-data" {
		d.form = newForm(r.Body, params["boundary"], d.sum, c.server.memory)
		c.form = d.form
		return nil
	}
	if media == mediaTar {
		d.archive = newArchive(r.Body, d.sum)
		c.archive = d.archive
		return nil
	}
	d.body = io.TeeReader(r.Body, d.sum)
	r.Body = struct {
		io.Reader
		io.Closer
	}{d.body, r.Body}
	return nil
}

// finish reads what is left and returns the digest.
func (d *digest) finish() ([]byte, error) {
	var err error
	switch {
	case d.form != nil:
		err = d.form.drain()
	case d.archive != nil:
		err = d.archive.drain()
	case d.body != nil:
		_, err = io.Copy(io.Discard, d.body)
	}
	return d.sum.Sum(nil), err
}

// recorder holds back an answer until it is kept.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements [http.ResponseWriter].
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements [http.ResponseWriter].
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements [http.ResponseWriter].
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
