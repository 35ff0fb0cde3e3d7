package memo

import (
	"strings"
	"time"
)

// open makes room in the model for the block that was just entered.
func (d *decoder) open() {
	m, name := d.m, d.at.top().el.name
	if d.isBlock() {
		d.blocks = append(d.blocks, &Block{Space: d.at.top().el.space, Name: name})
		return
	}
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
	case "ContactPoint/ContactInfo":
		c := d.contactPoint(1)
		c.Info = append(c.Info, ContactInfo{})
	case "MessageHeader/ForwardData":
		m.Header.Forward = &ForwardData{}
	case "MainDocument/Action", "AdditionalDocument/Action":
		doc := &m.Body.Documents[len(m.Body.Documents)-1]
		doc.Actions = append(doc.Actions, Action{})
	case "Action/Reservation":
		d.action().Reservation = &Reservation{}
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
	if n := len(d.blocks); n > 0 {
		el := d.at.top().el
		d.blocks[n-1].Kids = append(d.blocks[n-1].Kids, Block{Space: el.space, Name: el.name, Value: s})
		return
	}
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
	default:
		if p := d.moment(); p != nil {
			*p, _ = time.Parse(timeForm, on) // the table has checked its form
		}
	}
}

// moment returns where the time of the current leaf belongs, or nil.
func (d *decoder) moment() *time.Time {
	switch d.under(2) {
	case "MessageHeader/replyByDateTime":
		return &d.m.Header.ReplyBy
	case "ForwardData/originalMessageDateTime":
		return &d.m.Header.Forward.OriginalAt
	case "MessageBody/createdDateTime":
		return &d.m.Body.Created
	case "Action/startDateTime":
		return &d.action().Start
	case "Action/endDateTime":
		return &d.action().End
	case "Reservation/startDateTime":
		return &d.action().Reservation.Start
	case "Reservation/endDateTime":
		return &d.action().Reservation.End
	}
	return nil
}

// action returns the action that is being read.
func (d *decoder) action() *Action {
	doc := &d.m.Body.Documents[len(d.m.Body.Documents)-1]
	return &doc.Actions[len(doc.Actions)-1]
}

// contactPoint returns the contact point that is up elements above the current
// one.
func (d *decoder) contactPoint(up int) *ContactPoint {
	s := d.at.stack
	if s[len(s)-2-up].el.name == "Recipient" {
		return d.m.Header.Recipient.ContactPoint
	}
	return d.m.Header.Sender.ContactPoint
}

// isBlock reports whether the element just entered is carried as a [Block].
func (d *decoder) isBlock() bool {
	if len(d.blocks) > 0 {
		return true
	}
	s := d.at.stack
	if len(s) < 2 {
		return false
	}
	switch name := s[len(s)-1].el.name; s[len(s)-2].el.name {
	case "AttentionData":
		return true
	case "ContentData":
		return name != "CPRdata" && name != "CVRdata" && name != "AdditionalContentData"
	}
	return false
}

// closeBlock puts the block that is being left where it belongs.
func (d *decoder) closeBlock() {
	n := len(d.blocks) - 1
	b := *d.blocks[n]
	if d.blocks = d.blocks[:n]; n > 0 {
		d.blocks[n-1].Kids = append(d.blocks[n-1].Kids, b)
		return
	}
	s := d.at.stack
	h := &d.m.Header
	switch {
	case s[len(s)-2].el.name == "ContentData":
		h.Content.Other = append(h.Content.Other, b)
	case s[len(s)-3].el.name == "Recipient":
		h.Recipient.Attention = append(h.Recipient.Attention, b)
	default:
		h.Sender.Attention = append(h.Sender.Attention, b)
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
			"messageCode", &h.Code, "label", &h.Label, "notification", &h.Notification, "postType", &h.PostType,
			"additionalNotification", &h.AdditionalNotification, "doNotDeliverUntilDate", &h.DeliverFrom)
	case "Sender":
		return pick(name, "senderID", &h.Sender.ID, "idType", &h.Sender.IDType, "idTypeLabel", &h.Sender.IDTypeLabel, "label", &h.Sender.Label)
	case "Recipient":
		return pick(name, "recipientID", &h.Recipient.ID, "idType", &h.Recipient.IDType, "idTypeLabel", &h.Recipient.IDTypeLabel, "label", &h.Recipient.Label)
	case "ContactPoint":
		c := d.contactPoint(1)
		return pick(name, "contactGroup", &c.Group, "contactPointID", &c.ID, "label", &c.Label)
	case "ContactInfo":
		c := d.contactPoint(2)
		i := &c.Info[len(c.Info)-1]
		return pick(name, "label", &i.Label, "value", &i.Value)
	case "ForwardData":
		f := h.Forward
		return pick(name, "messageUUID", &f.MessageUUID, "originalSender", &f.OriginalSender, "comment", &f.Comment,
			"originalContentResponsible", &f.OriginalContentResponsible, "contactPointID", &f.ContactPoint,
			"originalRepresentative", &f.OriginalRepresentative)
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
	case "Action":
		return pick(name, "label", &d.action().Label, "actionCode", &d.action().Code)
	case "EntryPoint":
		return pick(name, "url", &d.action().URL)
	case "Reservation":
		r := d.action().Reservation
		return pick(name, "reservationUUID", &r.UUID, "abstract", &r.Abstract, "description", &r.Description,
			"location", &r.Location, "organizerMail", &r.OrganizerMail, "organizerName", &r.OrganizerName)
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
