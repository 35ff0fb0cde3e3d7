package wire

import "time"

// Decide says what a person has decided about a letter.
type Decide struct {
	Decision string `json:"decision" enum:"cancel,retry,print,reissue,close" doc:"cancel: before its hand-over; retry: on the same channel, under the same ids; print: on paper, when it was certainly not delivered; reissue: a returned letter, anew; close: nothing more is sent"`
}

// Decided is where a decision has led.
type Decided struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// Explanation says why a letter is where it is, from stored evidence.
type Explanation struct {
	ID      string    `json:"id"`
	State   string    `json:"state"`
	Since   time.Time `json:"since" doc:"when it came to its state"`
	Code    string    `json:"code,omitempty" doc:"why it is in its state"`
	Channel string    `json:"channel,omitempty"`
	Why     string    `json:"why,omitempty" doc:"the reason for the channel"`
	Next    string    `json:"next" doc:"what happens now, or who must act"`
	Facts   []Reason  `json:"facts"`
	// Deadline is what the latest day of arrival leaves.
	Deadline *Deadline `json:"deadline,omitempty"`
}

// Deadline is what a letter's latest day of arrival leaves, by the lead times of
// its municipality.
type Deadline struct {
	ArriveBy      string    `json:"arrive_by"`
	Timing        string    `json:"timing,omitempty"`
	DigitalBefore time.Time `json:"digital_before" doc:"a hand-over to Digital Post before this is in time"`
	PaperBy       time.Time `json:"paper_by" doc:"a hand-over on paper until this is in time"`
	AskAt         time.Time `json:"ask_at" doc:"when a person is asked, if it is not known by then which channel it takes"`
	Says          string    `json:"says"`
}

// HoldSet says why a letter is held, or why its hold is lifted.
type HoldSet struct {
	Reason string `json:"reason" maxLength:"40" doc:"complaint, lawsuit, supervision, access or investigation"`
}

// Held is how a letter stands after a hold was placed or lifted.
type Held struct {
	ID     string    `json:"id"`
	Held   bool      `json:"held"`
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason"`
}

// Letters is one page of letters.
type Letters struct {
	Items []LetterView `json:"items"`
	Next  string       `json:"next,omitempty" doc:"give it as after to read on"`
}

// Reason is one fact and where it is written down.
type Reason struct {
	At     time.Time `json:"at"`
	Fact   string    `json:"fact"`
	Code   string    `json:"code,omitempty"`
	Source string    `json:"source" doc:"ledger entry or receipt"`
}

// PauseSet halts or resumes hand-overs.
type PauseSet struct {
	Tenant  string `json:"tenant,omitempty" maxLength:"60" doc:"your own when absent; an operator's absence means every one"`
	Channel string `json:"channel,omitempty" enum:"digital,physical" doc:"both when absent"`
}

// Pause is one thing that is halted.
type Pause struct {
	Tenant  string    `json:"tenant,omitempty" doc:"every municipality when absent"`
	Channel string    `json:"channel,omitempty" doc:"both when absent"`
	Actor   string    `json:"actor"`
	At      time.Time `json:"at"`
}

// Pauses is everything that is halted.
type Pauses struct {
	Items []Pause `json:"items"`
}
