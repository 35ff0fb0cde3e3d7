package memo

import (
	"encoding/json"
	"errors"
	"strings"
)

// A thread's log (ReplyData) names every message of it: messageUUID a message,
// replyUUID the one that answers it. A sender may put values into its own entry
// that an answer must give back.

// ThreadOf returns the thread that h, a message received, leaves to whoever
// answers it: its own entry first, then the others, in a form for
// [Header.Continue] alone. It may name people.
func ThreadOf(h Header) ([]byte, error) {
	own := ReplyData{MessageID: h.ID, MessageUUID: h.UUID, SenderID: h.Sender.ID, RecipientID: h.Recipient.ID}
	var rest []ReplyData
	for _, r := range h.Replies {
		if strings.EqualFold(r.MessageUUID, h.UUID) {
			own = r
			continue
		}
		rest = append(rest, r)
	}
	return json.Marshal(append([]ReplyData{own}, rest...))
}

// Continue makes h, whose log holds its own entry, the answer to the message
// whose thread [ThreadOf] returned.
func (h *Header) Continue(thread []byte) error {
	var log []ReplyData
	if err := json.Unmarshal(thread, &log); err != nil || len(log) == 0 {
		return errors.New("the thread of the message answered is not readable") // the cause could quote it
	}
	log[0].ReplyUUID = h.UUID
	h.Replies = append(h.Replies, log...)
	return nil
}

// Answered returns the ids, in lower case, of messages that h may answer: first
// those that its log says it answers, then the others of the thread.
func (h *Header) Answered() []string {
	var first, rest []string
	for _, r := range h.Replies {
		switch id := strings.ToLower(r.MessageUUID); {
		case strings.EqualFold(id, h.UUID):
		case strings.EqualFold(r.ReplyUUID, h.UUID):
			first = append(first, id)
		default:
			rest = append(rest, id)
		}
	}
	return append(first, rest...)
}
