package chaosapp

import (
	"fmt"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/account"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// TestAHandOverInSpiteOfAHaltIsCounted: by the times in the house's books, each letter
// once, whatever the answer said of it.
func TestAHandOverInSpiteOfAHaltIsCounted(t *testing.T) {
	answered := time.Unix(1_800_000_000, 0)
	in, after := answered.Add(time.Millisecond), answered.Add(2*time.Second)
	entry := func(state post.LetterState, outcome string, at time.Time) ledger.Event {
		return ledger.Event{Kind: "letter." + string(state), Outcome: outcome, At: at}
	}
	for _, tt := range []struct {
		name string
		halt halt
		of   post.BatchID
		e    ledger.Event
		want int
	}{
		{"begun during a pause of its batch", halt{batch: "b", lifted: after}, "b", entry(post.LetterHandingOver, "digital/1", in), 1},
		{"begun on paper during it", halt{batch: "b", lifted: after}, "b", entry(post.LetterHandingOver, "physical/1", in), 1},
		{"begun before it was answered", halt{batch: "b", lifted: after}, "b", entry(post.LetterHandingOver, "digital/1", answered.Add(-time.Millisecond)), 0},
		{"begun after it was lifted", halt{batch: "b", lifted: after}, "b", entry(post.LetterHandingOver, "digital/1", after.Add(time.Millisecond)), 0},
		{"of another batch", halt{batch: "b", lifted: after}, "c", entry(post.LetterHandingOver, "digital/1", in), 0},
		{"answered by its carrier during it", halt{batch: "b", lifted: after}, "b", entry(post.LetterHandedOver, "digital/1", in), 0},
		{"begun long after a stop", halt{batch: "b"}, "b", entry(post.LetterHandingOver, "digital/1", answered.Add(time.Hour)), 1},
		{"begun on a paused channel, whatever its batch", halt{batch: "b", whole: true, channel: post.Digital, lifted: after}, "", entry(post.LetterHandingOver, "digital/1", in), 1},
		{"begun on the other channel", halt{batch: "b", whole: true, channel: post.Digital, lifted: after}, "b", entry(post.LetterHandingOver, "physical/1 EXEMPT", in), 0},
	} {
		h := tt.halt
		h.answered, h.begun = answered, map[string]bool{"l": true}
		all := []account.Dossier{{ID: "l", Batch: tt.of, Events: []ledger.Event{entry(post.LetterRouted, "digital/1", in), tt.e, tt.e}}}
		if h.inBooks(all); h.count() != tt.want {
			t.Errorf("%s: counted %d, want %d", tt.name, h.count(), tt.want)
		}
	}
}

// TestWhatACarrierHasOfAHaltedBatchIsCounted: what the answer did not say was on its
// way, and what is more than the answer's own number.
func TestWhatACarrierHasOfAHaltedBatchIsCounted(t *testing.T) {
	id := func(n int) string { return fmt.Sprintf("%08d-0000-7000-8000-000000000000", n) }
	has := func(c post.Channel, ns ...int) map[string]bool {
		held := map[string]bool{}
		for _, n := range ns {
			held[post.DerivedID(post.LetterID(id(n)), c, 1)] = true
		}
		return held
	}
	begun := map[string]bool{id(1): true, id(2): true, id(3): true, id(4): false, id(5): false}
	for _, tt := range []struct {
		name           string
		channel        post.Channel
		most           int
		digital, paper map[string]bool
		want           int
	}{
		{"no more than was on its way", "", 3, has(post.Digital, 1, 2), has(post.Physical, 3), 0},
		{"one that had not begun", "", 3, has(post.Digital, 1, 4), has(post.Physical), 1},
		{"two that had not begun, on both channels", "", 3, has(post.Digital, 4), has(post.Physical, 5), 2},
		{"more than the answer said", "", 1, has(post.Digital, 1, 2), has(post.Physical, 3), 2},
		{"on a channel that is open", post.Digital, 3, has(post.Digital, 1), has(post.Physical, 4), 0},
		{"on the channel that is halted", post.Digital, 3, has(post.Digital, 4), has(post.Physical, 5), 1},
		{"of somebody else", "", 3, has(post.Digital, 7, 8, 9), nil, 0},
	} {
		h := halt{channel: tt.channel, begun: begun, most: tt.most}
		if h.atCarriers(tt.digital, tt.paper); h.count() != tt.want {
			t.Errorf("%s: counted %d, want %d", tt.name, h.count(), tt.want)
		}
		all := []account.Dossier{{ID: post.LetterID(id(4)), Events: []ledger.Event{{Kind: "letter.handing-over", Outcome: "digital/1", At: time.Unix(1, 0)}}}}
		h.inBooks(all) // and books and carriers say it of the same letter once
		if tt.want > 0 && tt.digital[post.DerivedID(post.LetterID(id(4)), post.Digital, 1)] && h.count() != tt.want {
			t.Errorf("%s: counted %d when the books say so too, want %d", tt.name, h.count(), tt.want)
		}
	}
}

// TestAResultWithAnyCountIsNotClean: nothing that is counted passes.
func TestAResultWithAnyCountIsNotClean(t *testing.T) {
	clean := Result{Letters: 10, Kills: 2, Pauses: 1, ChannelPauses: 1, Stops: 1, KeptBack: 3}
	if !clean.Clean() {
		t.Error("a run in which nothing went wrong is not clean")
	}
	for name, spoil := range map[string]func(*Result){
		"lost": func(r *Result) { r.Lost++ }, "duplicates": func(r *Result) { r.Duplicates++ }, "both_channels": func(r *Result) { r.BothChannels++ },
		"forged_executed": func(r *Result) { r.ForgedExecuted++ }, "undetected": func(r *Result) { r.Undetected++ },
		"while_paused": func(r *Result) { r.WhilePaused++ }, "after_stop": func(r *Result) { r.AfterStop++ },
	} {
		r := clean
		if spoil(&r); r.Clean() {
			t.Errorf("clean with %s", name)
		}
	}
}
