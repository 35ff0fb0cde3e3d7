package track

import (
	"slices"

	"sikkerpost.dk/gateway/internal/post"
)

// target says which state a receipt of each kind brings a letter to.
var target = map[Kind]post.LetterState{
	Received:         post.LetterHandedOver,
	Delivered:        post.LetterDelivered,
	RefusedRecipient: post.LetterRefused,
	RefusedContent:   post.LetterNeedsPerson,
	Printing:         post.LetterPrinting,
	Posted:           post.LetterPosted,
	Proven:           post.LetterProven,
	Returned:         post.LetterReturned,
}

// channelOf says on which channel a kind can be said; "" is both.
var channelOf = map[Kind]post.Channel{
	Delivered: post.Digital, RefusedRecipient: post.Digital,
	Printing: post.Physical, Posted: post.Physical, Proven: post.Physical, Returned: post.Physical,
}

// towards lists the states through which a letter comes to be handed over, when
// a receipt proves that it was, from each state in which we did not know.
var towards = map[post.LetterState][]post.LetterState{
	post.LetterHandingOver:    {post.LetterHandedOver},
	post.LetterOutcomeUnknown: {post.LetterHandedOver},
	post.LetterNotTaken:       {post.LetterHandingOver, post.LetterHandedOver},
	post.LetterRouted:         {post.LetterHandingOver, post.LetterHandedOver},
	post.LetterNeedsPerson:    {post.LetterRouted, post.LetterHandingOver, post.LetterHandedOver},
}

// passed lists, for each state that only receipts bring about, the kinds that
// say nothing new any more.
var passed = map[post.LetterState][]Kind{
	post.LetterHandedOver: {Received},
	post.LetterDelivered:  {Received, Delivered},
	post.LetterRefused:    {Received, RefusedRecipient},
	post.LetterPrinting:   {Received, Printing},
	post.LetterPosted:     {Received, Printing, Posted},
	post.LetterPresumed:   {Received, Printing, Posted},
	post.LetterProven:     {Received, Printing, Posted, Proven},
	post.LetterReturned:   {Received, Printing, Posted, Returned},
}

// OtherTenant is why a receipt is parked that came to one tenant's system and
// speaks of another's letter.
const OtherTenant = "other-tenant"

// decide says what a receipt does to a letter that stands as st. It is a
// function of its arguments.
func decide(r Receipt, st Standing, known bool) Settlement {
	s := Settlement{Receipt: r, Standing: st, Verdict: Parked}
	to, ok := target[r.Kind]
	switch {
	case !ok:
		s.Reason = "unreadable"
		return s
	case !known:
		s.Reason = "unknown-hand-over"
		return s
	case r.Tenant != "" && r.Tenant != st.Tenant:
		// Nothing ties it to the letter, which its sender has no say in.
		s.Standing, s.Reason = Standing{}, OtherTenant
		return s
	case post.Carrier(r.Carrier).Known() && st.By.Known() && post.Carrier(r.Carrier) != st.By:
		s.Reason = "wrong-carrier" // one that was never given it
		return s
	case channelOf[r.Kind] != "" && channelOf[r.Kind] != st.On:
		s.Reason = "wrong-channel"
		return s
	case !st.Present:
		return past(s)
	case st.Refused && st.State == post.LetterNeedsPerson:
		return afterRefusal(s)
	case slices.Contains(passed[st.State], r.Kind):
		s.Verdict = Noted
		return s
	}
	path := walk(st.State, to, st.Channel)
	if path == nil {
		s.Reason = "contradicts " + string(st.State)
		return s
	}
	s.Verdict, s.Path, s.Due = Applied, path, to == post.LetterRefused
	return s
}

// afterRefusal judges a receipt about a hand-over that the carrier refused for
// good: the technical receipt may trail, anything else contradicts.
func afterRefusal(s Settlement) Settlement {
	switch s.Receipt.Kind {
	case Received, RefusedContent, RefusedRecipient:
		s.Verdict, s.Reason = Noted, "refused-already"
	default:
		s.Reason = "contradicts a refusal"
	}
	return s
}

// past judges a receipt about a hand-over that the letter has left behind. A
// delivery there means that the recipient may get the letter twice: a person
// must know. A second refusal or return means nothing new.
func past(s Settlement) Settlement {
	switch s.Receipt.Kind {
	case Delivered, Proven:
		s.Reason = "delivered-on-former-hand-over"
	default:
		s.Verdict, s.Reason = Noted, "former-hand-over"
	}
	return s
}

// walk returns the states between from and to, to included, that the table of
// the letter allows; nil when it allows no way.
func walk(from, to post.LetterState, on post.Channel) []post.LetterState {
	if from.May(to, on) && towards[from] == nil {
		return []post.LetterState{to}
	}
	path := slices.Clone(towards[from])
	if path == nil {
		return nil
	}
	if to != post.LetterHandedOver {
		path = append(path, to)
	}
	at := from
	for _, next := range path {
		if !at.May(next, on) {
			return nil
		}
		at = next
	}
	return path
}
