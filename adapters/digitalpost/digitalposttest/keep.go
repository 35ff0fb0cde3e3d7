package digitalposttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/segments"
)

// What is taken is a record in a log: the message as judged, and its bytes. One
// over [maxWhole] keeps its bytes in a file of its own beside the log. A note
// follows when something of it is over: its receipt fetched, it delivered. With
// [Config.Files] each message is a file of its own, for whoever counts files.

// kept is the head of a record: a message, or a note about one.
type kept struct {
	Message *Message `json:"message,omitempty"`
	System  string   `json:"system,omitempty"`
	To      party    `json:"to,omitzero"`
	Note    string   `json:"note,omitempty"` // errorMessage of the business receipt
	File    bool     `json:"file,omitempty"` // its bytes are a file of its own
	Gone    bool     `json:"gone,omitempty"` // its bytes were dropped
	Over    []over   `json:"over,omitempty"`

	About string `json:"about,omitempty"` // of a note
}

// party is what is needed of a recipient.
type party struct{ ID, IDType, ContactPoint string }

// over says what of a message is done.
type over string

const (
	receiptFetched over = "receipt fetched"
	memoPushed     over = "pushed"
	memoAnswered   over = "answered"
	memoTaken      over = "taken" // off the list
)

// ErrGone says that a message is known, and its bytes are no longer kept.
var ErrGone = segments.ErrGone

func (m *Message) kept() kept {
	k := kept{Message: m, System: m.system, Note: m.note, File: m.file, Gone: m.gone, Over: m.over,
		To: party{m.recipient.ID, m.recipient.IDType, m.ContactPoint()}}
	return k
}

func (k kept) message() *Message {
	m := k.Message
	m.system, m.note, m.file, m.gone, m.over = k.System, k.Note, k.File, k.Gone, k.Over
	m.recipient = memo.Party{ID: k.To.ID, IDType: k.To.IDType}
	if k.To.ContactPoint != "" {
		m.recipient.ContactPoint = &memo.ContactPoint{ID: k.To.ContactPoint}
	}
	return m
}

// openLog opens the log and files again what it holds.
func (s *Server) openLog() error {
	log, err := segments.Open(filepath.Join(s.cfg.Dir, "log"), segments.Options{Keep: s.cfg.Keep}, s.recall)
	if err != nil {
		return err
	}
	s.log = log
	for _, m := range s.order {
		if m.file {
			s.log.Weigh(m.at.Segment, m.size)
		}
	}
	return nil
}

// recall files one record again.
func (s *Server) recall(head []byte, at segments.At) error {
	var k kept
	if err := json.Unmarshal(head, &k); err != nil {
		return fmt.Errorf("reload messages: %w", err)
	}
	if k.Message == nil {
		if m := s.messages[k.About]; m != nil {
			m.over = append(m.over, k.Over...)
		}
		return nil
	}
	m := k.message()
	m.at = at
	if m.file {
		if info, err := os.Stat(s.file(m.UUID)); err == nil {
			m.size = info.Size()
		} else {
			m.gone = true
		}
	}
	if first := s.messages[m.UUID]; first != nil {
		if m.gone && !first.gone { // written anew when its segment was dropped
			first.at, first.gone, first.over = at, true, m.over
		}
		return nil
	}
	s.messages[m.UUID] = m
	s.order = append(s.order, m)
	return nil
}

// resume files the receipts and deliveries of what was read from the log.
func (s *Server) resume() {
	for _, m := range s.order {
		s.stats.Accepted++
		if !slices.Contains(m.over, receiptFetched) && !strings.HasPrefix(m.system, carried) {
			s.businessReceipt(m)
		}
		if !slices.Contains(m.over, memoTaken) {
			s.deliver(m)
		}
	}
}

