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

	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// Mailbox is the recipient side of the client under test.
type Mailbox interface {
	mailroom.Source
	mailroom.Reader
}

// Containers is the client under test where it sends many letters at once.
type Containers interface {
	RenderContainer(jobs []dispatch.Job, w io.Writer) error
	HandOverContainer(ctx context.Context, tenant post.TenantID, f dispatch.Form) dispatch.Outcome
}

// RunMail checks the recipient side of a world. The tenant writes to the contact
// point of its own DPO: that needs no viewer, and no other authority.
func RunMail(t *testing.T, open func(t *testing.T) World) {
	t.Run("what is sent to the contact point is listed, whole and as it was written", func(t *testing.T) {
		w := open(t)
		job := w.mail(t)
		w.listed(t, job, true)
		raw := w.fetch(t, job)
		if !bytes.Equal(raw, w.fetch(t, job)) {
			t.Error("fetched twice, it differs")
		}
		var files []string
		got, err := w.Mailbox.ReadMail(bytes.NewReader(raw), func(f mailroom.File, content io.Reader) error {
			b, err := io.ReadAll(content)
			files = append(files, fmt.Sprint(f.Main, " ", f.Name, " ", string(b)))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.MessageID != strings.ToLower(job.MessageID) || got.RecipientID != string(w.Tenant.CVR) || got.Subject != job.Label ||
			!strings.EqualFold(got.ContactPoint, w.Tenant.DPOContactPoint) || got.Person.Subject().ID != string(w.Tenant.CVR) ||
			got.Written.IsZero() || len(got.Thread) == 0 {
			t.Error("the header is not what was written")
		}
		if want := "true " + job.Documents[0].Filename + " " + document; len(files) != 1 || files[0] != want {
			t.Errorf("got %q, want %q", files, want)
		}
		w.answer(t, job)
	})
	t.Run("it stays until it is answered, and goes then", func(t *testing.T) {
		w := open(t)
		job := w.mail(t)
		w.listed(t, job, true)
		w.fetch(t, job)
		w.listed(t, job, true)
		w.answer(t, job)
		w.listed(t, job, false)
	})
	t.Run("an answer given twice, or to nothing, is the end of the matter", func(t *testing.T) {
		w := open(t)
		job := w.mail(t)
		w.listed(t, job, true)
		for _, listed := range []bool{false, false, true, true} {
			if err := w.Mailbox.Answer(t.Context(), w.Tenant.ID, job.MessageID, listed); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("what is not there is an error, not an empty message", func(t *testing.T) {
		w := open(t)
		var b bytes.Buffer
		if err := w.Mailbox.Fetch(t.Context(), w.Tenant.ID, w.job(w.Registered).MessageID, &b); err == nil {
			t.Errorf("fetched %d bytes", b.Len())
		}
	})
	t.Run("a tenant without a recipient system here has nothing waiting", func(t *testing.T) {
		w := open(t)
		if _, err := w.Mailbox.Waiting(t.Context(), "nobody"); err == nil {
			t.Error("it was asked for")
		}
	})
}

// mail sends a letter to the contact point of the tenant's own DPO.
func (w World) mail(t *testing.T) dispatch.Job {
	t.Helper()
	job := w.job(post.PartyRecord{IDType: "CVR", ID: string(w.Tenant.CVR), Name: w.Tenant.Name, ContactPoint: w.Tenant.DPOContactPoint})
	job.SenderContactPoint = ""
	taken(t, w.send(t, job))
	return job
}

// listed waits until a message is listed, or is not.
func (w World) listed(t *testing.T, j dispatch.Job, want bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), w.Patience)
	defer cancel()
	for {
		ids, err := w.Mailbox.Waiting(ctx, w.Tenant.ID)
		if err != nil {
			t.Fatal(err)
		}
		got := false
		for _, id := range ids {
			got = got || strings.EqualFold(id, j.MessageID)
		}
		if got == want {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("listed is %t after %s, want %t", got, w.Patience, want)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (w World) fetch(t *testing.T, j dispatch.Job) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := w.Mailbox.Fetch(t.Context(), w.Tenant.ID, strings.ToLower(j.MessageID), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// answer answers as the mail room does: once more, when it is listed still.
func (w World) answer(t *testing.T, j dispatch.Job) {
	t.Helper()
	for _, listed := range []bool{false, true} {
		if err := w.Mailbox.Answer(t.Context(), w.Tenant.ID, strings.ToLower(j.MessageID), listed); err != nil {
			t.Fatal(err)
		}
	}
}

// RunContainers checks how a world takes many letters in one container.
func RunContainers(t *testing.T, open func(t *testing.T) World) {
	t.Run("each letter of a container gets its own receipt, whatever the others get", func(t *testing.T) {
		w := open(t)
		jobs := []dispatch.Job{w.job(w.Registered), w.job(w.Registered)}
		want := []track.Kind{track.Delivered, track.Delivered}
		if w.Exempt.ID == "" {
			t.Log("LEFT OUT: this world has nobody who is exempt")
		} else {
			jobs, want = append(jobs, w.job(w.Exempt)), append(want, track.RefusedRecipient)
		}
		o := w.Containers.HandOverContainer(t.Context(), w.Tenant.ID, w.container(t, jobs))
		taken(t, o)
		for i, j := range jobs {
			if r := w.await(t, j); r.Kind != want[i] {
				t.Errorf("letter %d: got %s %q, want %s", i+1, r.Kind, r.Code, want[i])
			}
		}
	})
	t.Run("the same letters make the same container, and sent twice each is delivered once", func(t *testing.T) {
		w := open(t)
		jobs := []dispatch.Job{w.job(w.Registered), w.job(w.Registered)}
		form := w.container(t, jobs)
		if again := w.container(t, jobs); again.SHA256 != form.SHA256 {
			t.Error("two containers differ")
		}
		taken(t, w.Containers.HandOverContainer(t.Context(), w.Tenant.ID, form))
		if o := w.Containers.HandOverContainer(t.Context(), w.Tenant.ID, form); o.Verdict != dispatch.Taken && o.Verdict != dispatch.Unknown {
			t.Errorf("the second time: %s %q", o.Verdict, o.Code)
		}
		for _, j := range jobs {
			if r := w.await(t, j); r.Kind != track.Delivered {
				t.Errorf("got %s %q", r.Kind, r.Code)
			}
		}
		for _, j := range jobs {
			if more := w.receipts(t, j); len(more) != 0 {
				t.Errorf("%d more receipts for one letter", len(more))
			}
		}
	})
	t.Run("a letter that went alone before is delivered once", func(t *testing.T) {
		w := open(t)
		jobs := []dispatch.Job{w.job(w.Registered), w.job(w.Registered)}
		taken(t, w.send(t, jobs[0]))
		w.await(t, jobs[0])
		if o := w.Containers.HandOverContainer(t.Context(), w.Tenant.ID, w.container(t, jobs)); o.Verdict != dispatch.Taken && o.Verdict != dispatch.Unknown {
			t.Fatalf("got %s %q", o.Verdict, o.Code)
		}
		w.await(t, jobs[1])
		if more := w.receipts(t, jobs[0]); len(more) != 0 {
			t.Errorf("%d more receipts for the letter that went alone", len(more))
		}
	})
	t.Run("what is no container is refused, and nothing of it is delivered", func(t *testing.T) {
		w := open(t)
		b := []byte("not a container")
		o := w.Containers.HandOverContainer(t.Context(), w.Tenant.ID, dispatch.Form{Size: int64(len(b)), SHA256: sha256.Sum256(b),
			Open: func() io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }})
		if o.Verdict != dispatch.RefusedContent || o.Code == "" {
			t.Errorf("got %s %q", o.Verdict, o.Code)
		}
	})
}

func (w World) container(t *testing.T, jobs []dispatch.Job) dispatch.Form {
	t.Helper()
	var b bytes.Buffer
	if err := w.Containers.RenderContainer(jobs, &b); err != nil {
		t.Fatal(err)
	}
	return dispatch.Form{Size: int64(b.Len()), SHA256: sha256.Sum256(b.Bytes()), Open: func() io.ReadCloser {
		return io.NopCloser(bytes.NewReader(b.Bytes()))
	}}
}
