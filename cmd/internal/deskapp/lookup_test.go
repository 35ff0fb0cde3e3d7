package deskapp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/outbound/lookup"
	"sikkerpost.dk/gateway/internal/post"
)

// TestAPlanLooksUpWhoCanBeReached: postctl to desk, to a dispatcher that asks, and
// back; desk itself asks nobody, and opens nothing.
func TestAPlanLooksUpWhoCanBeReached(t *testing.T) {
	r := newRig(t, kombiTimes)
	line := func(n int, address string) string {
		return fmt.Sprintf(`a-%d;%s;"%s";%s;;Afgørelse;decision-01.pdf`, n, r.nancy.CPR, r.nancy.Name, address)
	}
	csv := r.table(line(1, "Vej 1"), line(2, "Vej 1"), line(3, ""), line(4, "Vej 1"))
	if code, _, errs := r.postctl("case", "batch", "plan", csv); code != 2 || !strings.Contains(errs, "-documents") {
		t.Errorf("a table without documents: %d %s", code, errs)
	}
	code, out, errs := r.postctl("case", "batch", "send", csv, "-documents", r.path("pdf"), "-key", "nov", "-json")
	if code != 0 {
		t.Fatalf("send: %d %s", code, errs)
	}
	var sent struct{ ID string }
	must(t, json.Unmarshal([]byte(out), &sent))
	plan := func(as string, more ...string) (int, string, string) {
		return r.postctl(as, append([]string{"batch", "plan", sent.ID, "-look-up", "-now", "2026-11-23 11:00"}, more...)...)
	}
	if code, _, errs := plan("case", "-wait", "0s"); code != 7 || !strings.Contains(errs, "0 of 4 letters looked up") {
		t.Errorf("no dispatcher: %d %s", code, errs)
	}
	if code, _, errs := plan("case-far"); code != 1 || !strings.Contains(errs, "POST-0002") {
		t.Errorf("another municipality: %d %s", code, errs)
	}
	for _, as := range []string{"operator", "tool"} {
		if _, err := r.client(as).AskLookUp(t.Context(), sent.ID); !refusedWith(err, "POST-4003") {
			t.Errorf("%s: %v", as, err)
		}
	}
	if code, _, _ := plan("case", "-offline"); code != 2 {
		t.Errorf("-offline: %d", code)
	}

	s, err := sqlstore.Open(t.Context(), r.cfg.Database)
	must(t, err)
	defer s.Close()
	answers := []lookup.Reach{lookup.Reachable, lookup.Unreachable, lookup.Unreachable, lookup.Unsure}
	a := &lookup.Answerer{Questions: s, Tenants: r.cfg.Tenants, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Paused: func(context.Context, post.TenantID) (bool, error) { return false, nil },
		Open:   func([]byte) ([]byte, error) { return []byte(`{"id_type":"CPR","address":["Vej 1"]}`), nil },
		Road: func(post.TenantID) (lookup.Road, bool) {
			return lookup.Road{Most: 100, Every: time.Nanosecond, Ask: func(_ context.Context, tenant post.Tenant, all []post.PartyRecord) []lookup.Told {
				var told []lookup.Told
				for i := range all {
					told = append(told, lookup.Told{Reach: answers[i], Code: "x"})
				}
				return told
			}}, true
		}}
	must(t, a.Step(t.Context()))
	if _, err := r.db.Exec(`UPDATE look_up_line SET answers = 'RUuQ' WHERE answers = 'RUUQ'`); err != nil { // the third has no address
		t.Fatal(err)
	}
	code, out, errs = plan("approver", "-each", "-arrive", "2026-12-01")
	// On paper it would come on 2 December: one of the lines is late.
	if code == 0 || !strings.Contains(errs, "1 letter would arrive too late") {
		t.Errorf("%d %s", code, errs)
	}
	for _, want := range []string{"letters       4, 4 looked up at ", "digital       1\n", "on paper      1\n", "no address    1: ", "not known     1: ",
		"cost          DKK 19.00 to 44.50\n", "posted on 2026-11-26, arrives on 2026-12-02", "looked up anew"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	rows := strings.Split(out[strings.Index(out, "LINE "):], "\n")
	for i, want := range []string{"1 digital 2.50 2026-12-01 2026-", "2 paper 14.00 2026-12-01 2026-11-", "3 no-address 2026-12-01", "4 unsure 2026-12-01"} {
		if got := strings.Join(strings.Fields(rows[i+1]), " "); !strings.HasPrefix(got, want) {
			t.Errorf("row %q, want %q", got, want)
		}
	}
	if !strings.Contains(rows[2], "too late") || strings.Contains(rows[1], "too late") {
		t.Errorf("late: %q, %q", rows[1], rows[2])
	}
	// Page by page it is the same.
	one, err := r.client("case").LookUp(t.Context(), sent.ID, 0, 3)
	if err != nil || len(one.Items) != 3 || one.After != 3 || one.NoAddress != 1 {
		t.Errorf("%+v %v", one, err)
	}
	two, err := r.client("case").LookUp(t.Context(), sent.ID, one.After, 3)
	if err != nil || len(two.Items) != 1 || two.After != 0 || two.Items[0].Line != 4 {
		t.Errorf("%+v %v", two, err)
	}
	// What could not be finished is said in words.
	_, err = r.db.Exec(`UPDATE look_up SET ended = 'no-answer'`)
	must(t, err)
	shown, err := r.client("case").LookUp(t.Context(), sent.ID, 0, 0)
	if err != nil || !shown.Done || !strings.Contains(shown.Says, "did not answer") {
		t.Errorf("%+v %v", shown, err)
	}
	// Once approved there is nothing to plan.
	if code, _, errs := r.postctl("approver", "batch", "approve", sent.ID); code != 0 {
		t.Fatalf("approve: %d %s", code, errs)
	}
	if code, _, errs := plan("approver"); code == 0 || !strings.Contains(errs, "POST-6031") {
		t.Errorf("approved: %d %s", code, errs)
	}
}
