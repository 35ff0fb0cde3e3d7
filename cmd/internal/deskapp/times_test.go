package deskapp_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
)

// kombiTimes gives the first municipality a road by KombiPost and rules of its
// own for both carriers.
func kombiTimes(c *config.Desk) {
	t := &c.Tenants[0]
	t.Times = post.LetterTimes{Paper: 4, Produce: 1, Cutoff: "15:00", KombiPost: post.PaperTimes{Cutoff: "10:00", Produce: 2, Paper: 6}}
	t.Costs = post.Costs{Digital: 2.5, Paper: 14, Registered: 79}
	c.Roads = map[post.TenantID]config.Road{t.ID: {Physical: post.KombiPost}}
}

func TestDeskSaysByWhichRulesDaysAndCostsAreReckoned(t *testing.T) {
	r := newRig(t, kombiTimes)
	own, far := string(r.cfg.Tenants[0].ID), string(r.cfg.Tenants[1].ID)
	got, err := r.client("case").Times(t.Context())
	must(t, err)
	want := wire.Times{Tenant: own, Carrier: "kombipost", Cutoff: "10:00", ProduceDays: 2, PaperDays: 6, PersonDays: 1, Preflight: "off", Digital: 2.5, Paper: 14, ByRegistered: 79}
	if got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	for _, c := range []struct {
		as, tenant string
		status     int
		code       string
	}{
		{"case", own, 200, ""}, {"case", far, 403, "POST-4004"}, {"case", "nowhere", 0, post.FaultTenant.Code},
		{"operator", far, 200, ""}, {"operator", "", 0, post.FaultTenant.Code}, {"operator", "nowhere", 0, post.FaultTenant.Code},
	} {
		status, code, b := r.ask(c.as, http.MethodGet, "/v1/times?tenant="+c.tenant, "", nil)
		if c.status != 0 && status != c.status || c.code != "" && code != c.code {
			t.Errorf("%s asks about %q: %d %s", c.as, c.tenant, status, code)
		}
		if status == 200 {
			var out wire.Times
			must(t, json.Unmarshal(b, &out))
			if out.Tenant != c.tenant || c.tenant == far && (out.Carrier != "printhouse" || out.Cutoff != "12:00" || out.PaperDays != 7) {
				t.Errorf("%s asks about %q: %+v", c.as, c.tenant, out)
			}
		}
	}
}

func TestAPlanAsksDeskAndSaysWhatItReckonedBy(t *testing.T) {
	r := newRig(t, kombiTimes)
	must(t, os.MkdirAll(r.path("pdf"), 0o700))
	must(t, os.WriteFile(r.path("pdf/a.pdf"), pdf(t, "decision-01"), 0o600))
	table := func(word string) string {
		must(t, os.WriteFile(r.path("t.csv"), []byte("key,id,name,address1,title,document,registered\n"+
			"a,"+r.nancy.CPR+",N,Vej 1,T,a.pdf,\nb,"+r.nancy.CPR+",N,Vej 1,T,a.pdf,"+word+"\n"), 0o600))
		return r.path("t.csv")
	}
	plan := func(more ...string) (int, string, string) {
		return r.postctl("case", append([]string{"batch", "plan", r.path("t.csv"), "-documents", r.path("pdf"), "-now", "2026-11-23 11:00"}, more...)...)
	}
	table("")
	for _, c := range []struct {
		more []string
		want []string
	}{
		{nil, []string{"posted on 2026-11-26, arrives on 2026-12-02; cut-off 10:00\n", "rules         of engdal, on paper by kombipost, as desk says\n",
			"cost          DKK 5.00 if all are digital, DKK 28.00 if all", "nobody looks at these documents as paper"}},
		{[]string{"-cutoff", "11:00", "-cost-paper", "20"}, []string{"posted on 2026-11-25, arrives on 2026-12-01; cut-off 11:00\n",
			"as desk says; given here: -cutoff, -cost-paper\n", "DKK 40.00 if all"}},
		{[]string{"-offline"}, []string{"posted on 2026-11-25, arrives on 2026-12-02; cut-off 12:00\n", "rules         as usual; desk was not asked\n"}},
	} {
		if code, out, errs := plan(c.more...); code != 0 {
			t.Errorf("%v: %d %s", c.more, code, errs)
		} else {
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("%v: no %q in\n%s", c.more, want, out)
				}
			}
		}
	}
	// Line by line: channel, cost and last days.
	must(t, os.WriteFile(r.path("t.csv"), []byte("key,id,name,address1,title,document,arrive_by\n"+
		"a,"+r.nancy.CPR+",N,Vej 1,T,a.pdf,2026-12-28\nb,"+r.nancy.CPR+",N,,T,a.pdf,\n"), 0o600))
	code, out, errs := plan("-each")
	want := []string{"2 digital or paper 2.50 to 14.00 2026-12-28 2026-12-28 2026-12-16 2026-11-26", "3 digital 2.50"}
	if _, rows, ok := strings.Cut(out, "POSTED IF SENT NOW"); code != 0 || !ok {
		t.Errorf("each: %d %s %s", code, out, errs)
	} else {
		for i, row := range strings.Split(strings.TrimSpace(rows), "\n") {
			if got := strings.Join(strings.Fields(row), " "); i >= len(want) || got != want[i] {
				t.Errorf("each: row %q, want %q", got, want)
			}
		}
	}
	// Desk knows that nobody carries registered post here; offline nobody does.
	table("yes")
	if code, out, _ := plan(); code == 0 || !strings.Contains(out, "line 3: POST-2025") {
		t.Errorf("not declared: %d %s", code, out)
	}
	if code, out, errs := plan("-offline"); code != 0 || !strings.Contains(out, "registered    1 letter, if on paper") {
		t.Errorf("offline: %d %s %s", code, out, errs)
	}
	check := func(more ...string) (int, string, string) {
		return r.postctl("case", append([]string{"batch", "check", r.path("t.csv"), "-documents", r.path("pdf"), "-now", "2026-11-23"}, more...)...)
	}
	const unchecked = "whether registered post is offered was not checked; desk "
	if code, out, errs := check(); code == 0 || !strings.Contains(out, "line 3: POST-2025") || strings.Contains(errs, unchecked) {
		t.Errorf("check: %d %s %s", code, out, errs)
	}
	if code, out, errs := check("-offline"); code != 0 || !strings.Contains(errs, unchecked+"was not asked") {
		t.Errorf("check offline: %d %s %s", code, out, errs)
	}
	// A desk that cannot be reached is no reason to guess.
	r.url = "https://127.0.0.1:1"
	if code, out, errs := check(); code != 0 || !strings.Contains(errs, unchecked+"does not say: ") {
		t.Errorf("check without desk: %d %s %s", code, out, errs)
	}
	table("")
	if code, out, errs := check(); code != 0 || strings.Contains(errs, unchecked) {
		t.Errorf("check of a table that wants none: %d %s %s", code, out, errs)
	}
	table("yes")
	code, out, errs = plan()
	if code == 0 || strings.Contains(out, "posted on") || !strings.Contains(errs, "-offline") {
		t.Errorf("without desk: %d %s %s", code, out, errs)
	}
}
