package digitalposttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

// A Letter is what a citizen or a company writes in a viewer (borger.dk, e-Boks,
// virk.dk) to an authority.
type Letter struct {
	From         post.PartyRecord
	To           post.CVR
	ContactPoint string
	Subject      string
	Text         string // the letter itself, as text/plain
	HTML         string // the letter as a page instead
	Files        []Attached
	// Answers is the message of the authority that is answered; its thread and
	// contact point are taken over, and To and ContactPoint are not needed.
	Answers string
}

// Attached is one file of a [Letter].
type Attached struct {
	Name, MediaType string
	Content         []byte
}

// viewer begins the derived ids of letters written in a viewer.
const viewer = "viewer"

// Write sends a letter as a viewer does, and returns its messageUUID. The
// letter is judged like any other message.
func (s *Server) Write(l Letter) (string, error) {
	if l.From.ID == "" {
		return "", errors.New("a letter has a sender")
	}
	uuid := post.DerivedID(post.LetterID(post.NewID()), viewer, 1)
	m := &memo.Message{Header: memo.Header{
		Type: memo.DigitalPost, UUID: uuid, Label: l.Subject,
		Sender:    memo.Party{ID: l.From.ID, IDType: strings.ToUpper(l.From.IDType), Label: l.From.Name},
		Recipient: memo.Party{ID: string(l.To), IDType: "CVR"},
	}, Body: &memo.Body{Created: s.cfg.Now()}}
	if l.ContactPoint != "" {
		m.Header.Recipient.ContactPoint = &memo.ContactPoint{ID: l.ContactPoint}
	}
	if l.Answers != "" {
		if err := s.answerTo(l.Answers, m); err != nil {
			return "", err
		}
	}
	main := Attached{"brev.txt", "text/plain", []byte(l.Text)}
	if l.HTML != "" {
		main = Attached{"brev.html", "text/html", []byte(l.HTML)}
	}
	for i, f := range append([]Attached{main}, l.Files...) {
		kind := memo.Additional
		if i == 0 {
			kind = memo.Main
		}
		m.Body.Documents = append(m.Body.Documents, memo.Document{Kind: kind, Files: []memo.File{{
			MediaType: f.MediaType, Filename: f.Name, Language: "da", Size: int64(len(f.Content)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.Content)), nil },
		}}})
	}
	var xml bytes.Buffer
	if err := memo.Write(&xml, m); err != nil {
		return "", fmt.Errorf("write letter: %w", err)
	}
	got := s.Carry(uuid, viewer, post.CVR(l.From.ID), xml.Bytes())
	if got.Status != statusCompleted {
		return "", fmt.Errorf("write letter: %s %s", got.Status, got.Code)
	}
	return uuid, nil
}

// originator returns for whom an authority sent h to itself, as the log of its
// thread says; nil when it speaks for itself.
func originator(h memo.Header) *memo.Party {
	for _, r := range h.Replies {
		if !strings.EqualFold(r.MessageUUID, h.UUID) || r.SenderID == "" || r.SenderID == h.Sender.ID {
			continue
		}
		if rep := h.Sender.Representative; rep != nil && rep.ID == r.SenderID {
			return &memo.Party{ID: rep.ID, IDType: rep.IDType}
		}
	}
	return nil
}

// answerTo makes m the answer to a message that was accepted: to its sender's
// contact point, with its thread.
func (s *Server) answerTo(uuid string, m *memo.Message) error {
	r, err := s.XML(uuid)
	if err != nil {
		return err
	}
	defer r.Close()
	old, err := memo.Read(r, memo.Limits{}, nil)
	if err != nil {
		return fmt.Errorf("read the message answered: %w", err)
	}
	if !old.Header.Reply {
		return fmt.Errorf("message %s takes no answers", uuid)
	}
	h := &m.Header
	h.Recipient = memo.Party{ID: old.Header.Sender.ID, IDType: old.Header.Sender.IDType}
	if from := originator(old.Header); from != nil {
		h.Recipient = *from
	} else if p := old.Header.Sender.ContactPoint; p != nil {
		h.Recipient.ContactPoint = &memo.ContactPoint{ID: p.ID}
	}
	thread, err := memo.ThreadOf(old.Header)
	if err != nil {
		return err
	}
	h.Replies = []memo.ReplyData{{MessageUUID: h.UUID, SenderID: h.Sender.ID, RecipientID: h.Recipient.ID}}
	return h.Continue(thread)
}
