package deskapp_test

import (
	"context"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// wrongReference returns reference with another check character.
func wrongReference(reference string) string {
	last := "0"
	if strings.HasSuffix(reference, last) {
		last = "1"
	}
	return reference[:len(reference)-1] + last
}

func TestALetterIsNamedByTheReferenceThatPapersCarry(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	got, err := r.client("case").SubmitLetter(ctx, wire.Letter{Key: "case-17", Title: "Afgørelse", Documents: []wire.Document{{Filename: "a.pdf"}},
		Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}}, files(t, "decision-01"))
	must(t, err)
	asTyped := strings.ToLower(strings.ReplaceAll(got.Reference, "-", " "))
	for _, name := range []string{got.ID, strings.ToUpper(got.ID), got.Reference, asTyped} {
		v, err := r.client("operator").Letter(ctx, name)
		if err != nil || v.ID != got.ID {
			t.Errorf("show %q: %+v, %v", name, v, err)
		}
	}
	for as, want := range map[string]string{"case": "", "approver": "", "operator": "", "case-far": "POST-0002"} {
		if _, err := r.client(as).Letter(ctx, got.Reference); code(err) != want {
			t.Errorf("the reference, as %s: %v, want %q", as, err, want)
		}
	}
	for _, wrong := range []string{wrongReference(got.Reference), "SP-0000-0000", "nonsense"} {
		if _, err := r.client("operator").Letter(ctx, wrong); code(err) != "POST-0002" {
			t.Errorf("%q: %v", wrong, err)
		}
	}

	for _, args := range [][]string{
		{"operator", "letter", "show", got.Reference},
		{"operator", "letter", "explain", asTyped},
		{"approver", "letter", "hold", got.Reference, "-reason", "lawsuit"},
		{"approver", "letter", "unhold", got.Reference, "-reason", "lawsuit"},
		{"case", "letter", "cancel", got.Reference},
	} {
		if code, out, errs := r.postctl(args[0], args[1:]...); code != 0 || !strings.Contains(out, got.ID) {
			t.Errorf("%v: %d %s %s", args, code, out, errs)
		}
	}
	// No dispatcher runs here: the question is taken, and nobody answers it yet.
	if code, _, errs := r.postctl("operator", "letter", "trace", got.Reference, "-wait", "1ms"); code != 7 {
		t.Errorf("trace: %d %s", code, errs)
	}
	if code, _, errs := r.postctl("operator", "letter", "show", wrongReference(got.Reference)); code != 1 || !strings.Contains(errs, "check character") {
		t.Errorf("a slip of the hand: %d %s", code, errs)
	}
}
