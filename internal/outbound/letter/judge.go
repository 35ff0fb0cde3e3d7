package letter

import (
	"errors"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

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
// have taken it. A refusal says where the letter is and which decisions are open
// there.
func Judge(d Decision, c Case) (Ruling, error) {
	r, err := judge(d, c)
	if f := (*post.Fault)(nil); errors.As(err, &f) {
		return Ruling{}, f.At("%s: %s", c.State, open(c))
	}
	return r, err
}

// open says which decisions c leaves: no cure may be named that would be refused.
func open(c Case) string {
	var may []string
	for _, d := range []Decision{Retry, Print, Reissue, Cancel, Close} {
		if _, err := judge(d, c); err == nil {
			may = append(may, string(d))
		}
	}
	switch {
	case len(may) > 0:
		return "what may be decided is " + either(may)
	case c.State.Final():
		return "its road has ended, and nothing is left to decide"
	}
	return "nothing is to be decided now; it moves by itself, or with its carrier's next receipt"
}

// either joins words as a choice between them.
func either(words []string) string {
	if n := len(words); n > 1 {
		words = append(words[:n-2:n-2], words[n-2]+" or "+words[n-1])
	}
	return strings.Join(words, ", ")
}

func judge(d Decision, c Case) (Ruling, error) {
	if !c.Stopped || d == Cancel || d == Close {
		return unstopped(d, c)
	}
	for _, out := range []Decision{Cancel, Close} {
		if _, err := unstopped(out, c); err == nil {
			return Ruling{}, post.FaultBatchStopped
		}
	}
	return Ruling{}, post.FaultLetterState // what was delivered, or is with its carrier, cannot be closed either
}

// unstopped judges a letter whose batch nobody stopped.
func unstopped(d Decision, c Case) (Ruling, error) {
	same := Ruling{Channel: c.Channel, Generation: c.Generation}
	mayBeOut := c.Taken || c.Unsure
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
	return Ruling{}, post.FaultLetterState
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
