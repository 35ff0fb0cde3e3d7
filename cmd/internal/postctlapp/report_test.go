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
