package kombipost

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/certwatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	// maxPush bounds a delivery; real ones have some 8 KB.
	maxPush = 1 << 20
	// pushTimeout bounds how long a delivery may take to come in.
	pushTimeout = 30 * time.Second
	// keepTimeout bounds the commit.
	keepTimeout = 20 * time.Second
)

// Answers to Beskedfordeler (StatusKode).
const (
	AnswerOK      = 20
	AnswerError   = 40 // ours; deliver it again
	AnswerUnclear = 41 // cannot be parsed
)

// An Inbox keeps what was delivered.
type Inbox interface {
	// Keep stores r and returns once that is durable; a receipt of the same
	// carrier and event id is stored already, and that is no error. r.Raw is in
	// clear and may name a person: it is sealed before it is stored.
	Keep(ctx context.Context, r track.Receipt) error
	// Owner returns whose hand-over messageID is, or [post.ErrNotFound] when
	// none is known (a status may overtake our own commit).
	Owner(ctx context.Context, messageID string) (post.TenantID, error)
}

// StatusConfig says how statuses are read, whichever way they come.
type StatusConfig struct {
	Inbox Inbox
	// Tenants are those served here, by their CVR numbers.
	Tenants map[post.CVR]post.TenantID
	// Codes says what error codes mean, besides those built in.
	Codes map[string]Meaning
	// Updates says what each ForsendelseHaendelseTypeKode means: Returned,
	// Proven or Posted. Empty leaves every Opdatering to a person.
	Updates map[string]track.Kind
	// Senders are known besides [Senders].
	Senders map[string]Sender
	Log     *slog.Logger
}

// PushConfig is what a [Receiver] needs.
type PushConfig struct {
	StatusConfig
	// Peer reports whether a verified client certificate is Beskedfordeler's;
	// [certwatch.Peers] makes one.
	Peer func(*x509.Certificate) bool
	// RefuseUnreadable answers 41 for what cannot be read, after it is kept. By
	// default it gets 20, lest one message hold up the queue behind it.
	RefuseUnreadable bool
}

// Receiver takes statuses that Beskedfordeler pushes (SF1461 BeskedModtag). It
// answers 20 only once the receipt is durable. It asks for a client certificate
// that the listener has verified; it stores what it cannot read as it came, and
// what speaks of another tenant's letter as unreadable, so that it moves nothing.
type Receiver struct {
	cfg PushConfig
	*reader
}

// reader keeps what is delivered, by push or by pull.
type reader struct {
	StatusConfig
	rules statusRules
}

// newReader returns a reader, or an error that names every gap of c.
func newReader(c StatusConfig) (*reader, error) {
	var gaps []error
	if c.Inbox == nil {
		gaps = append(gaps, errors.New("kombipost: Inbox is required"))
	}
	if len(c.Tenants) == 0 {
		gaps = append(gaps, errors.New("kombipost: Tenants is required"))
	}
	if c.Log == nil {
		gaps = append(gaps, errors.New("kombipost: Log is required"))
	}
	for code, kind := range c.Updates {
		if kind != track.Returned && kind != track.Proven && kind != track.Posted {
			gaps = append(gaps, fmt.Errorf("kombipost: update %s is none of returned, delivered-proven, posted", code))
		}
	}
	r := &reader{StatusConfig: c, rules: statusRules{codes: c.Codes, updates: c.Updates, senders: maps.Clone(Senders)}}
	for id, s := range c.Senders {
		r.rules.senders[strings.ToLower(id)] = s
	}
	return r, errors.Join(gaps...)
}

