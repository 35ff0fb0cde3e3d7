package letter

import "sikkerpost.dk/gateway/internal/post"

// A Case is what a decision about a letter is judged by.
type Case struct {
	State       post.LetterState
	Channel     post.Channel
	Generation  int
	DigitalOnly bool
	Signed      bool
	Stopped     bool // its batch was stopped: nothing of it is sent any more
	// Of the present hand-over, when there is one:
	Taken  bool // the carrier has taken it, and not refused it by receipt
	Unsure bool // some attempt had no clear answer, and no receipt has ended the doubt
	// Spent: the carrier took it and then refused it for good. Under the same id
	// it would answer "I have this already" and never deliver.
	Spent bool
}

// A Ruling is where a decision leads.
type Ruling struct {
	// Through is a state entered on the way to To, in the same step; "" is none.
	Through    post.LetterState
	To         post.LetterState
	Channel    post.Channel
	Generation int
}

// Judge says where decision d leads a letter, or refuses it. It is a function
// of its arguments; the store applies the ruling in the transaction that read
// the case. No decision puts a letter on a second channel while the first may
// have taken it.
func Judge(d Decision, c Case) (Ruling, error) {
	same := Ruling{Channel: c.Channel, Generation: c.Generation}
	mayBeOut := c.Taken || c.Unsure
	if c.Stopped && d != Cancel && d != Close {
		return Ruling{}, post.FaultBatchStopped
	}
	switch d {
	case Cancel:
		if !c.State.May(post.LetterCancelled, c.Channel) {
			return Ruling{}, post.FaultLetterState
		}
		if mayBeOut {
			return Ruling{}, post.FaultMayBeDelivered
		}
		same.To = post.LetterCancelled
		return same, nil
	case Retry:
		if c.State != post.LetterNeedsPerson {
			return Ruling{}, post.FaultLetterState
		}
		same.To = post.LetterRouted
		switch {
		case c.Channel == "":
			same.To = post.LetterReady
		case c.Spent:
			same.Generation++
		}
		return same, nil
	case Print:
		return judgePrint(c, mayBeOut)
	case Reissue:
		if c.State != post.LetterReturned {
			return Ruling{}, post.FaultLetterState
		}
		same.To, same.Generation = post.LetterRouted, c.Generation+1
		return same, nil
	case Close:
		if c.State != post.LetterNeedsPerson && c.State != post.LetterReturned {
			return Ruling{}, post.FaultLetterState
		}
		same.To = post.LetterClosed
		return same, nil
	}
	return Ruling{}, post.FaultLetterState.At("decision")
}

func judgePrint(c Case, mayBeOut bool) (Ruling, error) {
	r := Ruling{To: post.LetterRouted, Channel: post.Physical, Generation: max(c.Generation, 1)}
	waits := c.State == post.LetterNeedsPerson || c.State == post.LetterAwaitingLookup
	if c.State == post.LetterRouted || c.State == post.LetterNotTaken { // before its carrier, who certainly has nothing
		waits, r.Through = true, post.LetterNeedsPerson
	}
	if !waits || !c.Signed || c.DigitalOnly || c.Channel == post.Physical {
		return Ruling{}, post.FaultLetterState
	}
	if mayBeOut { // a refusal at the door speaks of that attempt only; a receipt ends the doubt
		return Ruling{}, post.FaultMayBeDelivered
	}
	return r, nil
}
