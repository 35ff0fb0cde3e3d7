package digitalposttest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"time"
)

// Push sends what is due to the endpoints of the systems that want it pushed
// (REST_PUSH): messages as multipart/form-data with one part "file" named
// <messageUUID>.xml, receipts as JSON. What is answered with 200 is done; a
// message waits for its business receipt still. What is not is sent again by
// the next call. client shows the server's own certificate. It returns how many
// pushes were taken.
func (s *Server) Push(ctx context.Context, client *http.Client) (taken int) {
	for id, system := range s.cfg.Systems {
		if system.Endpoint != "" {
			taken += s.pushMemos(ctx, client, id, system.Endpoint)
		}
		if system.ReceiptEndpoint != "" {
			taken += s.pushReceipts(ctx, client, id, system.ReceiptEndpoint)
		}
	}
	return taken
}

// RunPush pushes until ctx ends.
func (s *Server) RunPush(ctx context.Context, client *http.Client) error {
	for {
		s.Push(ctx, client)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pushPause):
		}
	}
}

func (s *Server) pushMemos(ctx context.Context, client *http.Client, system, endpoint string) (taken int) {
	s.mu.Lock()
	var all []*delivery
	for _, d := range s.ready(system) {
		if !d.pushed {
			all = append(all, d)
		}
	}
	s.mu.Unlock()
	for _, d := range all {
		err := s.pushMemo(ctx, client, endpoint, d)
		tag := "MEMO_SEND_SENT_TO_RECIPIENT_SYSTEM"
		if err != nil {
			tag += "_FAILED"
			s.cfg.Log.WarnContext(ctx, "message not pushed", slog.String("message", d.msg.UUID), slog.Any("error", err))
		}
		s.mu.Lock()
		d.msg.Events = append(d.msg.Events, Event{s.cfg.Now().UTC(), tag})
		if d.pushed = err == nil; d.pushed {
			taken++
			s.note(d.msg, memoPushed)
		}
		s.mu.Unlock()
	}
	return taken
}

func (s *Server) pushMemo(ctx context.Context, client *http.Client, endpoint string, d *delivery) error {
	body, err := s.XML(d.msg.UUID)
	if err != nil {
		return err
	}
	defer body.Close()
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	part, err := parts.CreateFormFile("file", d.msg.UUID+".xml")
	if err != nil {
		return err
	}
	if _, err := io.Copy(part, body); err != nil {
		return err
	}
	if err := parts.Close(); err != nil {
		return err
	}
	return push(ctx, client, endpoint, parts.FormDataContentType(), &form)
}

func (s *Server) pushReceipts(ctx context.Context, client *http.Client, system, endpoint string) (taken int) {
	s.mu.Lock()
	all := s.waiting(system)
	s.mu.Unlock()
	for _, r := range all {
		plain := r.receiptJSON
		plain.ID = "" // a Receipt has none
		body, err := json.Marshal(plain)
		if err == nil {
			err = push(ctx, client, endpoint, "application/json", bytes.NewReader(body))
		}
		if err != nil {
			s.cfg.Log.WarnContext(ctx, "receipt not pushed", slog.String("message", r.MessageUUID), slog.Any("error", err))
			continue
		}
		s.mu.Lock()
		s.drop(system, r.ID)
		s.mu.Unlock()
		taken++
	}
	return taken
}

func push(ctx context.Context, client *http.Client, endpoint, kind string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	answer, err := client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %d", answer.StatusCode)
	}
	return nil
}
