package wire

import "time"

// ParkedReceipt is a carrier's receipt that was parked; nothing of it names a person.
type ParkedReceipt struct {
	ID        string    `json:"id" doc:"carrier and the carrier's id of the event"`
	Tenant    string    `json:"tenant,omitempty" doc:"of its letter, else whose system it came to; absent when neither is known"`
	Carrier   string    `json:"carrier"`
	Code      string    `json:"code" doc:"why it is parked, one word; see docs/letter.md"`
	Said      string    `json:"said" doc:"what it says happened"`
	Reason    string    `json:"reason,omitempty" doc:"the carrier's own code"`
	Letter    string    `json:"letter,omitempty" doc:"absent when it is tied to none"`
	State     string    `json:"state,omitempty" doc:"of the letter, now"`
	MessageID string    `json:"message_id,omitempty" doc:"the hand-over that it names"`
	Tracking  bool      `json:"tracking,omitempty" doc:"it bears a tracking number"`
	At        time.Time `json:"at" doc:"by the carrier's clock"`
	Since     time.Time `json:"since" doc:"when it came"`
	Verdict   string    `json:"verdict" doc:"parked; waiting or again: it is being tried; closed; applied or noted: settled"`
	Size      int64     `json:"size" doc:"bytes of its own form, which is kept sealed; 0 when that was purged"`
}

// ParkedReceipts is one page of them, in the order in which they came.
type ParkedReceipts struct {
	Items []ParkedReceipt `json:"items"`
	Next  string          `json:"next,omitempty" doc:"give it as after; absent on the last page"`
}

// RetryReceipts asks that a page of those with one code be tried again.
type RetryReceipts struct {
	Code  string `json:"code" minLength:"1" maxLength:"80" doc:"why they are parked"`
	After string `json:"after,omitempty" maxLength:"400" doc:"what the answer before gave as next"`
}

// RetriedReceipts is what became of a page.
type RetriedReceipts struct {
	Tried   int    `json:"tried"`
	LeftOut int    `json:"left_out" doc:"their own form was purged: nothing can be read anew"`
	Next    string `json:"next,omitempty" doc:"ask again with it as after; absent on the last page"`
}

// CloseReceipt says why a parked receipt needs nobody any more.
type CloseReceipt struct {
	Reason string `json:"reason" enum:"resolved,not-ours,carrier-error,duplicate,meaningless" doc:"resolved: what it says was dealt with; not-ours: it speaks of no letter of this house; carrier-error: the carrier sent it by mistake; duplicate: another says the same; meaningless: nobody can make sense of it"`
}

// CloseMail says why a parked message needs nobody any more.
type CloseMail struct {
	Reason string `json:"reason" enum:"answered,sent-again,harmful,not-ours,duplicate" doc:"answered: its sender was written to; sent-again: the sender sent another that was taken; harmful: malware or abuse; not-ours: meant for another authority; duplicate: another message says the same"`
}
