package digitalposttest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

// ErrUnknown says that the server holds no such message.
var ErrUnknown = errors.New("no such message")

// Box returns what lies in the mailbox of any of the numbers, newest first.
func (s *Server) Box(numbers ...string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.box(func(m *Message) bool { return slices.Contains(numbers, m.recipient.ID) })
}

// AuthorityBox returns what lies in the mailbox of an authority, newest first;
// with a contact point, only what was sent to that point.
func (s *Server) AuthorityBox(cvr post.CVR, contactPoint string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.box(func(m *Message) bool {
		return m.recipient.ID == string(cvr) &&
			(contactPoint == "" || strings.EqualFold(m.ContactPoint(), contactPoint))
	})
}

// box returns the available messages that belong. The caller holds mu.
func (s *Server) box(belongs func(*Message) bool) []Message {
	now := s.cfg.Now()
	box := []Message{}
	for _, m := range slices.Backward(s.order) {
		if m.Status == statusCompleted && !m.Due.After(now) && belongs(m) {
			box = append(box, m.copy())
		}
	}
	return box
}

// ContactPoint returns the contact point to which the message went, or "".
func (m *Message) ContactPoint() string {
	if m.recipient.ContactPoint == nil {
		return ""
	}
	return m.recipient.ContactPoint.ID
}

func (m *Message) copy() Message {
	c := *m
	c.body, c.over = nil, nil
	c.Events = slices.Clone(m.Events)
	return c
}

// Await returns the newest message in the mailbox of any of the numbers,
// waiting for one other than the message after until ctx ends.
func (s *Server) Await(ctx context.Context, after string, numbers ...string) (Message, error) {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if box := s.Box(numbers...); len(box) > 0 && box[0].UUID != strings.ToLower(after) {
			return box[0], nil
		}
		select {
		case <-ctx.Done():
			return Message{}, ErrUnknown
		case <-changed:
		case <-time.After(50 * time.Millisecond): // a message becomes due without an event
		}
	}
}

// Messages returns everything that was accepted, newest first, at most n.
func (s *Server) Messages(n int) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Message{}
	for _, m := range slices.Backward(s.order) {
		if len(all) == n {
			break
		}
		all = append(all, m.copy())
	}
	return all
}

// Message returns one accepted message.
func (s *Server) Message(uuid string) (Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.messages[strings.ToLower(uuid)]
	if !ok {
		return Message{}, ErrUnknown
	}
	return m.copy(), nil
}

// XML yields a message exactly as received.
func (s *Server) XML(uuid string) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.messages[strings.ToLower(uuid)]
	if !ok {
		return nil, ErrUnknown
	}
	if m.body == nil {
		return s.body(m)
	}
	return io.NopCloser(bytes.NewReader(m.body)), nil
}

// File copies the n-th file of a message, counted from 0, to w.
func (s *Server) File(uuid string, n int, w io.Writer) error {
	r, err := s.XML(uuid)
	if err != nil {
		return err
	}
	defer r.Close()
	i := -1
	_, err = memo.Read(r, memo.Limits{}, func(_ memo.Document, _ *memo.File, content io.Reader) error {
		if i++; i != n {
			return nil
		}
		_, err := io.Copy(w, content)
		return err
	})
	if err != nil {
		return fmt.Errorf("read file of message: %w", err)
	}
	if n > i || n < 0 {
		return ErrUnknown
	}
	return nil
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Reset forgets everything, files included, and turns the dial back.
func (s *Server) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.cfg.Dir != "" {
		if !s.cfg.Files {
			errs = append(errs, s.log.Clear())
		}
		for _, m := range s.order {
			if !m.file {
				continue
			}
			if err := os.Remove(s.file(m.UUID)); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, fmt.Errorf("reset: %w", err))
			}
		}
	}
	old := s.changed
	s.clear()
	close(old)
	return errors.Join(errs...)
}

// byAge sorts paths by modification time, then name.
func byAge(paths []string) []string {
	age := func(p string) time.Time {
		info, err := os.Stat(p)
		if err != nil {
			return time.Time{}
		}
		return info.ModTime()
	}
	slices.SortFunc(paths, func(a, b string) int {
		if c := age(a).Compare(age(b)); c != 0 {
			return c
		}
		return cmp.Compare(filepath.Base(a), filepath.Base(b))
	})
	return paths
}
