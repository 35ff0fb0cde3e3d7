package deskapp_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/outbound/trace"
	"sikkerpost.dk/gateway/internal/post"
)

// TestAnOperatorAsksTheCarriersThroughADispatcher: each carrier's account stands beside
// ours in the order of time; one that cannot be asked, does not answer or has nothing
// is said in words.
func TestAnOperatorAsksTheCarriersThroughADispatcher(t *testing.T) {
	r := newRig(t)
	got, err := r.submit("k", nil)
	must(t, err)
	messages := map[string]string{}
	for i, h := range []struct{ name, carrier, channel string }{
		{"known", "digitalpost", "digital"}, {"unknown", "digitalpost", "digital"}, {"silent", "digitalpost", "digital"}, {"kombi", "kombipost", "physical"},
	} {
		messages[h.name] = post.NewID()
		_, err = r.db.Exec(`INSERT INTO hand_over (message_id, letter, carrier, channel, generation, created_at, form_size, form_sha256, attempts)
			VALUES ($1, $2, $3, $4, $5, $6, 1, $7, 1)`, messages[h.name], got.ID, h.carrier, h.channel, i+1, time.Now().UnixMicro(), make([]byte, 32))
		must(t, err)
	}
	for _, as := range []string{"tool", "case", "approver"} {
		if _, err := r.client(as).AskTrace(t.Context(), got.ID); !refusedWith(err, "POST-4003") {
			t.Errorf("%s: %v", as, err)
		}
	}
	if code, out := r.asks("operator", "letter", "trace", got.ID, "-wait", "0s"); code != 7 || !strings.Contains(out, "no dispatcher has asked") {
		t.Errorf("%d: %s", code, out)
	}
	if code, out := r.asks("operator", "letter", "trace", post.NewID()); code != 1 || !strings.Contains(out, "POST-0002") {
		t.Errorf("%d: %s", code, out)
	}

	s, err := sqlstore.Open(t.Context(), r.cfg.Database)
	must(t, err)
	defer s.Close()
	a := &trace.Answerer{Questions: s, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Carriers: map[post.Carrier]trace.Carrier{
		post.DigitalPost: func(_ context.Context, tenant post.TenantID, message string, from time.Time) ([]trace.Step, error) {
			if tenant != r.cfg.Tenants[0].ID || time.Since(from) < time.Hour {
				t.Errorf("asked for %s since %s", tenant, from)
			}
			switch message {
			case messages["known"]:
				return []trace.Step{{At: time.Now().Add(-time.Hour), Tag: "MEMO_RECEIVED"}, {At: time.Now().Add(time.Hour), Tag: "MEMO_AVAILABLE"}}, nil
			case messages["silent"]:
				return nil, errors.New("503")
			}
			return nil, nil
		}}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := a.Step(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	code, out := r.asks("operator", "letter", "trace", got.ID)
	stop()
	<-done
	if code != 0 {
		t.Fatalf("%d: %s", code, out)
	}
	for name, want := range map[string]string{"known": "by the carrier's own clock", "unknown": "knows nothing of this hand-over", "silent": "did not answer", "kombi": "cannot be asked"} {
		if _, after, ok := strings.Cut(out, messages[name]+": "); !ok || !strings.Contains(strings.SplitN(after, "\n", 2)[0], want) {
			t.Errorf("%s is not told: %s", name, out)
		}
	}
	first, accepted, last := strings.Index(out, "MEMO_RECEIVED"), strings.Index(out, "letter.accepted"), strings.Index(out, "MEMO_AVAILABLE")
	if first < 0 || first > accepted || accepted > last {
		t.Errorf("not in the order of time: %s", out)
	}
	var n int
	must(t, r.db.QueryRow(`SELECT count(*) FROM ledger_event WHERE kind = 'trace.asked' AND subject = $1`, got.ID).Scan(&n))
	if n != 2 {
		t.Errorf("%d questions in the ledger", n)
	}
	// Too many at once are refused, and old ones are forgotten.
	_, err = r.db.Exec(`DELETE FROM trace`)
	must(t, err)
	for i := range trace.MaxOpen {
		_, err = r.db.Exec(`INSERT INTO trace (id, letter, actor, asked_at) VALUES ($1, $2, 'op', $3)`, post.NewID(), got.ID, time.Now().Add(time.Duration(-i)*time.Second).UnixMicro())
		must(t, err)
	}
	if _, err := r.client("operator").AskTrace(t.Context(), got.ID); !refusedWith(err, "POST-7145") {
		t.Errorf("one too many: %v", err)
	}
	_, err = r.db.Exec(`UPDATE trace SET asked_at = $1`, time.Now().Add(-25*time.Hour).UnixMicro())
	must(t, err)
	if _, err := r.client("operator").AskTrace(t.Context(), got.ID); err != nil {
		t.Error(err) // what nobody answered in a day is in nobody's way
	}
	must(t, s.ForgetTraces(t.Context(), time.Now().Add(-trace.Kept)))
	if must(t, r.db.QueryRow(`SELECT count(*) FROM trace`).Scan(&n)); n != 1 {
		t.Errorf("%d questions are kept, not the one of today", n)
	}
}
