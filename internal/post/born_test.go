package post_test

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// TestACPRNumberSaysWhenItsPersonWasBorn uses replacement numbers (day + 60)
// wherever the number would be well-formed.
func TestACPRNumberSaysWhenItsPersonWasBorn(t *testing.T) {
	for _, c := range []struct{ number, born string }{
		{"6101000000", "1900-01-01"}, {"9112993999", "1999-12-31"},
		{"6101364000", "2036-01-01"}, {"6101374000", "1937-01-01"}, {"6101994999", "1999-01-01"},
		{"6101005000", "2000-01-01"}, {"6101578999", "2057-01-01"}, {"6101585000", "1858-01-01"}, {"6101998999", "1899-01-01"},
		{"6101369000", "2036-01-01"}, {"6101379000", "1937-01-01"},
		{"8902004000", "2000-02-29"}, {"8902000000", ""}, {"9002044000", ""}, {"9104500000", ""}, // 1900 was no leap year
	} {
		n, err := post.ParseCPR(c.number)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := n.Born()
		if ok != (c.born != "") || ok && got.Format(time.DateOnly) != c.born {
			t.Errorf("%s…%c: born %s, %t; want %q", c.number[:6], c.number[6], got.Format(time.DateOnly), ok, c.born)
		}
	}
	if _, ok := (post.CPR{}).Born(); ok {
		t.Error("no number was born")
	}
}
