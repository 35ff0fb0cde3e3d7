package track

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"sikkerpost.dk/gateway/internal/post"
)

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    Kind
		state   post.LetterState
		channel post.Channel
		verdict Verdict
		last    post.LetterState
	}{
		{"delivered ends the digital road", Delivered, post.LetterHandedOver, post.Digital, Applied, post.LetterDelivered},
		{"delivered before our own answer is booked", Delivered, post.LetterHandingOver, post.Digital, Applied, post.LetterDelivered},
		{"delivered resolves an unknown outcome", Delivered, post.LetterOutcomeUnknown, post.Digital, Applied, post.LetterDelivered},
		{"a technical receipt resolves it too", Received, post.LetterOutcomeUnknown, post.Digital, Applied, post.LetterHandedOver},
		{"delivered resolves a letter that a person has", Delivered, post.LetterNeedsPerson, post.Digital, Applied, post.LetterDelivered},
		{"refused recipient", RefusedRecipient, post.LetterHandedOver, post.Digital, Applied, post.LetterRefused},
		{"refused content", RefusedContent, post.LetterHandedOver, post.Digital, Applied, post.LetterNeedsPerson},
		{"a print house that cannot print it", RefusedContent, post.LetterHandedOver, post.Physical, Applied, post.LetterNeedsPerson},
		{"a print house whose machine spoiled it", RefusedContent, post.LetterPrinting, post.Physical, Applied, post.LetterNeedsPerson},
		{"what was posted cannot be refused any more", RefusedContent, post.LetterPosted, post.Physical, Parked, ""},
		{"refused after delivered is parked", RefusedRecipient, post.LetterDelivered, post.Digital, Parked, ""},
		{"delivered after refused is parked", Delivered, post.LetterRefused, post.Digital, Parked, ""},
		{"technical after delivered is noted", Received, post.LetterDelivered, post.Digital, Noted, ""},
		{"printing after posted is noted", Printing, post.LetterPosted, post.Physical, Noted, ""},
		{"posted from handed-over", Posted, post.LetterHandedOver, post.Physical, Applied, post.LetterPosted},
		{"proven without posted", Proven, post.LetterPrinting, post.Physical, Applied, post.LetterProven},
		{"returned re-opens a presumed delivery", Returned, post.LetterPresumed, post.Physical, Applied, post.LetterReturned},
		{"returned after proof is parked", Returned, post.LetterProven, post.Physical, Parked, ""},
		{"unreadable is parked", Unreadable, post.LetterHandedOver, post.Digital, Parked, ""},
		{"a print house cannot deliver digitally", Delivered, post.LetterHandedOver, post.Physical, Parked, ""},
		{"a canceled letter that was delivered is parked", Delivered, post.LetterCancelled, post.Digital, Parked, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := Standing{Letter: "l", State: c.state, Channel: c.channel, On: c.channel, Generation: 1, Present: true}
			s := decide(Receipt{Kind: c.kind, At: time.Now()}, st, true)
			last := post.LetterState("")
			if len(s.Path) > 0 {
				last = s.Path[len(s.Path)-1]
			}
			if s.Verdict != c.verdict || last != c.last {
				t.Errorf("got %s to %q (%s), want %s to %q", s.Verdict, last, s.Reason, c.verdict, c.last)
			}
		})
	}
}

func TestFormerHandOverNeverMovesTheLetter(t *testing.T) {
	for kind := range target {
		st := Standing{Letter: "l", State: post.LetterHandedOver, Channel: post.Physical, On: channelOf[kind], Generation: 2}
		if s := decide(Receipt{Kind: kind}, st, true); len(s.Path) > 0 || s.Verdict == Applied {
			t.Errorf("%s: %+v", kind, s)
		}
	}
}

// What is said of a hand-over that the letter has left means something only when it
// arrived there: then somebody may have it twice, and a person must know.
func TestADeliveryOnAFormerHandOverCallsAPerson(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		on     post.Channel
		want   Verdict
		reason string
	}{
		{Delivered, post.Digital, Parked, "delivered-on-former-hand-over"},
		{Proven, post.Physical, Parked, "delivered-on-former-hand-over"},
		{RefusedRecipient, post.Digital, Noted, "former-hand-over"},
		{Returned, post.Physical, Noted, "former-hand-over"},
		{Posted, post.Physical, Noted, "former-hand-over"},
		// A carrier that speaks of what it cannot do is never taken for a repetition.
		{Posted, post.Digital, Parked, "wrong-channel"},
		{Delivered, post.Physical, Parked, "wrong-channel"},
	} {
		st := Standing{Letter: "l", State: post.LetterHandedOver, Channel: post.Physical, On: c.on, Generation: 2}
		if s := decide(Receipt{Kind: c.kind}, st, true); s.Verdict != c.want || s.Reason != c.reason || len(s.Path) > 0 {
			t.Errorf("%s of a former hand-over that was %s: %s (%s)", c.kind, c.on, s.Verdict, s.Reason)
		}
	}
}

