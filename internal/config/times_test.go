package config_test

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
)

func withRules(rules string) string {
	return strings.Replace(dispatcher, `"phone": "+45 00",`, `"phone": "+45 00", `+rules+`,`, 1)
}

func TestRulesAboutTimeAreRead(t *testing.T) {
	d, err := load[config.Dispatcher](t, folder(t), withRules(`"times": {"paper_days": 5, "produce_days": 1, "cutoff": "16:30", "silence_days": 4, "presume_days": 10}, "keep_days": {"letters": 400, "receipts": 90}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Tenants[0].Times.Filled(); got != (post.LetterTimes{Paper: 5, Produce: 1, Cutoff: "16:30", Person: 1, Silence: 4, Presume: 10}) {
		t.Errorf("times %+v", got)
	}
	if got := d.Tenants[0].Keep.Filled(); got != (post.Keep{Letters: 400, Inquiries: 180, Forwarded: 30, Receipts: 90}) {
		t.Errorf("keep %+v", got)
	}
	if d, err = load[config.Dispatcher](t, folder(t), dispatcher); err != nil || d.Tenants[0].Times.Filled() != (post.LetterTimes{Paper: 7, Produce: 2, Cutoff: "12:00", Person: 1, Silence: 7}) || d.Tenants[0].Keep.Filled().Receipts != 180 {
		t.Errorf("without rules: %+v, %v", d.Tenants[0], err)
	}
}

func TestWrongRulesAboutTimeAreNamed(t *testing.T) {
	for rules, want := range map[string]string{
		`"times": {"paper_days": -1}`:                                    "tenants[0].times.paper_days",
		`"times": {"person_days": 61}`:                                   "tenants[0].times.person_days",
		`"times": {"presume_days": 7}`:                                   "tenants[0].times.presume_days", // silence is reported after 7
		`"times": {"presume_days": 4, "silence_days": 5}`:                "tenants[0].times.presume_days",
		`"keep_days": {"letters": 1}`:                                    "tenants[0].keep_days.letters",
		`"keep_days": {"inquiries": 36500}`:                              "tenants[0].keep_days.inquiries",
		`"keep_days": {"letters": 30, "receipts": 31}`:                   "tenants[0].keep_days.receipts",
		`"times": {"produce_days": -1}`:                                  "tenants[0].times.produce_days",
		`"times": {"produce_days": 8}`:                                   "tenants[0].times.produce_days", // paper_days are 7
		`"times": {"paper_days": 3, "produce_days": 4}`:                  "tenants[0].times.produce_days",
		`"times": {"cutoff": "noon"}`:                                    "tenants[0].times.cutoff",
		`"times": {"cutoff": "24:00"}`:                                   "tenants[0].times.cutoff",
		`"times": {"cutoff": "9:00"}`:                                    "tenants[0].times.cutoff",
		`"times": {"days": 1}`:                                           "days",
		`"times": {"kombipost": {"cutoff": "25:00"}}`:                    "tenants[0].times.kombipost.cutoff",
		`"times": {"kombipost": {"paper_days": 1}, "produce_days": 2}`:   "tenants[0].times.kombipost.produce_days",
		`"times": {"printhouse": {"produce_days": 8}}`:                   "tenants[0].times.printhouse.produce_days",
		`"times": {"printhouse": {"silence_days": -1}}`:                  "tenants[0].times.printhouse.silence_days",
		`"times": {"presume_days": 8, "kombipost": {"silence_days": 8}}`: "tenants[0].times.kombipost.silence_days",
		`"times": {"kombipost": {"person_days": 1}}`:                     "person_days",
		`"times": {"dove": {"paper_days": 1}}`:                           "dove",
		`"-": "kombipost"`:                                               "unknown key",
		`"costs": {"paper": -1}`:                                         "tenants[0].costs.paper",
		`"costs": {"paper": 1e9}`:                                        "tenants[0].costs.paper",
		`"costs": {"paper": "14"}`:                                       "tenants[0].costs.paper",
	} {
		t.Run(rules, func(t *testing.T) {
			if _, err := load[config.Dispatcher](t, folder(t), withRules(rules)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("gives %v", err)
			}
		})
	}
}

// TestEachTenantsPaperHasTheTimesOfItsCarrier: the road decides, in desk as in
// the dispatcher, and what a carrier has stays under its own rules.
func TestEachTenantsPaperHasTheTimesOfItsCarrier(t *testing.T) {
	times := post.LetterTimes{Paper: 4, Produce: 1, Cutoff: "15:00", KombiPost: post.PaperTimes{Paper: 6, Cutoff: "10:00"}}
	tenants := []post.Tenant{{ID: "a", Times: times}, {ID: "b", Times: times}}
	roads := map[post.TenantID]config.Road{"b": {Physical: post.KombiPost}}
	usual, kombi := post.LetterTimes{Paper: 4, Produce: 1, Cutoff: "15:00"}, post.LetterTimes{Paper: 6, Produce: 1, Cutoff: "10:00"}
	for name, all := range map[string][]post.Tenant{
		"desk":       config.Desk{Common: config.Common{Tenants: tenants}, Roads: roads}.Senders(),
		"dispatcher": config.Dispatcher{Common: config.Common{Tenants: tenants}, Roads: roads}.Senders(),
	} {
		for _, c := range []struct {
			n    int
			by   post.Carrier
			want post.LetterTimes
		}{{0, "", usual}, {1, "", kombi}, {0, post.KombiPost, kombi}, {1, post.PrintHouse, usual}} {
			if got := all[c.n].TimesBy(c.by); got != c.want {
				t.Errorf("%s, tenant %s, by %q: %+v", name, all[c.n].ID, c.by, got)
			}
		}
	}
	if tenants[1].PaperBy != "" {
		t.Error("the configuration itself was changed")
	}
	if got := (post.Tenant{Times: times}).TimesBy(""); got != usual {
		t.Errorf("without a road: %+v", got)
	}
}
