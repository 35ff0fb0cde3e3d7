package digitalpost

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/certwatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	// keepTimeout bounds the commit of what was pushed.
	keepTimeout = 20 * time.Second
	// pushTimeout bounds how long a pushed message may take to come in.
	pushTimeout = 10 * time.Minute
)

// PathMemos and PathReceipts are where NgDP pushes to, below the tenant: they
// stand in the endpoint and the receiptEndpoint of the tenant's system, as
// https://<host>/digitalpost/<tenant>/memos and …/receipts.
const (
	PathMemos    = "POST /digitalpost/{tenant}/memos"
	PathReceipts = "POST /digitalpost/{tenant}/receipts"
)

// PushConfig is what a [Receiver] needs; Memos or Receipts may be nil when the
// tenants' systems push only the other.
type PushConfig struct {
	// Tenants are those whose systems push to us.
	Tenants []post.TenantID
	// Peer reports whether a verified client certificate is NgDP's;
	// [certwatch.Peers] makes one.
	Peer func(*x509.Certificate) bool
	// Memos keeps a message and returns once that is durable.
	Memos func(ctx context.Context, tenant post.TenantID, id string, message io.Reader) error
	// Receipts keeps a receipt and returns once that is durable. One that is
	// kept already is no error. Raw is in clear: it is sealed before it is stored.
	Receipts func(ctx context.Context, r track.Receipt) error
	// Owner returns whose hand-over a message is, or [post.ErrNotFound].
	Owner func(ctx context.Context, messageID string) (post.TenantID, error)
	// RecipientCodes is [Config.RecipientCodes].
	RecipientCodes []string
	Log            *slog.Logger
}

// Receiver takes what NgDP pushes (REST_PUSH): messages to the tenants'
// recipient systems, and receipts of what their sender systems sent. It answers
// 200 only once what came is durable, and 503 when it is not: NgDP sends it
// again. It asks for NgDP's client certificate, which the listener has verified.
// A receipt that it cannot read, or that speaks of another tenant's letter, is
// kept as unreadable and moves nothing.
type Receiver struct {
	cfg     PushConfig
	tenants map[post.TenantID]bool
	codes   recipientCodes
	mux     *http.ServeMux
}

// NewReceiver returns a receiver, or an error that names every gap of c.
func NewReceiver(c PushConfig) (*Receiver, error) {
	var gaps []error
	need := func(ok bool, what string) {
		if !ok {
			gaps = append(gaps, errors.New("digitalpost: "+what+" is required"))
		}
	}
	need(len(c.Tenants) > 0, "Tenants")
	need(c.Peer != nil, "Peer")
	need(c.Memos != nil || c.Receipts != nil, "Memos or Receipts")
	need(c.Receipts == nil || c.Owner != nil, "Owner")
	need(c.Log != nil, "Log")
	if err := errors.Join(gaps...); err != nil {
		return nil, err
	}
	p := &Receiver{cfg: c, tenants: map[post.TenantID]bool{}, codes: newRecipientCodes(c.RecipientCodes), mux: http.NewServeMux()}
	for _, t := range c.Tenants {
		p.tenants[t] = true
	}
	if c.Memos != nil {
		p.mux.HandleFunc(PathMemos, p.memo)
	}
	if c.Receipts != nil {
		p.mux.HandleFunc(PathReceipts, p.receipt)
	}
	return p, nil
}

// ServeHTTP implements http.Handler.
func (p *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !certwatch.ShownBy(r, p.cfg.Peer) {
		p.cfg.Log.WarnContext(r.Context(), "push refused: not the certificate of Digital Post")
		http.Error(w, "forbidden", http.StatusForbidden)
		return
	}
	p.mux.ServeHTTP(w, r)
}

func (p *Receiver) tenant(w http.ResponseWriter, r *http.Request) (post.TenantID, bool) {
	t := post.TenantID(r.PathValue("tenant"))
	if !p.tenants[t] {
		http.Error(w, "no such system", http.StatusNotFound)
		return "", false
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(pushTimeout)) // a recorder in a test has none
	return t, true
}

