// Package suite states what every Postkomponent must do for the gateway's
// client, whether it is the simulator or KOMBIT's external test. It imports
// testing, so no program links it.
package suite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
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
}

// World is a Postkomponent with people whose state the suite may rely on.
type World struct {
	Client Post
	Tenant post.Tenant
	// Registered and Exempt are people in that state. An empty ID leaves a case
	// out, and the suite says so.
	Registered, Exempt post.PartyRecord
	// Statuses returns the receipts that have come for a message so far, pushing
	// what waits where that needs a push.
	Statuses func(t *testing.T, messageID string) []track.Receipt
	// Patience is how long a status may take.
	Patience time.Duration
}

// Run checks a world.
func Run(t *testing.T, open func(t *testing.T) World) {
	t.Run("a digital letter is taken, received, then delivered", func(t *testing.T) {
		w := open(t)
		j := w.Job(post.Digital, w.Registered)
		taken(t, w.send(t, j))
		w.await(t, j, track.Received)
		w.await(t, j, track.Delivered)
	})
	t.Run("a paper letter is taken, printed, then posted", func(t *testing.T) {
		w := open(t)
		j := w.Job(post.Physical, w.Registered)
		taken(t, w.send(t, j))
		w.await(t, j, track.Printing)
		w.await(t, j, track.Posted)
	})
	t.Run("the same letter handed over twice is delivered once", func(t *testing.T) {
		w := open(t)
		j := w.Job(post.Digital, w.Registered)
		taken(t, w.send(t, j))
		taken(t, w.send(t, j))
		w.await(t, j, track.Delivered)
		delivered := 0
		for _, r := range w.Statuses(t, j.MessageID) {
			if r.Kind == track.Delivered {
				delivered++
			}
		}
		if delivered != 1 {
			t.Errorf("delivered %d times", delivered)
		}
	})
	t.Run("the same job yields the same form", func(t *testing.T) {
		w := open(t)
		for _, channel := range []post.Channel{post.Digital, post.Physical} {
			j := w.Job(channel, w.Registered)
			if !bytes.Equal(Rendered(t, w.Client, j), Rendered(t, w.Client, j)) {
				t.Errorf("%s: two renderings differ", channel)
			}
		}
	})
	t.Run("the look-up tells who can be reached", func(t *testing.T) {
		w := open(t)
		for _, c := range []struct {
			who    string
			person post.PartyRecord
			want   dispatch.Answer
		}{{"registered", w.Registered, dispatch.Reachable}, {"exempt", w.Exempt, dispatch.Unreachable}} {
			if c.person.ID == "" {
				t.Logf("LEFT OUT: this world has nobody who is %s", c.who)
				continue
			}
			if got := w.Client.Look(t.Context(), w.Tenant, c.person); got.Answer != c.want || got.Code == "" {
				t.Errorf("%s: got %s %q", c.who, got.Answer, got.Code)
			}
		}
	})
	t.Run("a digital letter to an exempt person is refused for the recipient's sake", func(t *testing.T) {
		w := open(t)
		if w.Exempt.ID == "" {
			t.Log("LEFT OUT: this world has nobody who is exempt")
			return
		}
		j := w.Job(post.Digital, w.Exempt)
		o := w.send(t, j)
		if o.Verdict == dispatch.RefusedRecipient {
			return
		}
		taken(t, o)
		w.await(t, j, track.RefusedRecipient)
	})
}

// PDF is the least that begins as one.
const PDF = "%PDF-1.7\n% prøve\n%%EOF\n"

// Job returns a letter that no other run has sent.
func (w World) Job(channel post.Channel, to post.PartyRecord) dispatch.Job {
	id := post.LetterID(post.NewID())
	return dispatch.Job{
		Tenant: w.Tenant, Letter: id, Reference: post.NewReference(), Channel: channel, Generation: 1,
		MessageID: post.DerivedID(id, channel, 1), CreatedAt: time.Now().UTC().Truncate(time.Second),
		Label: "Prøve", Recipient: to,
		Documents: []dispatch.Document{Document("afgørelse.pdf", []byte(PDF)), Document("bilag 1.pdf", []byte(PDF+"1"))},
	}
}

// Document returns a PDF with its digest.
func Document(name string, content []byte) dispatch.Document {
	return dispatch.Document{
		Filename: name, Label: "Afgørelse", MediaType: "application/pdf", Language: "da",
		Size: int64(len(content)), SHA256: sha256.Sum256(content),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}
}

// Rendered returns a job's form.
func Rendered(t *testing.T, c dispatch.Channel, j dispatch.Job) []byte {
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
	b := Rendered(t, c, j)
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

// await waits for a status of that kind.
func (w World) await(t *testing.T, j dispatch.Job, kind track.Kind) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), w.Patience)
	defer cancel()
	for {
		for _, r := range w.Statuses(t, j.MessageID) {
			if r.Kind == kind && !r.At.IsZero() {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no status %s within %s", kind, w.Patience)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
