package deskapp_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// refusedWith reports whether err is a refusal with code.
func refusedWith(err error, code string) bool {
	var p *client.Problem
	return errors.As(err, &p) && p.Code == code
}

func TestPeopleDecideWithinTheirRoleAndWhatWasDecidedIsExplained(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	caller, approver, operator := r.client("case"), r.client("approver"), r.client("operator")
	b := pdf(t, "decision-01")
	got, err := caller.SubmitLetter(ctx, wire.Letter{Key: "k", Title: "Afgørelse", Documents: []wire.Document{{Filename: "a.pdf"}},
		Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}},
		[]client.File{{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}})
	must(t, err)
	if _, err := caller.Decide(ctx, got.ID, "print"); !refusedWith(err, "POST-4003") {
		t.Errorf("a case system decided about paper: %v", err)
	}
	if _, err := operator.Decide(ctx, got.ID, "cancel"); !refusedWith(err, "POST-4003") {
		t.Errorf("an operator decided about a letter: %v", err)
	}
	if _, err := approver.Decide(ctx, got.ID, "reissue"); !refusedWith(err, "POST-2015") {
		t.Errorf("a letter that did not come back was sent again: %v", err)
	}
	if _, err := approver.Decide(ctx, got.ID, "burn"); err == nil {
		t.Error("an unknown decision was taken")
	}
	d, err := caller.Decide(ctx, got.ID, "cancel")
	must(t, err)
	if d.State != "cancelled" {
		t.Errorf("state %s", d.State)
	}
	e, err := operator.Explain(ctx, got.ID)
	must(t, err)
	last := e.Facts[len(e.Facts)-1]
	if e.State != "cancelled" || last.Code != "decided: cancel" || !strings.HasPrefix(last.Source, "ledger ") || !strings.Contains(e.Next, "ended") {
		t.Errorf("explanation %+v", e)
	}
}

func TestHandOversAreHaltedForOneMunicipalityOrForAll(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	approver, operator := r.client("approver"), r.client("operator")
	if _, err := approver.PauseChannel(ctx, wire.PauseSet{Tenant: "fjordby"}); err == nil {
		t.Error("an approver halted another municipality")
	}
	p, err := approver.PauseChannel(ctx, wire.PauseSet{Channel: "digital"})
	must(t, err)
	if len(p.Items) != 1 || p.Items[0].Channel != "digital" || p.Items[0].Tenant == "" {
		t.Errorf("%+v", p)
	}
	if p, err = operator.PauseChannel(ctx, wire.PauseSet{}); err != nil || len(p.Items) != 2 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = approver.ResumeChannel(ctx, wire.PauseSet{Channel: "digital"}); err != nil || len(p.Items) != 1 || p.Items[0].Tenant != "" {
		t.Errorf("an approver let go on what an operator halted, or sees less: %+v, %v", p, err)
	}
	if p, err = operator.ResumeChannel(ctx, wire.PauseSet{}); err != nil || len(p.Items) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestResumeSaysWhatIsHaltedStill: somebody who lifts one halt and is left with
// another would else believe that the mail flows.
func TestResumeSaysWhatIsHaltedStill(t *testing.T) {
	r := newRig(t)
	for _, args := range [][]string{{"digital"}, {"both"}, {"physical", "-tenant", "engdal"}} {
		if code, out, errs := r.postctl("operator", append([]string{"channel", "pause"}, args...)...); code != 0 {
			t.Fatalf("%v: %d %s %s", args, code, out, errs)
		}
	}
	code, out, errs := r.postctl("operator", "channel", "resume", "digital")
	if code != 0 || strings.Contains(errs, "engdal") || !strings.Contains(errs, "still halted; next: postctl channel resume both\n") {
		t.Errorf("one channel, and both are halted: %d %s %s", code, out, errs)
	}
	code, out, errs = r.postctl("operator", "channel", "resume", "both")
	if code != 0 || !strings.Contains(errs, "still halted; next: postctl channel resume physical -tenant engdal\n") || strings.Contains(errs, "resume both") {
		t.Errorf("both, and a municipality's is halted: %d %s %s", code, out, errs)
	}
	code, out, errs = r.postctl("operator", "channel", "resume", "both", "-tenant", "engdal")
	if code != 0 || !strings.Contains(out, "nothing is halted") || errs != "" {
		t.Errorf("all: %d %s %s", code, out, errs)
	}
}
