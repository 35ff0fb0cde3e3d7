package dispatcherapp

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/cprregister"
	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// rejected lets the print house refuse a job that it cannot read.
func (p *paper) rejected(job string) {
	p.t.Helper()
	id := "reject-" + job
	text, err := json.Marshal(printhouse.Event{EventID: id, JobID: job, Kind: printhouse.EventRejected, At: time.Now(), Code: "unreadable"})
	if err == nil {
		err = os.WriteFile(filepath.Join(filepath.Dir(p.register), "events", id+".json"), text, 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.match()
}

// TestAJobThatWasRejectedIsPrintedAtTheSameAddress: only an envelope that came
// back speaks against an address. A job that the print house could not read never
// left it.
func TestAJobThatWasRejectedIsPrintedAtTheSameAddress(t *testing.T) {
	for _, c := range []struct {
		why string
		own []string
	}{
		{"from the register", nil},
		{"as the sender gave it", []string{"Skjulte Vej 1", "2690 Engdal"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			p := newPaper(t)
			p.lives(cprregister.StatusActive, "Skjulte Vej 1", "2690 Engdal")
			s := submission("rejected")
			s.Recipient.Address = c.own
			r, err := p.desk.Submit(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			p.step(r.ID)
			p.rejected(post.DerivedID(r.ID, post.Physical, 1))
			p.want(r.ID, post.LetterNeedsPerson)
			p.decide(r.ID, letter.Retry)
			p.step(r.ID)
			p.receipts()
			p.want(r.ID, post.LetterPrinting)
			if got := p.window(post.DerivedID(r.ID, post.Physical, 2)); got[1] != "Skjulte Vej 1" {
				t.Errorf("the window shows %q", got)
			}
		})
	}
}

// TestNoAddressThatALetterCameBackFromIsUsedAgain: neither the last one nor one
// before it, however many rejected jobs lie between.
func TestNoAddressThatALetterCameBackFromIsUsedAgain(t *testing.T) {
	p := newPaper(t)
	s := submission("wanders")
	s.Recipient.Address = []string{"Skjulte Vej 1", "2690 Engdal"}
	r, err := p.desk.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	p.lives(cprregister.StatusActive, "Nye Vej 2", "2690 Engdal")
	back := func(generation int) {
		t.Helper()
		p.receipts()
		p.happens(post.DerivedID(r.ID, post.Physical, generation), printhouse.EventPosted)
		if _, err := p.mail.Enter(t.Context(), track.Return{Tenant: "engdal", Actor: "mail-room",
			Code: post.DerivedID(r.ID, post.Physical, generation), Reason: "moved"}); err != nil {
			t.Fatal(err)
		}
		p.decide(r.ID, letter.Reissue)
	}
	p.step(r.ID)
	back(1)
	p.step(r.ID)
	if got := func() []string { p.receipts(); return p.window(post.DerivedID(r.ID, post.Physical, 2)) }(); got[1] != "Nye Vej 2" {
		t.Fatalf("the window shows %q", got)
	}
	back(2)
	for _, former := range []string{"Skjulte Vej 1", "Nye Vej 2"} {
		p.lives(cprregister.StatusActive, former, "2690 Engdal")
		p.step(r.ID)
		if v := p.want(r.ID, post.LetterNeedsPerson); v.Code != "address-unchanged" {
			t.Fatalf("%s: code %s", former, v.Code)
		}
		p.decide(r.ID, letter.Retry)
	}
	p.lives(cprregister.StatusActive, "Tredje Vej 3", "2690 Engdal")
	p.step(r.ID)
	third := post.DerivedID(r.ID, post.Physical, 3)
	p.rejected(third)
	p.decide(r.ID, letter.Retry)
	p.step(r.ID)
	p.receipts()
	if got := p.window(post.DerivedID(r.ID, post.Physical, 4)); !slices.Contains(got, "Tredje Vej 3") {
		t.Errorf("the window shows %q", got)
	}
	p.conserved()
}
