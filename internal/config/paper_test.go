package config_test

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/config"
)

func TestRulesOfPaperAreRead(t *testing.T) {
	text := strings.Replace(dispatcher, `"print_house":`, `"paper": {"engdal": {"render": true, "window": "document", "max_pages": 40, "margin": 5}}, "print_house":`, 1)
	d, err := load[config.Dispatcher](t, folder(t), text)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Paper["engdal"]; got != (config.Paper{Render: true, Window: "document", MaxPages: 40, Margin: 5}) {
		t.Errorf("got %+v", got)
	}
}

func TestWrongRulesOfPaperAreNamed(t *testing.T) {
	for rules, want := range map[string]string{
		`{"nowhere": {}}`:                                   "paper.nowhere",
		`{"engdal": {"window": "left"}}`:                    "paper.engdal.window",
		`{"engdal": {"window": "document"}}`:                "paper.engdal.window",
		`{"engdal": {"render": true, "max_pages": 100000}}`: "paper.engdal.max_pages",
		`{"engdal": {"margin": 90}}`:                        "paper.engdal.margin",
	} {
		t.Run(want, func(t *testing.T) {
			_, err := load[config.Dispatcher](t, folder(t), strings.Replace(dispatcher, `"print_house":`, `"paper": `+rules+`, "print_house":`, 1))
			if err == nil || !strings.Contains(err.Error(), want+": ") {
				t.Errorf("%s gives %v", rules, err)
			}
		})
	}
}
