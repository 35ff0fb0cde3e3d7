package dispatcherapp

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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

// TestAProtectedAddressStandsInTheWindowAlone follows somebody whose address
// nobody may see through everything that people and machines are shown of a
// letter, when all goes well and when it comes back.
func TestAProtectedAddressStandsInTheWindowAlone(t *testing.T) {
	p := newPaper(t)
	p.lives(cprregister.StatusActive, "Skjulte Vej 1", "2690 Engdal") // Protected is set
	id := p.submitWithoutAddress()
	job := post.DerivedID(id, post.Physical, 1)
	p.step(id)
	p.receipts()
	p.happens(job, printhouse.EventPosted)
	if _, err := p.mail.Enter(t.Context(), track.Return{Tenant: "engdal", Actor: "mail-room", Code: job, Reason: "moved"}); err != nil {
		t.Fatal(err)
	}
	p.decide(id, letter.Reissue)
	p.step(id) // the register says the same: a person is asked, and told nothing of it
	p.want(id, post.LetterNeedsPerson)

	shown := map[string][]byte{"log": p.log.Bytes()}
	put := func(where string, v any, err error) {
		t.Helper()
		if err == nil {
			shown[where], err = json.Marshal(v)
		}
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
	}
	put("view", p.show(id), nil)
	list, err := p.desk.List(t.Context(), letter.Filter{Limit: 100})
	put("list", list, err)
	why, err := p.desk.Explain(t.Context(), "engdal", id)
	put("explanation", why, err)
	evidence, err := p.desk.Evidence(t.Context(), "engdal", id)
	if err != nil {
		t.Fatal(err)
	}
	shown["evidence"] = evidence
	if z, err := zip.NewReader(bytes.NewReader(evidence), int64(len(evidence))); err != nil {
		t.Fatal(err)
	} else {
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			if shown["evidence: "+f.Name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		shown["metrics"] = append(shown["metrics"], f.String()...)
	}
	printed, err := p.print.Job(job)
	if err != nil {
		t.Fatal(err)
	}
	ticket := printed.Ticket
	if !slices.Contains(ticket.Address, "Skjulte Vej 1") {
		t.Errorf("the window shows %q", ticket.Address)
	}
	ticket.Address = nil
	put("ticket beside its window", ticket, nil)
	if len(list) != 1 || len(shown["metrics"]) == 0 || len(shown) < 8 {
		t.Fatalf("too little was looked at: %d letters, %d places", len(list), len(shown))
	}
	for where, text := range shown {
		for _, private := range []string{"Skjulte", "2690 Engdal", recipient("nancy").Name, recipient("nancy").ID} {
			if bytes.Contains(text, []byte(private)) {
				t.Errorf("%s shows %q", where, private)
			}
		}
	}
}
