// Package suite states what every Digital Post must do for the gateway's
// client, whether it is the simulator or a real test environment. It imports
// testing, so no program links it.
package suite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// Post is the client under test.
type Post interface {
	dispatch.Channel
	dispatch.Directory
	track.Source
}

// World is a Digital Post with people whose state the suite may rely on.
type World struct {
	Client Post
	Tenant post.Tenant
	// Registered, Exempt and Closed are people in that state; Unknown is one of
	// whom the look-up gives no clear answer. An empty ID leaves a case out,
	// and the suite says so.
	Registered, Exempt, Closed, Unknown post.PartyRecord
	// Mailbox and Containers are needed by [RunMail] and [RunContainers] only.
	Mailbox    Mailbox
	Containers Containers
	// Patience is how long a business receipt may take.
	Patience time.Duration
}

// Run checks a world.
func Run(t *testing.T, open func(t *testing.T) World) {
	t.Run("a letter to a registered person is taken, then delivered", func(t *testing.T) {
		w := open(t)
		job := w.job(w.Registered)
		taken(t, w.send(t, job))
		r := w.await(t, job)
		if r.Kind != track.Delivered || r.At.Before(job.CreatedAt.Add(-time.Minute)) {
			t.Errorf("got %s at %s", r.Kind, r.At)
		}
	})
	t.Run("the same letter handed over twice is delivered once", func(t *testing.T) {
		w := open(t)
		job := w.job(w.Registered)
		first, second := w.send(t, job), w.send(t, job)
		taken(t, first)
		taken(t, second)
		w.await(t, job)
		if again := w.receipts(t, job); len(again) != 0 {
			t.Errorf("%d more receipts for one letter", len(again))
		}
	})
	t.Run("the same job yields the same form", func(t *testing.T) {
		w := open(t)
		job := w.job(w.Registered)
		a, b := render(t, w.Client, job), render(t, w.Client, job)
		if !bytes.Equal(a, b) {
			t.Error("two renderings differ")
		}
	})
	t.Run("the look-up tells who can be reached", func(t *testing.T) {
		w := open(t)
		for _, c := range []struct {
			who    string
			person post.PartyRecord
			want   dispatch.Answer
		}{
			{"registered", w.Registered, dispatch.Reachable}, {"exempt", w.Exempt, dispatch.Unreachable},
			{"closed", w.Closed, dispatch.Unreachable}, {"unknown", w.Unknown, dispatch.Unsure},
		} {
			if c.person.ID == "" {
				t.Logf("LEFT OUT: this world has nobody who is %s", c.who)
				continue
			}
			got := w.Client.Look(t.Context(), w.Tenant, c.person)
			if got.Answer != c.want || got.Code == "" {
				t.Errorf("%s: got %s %q", c.who, got.Answer, got.Code)
			}
		}
	})
	t.Run("a letter to an exempt person is refused for the recipient's sake", func(t *testing.T) {
		w := open(t)
		if w.Exempt.ID == "" {
			t.Log("LEFT OUT: this world has nobody who is exempt")
			return
		}
		job := w.job(w.Exempt)
		o := w.send(t, job)
		if o.Verdict == dispatch.RefusedRecipient {
			return
		}
		taken(t, o)
		if r := w.await(t, job); r.Kind != track.RefusedRecipient || r.Code == "" {
			t.Errorf("got %s %q", r.Kind, r.Code)
		}
	})
	t.Run("a receipt stays until it is forgotten, and forgetting twice is harmless", func(t *testing.T) {
		w := open(t)
		job := w.job(w.Registered)
		taken(t, w.send(t, job))
		r := w.waiting(t, job)
		if again := w.waiting(t, job); again.EventID != r.EventID {
			t.Errorf("the receipt came back as %s, was %s", again.EventID, r.EventID)
		}
		for range 2 {
			if err := w.Client.Forget(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// document is one page of text; Digital Post takes text/plain.
const document = "Afgørelse. Dette er en prøve.\n"

// job returns a letter that no other run has sent.
func (w World) job(to post.PartyRecord) dispatch.Job {
	id := post.LetterID(post.NewID())
	return dispatch.Job{
		Tenant: w.Tenant, Letter: id, Reference: post.NewReference(), Channel: post.Digital, Generation: 1,
		MessageID: post.DerivedID(id, post.Digital, 1), CreatedAt: time.Now().UTC().Truncate(time.Second),
		Label: "Prøve", Recipient: to, SenderContactPoint: w.Tenant.DPOContactPoint,
		Documents: []dispatch.Document{Document("prøve.txt", "text/plain", []byte(document))},
	}
}

// Document returns a document with its digest.
func Document(name, mediaType string, content []byte) dispatch.Document {
	return dispatch.Document{
		Filename: name, Label: "Afgørelse", MediaType: mediaType, Language: "da",
		Size: int64(len(content)), SHA256: sha256.Sum256(content),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}
}

func render(t *testing.T, c dispatch.Channel, j dispatch.Job) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := c.Render(t.Context(), j, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Form renders a job as the dispatcher would have it.
func Form(t *testing.T, c dispatch.Channel, j dispatch.Job) dispatch.Form {
	t.Helper()
	b := render(t, c, j)
	return dispatch.Form{Size: int64(len(b)), SHA256: sha256.Sum256(b), Open: func() io.ReadCloser {
		return io.NopCloser(bytes.NewReader(b))
	}}
}

func (w World) send(t *testing.T, j dispatch.Job) dispatch.Outcome {
	t.Helper()
	return w.Client.HandOver(t.Context(), j, Form(t, w.Client, j))
}

func taken(t *testing.T, o dispatch.Outcome) {
	t.Helper()
	if o.Verdict != dispatch.Taken || o.At.IsZero() {
		t.Fatalf("got %s %q at %s", o.Verdict, o.Code, o.At)
	}
}

// receipts returns what waits for a job.
func (w World) receipts(t *testing.T, j dispatch.Job) []track.Receipt {
	t.Helper()
	all, err := w.Client.Waiting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var mine []track.Receipt
	for _, r := range all {
		if strings.EqualFold(r.MessageID, j.MessageID) && r.Kind != track.Received {
			mine = append(mine, r)
		}
	}
	return mine
}

// waiting waits for the business receipt of a job.
func (w World) waiting(t *testing.T, j dispatch.Job) track.Receipt {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), w.Patience)
	defer cancel()
	for {
		if mine := w.receipts(t, j); len(mine) > 0 {
			return mine[0]
		}
		select {
		case <-ctx.Done():
			t.Fatal(fmt.Errorf("no business receipt within %s", w.Patience))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// await waits for the business receipt of a job and forgets it.
func (w World) await(t *testing.T, j dispatch.Job) track.Receipt {
	t.Helper()
	r := w.waiting(t, j)
	if err := w.Client.Forget(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r
}
