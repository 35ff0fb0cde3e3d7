package digitalpost

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	idsPerPage = 100
	maxPages   = 20
)

// Mailbox is the recipient side: messages to the tenants' own recipient systems,
// fetched by REST_PULL.
//
// A message is answered with a COMPLETED receipt once it is safe, whether we
// could read it or not: it has reached the authority. Whether that takes it off
// the list is not known of NgDP, so one that is listed again is deleted there.
type Mailbox struct {
	c          *Client
	pull, push map[post.TenantID]System
}

var (
	_ mailroom.Source = (*Mailbox)(nil)
	_ mailroom.Reader = (*Mailbox)(nil)
)

// Mailbox returns the recipient side of c: the recipient systems of the tenants
// whose messages are fetched, and of those whose messages are pushed and only
// answered here. It shares c's certificate and connections.
func (c *Client) Mailbox(pull, push map[post.TenantID]System) *Mailbox {
	return &Mailbox{c: c, pull: pull, push: push}
}

// Carrier implements [mailroom.Source].
func (*Mailbox) Carrier() string { return carrier }

// Serves reports whether tenant has a recipient system here.
func (m *Mailbox) Serves(tenant post.TenantID) bool { _, err := m.system(tenant); return err == nil }

// Pulls reports whether tenant's messages are fetched; those of the others that
// are served are pushed.
func (m *Mailbox) Pulls(tenant post.TenantID) bool { _, ok := m.pull[tenant]; return ok }

// Owns reports whether a recipient system is one of ours. Systems to which
// nothing need ever be pushed count when they are given in pull only.
func (m *Mailbox) Owns(systemID string) bool {
	for _, s := range m.pull {
		if systemID != "" && strings.EqualFold(s.ID, systemID) {
			return true
		}
	}
	return false
}

func (m *Mailbox) system(tenant post.TenantID) (System, error) {
	if s, ok := m.pull[tenant]; ok {
		return s, nil
	}
	if s, ok := m.push[tenant]; ok {
		return s, nil
	}
	return System{}, post.ErrNotFound
}

// Waiting implements [mailroom.Source]: GET memos/, page by page. What was listed
// before a page failed is answered with the failure.
func (m *Mailbox) Waiting(ctx context.Context, tenant post.TenantID) ([]string, error) {
	system, ok := m.pull[tenant]
	if !ok {
		return nil, post.ErrNotFound
	}
	var all []string
	for page := range maxPages {
		query := url.Values{"page": {fmt.Sprint(page)}, "size": {fmt.Sprint(idsPerPage)}}
		status, body, err := m.c.ask(ctx, system, http.MethodGet, "memos/", query)
		if err != nil {
			return all, fmt.Errorf("list messages: %s", dispatch.Unanswered(err))
		}
		if status != http.StatusOK {
			return all, fmt.Errorf("list messages: %s", refusal(status, body))
		}
		var got idPage
		if json.Unmarshal(body, &got) != nil || !got.sound() {
			return all, fmt.Errorf("list messages: %s", codeUnreadable)
		}
		for _, id := range got.Content {
			if !post.ValidUUID(id) { // it cannot be part of a path; it stays with NgDP
				m.c.log.ErrorContext(ctx, "message listed without an id")
				continue
			}
			all = append(all, id)
		}
		if len(got.Content) < idsPerPage {
			break
		}
	}
	return all, nil
}

