package wire

import "time"

// ParkedMail is a message that waits for a person; it says nothing of the message.
type ParkedMail struct {
	ID     string    `json:"id"`
	Tenant string    `json:"tenant" doc:"the municipality whose system got it"`
	Since  time.Time `json:"since" doc:"when it came"`
	Code   string    `json:"code" doc:"why it is parked; see docs/carriers.md"`
}

// ParkedMails is one page of them, in the order in which they came.
type ParkedMails struct {
	Items []ParkedMail `json:"items"`
	Next  string       `json:"next,omitempty" doc:"give it as after; absent on the last page"`
}

// FileMail names the inbox for a message to an unknown contact point.
type FileMail struct {
	Inbox string `json:"inbox" minLength:"1" maxLength:"64" doc:"that of the message's own municipality"`
}
