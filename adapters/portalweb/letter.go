package portalweb

import "sikkerpost.dk/gateway/internal/post"

// letterKey names the words (letter.…) by which a citizen is told where the answer is. It
// never says "read", calls nothing delivered that is not, and tells of no fault
// that the citizen can do nothing about.
func letterKey(s post.LetterState, ch post.Channel) string {
	paper := ch == post.Physical
	switch s {
	case post.LetterHandingOver, post.LetterHandedOver:
		if paper {
			return "printing"
		}
		return "sent"
	case post.LetterOutcomeUnknown:
		if paper {
			return "printing"
		}
		return "unsure"
	case post.LetterDelivered:
		return "delivered"
	case post.LetterRefused:
		return "exempt"
	case post.LetterPrinting:
		return "printing"
	case post.LetterPosted, post.LetterPresumed:
		return "posted"
	case post.LetterProven:
		return "proven"
	case post.LetterReturned:
		return "returned"
	case post.LetterNeedsPerson:
		return "stalled"
	case post.LetterCancelled, post.LetterRecalled:
		return "withdrawn"
	case post.LetterClosed:
		return "ended"
	case post.LetterPurged:
		return "purged"
	case post.LetterRouted, post.LetterNotTaken:
		if paper {
			return "paper"
		}
		return "preparing"
	default: // not on its way yet
		return "preparing"
	}
}
