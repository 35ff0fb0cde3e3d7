package postctlapp

import (
	"slices"
	"testing"
	"time"

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

func TestColumnsThatSayNothingAreLeftOut(t *testing.T) {
	heads, rows := filled([]string{"A", "B", "C"}, [][]string{{"1", "", "x"}, {"2", "", ""}})
	if !slices.Equal(heads, []string{"A", "C"}) || !slices.Equal(rows[1], []string{"2", ""}) {
		t.Errorf("%v %v", heads, rows)
	}
}
