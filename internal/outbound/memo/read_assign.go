package memo

import (
	"strings"
	"time"
)

// open makes room in the model for the block that was just entered.
func (d *decoder) open() {
	m, name := d.m, d.at.top().el.name
	switch d.under(2) {
	case "MessageHeader/ContentData":
		m.Header.Content = &ContentData{}
	case "ContentData/AdditionalContentData":
		m.Header.Content.Additional = append(m.Header.Content.Additional, AdditionalContent{})
	case "MessageHeader/ReplyData":
		m.Header.Replies = append(m.Header.Replies, ReplyData{})
	case "ReplyData/AdditionalReplyData":
		r := &m.Header.Replies[len(m.Header.Replies)-1]
		r.Additional = append(r.Additional, AdditionalReply{})
	case "Sender/ContactPoint":
		m.Header.Sender.ContactPoint = &ContactPoint{}
	case "Recipient/ContactPoint":
		m.Header.Recipient.ContactPoint = &ContactPoint{}
	case "Sender/Representative":
		m.Header.Sender.Representative = &Representative{}
	case "Message/MessageBody":
		m.Body = &Body{}
	case "MessageBody/" + name:
		m.Body.Documents = append(m.Body.Documents, Document{Kind: Kind(name)})
	case "MainDocument/File", "AdditionalDocument/File", "TechnicalDocument/File":
		doc := &m.Body.Documents[len(m.Body.Documents)-1]
		doc.Files = append(doc.Files, File{})
	}
}

// under returns the names of the last n elements of the path, joined.
func (d *decoder) under(n int) string {
	s := d.at.stack
	names := make([]string, 0, n)
	for _, st := range s[max(0, len(s)-n):] {
		names = append(names, st.el.name)
	}
	return strings.Join(names, "/")
}

// assign stores the text of the leaf that is being left, where the model has
// a place for it.
func (d *decoder) assign(s string) {
	if p := d.place(); p != nil {
		*p = s
		return
	}
	on := strings.TrimSpace(s)
	yes := on == "true" || on == "1"
	h := &d.m.Header
	switch d.under(2) {
	case "MessageHeader/reply":
		h.Reply = yes
	case "MessageHeader/mandatory":
		h.Mandatory = yes
	case "MessageHeader/legalNotification":
		h.Legal = yes
	case "MessageBody/createdDateTime":
		d.m.Body.Created, _ = time.Parse(timeForm, on) // the table has checked its form
	}
}

// place returns where the text of the current leaf belongs, or nil.
func (d *decoder) place() *string {
	s := d.at.stack
	parent, name := s[len(s)-2].el.name, s[len(s)-1].el.name
	h := &d.m.Header
	switch parent {
	case "MessageHeader":
		return pick(name, "messageType", &h.Type, "messageUUID", &h.UUID, "messageID", &h.ID,
			"messageCode", &h.Code, "label", &h.Label, "notification", &h.Notification, "postType", &h.PostType)
	case "Sender":
		return pick(name, "senderID", &h.Sender.ID, "idType", &h.Sender.IDType, "label", &h.Sender.Label)
	case "Recipient":
		return pick(name, "recipientID", &h.Recipient.ID, "idType", &h.Recipient.IDType, "label", &h.Recipient.Label)
	case "ContactPoint":
		c := h.Sender.ContactPoint
		if s[len(s)-3].el.name == "Recipient" {
			c = h.Recipient.ContactPoint
		}
		return pick(name, "contactGroup", &c.Group, "contactPointID", &c.ID, "label", &c.Label)
	case "Representative":
		r := h.Sender.Representative
		return pick(name, "representativeID", &r.ID, "idType", &r.IDType, "label", &r.Label)
	case "CPRdata":
		return pick(name, "cprNumber", &h.Content.CPR, "name", &h.Content.Name)
	case "CVRdata":
		return pick(name, "cvrNumber", &h.Content.CVR, "companyName", &h.Content.Company)
	case "AdditionalContentData":
		a := &h.Content.Additional[len(h.Content.Additional)-1]
		return pick(name, "contentDataType", &a.Type, "contentDataName", &a.Name, "contentDataValue", &a.Value)
	case "ReplyData", "AdditionalReplyData":
		return h.Replies[len(h.Replies)-1].place(parent, name)
	}
	return d.bodyPlace(parent, name)
}

func (r *ReplyData) place(parent, name string) *string {
	if parent == "AdditionalReplyData" {
		a := &r.Additional[len(r.Additional)-1]
		return pick(name, "label", &a.Label, "value", &a.Value)
	}
	return pick(name, "messageID", &r.MessageID, "messageUUID", &r.MessageUUID, "replyUUID", &r.ReplyUUID,
		"senderID", &r.SenderID, "recipientID", &r.RecipientID, "caseID", &r.CaseID,
		"contactPointID", &r.ContactPoint, "generatingSystemID", &r.System, "comment", &r.Comment)
}

func (d *decoder) bodyPlace(parent, name string) *string {
	switch parent {
	case string(Main), string(Additional), string(Technical):
		doc := &d.m.Body.Documents[len(d.m.Body.Documents)-1]
		return pick(name, idName(doc.Kind), &doc.ID, "label", &doc.Label)
	case "File":
		doc := &d.m.Body.Documents[len(d.m.Body.Documents)-1]
		f := &doc.Files[len(doc.Files)-1]
		return pick(name, "encodingFormat", &f.MediaType, "filename", &f.Filename, "language", &f.Language)
	}
	return nil
}

// pick returns the pointer that follows name among the pairs, or nil.
func pick(name string, pairs ...any) *string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == name {
			return pairs[i+1].(*string)
		}
	}
	return nil
}
