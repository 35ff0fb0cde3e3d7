package digitalpost_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"testing"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// pack returns the container of jobs as a form.
func (w *world) pack(t *testing.T, jobs []dispatch.Job) dispatch.Form {
	t.Helper()
	var b bytes.Buffer
	if err := w.client.RenderContainer(jobs, &b); err != nil {
		t.Fatal(err)
	}
	return dispatch.Form{Size: int64(b.Len()), SHA256: sha256.Sum256(b.Bytes()), Open: func() io.ReadCloser {
		return io.NopCloser(bytes.NewReader(b.Bytes()))
	}}
}

func TestAContainerIsTakenAsAWholeAndEachMessageGetsItsReceipt(t *testing.T) {
	w := newWorld(t, nil)
	var jobs []dispatch.Job
	for _, to := range []post.PartyRecord{w.Registered, w.Exempt, w.Registered} {
		jobs = append(jobs, w.job(to))
	}
	if o := w.client.HandOverContainer(t.Context(), w.tenant.ID, w.pack(t, jobs)); o.Verdict != dispatch.Taken || o.Transmission == "" {
		t.Fatalf("got %+v", o)
	}
	got := map[string]track.Kind{}
	all, err := w.client.Waiting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		got[r.MessageID] = r.Kind
	}
	if len(all) != 3 || got[jobs[0].MessageID] != track.Delivered || got[jobs[1].MessageID] != track.RefusedRecipient || got[jobs[2].MessageID] != track.Delivered {
		t.Errorf("got %v", got)
	}
}

func TestAContainerWhoseAnswerWasLostIsSentAgain(t *testing.T) {
	w := newWorld(t, nil)
	jobs := []dispatch.Job{w.job(w.Registered), w.job(w.Registered), w.job(w.Registered)}
	w.send(t, jobs[1]) // one of them has gone alone before
	form := w.pack(t, jobs)
	w.sim.SetFaults(digitalposttest.Faults{DropReplies: 1})
	if o := w.client.HandOverContainer(t.Context(), w.tenant.ID, form); o.Verdict != dispatch.Unknown {
		t.Fatalf("got %+v", o)
	}
	if again := w.pack(t, jobs); again.SHA256 != form.SHA256 {
		t.Error("the same jobs make another container")
	}
	if o := w.client.HandOverContainer(t.Context(), w.tenant.ID, form); o.Verdict != dispatch.Taken {
		t.Fatalf("got %+v", o)
	}
	if s := w.sim.Stats(); s.Accepted != 3 || s.Differing != 0 || len(w.sim.Box(w.Registered.ID)) != 3 {
		t.Errorf("got %+v, %d in the box", s, len(w.sim.Box(w.Registered.ID)))
	}
}

func TestAContainerThatBreaksTakesNothing(t *testing.T) {
	w := newWorld(t, nil)
	form := w.pack(t, []dispatch.Job{w.job(w.Registered)})
	whole, err := io.ReadAll(form.Open())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		bytes []byte
		want  dispatch.Verdict
	}{"garbage": {[]byte("not a container"), dispatch.RefusedContent}, "half": {whole[:len(whole)/2], dispatch.RefusedContent}} {
		f := dispatch.Form{Size: int64(len(c.bytes)), Open: func() io.ReadCloser { return io.NopCloser(bytes.NewReader(c.bytes)) }}
		if o := w.client.HandOverContainer(t.Context(), w.tenant.ID, f); o.Verdict != c.want {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if n := w.sim.Stats().Accepted; n != 0 {
		t.Errorf("%d were taken", n)
	}
	bad := w.job(w.Registered)
	bad.Label = ""
	if err := w.client.RenderContainer([]dispatch.Job{bad}, io.Discard); !errors.Is(err, post.ErrPermanent) || !errors.Is(err, post.FaultMemoInvalid) {
		t.Errorf("got %v", err)
	}
}