// keep writes a message to the log, or renames its file, so that it outlives a
// kill. It does nothing without a directory.
func (s *Server) keep(m *Message, in *incoming) error {
	if s.cfg.Dir == "" {
		return nil
	}
	body := in.body
	switch {
	case in.path != "" && (s.cfg.Files || in.size > maxWhole):
		if err := os.Rename(in.path, s.file(m.UUID)); err != nil { //nolint:gosec // whoever gave the id has been held to a UUID
			return fmt.Errorf("keep message %s: %w", m.UUID, err)
		}
		in.path, m.file, m.size = "", true, int64(in.size)
	case s.cfg.Files && !m.file:
		if err := os.WriteFile(s.file(m.UUID), body, 0o600); err != nil { //nolint:gosec // whoever gave the id has been held to a UUID
			return fmt.Errorf("keep message %s: %w", m.UUID, err)
		}
		m.file, m.size = true, int64(len(body))
	case in.path != "":
		var err error
		if body, err = os.ReadFile(in.path); err != nil { //nolint:gosec // a name of our own making
			return fmt.Errorf("keep message %s: %w", m.UUID, err)
		}
	}
	if s.cfg.Files {
		return nil
	}
	head, err := json.Marshal(m.kept())
	if err != nil {
		return fmt.Errorf("keep message %s: %w", m.UUID, err)
	}
	if m.at, err = s.log.Append(head, body); err != nil {
		return fmt.Errorf("keep message %s: %w", m.UUID, err)
	}
	if m.file {
		s.log.Weigh(m.at.Segment, m.size)
	}
	return nil
}

// note writes down that something of a message is over. What cannot be written
// is over until the next start. The caller holds mu.
func (s *Server) note(m *Message, what over) {
	if m == nil || slices.Contains(m.over, what) {
		return
	}
	m.over = append(m.over, what)
	if s.log == nil || s.cfg.Files {
		return
	}
	head, err := json.Marshal(kept{About: m.UUID, Over: []over{what}})
	if err == nil {
		_, err = s.log.Append(head, nil)
	}
	if err != nil {
		s.cfg.Log.Error("note not kept", slog.String("message", m.UUID), slog.Any("error", err))
	}
}

// prune drops the oldest messages' bytes when the log has outgrown its bound.
// The messages themselves stay known, as to a carrier, while their facts take
// less than a quarter of the room.
func (s *Server) prune() {
	if s.log == nil || !s.pruning.TryLock() {
		return
	}
	defer s.pruning.Unlock()
	_, last := s.log.Segments()
	for oldest, full := s.log.Full(); full && oldest < last; oldest, full = s.log.Full() {
		if err := s.dropSegment(oldest); err != nil {
			s.cfg.Log.Error("old messages not dropped", slog.Any("error", err))
			return
		}
	}
}

func (s *Server) dropSegment(segment uint64) error {
	s.mu.Lock()
	var old []*Message
	for _, m := range s.order {
		if m.at.Segment == segment {
			old = append(old, m)
		}
	}
	room := s.cfg.Keep / 4
	for _, m := range s.order {
		if m.gone {
			room -= factSize
		}
	}
	var errs []error
	forgotten := map[*Message]bool{}
	for _, m := range old {
		if m.file {
			errs = append(errs, os.Remove(s.file(m.UUID)))
		}
		m.gone, m.file = true, false
		if room -= factSize; room < 0 {
			forgotten[m] = true
			delete(s.messages, m.UUID)
			continue
		}
		head, err := json.Marshal(m.kept())
		if err == nil {
			m.at, err = s.log.Append(head, nil)
		}
		errs = append(errs, err)
	}
	if len(forgotten) > 0 {
		s.order = slices.DeleteFunc(s.order, func(m *Message) bool { return forgotten[m] })
	}
	s.mu.Unlock()
	return errors.Join(append(errs, s.log.Drop(segment))...)
}

// factSize is about what the facts of a message take.
const factSize = 1 << 10

// body opens the bytes of a message. The caller holds mu.
func (s *Server) body(m *Message) (io.ReadCloser, error) {
	switch {
	case m.gone:
		return nil, ErrGone
	case m.file:
		f, err := os.Open(s.file(m.UUID))
		if err != nil {
			return nil, fmt.Errorf("open message: %w", err)
		}
		return f, nil
	case m.at.Segment == 0:
		return nil, ErrUnknown
	}
	return s.log.Body(m.at)
}

// about returns the message that a receipt is of, or nil. The caller holds mu.
func (s *Server) about(r *receipt) *Message {
	if r.ID != derived("receipt", r.MessageUUID) {
		return nil
	}
	return s.messages[strings.ToLower(r.MessageUUID)]
}

// Known reports whether a message was taken.
func (s *Server) Known(uuid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.messages[strings.ToLower(uuid)]
	return ok
}

// Close ends the log, if there is one. Nothing is taken afterwards.
func (s *Server) Close() error {
	if s.log == nil {
		return nil
	}
	return s.log.Close()
}
