package postctlapp

import "testing"

func TestNoCellOfAReportIsAFormula(t *testing.T) {
	for s, want := range map[string]string{
		"":                           "",
		"RR123456785DK":              "RR123456785DK",
		"2026-11-24 09:00":           "2026-11-24 09:00",
		"digital-post: -3":           "digital-post: -3",
		`=HYPERLINK("http://x")`:     `'=HYPERLINK("http://x")`,
		"+45":                        "'+45",
		"-1":                         "'-1",
		"@SUM(A1)":                   "'@SUM(A1)",
		" =1":                        "' =1",
		"\t=1":                       "' =1",
		"\r\n=1":                     "' =1",
		"\x1b[31m\x00=1":             "[31m=1",
		"\x00=1":                     "'=1",
		"\u200b=1":                   "'\u200b=1",
		"a\n=1":                      "a =1",
		"＝1":                         "'＝1",
		"fine, \"quoted\"; as it is": "fine, \"quoted\"; as it is",
	} {
		if got := cell(s); got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
	}
}

// TestNoLineOfAValueIsAFormula: an address of many lines becomes many cells somewhere.
func TestNoLineOfAValueIsAFormula(t *testing.T) {
	for s, want := range map[string]bool{
		"": false, "a": false, "a\nb": false, "1-2": false, "a =1": false, "a\n": false,
		"=1": true, "a\n=1": true, "a\r\n\t@x": true, "a\n\n＋1": true,
	} {
		if formula(s) != want {
			t.Errorf("%q: not %v", s, want)
		}
	}
}
