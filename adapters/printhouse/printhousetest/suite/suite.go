// Package suite states what every print house must do for the gateway, whether
// it is the simulator or a real one's test folder. It imports testing, so no
// program links it.
package suite

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// Paper is the print house as the gateway sees it.
type Paper interface {
	dispatch.Channel
	track.Source
}

// World is a print house with people at its counter.
type World struct {
	House  Paper
	Tenant post.Tenant
	// Nudge makes the print house look into the folder now; nil: it looks when it
	// looks.
	Nudge func(t *testing.T)
	// Report makes the postal company do something with a job. nil where
	// nobody can be asked; the suite says what it left out.
	Report func(t *testing.T, messageID string, kind track.Kind)
	// Patience is how long an event may take, and Every how often it is asked
	// for; 5 ms when 0.
	Patience, Every time.Duration
	// Recipient is whose address stands in the window; somebody of ours when it is
	// zero.
	Recipient post.PartyRecord
}

// Run checks a world.
func Run(t *testing.T, open func(t *testing.T) World) {
	t.Run("a letter is taken, then printed", func(t *testing.T) {
		w := open(t)
		j := w.Job()
		taken(t, w.send(t, j))
		w.await(t, j, track.Printing)
	})
	t.Run("the same letter handed over twice is printed once, also after its receipt", func(t *testing.T) {
		w := open(t)
		j := w.Job()
		taken(t, w.send(t, j))
		taken(t, w.send(t, j))
		w.await(t, j, track.Printing)
		taken(t, w.send(t, j))
		w.nudge(t)
		if more := w.receipts(t, j); len(more) != 0 {
			t.Errorf("got %s once more", more[0].Kind)
		}
	})
	t.Run("the same job yields the same form", func(t *testing.T) {
		w := open(t)
		j := w.Job()
		a, b := Form(t, w.House, j), Form(t, w.House, j)
		if a.SHA256 != b.SHA256 {
			t.Error("two renderings differ")
		}
	})
	for _, road := range [][]track.Kind{{track.Posted, track.Proven}, {track.Posted, track.Returned}} {
		t.Run(fmt.Sprintf("a printed letter goes through %v", road), func(t *testing.T) {
			w := open(t)
			if w.Report == nil {
				t.Log("LEFT OUT: nobody at this print house can be asked")
				return
			}
			j := w.Job()
			taken(t, w.send(t, j))
			w.await(t, j, track.Printing)
			for _, kind := range road {
				w.Report(t, j.MessageID, kind)
				r := w.await(t, j, kind)
				if kind == track.Posted && r.Tracking == "" {
					t.Error("posted without a tracking number")
				}
				if kind == track.Returned && r.Code == "" {
					t.Error("returned without a reason")
				}
			}
		})
	}
}

// Job returns a letter that no other run has sent.
func (w World) Job() dispatch.Job {
	id := post.LetterID(post.NewID())
	to := w.Recipient
	if to.ID == "" {
		to = post.PartyRecord{IDType: "CPR", ID: "7104521145", Name: "Poul Ravn Holmgaard", Address: []string{"Møllestien 12, 1. tv", "2690 Engdal"}}
	}
	return dispatch.Job{
		Tenant: w.Tenant, Letter: id, Reference: post.NewReference(), Channel: post.Physical, Generation: 1,
		MessageID: post.DerivedID(id, post.Physical, 1), CreatedAt: time.Now().UTC().Truncate(time.Second),
		Label:     "Afgørelse",
		Recipient: to,
		Documents: []dispatch.Document{Document(PDF(2)), Document(PDF(1))},
	}
}

// Document returns a PDF document with its digest.
func Document(content []byte) dispatch.Document {
	return dispatch.Document{
		Filename: "afgørelse.pdf", Label: "Afgørelse", MediaType: "application/pdf", Language: "da",
		Size: int64(len(content)), SHA256: sha256.Sum256(content),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}
}

// PDF returns a small valid PDF of so many empty A4 pages.
func PDF(pages int) []byte {
	var b bytes.Buffer
	var at []int
	object := func(text string) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(at), text)
	}
	b.WriteString("%PDF-1.7\n")
	object("<< /Type /Catalog /Pages 2 0 R >>")
	var kids []string
	for i := range pages {
		kids = append(kids, fmt.Sprintf("%d 0 R", 3+i))
	}
	object(fmt.Sprintf("<< /Type /Pages /Count %d /Kids [%s] >>", pages, strings.Join(kids, " ")))
	for range pages {
		object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>")
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, start)
	return b.Bytes()
}

// Form renders a job as the dispatcher would have it.
func Form(t *testing.T, c dispatch.Channel, j dispatch.Job) dispatch.Form {
	t.Helper()
	var b bytes.Buffer
	if err := c.Render(t.Context(), j, &b); err != nil {
		t.Fatal(err)
	}
	content := b.Bytes()
	return dispatch.Form{Size: int64(len(content)), SHA256: sha256.Sum256(content), Open: func() io.ReadCloser {
		return io.NopCloser(bytes.NewReader(content))
	}}
}

func (w World) send(t *testing.T, j dispatch.Job) dispatch.Outcome {
	t.Helper()
	return w.House.HandOver(t.Context(), j, Form(t, w.House, j))
}

func (w World) nudge(t *testing.T) {
	t.Helper()
	if w.Nudge != nil {
		w.Nudge(t)
	}
}

func taken(t *testing.T, o dispatch.Outcome) {
	t.Helper()
	if o.Verdict != dispatch.Taken || o.At.IsZero() {
		t.Fatalf("got %s %q", o.Verdict, o.Code)
	}
}

func (w World) receipts(t *testing.T, j dispatch.Job) []track.Receipt {
	t.Helper()
	all, err := w.House.Waiting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(r track.Receipt) bool { return r.MessageID != j.MessageID })
}

// await waits for a receipt of that kind and forgets it, twice.
func (w World) await(t *testing.T, j dispatch.Job, kind track.Kind) track.Receipt {
	t.Helper()
	for end := time.Now().Add(w.Patience); time.Now().Before(end); time.Sleep(max(w.Every, 5*time.Millisecond)) {
		w.nudge(t)
		for _, r := range w.receipts(t, j) {
			if r.Kind != kind {
				t.Fatalf("got %s, want %s", r.Kind, kind)
			}
			for range 2 {
				if err := w.House.Forget(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			return r
		}
	}
	t.Fatalf("no %s within %s", kind, w.Patience)
	return track.Receipt{}
}
