package digitalpost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

// Render implements [dispatch.Channel]: j as MeMo of the configured version. What the schema, the
// business rules or the size limit refuse wraps [post.ErrPermanent].
func (c *Client) Render(_ context.Context, j dispatch.Job, w io.Writer) error {
	m, err := c.threaded(j)
	if err != nil {
		return err
	}
	return refused(j, memo.WriteAs(w, m, c.version))
}

// refused says what err means for j. A version that has no place for what the
// letter says is not the letter's fault: it goes out whole, or not at all.
func refused(j dispatch.Job, err error) error {
	var bad *memo.Invalid
	switch {
	case err == nil:
		return nil
	case errors.As(err, &bad) && bad.Code == memo.CodeLoses:
		return fmt.Errorf("render memo %s: %w: %w", j.MessageID, post.ErrPermanent, post.FaultMemoVersion.Because(bad))
	case bad != nil:
		return fmt.Errorf("render memo %s: %w: %w", j.MessageID, post.ErrPermanent, post.FaultMemoInvalid.Because(bad))
	}
	return fmt.Errorf("render memo %s: %w", j.MessageID, err)
}

// threaded is the message of j within the limits, as the answer that it is.
func (c *Client) threaded(j dispatch.Job) (*memo.Message, error) {
	m := c.message(j)
	if j.Thread != nil {
		if err := m.Header.Continue(j.Thread); err != nil {
			return nil, fmt.Errorf("render memo %s: %w: %w", j.MessageID, post.ErrPermanent, err)
		}
	}
	if m.EncodedSize() > memo.MaxMessage {
		return nil, fmt.Errorf("render memo %s: %w: %w", j.MessageID, post.ErrPermanent, post.FaultMemoTooLarge)
	}
	return m, nil
}

// message is a pure function of j and of the originator switch.
func (c *Client) message(j dispatch.Job) *memo.Message {
	m := &memo.Message{Header: memo.Header{
		Type:  memo.DigitalPost,
		UUID:  j.MessageID,
		ID:    j.Reference,
		Label: j.Label,
		Sender: memo.Party{
			ID: string(j.Tenant.CVR), IDType: "CVR", Label: j.Tenant.Name,
		},
		Recipient: memo.Party{
			ID: j.Recipient.ID, IDType: strings.ToUpper(j.Recipient.IDType), Label: j.Recipient.Name,
		},
	}}
	if j.SenderContactPoint != "" {
		m.Header.Reply = true
		m.Header.Sender.ContactPoint = &memo.ContactPoint{ID: j.SenderContactPoint}
	}
	if j.Recipient.ContactPoint != "" {
		m.Header.Recipient.ContactPoint = &memo.ContactPoint{ID: j.Recipient.ContactPoint}
	}
	// The thread's log begins with this message; a reply gives the reference back.
	m.Header.Replies = []memo.ReplyData{{
		MessageID: j.Reference, MessageUUID: j.MessageID,
		SenderID: m.Header.Sender.ID, RecipientID: m.Header.Recipient.ID, ContactPoint: j.SenderContactPoint,
	}}
	if j.Originator != nil {
		c.originate(m, *j.Originator)
	}
	m.Body = &memo.Body{Created: j.CreatedAt}
	for i, d := range j.Documents {
		kind := memo.Additional
		if i == 0 {
			kind = memo.Main
		}
		m.Body.Documents = append(m.Body.Documents, memo.Document{
			Kind: kind, Label: d.Label,
			Files: []memo.File{{
				MediaType: d.MediaType, Filename: memo.CleanFilename(d.Filename), Language: d.Language,
				Size: d.Size, Open: d.Open,
			}},
		})
	}
	return m
}

// originate names the person for whom the tenant's system sends an inquiry to
// the tenant's own contact point. MeMo has no field for it, so the person
// stands in three places, each read by somebody: as Sender's Representative (a
// viewer shows who wrote), as CPRdata or CVRdata (case systems file by it), and
// as senderID of the thread's entry (whom an answer goes to).
func (c *Client) originate(m *memo.Message, person post.PartyRecord) {
	h := &m.Header
	idType := strings.ToUpper(person.IDType)
	name := person.Name
	if name == "" { // a representative needs a label
		name = idType
	}
	if c.swapped {
		h.Sender.Representative = &memo.Representative{ID: h.Sender.ID, IDType: h.Sender.IDType, Label: h.Sender.Label}
		h.Sender.ID, h.Sender.IDType, h.Sender.Label = person.ID, idType, name
	} else {
		h.Sender.Representative = &memo.Representative{ID: person.ID, IDType: idType, Label: name}
	}
	h.Content = &memo.ContentData{}
	if idType == "CPR" {
		h.Content.CPR, h.Content.Name = person.ID, person.Name
	} else {
		h.Content.CVR, h.Content.Company = person.ID, person.Name
	}
	h.Replies[0].SenderID = person.ID
	h.Reply = true // the authority answers the person
}
