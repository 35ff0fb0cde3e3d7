package account_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/account"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// books hold one letter, and a count that agrees.
type books struct{ d account.Dossier }

func (b books) Dossiers(_ context.Context, after post.LetterID, _ int) ([]account.Dossier, error) {
	if after != "" {
		return nil, nil
	}
	return []account.Dossier{b.d}, nil
}

func (books) LetterCounts(context.Context, post.TenantID) ([]letter.Count, error) { return nil, nil }
func (books) StrayRows(context.Context) ([]account.Stray, error)                  { return nil, nil }
func (books) SharedTracking(context.Context) ([]string, error)                    { return nil, nil }
func (books) NamedBlobs(context.Context, func(room, blob string) error) error     { return nil }
func (books) Unreferenced(_ context.Context, blobs []string) ([]string, error)    { return blobs, nil }
func (books) ReceiptTally(context.Context) (account.Receipts, error)              { return account.Receipts{}, nil }

const id = post.LetterID("01a202a6-2581-79e9-ac81-13baff3376b1")

// letterOn returns a letter with one entry for each step ("state outcome").
func letterOn(state post.LetterState, ch post.Channel, steps ...string) account.Dossier {
	d := account.Dossier{ID: id, Tenant: "engdal", State: state, Channel: ch, Generation: 1, Version: int64(len(steps)), Job: !state.Final() && state != post.LetterReturned}
	for i, s := range steps {
		name, outcome, _ := strings.Cut(s, " ")
		e := ledger.New("letter."+name, "engdal", string(id))
		e.ID, e.Outcome = fmt.Sprint(i), outcome
		d.Events = append(d.Events, e)
	}
	return d
}

func taken(ch post.Channel, generation int) account.HandOver {
	return account.HandOver{MessageID: post.DerivedID(id, ch, generation), Channel: ch, Generation: generation, Taken: true}
}

// posted is a letter on paper that is on its way, without fault.
func posted() account.Dossier {
	d := letterOn(post.LetterPosted, post.Physical, "accepted accepted", "ready", "signed", "awaiting-lookup", "routed physical/1 EXEMPT",
		"handing-over physical/1", "handed-over physical/1", "printing physical/1", "posted physical/1")
	d.HandOvers = []account.HandOver{taken(post.Physical, 1)}
	return d
}