// Fetch implements [mailroom.Source]: GET memos/{id}. An answer that does not
// begin as XML does, or is a page for people, is no message but some machine out
// of order: it is an error, lest Digital Post be told that we have the message.
func (m *Mailbox) Fetch(ctx context.Context, tenant post.TenantID, id string, w io.Writer) error {
	system, err := m.system(tenant)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, m.c.handing)
	defer cancel()
	answer, err := m.c.do(ctx, system, http.MethodGet, "memos/"+id, "application/xml", nil)
	if err != nil {
		return fmt.Errorf("fetch message: %s", dispatch.Unanswered(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		body, _ := bounded(answer) //nolint:errcheck // the status says enough
		return fmt.Errorf("fetch message: %s", refusal(answer.StatusCode, body))
	}
	content := bufio.NewReaderSize(answer.Body, sniffed)
	if begins, err := content.Peek(sniffed); (err == nil || errors.Is(err, io.EOF)) && !xmlLike(begins) {
		return fmt.Errorf("fetch message: %s", codeUnreadable)
	}
	end := &ending{w: w}
	if _, err := io.Copy(end, content); err != nil {
		return fmt.Errorf("fetch message: %w", err)
	}
	// Giving up tells the other end first, and it may end its answer in good form,
	// wherever it stands.
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("fetch message: %w", err)
	}
	// An answer that ends with its connection does not tell whether it was cut:
	// a message says it by its last tag. What was cut would be lost, were it
	// answered.
	if told := answer.ContentLength >= 0 || len(answer.TransferEncoding) > 0 || answer.ProtoMajor >= 2; !told && !end.closed() {
		return fmt.Errorf("fetch message: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

// ending remembers the last bytes that it passes on.
type ending struct {
	w    io.Writer
	last []byte
}

// maxEnding is more than the last tag and some white space take.
const maxEnding = 256

// Write implements io.Writer.
func (e *ending) Write(p []byte) (int, error) {
	e.last = append(e.last, p[max(0, len(p)-maxEnding):]...)
	e.last = append(e.last[:0], e.last[max(0, len(e.last)-maxEnding):]...)
	return e.w.Write(p)
}

// closed reports whether the message element was.
func (e *ending) closed() bool {
	return bytes.HasSuffix(bytes.TrimRight(narrow(e.last), " \t\r\n"), []byte("Message>"))
}

// sniffed is how much of an answer is looked at to tell what it is.
const sniffed = 512

// xmlLike reports whether text begins as an XML document that is no page, in
// whatever encoding: one that the reader does not take is for a person, and would
// never come were it asked for again.
func xmlLike(text []byte) bool {
	for _, mark := range []string{"\ufeff", "\xfe\xff", "\xff\xfe"} {
		text = bytes.TrimPrefix(text, []byte(mark))
	}
	text = bytes.ToLower(bytes.TrimLeft(narrow(text), " \t\r\n"))
	return bytes.HasPrefix(text, []byte("<")) && !bytes.HasPrefix(text, []byte("<html")) && !bytes.HasPrefix(text, []byte("<!doctype html"))
}

// narrow leaves out the half of each character that UTF-16 and UTF-32 fill with
// zeros in what XML is marked up with. No other encoding has a zero.
func narrow(text []byte) []byte { return bytes.ReplaceAll(text, []byte{0}, nil) }

// Answer implements [mailroom.Source]: POST memos/{id}/receipt, and DELETE
// memos/{id} for one that is still listed. "You have answered", "that cannot be
// answered" and "no such message" end the matter.
func (m *Mailbox) Answer(ctx context.Context, tenant post.TenantID, id string, listed bool) error {
	system, err := m.system(tenant)
	if err != nil {
		return err
	}
	method, path, body := http.MethodPost, "memos/"+id+"/receipt", []byte(nil)
	if listed {
		method, path = http.MethodDelete, "memos/"+id
	} else if body, err = json.Marshal(map[string]string{
		"transmissionId": post.DerivedID(post.LetterID(id), "mail-receipt", 1), "messageUUID": id,
		"timeStamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "receiptStatus": statusCompleted,
	}); err != nil {
		return fmt.Errorf("answer message: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, m.c.asking)
	defer cancel()
	answer, err := m.c.do(ctx, system, method, path, "application/json", body)
	if err != nil {
		return fmt.Errorf("answer message: %s", dispatch.Unanswered(err))
	}
	defer answer.Body.Close()
	text, _ := bounded(answer) //nolint:errcheck // the status says enough
	switch answer.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity:
		return nil
	}
	return fmt.Errorf("answer message: %s", refusal(answer.StatusCode, text))
}

// do sends a request, with a JSON body when there is one. The caller's context
// bounds it; its error must not be logged: it may hold the URL.
func (c *Client) do(ctx context.Context, s System, method, path, accept string, body []byte) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.address(path, ""), r)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.SetBasicAuth(s.ID, s.Token)
	return c.http.Do(req)
}

// ReadMail implements [mailroom.Reader].
func (m *Mailbox) ReadMail(r io.Reader, file func(mailroom.File, io.Reader) error) (mailroom.Mail, error) {
	var none mailroom.Mail
	got, err := memo.Read(r, memo.Limits{}, func(d memo.Document, f *memo.File, content io.Reader) error {
		if file == nil {
			return nil
		}
		return file(mailroom.File{Main: d.Kind == memo.Main, Name: f.Filename, MediaType: f.MediaType}, content)
	})
	var bad *memo.Invalid
	if errors.As(err, &bad) {
		return none, &mailroom.Unreadable{Code: bad.Code}
	}
	if err != nil {
		return none, err
	}
	h := &got.Header
	if h.Type != memo.DigitalPost {
		return none, &mailroom.Unreadable{Code: "not-a-letter"}
	}
	mail := mailroom.Mail{
		MessageID: strings.ToLower(h.UUID), RecipientID: h.Recipient.ID, Subject: h.Label, Answers: h.Answered(),
		Person: post.PersonRecord{Actor: party(h.Sender.ID, h.Sender.IDType, h.Sender.Label)},
	}
	if p := h.Recipient.ContactPoint; p != nil {
		mail.ContactPoint = p.ID
	}
	if a := h.Sender.Representative; a != nil {
		sender := mail.Person.Actor
		mail.Person = post.PersonRecord{Actor: party(a.ID, a.IDType, a.Label), OnBehalfOf: &sender}
	}
	if got.Body != nil {
		mail.Written = got.Body.Created
	}
	mail.Thread, err = thread(*h)
	return mail, err
}

// Bounds of the thread that an answer continues. What is older or wordier than
// that is left out: the message that is answered, and by whom, never is.
const (
	maxReplies = 100
	maxThread  = 64 << 10
)

// thread is what of h an answer gives back.
func thread(h memo.Header) ([]byte, error) {
	all := h.Replies
	h.Replies = nil
	for i, r := range all { // its own entry wherever it stands
		if i < maxReplies || strings.EqualFold(r.MessageUUID, h.UUID) {
			h.Replies = append(h.Replies, r)
		}
	}
	for {
		b, err := memo.ThreadOf(h)
		if err != nil || len(b) <= maxThread {
			return b, err
		}
		if len(h.Replies) == 0 {
			return nil, &mailroom.Unreadable{Code: "thread"}
		}
		h.Replies = h.Replies[:len(h.Replies)/2]
	}
}

func party(id, idType, name string) post.PartyRecord {
	return post.PartyRecord{IDType: strings.ToUpper(idType), ID: id, Name: name}
}
