package simulatorapp

import (
	"net/http"
	"strconv"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/chaosdial"
)

// dialRow is one setting on the page of faults: a count or a switch.
type dialRow struct {
	Name, Label, Help string
	Count             int
	On, Switch        bool
}

func dial(f digitalposttest.Faults) []dialRow {
	return []dialRow{
		{Name: "drop_replies", Label: "Drop replies", Help: "takes the message, then breaks the connection", Count: f.DropReplies},
		{Name: "unavailable", Label: "Unavailable", Help: "answers 503 and takes nothing", Count: f.Unavailable},
		{Name: "broken", Label: "Broken", Help: "takes the message, then answers 500", Count: f.Broken},
		{Name: "delay_ms", Label: "Slow", Help: "milliseconds before each answer", Count: f.DelayMillis},
		{Name: "unsure_lookups", Label: "Unsure look-ups", Help: "answers UNKNOWN", Count: f.UnsureLookups},
		{Name: "failed_lookups", Label: "Failed look-ups", Help: "answers 503", Count: f.FailedLookups},
		{Name: "stray_receipts", Label: "Stray receipts", Help: "of messages that nobody sent", Count: f.StrayReceipts},
		{Name: "hold_receipts", Label: "Hold receipts", Help: "until this is turned off", On: f.HoldReceipts, Switch: true},
		{Name: "duplicate_receipts", Label: "Duplicate receipts", Help: "each comes a second time under another id", On: f.DuplicateReceipts, Switch: true},
		{Name: "reorder_receipts", Label: "Reorder receipts", Help: "newest first", On: f.ReorderReceipts, Switch: true},
		{Name: "reject_duplicates", Label: "Reject duplicates", Help: "answers 400 to a message that it has", On: f.RejectDuplicates, Switch: true},
	}
}

// faultsPage is the page of everything that can be made to go wrong.
type faultsPage struct {
	Wrong  string // why a form was not taken
	Seed   uint64
	Dial   []chaosdial.View
	Counts []dialRow
	Clock  clockJSON
	Limits []limitView
}

func (a *App) pageFaults(w http.ResponseWriter, r *http.Request) {
	a.renderFaults(w, r, http.StatusOK, "")
}

func (a *App) renderFaults(w http.ResponseWriter, r *http.Request, status int, wrong string) {
	renderAs(a, w, r, status, "faults.html", view[faultsPage]{Title: spoken(r).say("What goes wrong"), Here: "faults", Body: faultsPage{
		wrong, a.dial.State().Seed, a.dial.Views(), dial(a.post.Faults()), a.clockJSON(), a.limits.views(),
	}})
}

func (a *App) formFaults(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxDial)
	if err := r.ParseForm(); err != nil {
		http.Error(w, spoken(r).say("The form cannot be read."), http.StatusBadRequest)
		return
	}
	bad := false
	count := func(name string) int {
		n, err := strconv.Atoi(r.PostForm.Get(name))
		if err != nil || n < digitalposttest.Always {
			bad = true
		}
		return n
	}
	on := func(name string) bool { return r.PostForm.Get(name) == "on" }
	f := digitalposttest.Faults{
		DropReplies: count("drop_replies"), Unavailable: count("unavailable"), Broken: count("broken"),
		DelayMillis: count("delay_ms"), UnsureLookups: count("unsure_lookups"), FailedLookups: count("failed_lookups"),
		StrayReceipts: count("stray_receipts"),
		HoldReceipts:  on("hold_receipts"), DuplicateReceipts: on("duplicate_receipts"),
		ReorderReceipts: on("reorder_receipts"), RejectDuplicates: on("reject_duplicates"),
	}
	if bad {
		a.renderFaults(w, r, http.StatusUnprocessableEntity, "Counts are whole numbers; -1 means always.")
		return
	}
	a.post.SetFaults(f)
	onTo(w, r, "/faults")
}
