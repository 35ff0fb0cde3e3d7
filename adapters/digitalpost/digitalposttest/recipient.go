package digitalposttest

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// A delivery is a message on its way to a recipient system.
type delivery struct {
	msg      *Message
	answered bool // the system gave its receipt
	pushed   bool
}

// recipientSystem returns the system behind the contact point of m, or "".
func (s *Server) recipientSystem(m *Message) string {
	for _, p := range s.cfg.Authorities[post.CVR(m.recipient.ID)] {
		if strings.EqualFold(p.ID, m.ContactPoint()) {
			return p.System
		}
	}
	return ""
}

// deliver files a message for the system of its contact point, if it has one.
// The caller holds mu.
func (s *Server) deliver(m *Message) {
	if m.Status != statusCompleted {
		return
	}
	if system := s.recipientSystem(m); system != "" {
		s.deliveries[system] = append(s.deliveries[system], &delivery{
			msg: m, answered: slices.Contains(m.over, memoAnswered), pushed: slices.Contains(m.over, memoPushed),
		})
		ready := Event{m.Due, "MEMO_SEND_READY_FOR_FETCH"}
		if !slices.Contains(m.Events, ready) {
			m.Events = append(m.Events, ready)
		}
	}
}

// ready returns what a system may fetch now. The caller holds mu.
func (s *Server) ready(system string) []*delivery {
	var all []*delivery
	now := s.cfg.Now()
	for _, d := range s.deliveries[system] {
		if !d.msg.Due.After(now) {
			all = append(all, d)
		}
	}
	return all
}

// delivery finds what a system may fetch. The caller holds mu.
func (s *Server) delivery(system, uuid string) *delivery {
	for _, d := range s.ready(system) {
		if strings.EqualFold(d.msg.UUID, uuid) {
			return d
		}
	}
	return nil
}

// listMemos answers REST_PULL: GET memos/.
func (s *Server) listMemos(w http.ResponseWriter, r *http.Request, system string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if spend(&s.faults.UnavailableLists) {
		refuse(w, http.StatusServiceUnavailable, "sim.unavailable")
		return
	}
	all := s.ready(system)
	cut, page, size, ok := paging(r, all)
	if !ok {
		refuse(w, http.StatusBadRequest, "sim.paging.invalid")
		return
	}
	ids := make([]string, len(cut))
	for i, d := range cut {
		ids[i] = d.msg.UUID
	}
	answer(w, http.StatusOK, struct {
		Content       []string `json:"content"`
		Number        int      `json:"number"`
		Size          int      `json:"size"`
		TotalElements int      `json:"totalElements"`
		TotalPages    int      `json:"totalPages"`
	}{ids, page, size, len(all), pages(len(all), size)})
}

// getMemo answers GET memos/{id} with the message as it came.
func (s *Server) getMemo(w http.ResponseWriter, r *http.Request, system string) {
	s.mu.Lock()
	d := s.delivery(system, r.PathValue("id"))
	torn := d != nil && spend(&s.faults.TornMemos)
	if d != nil {
		d.msg.Events = append(d.msg.Events, Event{s.cfg.Now().UTC(), "MEMO_SEND_FETCHED_BY_RECIPIENT_SYSTEM"})
	}
	s.mu.Unlock()
	if d == nil {
		refuse(w, http.StatusNotFound, "sim.memo.unknown")
		return
	}
	body, err := s.XML(d.msg.UUID)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "sim.unavailable")
		return
	}
	defer body.Close()
	w.Header().Set("Content-Type", "application/xml")
	if torn {
		_, _ = io.CopyN(w, body, 200) // then the line breaks
		_ = http.NewResponseController(w).Flush()
		breakOff()
	}
	if _, err := io.Copy(w, body); err != nil {
		s.cfg.Log.WarnContext(r.Context(), "message not fetched", slog.String("message", d.msg.UUID))
	}
}

// receiveReceipt takes a recipient system's business receipt: POST
// memos/{id}/receipt. It takes the message off the list, unless the dial says
// otherwise.
func (s *Server) receiveReceipt(w http.ResponseWriter, r *http.Request, system string) {
	var got receiptJSON
	err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&got)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.delivery(system, r.PathValue("id"))
	switch {
	case err != nil || !post.ValidUUID(got.TransmissionID) || got.TimeStamp == "":
		refuse(w, http.StatusBadRequest, "sim.receipt.invalid")
	case d == nil:
		refuse(w, http.StatusNotFound, "sim.memo.unknown")
	case !strings.EqualFold(got.MessageUUID, d.msg.UUID) || got.Status != statusCompleted && got.Status != statusInvalid:
		refuse(w, http.StatusUnprocessableEntity, "sim.receipt.not.possible")
	case d.answered:
		refuse(w, http.StatusConflict, "sim.receipt.duplicate")
	default:
		d.answered = true
		s.note(d.msg, memoAnswered)
		d.msg.Events = append(d.msg.Events, Event{s.cfg.Now().UTC(), "BUSINESS_RECEIPT_RECEIVED_BY_RECIPIENT_SYSTEM"})
		s.stats.Answered++
		if !s.faults.KeepAnswered {
			s.forget(system, d)
		}
		answer(w, http.StatusOK, got)
		s.announce()
	}
}

// deleteMemo answers DELETE memos/{id}.
func (s *Server) deleteMemo(w http.ResponseWriter, r *http.Request, system string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.delivery(system, r.PathValue("id"))
	if d == nil {
		refuse(w, http.StatusNotFound, "sim.memo.unknown")
		return
	}
	s.forget(system, d)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) forget(system string, d *delivery) {
	s.note(d.msg, memoTaken)
	s.deliveries[system] = slices.DeleteFunc(s.deliveries[system], func(x *delivery) bool { return x == d })
}

// Undelivered counts the messages that wait for a recipient system.
func (s *Server) Undelivered(system string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ready(system))
}

// limitCode returns the code of the contact point's own limit that a message of
// these files breaks, or "". The main document is no attachment.
func (p ContactPoint) limitCode(files []Document) string {
	var size int64
	for _, f := range files {
		size += f.Size
	}
	switch {
	case p.MaxBytes > 0 && size > p.MaxBytes:
		return "sim.contact.point.memo.too.large"
	case p.MaxFiles > 0 && len(files)-1 > p.MaxFiles:
		return "sim.contact.point.too.many.attachments"
	}
	return ""
}

// pushPause is between two rounds of pushing.
const pushPause = 200 * time.Millisecond