// memo takes multipart/form-data with one part "file", whose file name is the
// messageUUID.
func (p *Receiver) memo(w http.ResponseWriter, r *http.Request) {
	tenant, ok := p.tenant(w, r)
	if !ok {
		return
	}
	part, err := filePart(r)
	if err != nil {
		p.cfg.Log.ErrorContext(r.Context(), "pushed message without a file", slog.String("tenant", string(tenant)))
		http.Error(w, "want multipart/form-data with a part named file", http.StatusBadRequest)
		return
	}
	name := path.Base(strings.ReplaceAll(part.FileName(), `\`, "/"))
	id := strings.ToLower(strings.TrimSuffix(name, path.Ext(name)))
	if !post.ValidUUID(id) { // it stays with NgDP, which sends it again
		p.cfg.Log.ErrorContext(r.Context(), "pushed message without an id", slog.String("tenant", string(tenant)))
		http.Error(w, "want the messageUUID as file name", http.StatusBadRequest)
		return
	}
	// The sender's going away does not undo what came whole; a message that
	// broke off is an error of the reader.
	if err := p.cfg.Memos(context.WithoutCancel(r.Context()), tenant, id, part); err != nil {
		p.cfg.Log.ErrorContext(r.Context(), "pushed message not kept", slog.String("message", id), slog.Any("error", err))
		http.Error(w, "not stored; send it again", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// maxFieldsBefore bounds what may come before the file.
const maxFieldsBefore = 8

func filePart(r *http.Request) (*multipart.Part, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil, http.ErrNotMultipart
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	for range maxFieldsBefore {
		part, err := form.NextRawPart()
		if err != nil {
			return nil, err
		}
		if part.FormName() == "file" {
			return part, nil
		}
	}
	return nil, http.ErrMissingFile
}

// receipt takes one Receipt as JSON.
func (p *Receiver) receipt(w http.ResponseWriter, r *http.Request) {
	tenant, ok := p.tenant(w, r)
	if !ok {
		return
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxRaw+1))
	if err != nil || len(raw) == 0 {
		http.Error(w, "no receipt came", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), keepTimeout)
	defer cancel()
	got, err := p.judge(ctx, tenant, raw)
	if err == nil {
		err = p.cfg.Receipts(ctx, got)
	}
	if err != nil {
		p.cfg.Log.ErrorContext(ctx, "pushed receipt not kept", slog.String("event", got.EventID), slog.Any("error", err))
		http.Error(w, "not stored; send it again", http.StatusServiceUnavailable)
		return
	}
	level := slog.LevelInfo
	if got.Kind == track.Unreadable { // it is a person's
		level = slog.LevelWarn
	}
	p.cfg.Log.Log(ctx, level, "receipt kept", slog.String("event", got.EventID), slog.String("message", got.MessageID),
		slog.String("kind", string(got.Kind)), slog.String("code", got.Code))
	w.WriteHeader(http.StatusOK)
}

// judge reads a receipt and checks whose letter it speaks of. It fails only
// when that could not be asked.
func (p *Receiver) judge(ctx context.Context, tenant post.TenantID, raw []byte) (track.Receipt, error) {
	got := p.codes.readPushed(tenant, raw)
	if len(raw) > maxRaw {
		got.Kind, got.Code = track.Unreadable, "too-large"
	}
	if got.Kind == track.Unreadable {
		return got, nil
	}
	owner, err := p.cfg.Owner(ctx, got.MessageID)
	switch {
	case errors.Is(err, post.ErrNotFound): // it overtook our own commit, or is a stranger's: the matcher sees
		return got, nil
	case err != nil:
		return got, fmt.Errorf("find the letter of receipt %s: %w", got.EventID, err)
	case owner != tenant:
		got.Kind, got.Code, got.MessageID = track.Unreadable, "other-tenant", ""
	}
	return got, nil
}
