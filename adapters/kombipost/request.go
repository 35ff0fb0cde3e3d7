package kombipost

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/internal/b64"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

// writeRequest writes kombi_request: KombiValgKode, Message,
// ForsendelseISamling, in the order that is known to work. Whether KOMBIT holds
// others to it nobody outside knows.
func (c *Client) writeRequest(w io.Writer, j dispatch.Job, choice Choice, p Paper) error {
	var m *memo.Message
	if choice != OnPaper {
		var err error
		if m, err = c.checkedMessage(j, choice); err != nil {
			return err
		}
	}
	if choice == OnPaper || choice == Automatic { // refuse before the first byte
		if _, err := addressOf(j.Recipient); err != nil {
			return permanently(j, err)
		}
		if err := c.checkPaper(j); err != nil {
			return err
		}
	}
	x, flush := newXMLOut(w)
	x.put(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<kombi_request>`)
	x.leaf("KombiValgKode", string(choice))
	if m != nil && x.err == nil {
		if err := memo.WriteElementAs(x, m, c.cfg.MemoVersion); err != nil {
			return memoFault(j, err)
		}
	}
	if choice == OnPaper || choice == Automatic {
		x.put(`<fp:ForsendelseISamling xmlns:fp="urn:oio:fjernprint:1.0.0">`)
		if err := writeShipment(x, j, p); err != nil {
			return err
		}
		x.put(`</fp:ForsendelseISamling>`)
	}
	x.put("</kombi_request>\n")
	if x.err != nil {
		return x.err
	}
	if err := flush(); err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	return nil
}

// checkedMessage returns the MeMo of j once it holds to the schema and the
// limits.
func (c *Client) checkedMessage(j dispatch.Job, choice Choice) (*memo.Message, error) {
	m := message(j)
	if j.Thread != nil {
		if err := m.Header.Continue(j.Thread); err != nil {
			return nil, fmt.Errorf("render %s: %w: %w", j.MessageID, post.ErrPermanent, err)
		}
	}
	if choice == SMS {
		if len(j.Documents) > 0 || longer(j.Label, 150) {
			return nil, permanently(j, post.FaultSMSForm)
		}
		m.Header.Type, m.Header.Notification = memo.NemSMS, j.Label
		m.Header.Reply, m.Header.Sender.ContactPoint, m.Body = false, nil, nil
	}
	if m.EncodedSize() > memo.MaxMessage {
		return nil, permanently(j, post.FaultMemoTooLarge)
	}
	if err := m.CheckAs(c.cfg.MemoVersion); err != nil {
		return nil, memoFault(j, err)
	}
	return m, nil
}

func memoFault(j dispatch.Job, err error) error {
	var bad *memo.Invalid
	if errors.As(err, &bad) && bad.Code == memo.CodeLoses {
		return permanently(j, post.FaultMemoVersion.Because(bad))
	}
	if bad != nil {
		return permanently(j, post.FaultMemoInvalid.Because(bad))
	}
	return err
}

// message is a pure function of j.
func message(j dispatch.Job) *memo.Message {
	m := &memo.Message{Header: memo.Header{
		Type: memo.DigitalPost, UUID: j.MessageID, ID: j.Reference, Label: j.Label,
		Sender:    memo.Party{ID: string(j.Tenant.CVR), IDType: "CVR", Label: j.Tenant.Name},
		Recipient: memo.Party{ID: j.Recipient.ID, IDType: strings.ToUpper(j.Recipient.IDType), Label: j.Recipient.Name},
	}}
	h := &m.Header
	if j.SenderContactPoint != "" {
		h.Reply, h.Sender.ContactPoint = true, &memo.ContactPoint{ID: j.SenderContactPoint}
	}
	if j.Recipient.ContactPoint != "" {
		h.Recipient.ContactPoint = &memo.ContactPoint{ID: j.Recipient.ContactPoint}
	}
	h.Replies = []memo.ReplyData{{
		MessageID: j.Reference, MessageUUID: j.MessageID,
		SenderID: h.Sender.ID, RecipientID: h.Recipient.ID, ContactPoint: j.SenderContactPoint,
	}}
	if o := j.Originator; o != nil {
		idType := strings.ToUpper(o.IDType)
		h.Sender.Representative = &memo.Representative{ID: o.ID, IDType: idType, Label: orElse(o.Name, idType)}
		h.Content = &memo.ContentData{CPR: o.ID, Name: o.Name}
		if idType != "CPR" {
			h.Content = &memo.ContentData{CVR: o.ID, Company: o.Name}
		}
		h.Replies[0].SenderID = o.ID
		h.Reply = true // the authority answers the person
	}
	m.Body = &memo.Body{Created: j.CreatedAt}
	for i, d := range j.Documents {
		kind := memo.Additional
		if i == 0 {
			kind = memo.Main
		}
		m.Body.Documents = append(m.Body.Documents, memo.Document{Kind: kind, Label: d.Label, Files: []memo.File{{
			MediaType: d.MediaType, Filename: memo.CleanFilename(d.Filename), Language: d.Language, Size: d.Size, Open: d.Open,
		}}})
	}
	return m
}

// xmlOut writes elements. Its first error stays.
type xmlOut struct {
	w   lender
	err error
}

// A lender is memory itself: what is written to it needs no buffer before it,
// and documents are encoded right into it.
type lender interface {
	io.Writer
	io.StringWriter
	AvailableBuffer() []byte
}

// newXMLOut writes to w, at once or through a buffer; flush ends it.
func newXMLOut(w io.Writer) (x *xmlOut, flush func() error) {
	if at, ok := w.(lender); ok {
		return &xmlOut{w: at}, func() error { return nil }
	}
	buf := bufio.NewWriterSize(w, 64<<10)
	return &xmlOut{w: buf}, buf.Flush
}

// Write, WriteString and AvailableBuffer let a MeMo stand inside.
func (x *xmlOut) Write(p []byte) (int, error) {
	if x.err != nil {
		return 0, x.err
	}
	return x.w.Write(p)
}

// WriteString implements [io.StringWriter].
func (x *xmlOut) WriteString(s string) (int, error) {
	if x.err != nil {
		return 0, x.err
	}
	return x.w.WriteString(s)
}

// AvailableBuffer lends the memory below.
func (x *xmlOut) AvailableBuffer() []byte { return x.w.AvailableBuffer() }

func (x *xmlOut) put(s string) {
	if x.err != nil {
		return
	}
	if _, err := x.w.WriteString(s); err != nil {
		x.err = fmt.Errorf("write request: %w", err)
	}
}

func (x *xmlOut) within(name string, inner func()) {
	x.put("<" + name + ">")
	inner()
	x.put("</" + name + ">")
}

// escaper keeps a carriage return, which every reader would turn into a line
// feed (XML 1.0 section 2.11).
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")

func (x *xmlOut) leaf(name, value string) {
	x.put("<" + name + ">" + escaper.Replace(value) + "</" + name + ">")
}

func (x *xmlOut) maybe(name, value string) {
	if value != "" {
		x.leaf(name, value)
	}
}

func (x *xmlOut) number(name string, n int) {
	if n > 0 {
		x.leaf(name, strconv.Itoa(n))
	}
}

// content streams a document through base64. What does not begin as a PDF, or
// is not as long as announced, ends the writing.
func (x *xmlOut) content(name string, d dispatch.Document) {
	x.within(name, func() {
		if x.err != nil {
			return
		}
		if err := x.copy(d); err != nil {
			x.err = err
		}
	})
}

func (x *xmlOut) copy(d dispatch.Document) error {
	r, err := d.Open()
	if err != nil {
		return fmt.Errorf("open document: %w", err)
	}
	defer r.Close()
	begin := make([]byte, 5)
	if n, err := io.ReadFull(r, begin); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read document: %w", err)
	} else if string(begin[:n]) != "%PDF-" {
		return fmt.Errorf("%w: %w", post.ErrPermanent, post.FaultNotPrintable)
	}
	n, err := b64.Stream(x, io.MultiReader(bytes.NewReader(begin), r))
	if err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	if n != d.Size {
		return fmt.Errorf("write document: %d bytes, announced %d", n, d.Size)
	}
	return nil
}
