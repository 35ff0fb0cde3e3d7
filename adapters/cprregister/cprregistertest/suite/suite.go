// Package suite states what every register of addresses must do for the
// gateway. It imports testing, so no program links it.
package suite

import (
	"slices"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/cprregister"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// World is a register with the people of [People] in it.
type World struct {
	Register dispatch.Addresses
	Tenant   post.Tenant
}

// People returns one person for each kind of answer: numbers of the form with
// sixty added to the day, which nobody has.
func People() map[string]cprregister.Entry {
	e := func(id, status string, address ...string) cprregister.Entry {
		return cprregister.Entry{IDType: "CPR", ID: id, Status: status, Name: "Poul Ravn Holmgaard", Address: address}
	}
	protected := e("6201620002", cprregister.StatusActive, "Skjulte Vej 1", "2690 Engdal")
	protected.Protected = true
	return map[string]cprregister.Entry{
		"active":    e("6101610001", cprregister.StatusActive, "Møllestien 12,  1. tv", "", "2690 Engdal"),
		"protected": protected,
		"deceased":  e("6301630003", cprregister.StatusDeceased, "Møllestien 12", "2690 Engdal"),
		"emigrated": e("6401640004", cprregister.StatusEmigrated),
		"abroad":    e("6501650005", cprregister.StatusEmigrated, "Hauptstraße 1", "24937 Flensburg", "Tyskland"),
		"one line":  e("6601660006", cprregister.StatusActive, "2690 Engdal"),
		"no status": e("6701670007", "moved", "Møllestien 12", "2690 Engdal"),
		"control":   e("6801680008", cprregister.StatusActive, "Møllestien\x0012", "2690 Engdal"),
		"company":   {IDType: "CVR", ID: "10000009", Status: cprregister.StatusActive, Name: "Ravn ApS", Address: []string{"Havnen 1", "2690 Engdal"}},
	}
}

// Kinds are the answers that a register of the world can be held to, with a test
// person for each.
func Kinds() map[string]dispatch.AddressAnswer {
	return map[string]dispatch.AddressAnswer{
		"active": dispatch.AddressFound, "protected": dispatch.AddressFound, "deceased": dispatch.AddressDeceased,
		"emigrated": dispatch.AddressAbroad, "unknown": dispatch.AddressUnknown,
	}
}

// Ask holds a register to what is known of its test people, by the names of
// [Kinds]. A kind without a person is left out and said.
func Ask(t *testing.T, w World, people map[string]post.PartyRecord) {
	t.Helper()
	for name, want := range Kinds() {
		t.Run(name, func(t *testing.T) {
			who, ok := people[name]
			if !ok {
				t.Logf("LEFT OUT: no test person is %s", name)
				return
			}
			got := w.Register.Find(t.Context(), w.Tenant, post.PartyRecord{IDType: who.IDType, ID: who.ID})
			if got.Answer != want || got.Protected != (name == "protected") {
				t.Fatalf("answer %q (%s), protected %t; want %q", got.Answer, got.Code, got.Protected, want)
			}
			if n := len(got.Lines); want == dispatch.AddressFound && (n < 2 || n > 6 || got.Name == "") || want != dispatch.AddressFound && n > 0 {
				t.Errorf("%d lines, a name: %t", n, got.Name != "")
			}
		})
	}
}

// Run checks a register.
func Run(t *testing.T, open func(t *testing.T) World) {
	t.Helper()
	for name, want := range map[string]dispatch.Residence{
		"active":    {Answer: dispatch.AddressFound, Name: "Poul Ravn Holmgaard", Lines: []string{"Møllestien 12, 1. tv", "2690 Engdal"}},
		"protected": {Answer: dispatch.AddressFound, Name: "Poul Ravn Holmgaard", Lines: []string{"Skjulte Vej 1", "2690 Engdal"}, Protected: true},
		"deceased":  {Answer: dispatch.AddressDeceased},
		"emigrated": {Answer: dispatch.AddressAbroad},
		"abroad":    {Answer: dispatch.AddressFound, Name: "Poul Ravn Holmgaard", Lines: []string{"Hauptstraße 1", "24937 Flensburg", "Tyskland"}},
		"one line":  {Answer: dispatch.AddressUnsure},
		"no status": {Answer: dispatch.AddressUnsure},
		"control":   {Answer: dispatch.AddressUnsure},
		"company":   {Answer: dispatch.AddressFound, Name: "Ravn ApS", Lines: []string{"Havnen 1", "2690 Engdal"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			e := People()[name]
			got := w.Register.Find(t.Context(), w.Tenant, post.PartyRecord{IDType: e.IDType, ID: e.ID})
			if got.Answer != want.Answer || got.Name != want.Name || !slices.Equal(got.Lines, want.Lines) || got.Protected != want.Protected {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if got.Answer == dispatch.AddressUnsure && got.Code == "" {
				t.Error("unsure without a reason")
			}
			for _, private := range []string{e.ID, "Vej", "Engdal", "Holmgaard"} {
				if strings.Contains(got.Code, private) {
					t.Errorf("the code names %q", private)
				}
			}
		})
	}
}