func TestACarrierSpeaksOnlyOfWhatItWasGiven(t *testing.T) {
	for _, c := range []struct {
		name, from string
		by         post.Carrier
		want       Verdict
	}{
		{"the one that has it", "kombipost", post.KombiPost, Applied},
		{"another carrier", "digitalpost", post.KombiPost, Parked},
		{"somebody who is no carrier, such as a person", "operator", post.KombiPost, Applied},
		{"a hand-over from before carriers were kept", "digitalpost", "", Applied},
	} {
		st := Standing{Letter: "l", State: post.LetterHandedOver, Channel: post.Digital, On: post.Digital, By: c.by, Generation: 1, Present: true}
		if s := decide(Receipt{Carrier: c.from, Kind: Delivered}, st, true); s.Verdict != c.want || (c.want == Parked) != (s.Reason == "wrong-carrier") {
			t.Errorf("%s: %s (%s)", c.name, s.Verdict, s.Reason)
		}
	}
}

func TestAReceiptMovesOnlyALetterOfWhoseSystemItCameTo(t *testing.T) {
	for _, c := range []struct {
		name string
		came post.TenantID
		want Verdict
	}{
		{"its own system", "engdal", Applied},
		{"another's", "fjordby", Parked},
		{"a carrier that does not tell them apart", "", Applied},
	} {
		st := Standing{Letter: "l", Tenant: "engdal", State: post.LetterHandedOver, Channel: post.Digital, On: post.Digital, Generation: 1, Present: true}
		s := decide(Receipt{Kind: Delivered, Tenant: c.came}, st, true)
		if s.Verdict != c.want || (c.want == Parked) != (s.Reason == OtherTenant) || c.want == Parked && s.Standing.Letter != "" {
			t.Errorf("%s: %s (%s) of letter %q", c.name, s.Verdict, s.Reason, s.Standing.Letter)
		}
	}
}

// rank orders what receipts bring about: no receipt may lower it, except that
// a return re-opens.
var rank = map[post.LetterState]int{
	post.LetterRouted: 0, post.LetterNotTaken: 1, post.LetterHandingOver: 1, post.LetterOutcomeUnknown: 1, post.LetterHandedOver: 2,
	post.LetterPrinting: 3, post.LetterPosted: 4, post.LetterPresumed: 5, post.LetterProven: 6, post.LetterReturned: 6,
	post.LetterRefused: 6, post.LetterDelivered: 6, post.LetterNeedsPerson: 6,
}

func TestAnyReceiptsInAnyOrderNeverGoBack(t *testing.T) {
	kinds := []Kind{Received, Delivered, RefusedRecipient, RefusedContent, Printing, Posted, Proven, Returned, Unreadable}
	rapid.Check(t, func(t *rapid.T) {
		ch := rapid.SampledFrom([]post.Channel{post.Digital, post.Physical}).Draw(t, "channel")
		st := Standing{Letter: "l", Channel: ch, On: ch, Generation: 1, Present: true,
			State: rapid.SampledFrom([]post.LetterState{post.LetterHandingOver, post.LetterOutcomeUnknown, post.LetterHandedOver}).Draw(t, "state")}
		ended := post.LetterState("")
		for _, k := range rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 20).Draw(t, "kinds") {
			s := decide(Receipt{Kind: k}, st, true)
			at := st.State
			for _, to := range s.Path {
				if !at.May(to, ch) {
					t.Fatalf("%s: the table has no %s -> %s", k, at, to)
				}
				at = to
			}
			if rank[at] < rank[st.State] {
				t.Fatalf("%s moved %s back to %s", k, st.State, at)
			}
			if ended != "" && at != ended {
				t.Fatalf("%s moved a letter out of %s", k, ended)
			}
			if s.Verdict == Applied && (k == RefusedContent || k == RefusedRecipient) {
				st.Refused = true
			}
			st.State = at
			if at == post.LetterDelivered || at == post.LetterProven {
				ended = at
			}
		}
	})
}
