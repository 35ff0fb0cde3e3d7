package deskapp_test

import (
	"os"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/config"
)

func TestRegisteredPostIsTakenOnlyFromAMunicipalityWhoseCarrierOffersIt(t *testing.T) {
	wish := func(l *wire.Letter) { l.Registered = true }
	r := newRig(t)
	if _, err := r.submit("k", wish); !refusedWith(err, "POST-2025") {
		t.Fatalf("not declared: %v", err)
	}
	var letters int
	must(t, r.db.QueryRow(`SELECT count(*) FROM letter`).Scan(&letters))
	if letters != 0 {
		t.Errorf("%d letters of a refused one", letters)
	}
	r = newRig(t, func(c *config.Desk) { c.Tenants[0].Registered = true })
	got, err := r.submit("k", wish)
	must(t, err)
	v, err := r.client("case").Letter(t.Context(), got.ID)
	must(t, err)
	if !v.Registered {
		t.Errorf("%+v", v)
	}
	// The same from the command line, where one word asks for it.
	doc, desc := r.path("d.pdf"), r.path("letter.json")
	must(t, os.WriteFile(doc, pdf(t, "decision-01"), 0o600))
	must(t, os.WriteFile(desc, []byte(`{"key":"k2","title":"Afgørelse","recipient":{"id_type":"CPR","id":"`+r.nancy.CPR+`","name":"N"}}`), 0o600))
	if code, out, errs := r.postctl("case", "letter", "send", desc, "-document", doc, "-registered"); code != 0 {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	if code, _, errs := r.postctl("case", "letter", "send", desc, "-document", doc); code == 0 || !strings.Contains(errs, "POST-2010") {
		t.Errorf("the same key without the wish: %d %s", code, errs)
	}
	if code, out, errs := r.postctl("case", "letter", "show", got.ID); code != 0 || !strings.Contains(out, "registered    yes") {
		t.Errorf("show: %d %s %s", code, out, errs)
	}
}