// keep reads one delivery and returns once its receipt is durable. An error says
// that it is not, and must come again.
func (r *reader) keep(ctx context.Context, raw []byte) (track.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
	defer cancel()
	receipt, err := r.judge(ctx, raw)
	if receipt.Kind == track.Unreadable && receipt.MessageID == "" {
		receipt.EventID = besides(receipt.EventID, raw)
	}
	if err == nil {
		err = r.Inbox.Keep(ctx, receipt)
	}
	switch {
	case err != nil:
		r.Log.ErrorContext(ctx, "status not kept", slog.String("event", receipt.EventID), slog.Any("error", err))
	case receipt.Kind == track.Unreadable:
		r.Log.WarnContext(ctx, "status kept for a person", slog.String("event", receipt.EventID), slog.String("reason", receipt.Code))
	default:
		r.Log.InfoContext(ctx, "status kept", slog.String("event", receipt.EventID), slog.String("message", receipt.MessageID),
			slog.String("kind", string(receipt.Kind)))
	}
	return receipt, err
}

var _ http.Handler = (*Receiver)(nil)

// NewReceiver returns a receiver, or an error that names every gap of c.
func NewReceiver(c PushConfig) (*Receiver, error) {
	r, err := newReader(c.StatusConfig)
	if c.Peer == nil {
		err = errors.Join(err, errors.New("kombipost: Peer is required"))
	}
	return &Receiver{c, r}, err
}

// ServeHTTP implements http.Handler: one ModtagBeskedInput by POST.
func (p *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !certwatch.ShownBy(r, p.cfg.Peer) {
		p.cfg.Log.WarnContext(r.Context(), "delivery refused: not Beskedfordeler's certificate")
		http.Error(w, "forbidden", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(pushTimeout)) // a recorder in a test has none
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxPush+1))
	if err != nil { // it broke off: nothing came, so nothing is said
		answerPush(w, http.StatusBadRequest, AnswerError, "the delivery broke off")
		return
	}
	if len(raw) == 0 {
		answerPush(w, http.StatusBadRequest, AnswerUnclear, "empty")
		return
	}
	receipt, err := p.keep(r.Context(), raw)
	switch {
	case err != nil:
		answerPush(w, http.StatusOK, AnswerError, "not stored; deliver it again")
	case receipt.Kind == track.Unreadable && p.cfg.RefuseUnreadable:
		answerPush(w, http.StatusOK, AnswerUnclear, "kept, not understood")
	default:
		answerPush(w, http.StatusOK, AnswerOK, "")
	}
}

// judge reads a delivery and checks whose letter it speaks of. It fails only
// when that could not be asked.
func (p *reader) judge(ctx context.Context, raw []byte) (track.Receipt, error) {
	if len(raw) > maxPush { // its beginning is kept: enough to see what it was
		raw = raw[:maxPush]
		return track.Receipt{Carrier: carrier, EventID: eventID("", raw), Kind: track.Unreadable, Code: CodeTooLarge, At: time.Now().UTC(), Raw: raw}, nil
	}
	r, allowed := p.rules.read(raw, time.Now())
	if r.Kind == track.Unreadable && r.MessageID == "" {
		return r, nil
	}
	owner, err := p.Inbox.Owner(ctx, r.MessageID)
	unknown := errors.Is(err, post.ErrNotFound)
	if err != nil && !unknown {
		return r, fmt.Errorf("find the letter of status %s: %w", r.EventID, err)
	}
	served := map[post.TenantID]bool{}
	for _, cvr := range allowed {
		if tenant, ok := p.Tenants[post.CVR(cvr)]; ok {
			served[tenant], r.Tenant = true, tenant
		}
	}
	switch { // a letter that is not known yet must be that of the only one
	case !unknown && served[owner]:
		r.Tenant = owner
		return r, nil
	case unknown && len(served) == 1:
		return r, nil
	}
	r.Tenant = ""
	r.Kind, r.Code, r.MessageID = track.Unreadable, CodeTenant, ""
	return r, nil
}

// answerPush writes ModtagBeskedOutput (urn:oio:sts:1.0.0).
func answerPush(w http.ResponseWriter, status, code int, text string) {
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+ // a peer that has gone will come again
		`<ModtagBeskedOutput xmlns="urn:oio:sts:1.0.0"><StandardRetur xmlns="urn:oio:sagdok:3.0.0">`+
		`<StatusKode>%d</StatusKode><FejlbeskedTekst>%s</FejlbeskedTekst></StandardRetur></ModtagBeskedOutput>`+"\n", code, escaper.Replace(text))
}
