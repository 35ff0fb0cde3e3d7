package printhouse_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/outbound/preflight/preflighttest"
	"sikkerpost.dk/gateway/internal/post"
)

// eyes count how often somebody looks.
type eyes struct {
	err   error
	looks int
}

func (e *eyes) Pages(_ context.Context, _ []byte, _ int, see func(int, preflight.Picture) error) error {
	e.looks++
	if e.err != nil {
		return e.err
	}
	white := make([]byte, 595*842)
	for i := range white {
		white[i] = 0xff
	}
	return see(1, preflight.Picture{Width: 595, Height: 842, Gray: white})
}

func (*eyes) Words(context.Context, []byte) ([]preflight.Word, error) { return nil, nil }

func TestWhatCannotBePrintedIsNeverHandedOver(t *testing.T) {
	w := newWorld(t, nil)
	see := &eyes{}
	look, err := preflight.New(preflight.Config{Eyes: see, Rules: map[post.TenantID]preflight.Rules{w.Tenant.ID: {Render: true}}})
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Preflight = look
	if w.house, err = printhouse.New(w.cfg); err != nil {
		t.Fatal(err)
	}
	bad := w.Job()
	bad.Documents[1] = suite.Document(preflighttest.PDF{Pages: []preflighttest.Page{{Width: 612, Height: 792}}}.Bytes())
	err = w.house.Render(t.Context(), bad, io.Discard)
	if !errors.Is(err, post.FaultPaperSize) || !errors.Is(err, post.ErrPermanent) {
		t.Errorf("got %v", err)
	}

	good := w.Job()
	good.Documents = []dispatch.Document{suite.Document(preflighttest.Letter(1).Bytes())}
	see.err = errors.New("fork: out of processes")
	if err := w.house.Render(t.Context(), good, io.Discard); err == nil || errors.Is(err, post.ErrPermanent) {
		t.Errorf("a renderer that is away decided about the letter: %v", err)
	}
	see.err, see.looks = nil, 0
	for range 3 {
		if err := w.house.Render(t.Context(), good, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	if see.looks != 1 {
		t.Errorf("the same letter was looked at %d times", see.looks)
	}
	good.Recipient.Address[0] = "Møllestien 14" // another window
	if err := w.house.Render(t.Context(), good, io.Discard); err != nil || see.looks != 2 {
		t.Errorf("got %v after %d looks", err, see.looks)
	}
}
