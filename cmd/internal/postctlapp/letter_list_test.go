package postctlapp

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
)

func TestATimeIsWrittenAsOperatorsDo(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, ctl.Copenhagen())
	for s, want := range map[string]time.Time{
		"": {}, "2h": now.Add(-2 * time.Hour), "3d": now.AddDate(0, 0, -3), "90m": now.Add(-90 * time.Minute),
		"2026-11-20": time.Date(2026, 11, 20, 0, 0, 0, 0, ctl.Copenhagen()), "2026-11-20T03:15": time.Date(2026, 11, 20, 3, 15, 0, 0, ctl.Copenhagen()),
		"2026-11-20T03:15:00Z": time.Date(2026, 11, 20, 3, 15, 0, 0, time.UTC),
	} {
		if got, err := moment(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %s, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"-2h", "xd", "-1d", "yesterday", "22/11", "2026-13-01"} {
		if got, err := moment(s, now); err == nil {
			t.Errorf("%q was taken as %s", s, got)
		}
	}
}

func TestALetterInTroubleStandsOnOneLineOf80Columns(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, ctl.Copenhagen())
	printLetters(&out, []wire.LetterView{
		{ID: "01a2060d-3d03-7f54-9931-22f9149150de", Reference: "SP-62NA-GB7Z", Tenant: "engdal", State: "not-taken", Channel: "digital", Carrier: "digitalpost", Code: "unavailable", Since: now.Add(-3 * time.Minute)},
		{ID: "01a2060d-3d04-739d-a6de-f54f3f6cd068", Reference: "SP-7K3Q-92MD", Tenant: "lyngsoe", State: "outcome-unknown", Channel: "digital", Carrier: "digitalpost", Code: "no-answer", Since: now.Add(-50 * time.Hour)},
	}, now)
	for line := range strings.Lines(out.String()) {
		if n := len(strings.TrimRight(line, " \n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(out.String(), "SP-7K3Q-92MD  lyngsoe       outcome-unknown  digitalpost  no-answer    2 days") {
		t.Error(out.String())
	}
}

func TestAnExplanationBeginsWithWhatIsTheMatter(t *testing.T) {
	var out bytes.Buffer
	since := time.Date(2026, 11, 22, 3, 0, 0, 0, ctl.Copenhagen())
	printExplanation(&out, wire.Explanation{ID: "x", State: "awaiting-lookup", Since: since, Code: "lookup: unavailable", Next: "the directory is asked again"})
	if want := "letter   x\nstate    awaiting-lookup since 2026-11-22 03:00\nreason   lookup: unavailable\nnext     the directory is asked again\n"; !strings.HasPrefix(out.String(), want) {
		t.Error(out.String())
	}
}

func TestColumnsThatSayNothingAreLeftOut(t *testing.T) {
	heads, rows := filled([]string{"A", "B", "C"}, [][]string{{"1", "", "x"}, {"2", "", ""}})
	if !slices.Equal(heads, []string{"A", "C"}) || !slices.Equal(rows[1], []string{"2", ""}) {
		t.Errorf("%v %v", heads, rows)
	}
}
