package dispatch

import (
	"slices"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

func TestACarrierIsSilentFromTheFirstOfItsUnclearAnswersInARow(t *testing.T) {
	g, k := newGate(t, GateConfig{Trip: 100})
	if all := g.Silences(); len(all) != 0 {
		t.Errorf("nothing was handed over, and %v", all)
	}
	began := k.at
	for _, c := range []struct {
		name    string
		at      time.Duration
		verdict Verdict // "-": no hand-over
		want    Silence
	}{
		{"taken", 0, Taken, Silence{}},
		{"unclear", time.Minute, Unknown, Silence{Since: began.Add(time.Minute), Failures: 1}},
		{"never begun", 2 * time.Minute, "", Silence{Since: began.Add(time.Minute), Failures: 1}},
		{"not taken", 3 * time.Minute, NotTaken, Silence{Since: began.Add(time.Minute), Failures: 2}},
		{"rests", 20 * time.Minute, "-", Silence{Since: began.Add(time.Minute), Failures: 2}},
		{"nothing to try for an hour", time.Hour, "-", Silence{}},
		{"unclear again", 61 * time.Minute, Unknown, Silence{Since: began.Add(61 * time.Minute), Failures: 3}},
		{"refused is an answer", 62 * time.Minute, RefusedRecipient, Silence{}},
		{"unclear anew", 63 * time.Minute, Unknown, Silence{Since: began.Add(63 * time.Minute), Failures: 1}},
	} {
		k.at = began.Add(c.at)
		if c.verdict != "-" {
			if wait, code := enter(t, g, post.Digital); wait != 0 {
				t.Fatalf("%s: kept back: %s", c.name, code)
			}
			g.Leave(post.DigitalPost, c.verdict)
		}
		c.want.Carrier = post.DigitalPost
		if all := g.Silences(); !slices.Equal(all, []Silence{c.want}) {
			t.Errorf("%s: %v, want %v", c.name, all, c.want)
		}
	}
}
