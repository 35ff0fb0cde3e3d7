package digitalpost_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// trickle answers with status and goes on with one byte at a time, until the
// client or the test goes away.
func trickle(t *testing.T, status int, begin string) http.HandlerFunc {
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, begin)
		for {
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			select {
			case <-done:
				return
			case <-r.Context().Done():
				return
			case <-time.After(5 * time.Millisecond):
				_, _ = io.WriteString(w, " ")
			}
		}
	}
}

// TestAnAnswerThatTricklesIsGivenUpAndIsNoAnswer: each byte in time, the last one
// never: no question waits for ever, and what was read until then counts for
// nothing, however good it looks.
func TestAnAnswerThatTricklesIsGivenUpAndIsNoAnswer(t *testing.T) {
	w, box := receiving(t)
	w.client.Hurry(100*time.Millisecond, 200*time.Millisecond)
	id := w.write(t, nil)
	j := w.job(w.Registered)
	form := suite.Form(t, w.client, j)
	var now atomic.Value
	w.server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { now.Load().(http.HandlerFunc)(rw, r) })
	slow := func(status int, begin string) { now.Store(trickle(t, status, begin)) }

	slow(200, `{"receipts":[{"id":"`+post.NewID()+`","messageUUID":"`+j.MessageID+`","timeStamp":"2026-11-22T09:00:00.000Z","receiptStatus":"COMPLETED"}]}`)
	if got, err := w.client.Waiting(t.Context()); err == nil || len(got) != 0 {
		t.Errorf("receipts: %d, %v", len(got), err)
	}
	slow(200, `{"content":["`+id+`"]}`)
	if got, err := box.Waiting(t.Context(), "engdal"); err == nil || len(got) != 0 {
		t.Errorf("list: %d, %v", len(got), err)
	}
	slow(200, `<memo:Message xmlns:memo="https://DigitalPost.dk/MeMo-1">`)
	if err := box.Fetch(t.Context(), "engdal", id, io.Discard); err == nil {
		t.Error("a message without an end is one")
	}
	slow(200, `{"contacts":[]}`)
	if got := w.client.Look(t.Context(), w.tenant, w.Registered); got.Answer != dispatch.Unsure {
		t.Errorf("look-up: %v", got)
	}
	for _, got := range w.client.LookMany(t.Context(), w.tenant, []post.PartyRecord{w.Registered, w.Exempt}) {
		if got.Answer != dispatch.Unsure {
			t.Errorf("bulk look-up: %v", got)
		}
	}
	slow(201, `{"messageUUID":"`+j.MessageID+`","receiptStatus":"RECEIVED"}`)
	for patience := 200 * time.Millisecond; ; patience *= 2 { // a busy machine needs its time for a status
		w.client.Hurry(patience, patience)
		o := w.client.HandOver(t.Context(), j, form)
		if o.Verdict == dispatch.Taken { // the status said it
			break
		}
		if patience > 10*time.Second {
			t.Fatalf("hand-over: %v %s", o.Verdict, o.Code)
		}
	}
	slow(500, `{"messageUUID":"`+j.MessageID+`","receiptStatus":"RECEIVED"}`)
	if o := w.client.HandOver(t.Context(), j, form); o.Verdict != dispatch.Unknown {
		t.Errorf("hand-over, an error: %v %s", o.Verdict, o.Code)
	}
	if strings.Contains(w.log.String(), w.Registered.ID) {
		t.Error("a number is in the log")
	}
}
