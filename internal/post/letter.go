package post

import "slices"

// Channel is the way out of the house (kanal).
type Channel string

// Channels.
const (
	Digital  Channel = "digital"  // Digital Post
	Physical Channel = "physical" // paper, through a print house (fjernprint)
)

// LetterState is where a letter (brev, forsendelse) stands.
type LetterState string

// The states of a letter. Final ones are those of [LetterState.Final].
const (
	LetterAccepted       LetterState = "accepted"        // durable; the caller has its id
	LetterHeld           LetterState = "held"            // waits for approval or for its date
	LetterReady          LetterState = "ready"           // may be signed
	LetterSigned         LetterState = "signed"          // manifest signed
	LetterAwaitingLookup LetterState = "awaiting-lookup" // is the recipient reachable digitally?
	LetterRouted         LetterState = "routed"          // channel and generation fixed
	LetterHandingOver    LetterState = "handing-over"    // intent committed; bytes may be on the wire
	LetterOutcomeUnknown LetterState = "outcome-unknown" // the carrier may or may not have taken it
	LetterNotTaken       LetterState = "not-taken"       // the carrier proved that it did not take it
	LetterHandedOver     LetterState = "handed-over"     // the carrier has taken charge; not delivered
	LetterRefused        LetterState = "refused"         // definite: this recipient cannot receive digitally
	LetterDelivered      LetterState = "delivered"       // available in the mailbox (lov om Digital Post § 10)
	LetterPrinting       LetterState = "printing"
	LetterPosted         LetterState = "posted" // handed to the postal company
	LetterProven         LetterState = "delivered-proven"
	LetterPresumed       LetterState = "presumed-delivered"
	LetterReturned       LetterState = "returned"
	LetterNeedsPerson    LetterState = "needs-person"
	LetterCancelled      LetterState = "cancelled" // before hand-over
	LetterRecalled       LetterState = "recalled"  // after, where the carrier can
	LetterClosed         LetterState = "closed"    // a person decided that nothing more is sent
	LetterPurged         LetterState = "purged"
)

// letterNext lists the states that may follow each state, whatever the channel.
var letterNext = map[LetterState][]LetterState{
	LetterAccepted:       {LetterHeld, LetterReady, LetterCancelled},
	LetterHeld:           {LetterReady, LetterCancelled},
	LetterReady:          {LetterSigned, LetterNeedsPerson, LetterCancelled},
	LetterSigned:         {LetterAwaitingLookup, LetterNeedsPerson, LetterCancelled},
	LetterAwaitingLookup: {LetterRouted, LetterNeedsPerson, LetterCancelled},
	LetterRouted:         {LetterHandingOver, LetterNeedsPerson, LetterCancelled},
	LetterHandingOver:    {LetterHandedOver, LetterOutcomeUnknown, LetterNotTaken, LetterNeedsPerson},
	LetterOutcomeUnknown: {LetterHandedOver, LetterNotTaken, LetterHandingOver, LetterNeedsPerson},
	LetterNotTaken:       {LetterHandingOver, LetterNeedsPerson, LetterCancelled},
	LetterHandedOver:     {LetterNeedsPerson, LetterRecalled},
	LetterRefused:        {LetterRouted, LetterNeedsPerson},
	LetterPosted:         {LetterProven, LetterPresumed, LetterReturned},
	LetterPresumed:       {LetterProven, LetterReturned, LetterPurged},
	LetterReturned:       {LetterRouted, LetterNeedsPerson, LetterClosed},
	LetterNeedsPerson:    {LetterReady, LetterRouted, LetterCancelled, LetterClosed},
	LetterDelivered:      {LetterPurged},
	LetterProven:         {LetterPurged},
	LetterCancelled:      {LetterPurged},
	LetterRecalled:       {LetterPurged},
	LetterClosed:         {LetterPurged},
}

// letterNextOn lists what may follow besides, on one channel only.
var letterNextOn = map[Channel]map[LetterState][]LetterState{
	Digital: {
		LetterHandingOver: {LetterRefused},
		LetterHandedOver:  {LetterDelivered, LetterRefused},
	},
	Physical: {
		LetterHandedOver: {LetterPrinting, LetterPosted, LetterProven, LetterReturned},
		LetterPrinting:   {LetterPosted, LetterProven, LetterReturned, LetterNeedsPerson},
	},
}

// May reports whether a letter on channel may go from s to next. channel is ""
// until the letter is routed.
func (s LetterState) May(next LetterState, channel Channel) bool {
	return slices.Contains(letterNext[s], next) || slices.Contains(letterNextOn[channel][s], next)
}

// Final reports whether s ends the letter's road. A presumed delivery is final,
// yet a later return re-opens it.
func (s LetterState) Final() bool {
	switch s {
	case LetterDelivered, LetterProven, LetterPresumed, LetterCancelled, LetterRecalled, LetterClosed, LetterPurged:
		return true
	}
	return false
}

// LetterStates returns every state, in the order of the road.
func LetterStates() []LetterState {
	return []LetterState{
		LetterAccepted, LetterHeld, LetterReady, LetterSigned, LetterAwaitingLookup, LetterRouted,
		LetterHandingOver, LetterOutcomeUnknown, LetterNotTaken, LetterHandedOver, LetterRefused,
		LetterDelivered, LetterPrinting, LetterPosted, LetterProven, LetterPresumed, LetterReturned,
		LetterNeedsPerson, LetterCancelled, LetterRecalled, LetterClosed, LetterPurged,
	}
}

// MaxAdditionalDocuments is how many documents may follow the main document of
// one letter (Digital Post business rule).
const MaxAdditionalDocuments = 10
