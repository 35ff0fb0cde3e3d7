package deskapi

import (
	"encoding/json"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/letter"
)

func TestALetterSaysItsPostingDayWhenThereIsOne(t *testing.T) {
	for want, v := range map[string]letter.View{
		`"posting_day":"2026-11-26"`: {Posting: "2026-11-26"},
		"":                           {},
	} {
		b, err := json.Marshal(letterOf(v))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "posting_day") != (want != "") || !strings.Contains(string(b), want) {
			t.Errorf("want %q: %s", want, b)
		}
	}
}
