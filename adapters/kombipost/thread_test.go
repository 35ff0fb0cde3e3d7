package kombipost_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

// TestBothRoadsCarryThreadAndOriginator: what KombiPost hands to Digital Post
// says for whom it was sent, and which message it answers.
func TestBothRoadsCarryThreadAndOriginator(t *testing.T) {
	w := newWorld(t, nil)
	asked := memo.Header{UUID: "0b1e2f3a-0000-4000-8000-000000000001", Sender: memo.Party{ID: w.Registered.ID}}
	thread, err := memo.ThreadOf(asked)
	if err != nil {
		t.Fatal(err)
	}
	person := w.Registered
	j := w.Job(post.Digital, w.Registered)
	j.Thread, j.Originator = thread, &person
	var form bytes.Buffer
	if err := w.client.Via(kombipost.DigitalPost).Render(t.Context(), j, &form); err != nil {
		t.Fatal(err)
	}
	m, err := memo.Read(bytes.NewReader(cut(t, form.Bytes(), "memo:Message")), memo.Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	log := m.Header.Replies
	if len(log) != 2 || log[1].MessageUUID != asked.UUID || log[1].ReplyUUID != j.MessageID || log[0].SenderID != person.ID || !m.Header.Reply {
		t.Errorf("got %d entries, reply %t", len(log), m.Header.Reply)
	}
	j.Thread = []byte("x")
	if err := w.client.Via(kombipost.DigitalPost).Render(t.Context(), j, io.Discard); err == nil || !strings.Contains(err.Error(), "permanent") {
		t.Errorf("a broken thread: %v", err)
	}
}