// TestEachRuleOfOneLetterIsKept breaks one thing after the other. What the store
// itself would refuse can be tried here all the same.
func TestEachRuleOfOneLetterIsKept(t *testing.T) {
	add := func(d *account.Dossier, steps ...string) {
		more := letterOn(d.State, d.Channel, steps...).Events
		d.Events = append(d.Events, more...)
		d.Version += int64(len(more))
	}
	for _, tt := range []struct {
		name, rule, says string
		harm             func(d *account.Dossier)
	}{
		{"nothing", "", "", func(*account.Dossier) {}},
		{"an event of another municipality", "events", "names municipality", func(d *account.Dossier) { d.Events[2].Tenant = "fjordby" }},
		{"accepted twice", "events", "2 times that it was accepted", func(d *account.Dossier) { add(d, "accepted accepted") }},
		{"never accepted", "events", "0 times that it was accepted", func(d *account.Dossier) { d.Events = d.Events[1:]; d.Version-- }},
		{"a move without its entry", "events", "the ledger has 9 events", func(d *account.Dossier) { d.Version++ }},
		{"a state that no event tells of", "events", "no event says so", func(d *account.Dossier) { d.State = post.LetterProven; d.Job = false }},
		{"a state that nothing leads to", "events", "nothing that was recorded leads there", func(d *account.Dossier) {
			d.Events = slices.DeleteFunc(d.Events, func(e ledger.Event) bool {
				return e.Kind == "letter.handing-over" || e.Kind == "letter.handed-over" || e.Kind == "letter.printing"
			})
			d.Version = int64(len(d.Events))
		}},
		{"two generations that nobody decided", "twice", "taken in 2 generations, and 1 were decided", func(d *account.Dossier) {
			add(d, "returned physical/1", "routed physical/2", "handing-over physical/2", "handed-over physical/2", "posted physical/2")
			d.Generation = 2
			d.HandOvers = append(d.HandOvers, taken(post.Physical, 2))
		}},
		{"a generation that a retry began, when its carrier had refused the one before", "", "", func(d *account.Dossier) {
			*d = letterOn(post.LetterHandedOver, post.Digital, "accepted accepted", "ready", "signed", "awaiting-lookup", "routed digital/1", "handing-over digital/1",
				"handed-over digital/1", "needs-person digital/1 x", "routed digital/2 decided: retry", "handing-over digital/2", "handed-over digital/2")
			d.Generation, d.HandOvers = 2, []account.HandOver{taken(post.Digital, 1), taken(post.Digital, 2)}
			d.HandOvers[0].Answer = "refused-content"
		}},
		{"the same, and nothing was refused", "twice", "taken in 2 generations, and 1 were decided", func(d *account.Dossier) {
			add(d, "needs-person physical/1 x", "routed physical/2 decided: retry", "handing-over physical/2", "handed-over physical/2", "posted physical/2")
			d.Generation = 2
			d.HandOvers = append(d.HandOvers, taken(post.Physical, 2))
		}},
		{"a generation that a retry of another began", "generation", "generation 2 was not decided", func(d *account.Dossier) {
			add(d, "needs-person physical/1 x", "routed physical/1 decided: retry")
			d.Generation = 2
		}},
		{"a generation that was left out", "generation", "generation 2 was not decided", func(d *account.Dossier) {
			add(d, "returned physical/1", "routed physical/3 decided: reissue")
			d.Generation, d.State = 3, post.LetterRouted
		}},
		{"one decision, twice the generations", "generation", "generation 3 was not decided", func(d *account.Dossier) {
			add(d, "returned physical/1", "routed physical/2 decided: reissue", "routed physical/2 decided: reissue")
			d.Generation, d.State = 3, post.LetterRouted
		}},
		{"rejected, and posted all the same", "paper", "was rejected and is posted", func(d *account.Dossier) { d.HandOvers[0].Answer = "refused-recipient" }},
		{"an entry of a move that was not made", "events", "to version 9, and the ledger has 10 events", func(d *account.Dossier) { add(d, "posted physical/1"); d.Version-- }},
		{"on its way, and begun anew", "paper", "generation 1 is posted, and generation 2 was begun", func(d *account.Dossier) {
			add(d, "needs-person physical/1 x", "routed physical/2 decided: reissue")
			d.Generation, d.State = 2, post.LetterRouted
		}},
		{"perhaps on its way, and begun anew", "paper", "generation 1 may be on its way, and generation 2 was begun", func(d *account.Dossier) {
			d.HandOvers[0].Taken, d.HandOvers[0].Unsure = false, true
			d.Generation = 2
		}},
		{"posted, and taken by nobody", "paper", "generation 1 is posted, and no carrier has taken it", func(d *account.Dossier) { d.HandOvers[0].Taken = false }},
		{"less far than its envelope", "paper", "it is printing, and its envelope of generation 1 is posted", func(d *account.Dossier) { d.State = post.LetterPrinting }},
		{"an entry of a hand-over that is not there", "hand-over", "handed over (digital/1), and there is no hand-over", func(d *account.Dossier) { add(d, "handing-over digital/1") }},
		{"proven delivered, and returned", "paper", "is proven delivered and returned", func(d *account.Dossier) {
			add(d, "delivered-proven physical/1", "returned physical/1")
			d.State, d.Job = post.LetterReturned, false
		}},
	} {
		d := posted()
		tt.harm(&d)
		r, err := account.Check(t.Context(), account.Config{Books: books{d}})
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(r.Faults, func(f account.Fault) bool { return f.Rule == tt.rule && strings.Contains(f.Detail, tt.says) })
		if tt.rule == "" && r.Found > 0 || tt.rule != "" && !found {
			t.Errorf("%s: %+v", tt.name, r.Faults)
		}
	}
}
