package memo

import (
	"time"
)

// timeForm is memoDateTimeType; it reads a fraction of a second besides.
const timeForm = "2006-01-02T15:04:05Z"

// stamp writes a time, with a fraction only when there is one.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999999Z") }

// moment writes an optional time.
func (e *encoder) moment(name string, t time.Time) {
	if !t.IsZero() {
		e.value(name, stamp(t))
	}
}

func (e *encoder) header(h *Header) {
	e.block("MessageHeader", func() {
		e.value("messageType", h.Type)
		e.value("messageUUID", h.UUID)
		e.maybe("messageID", h.ID)
		e.maybe("messageCode", h.Code)
		e.value("label", h.Label)
		e.maybe("notification", h.Notification)
		e.maybe("additionalNotification", h.AdditionalNotification)
		e.flag("reply", h.Reply, false)
		e.moment("replyByDateTime", h.ReplyBy)
		e.maybe("doNotDeliverUntilDate", h.DeliverFrom)
		e.flag("mandatory", h.Mandatory, e.version == Version11)
		e.flag("legalNotification", h.Legal, e.version == Version11)
		e.maybe("postType", h.PostType)
		e.block("Sender", func() { e.party("senderID", h.Sender) })
		e.block("Recipient", func() { e.party("recipientID", h.Recipient) })
		if h.Content != nil {
			e.contentData(h.Content)
		}
		if h.Forward != nil {
			e.forwardData(h.Forward)
		}
		for _, r := range h.Replies {
			e.replyData(r)
		}
	})
}

func (e *encoder) party(id string, p Party) {
	e.value(id, p.ID)
	e.value("idType", p.IDType)
	e.maybe("idTypeLabel", p.IDTypeLabel)
	e.maybe("label", p.Label)
	if len(p.Attention) > 0 {
		e.block("AttentionData", func() { e.blocks(p.Attention) })
	}
	if c := p.ContactPoint; c != nil {
		e.block("ContactPoint", func() {
			e.maybe("contactGroup", c.Group)
			e.value("contactPointID", c.ID)
			e.maybe("label", c.Label)
			for _, i := range c.Info {
				e.block("ContactInfo", func() {
					e.value("label", i.Label)
					e.value("value", i.Value)
				})
			}
		})
	}
	if r := p.Representative; r != nil {
		e.block("Representative", func() {
			e.value("representativeID", r.ID)
			e.value("idType", r.IDType)
			e.value("label", r.Label)
		})
	}
}

func (e *encoder) contentData(c *ContentData) {
	e.block("ContentData", func() {
		if c.CPR != "" {
			e.within(NamespaceCore, "CPRdata", func() {
				e.leaf(NamespaceCore, "cprNumber", c.CPR)
				if c.Name != "" {
					e.leaf(NamespaceCore, "name", c.Name)
				}
			})
		}
		if c.CVR != "" {
			e.within(NamespaceCore, "CVRdata", func() {
				e.leaf(NamespaceCore, "cvrNumber", c.CVR)
				if c.Company != "" {
					e.leaf(NamespaceCore, "companyName", c.Company)
				}
			})
		}
		e.blocks(c.Other)
		for _, a := range c.Additional {
			e.block("AdditionalContentData", func() {
				e.maybe("contentDataType", a.Type)
				e.value("contentDataName", a.Name)
				e.value("contentDataValue", a.Value)
			})
		}
	})
}

func (e *encoder) replyData(r ReplyData) {
	e.block("ReplyData", func() {
		e.maybe("messageID", r.MessageID)
		e.value("messageUUID", r.MessageUUID)
		e.maybe("replyUUID", r.ReplyUUID)
		e.maybe("senderID", r.SenderID)
		e.maybe("recipientID", r.RecipientID)
		e.maybe("caseID", r.CaseID)
		e.maybe("contactPointID", r.ContactPoint)
		e.maybe("generatingSystemID", r.System)
		e.maybe("comment", r.Comment)
		for _, a := range r.Additional {
			e.block("AdditionalReplyData", func() {
				e.value("label", a.Label)
				e.value("value", a.Value)
			})
		}
	})
}

func (e *encoder) body(b *Body) {
	e.block("MessageBody", func() {
		e.value("createdDateTime", stamp(b.Created))
		for _, d := range b.Documents {
			e.block(string(d.Kind), func() {
				e.maybe(idName(d.Kind), d.ID)
				e.maybe("label", d.Label)
				for _, f := range d.Files {
					e.file(f)
				}
				for _, a := range d.Actions {
					e.action(a)
				}
			})
		}
	})
}

func (e *encoder) file(f File) {
	e.block("File", func() {
		e.value("encodingFormat", f.MediaType)
		e.value("filename", f.Filename)
		e.value("language", f.Language)
		e.content(f)
	})
}

// idName is the element that holds a document's id.
func idName(k Kind) string {
	switch k {
	case Main:
		return "mainDocumentID"
	case Additional:
		return "additionalDocumentID"
	case Technical:
		return "technicalDocumentID"
	}
	return ""
}
