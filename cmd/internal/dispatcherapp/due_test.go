package dispatcherapp

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// mortal is a process with many letters in hand: at its n-th call to the store it
// dies, before that call or after it, and from then on reaches nothing.
type mortal struct {
	dispatch.Store
	left  atomic.Int64
	after bool
}

func (m *mortal) call(f func() error) error {
	left := m.left.Add(-1)
	if left < 0 || left == 0 && !m.after {
		return errDead
	}
	if err := f(); err != nil || left > 0 {
		return err
	}
	return errDead
}

func (m *mortal) LeaseDue(ctx context.Context, c queue.Claim) (ls []queue.Lease, err error) {
	err = m.call(func() (err error) { ls, err = m.Store.LeaseDue(ctx, c); return err })
	return ls, err
}

func (m *mortal) LetterForStep(ctx context.Context, l queue.Lease) (r dispatch.Record, err error) {
	err = m.call(func() (err error) { r, err = m.Store.LetterForStep(ctx, l); return err })
	return r, err
}

func (m *mortal) MoveLetter(ctx context.Context, l queue.Lease, mv dispatch.Move) error {
	return m.call(func() error { return m.Store.MoveLetter(ctx, l, mv) })
}

func (m *mortal) WaitLetter(ctx context.Context, l queue.Lease, w dispatch.Wait) error {
	return m.call(func() error { return m.Store.WaitLetter(ctx, l, w) })
}

func TestTwoProcessesTakeAllThatIsDueAndEachLetterGoesOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var ids []post.LetterID
	for i := range 90 {
		ids = append(ids, h.submit(fmt.Sprint("k", i)))
	}
	done := make(chan error)
	for range 2 {
		a := h.advancer(h.store)
		for _, id := range []post.LetterID{ids[0], ids[50]} { // two rings at each
			go func() { done <- a.AdvanceDue(t.Context(), id) }()
		}
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, id := range ids {
		h.want(id, post.LetterHandedOver)
		if n := h.digital.count(id) + h.paper.count(id); n != 1 {
			t.Errorf("letter %s went out %d times", id, n)
		}
	}
	if h.digital.calls != len(ids) {
		t.Errorf("%d hand-overs of %d letters", h.digital.calls, len(ids))
	}
	h.conserved()
}

func TestACrashWithManyInHandDeliversEachOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for n := int64(1); n < 50; n += 7 {
		for _, after := range []bool{false, true} {
			var ids []post.LetterID
			for i := range 6 {
				ids = append(ids, h.submit(fmt.Sprint(n, after, i)))
			}
			m := &mortal{Store: h.store, after: after}
			m.left.Store(n)
			_ = h.advancer(m).AdvanceDue(t.Context(), ids[3])
			for range 5 { // whoever comes after
				if _, err := h.raw.Exec(`UPDATE job SET lease_until = 0, due_at = 0 WHERE id IN (SELECT id FROM letter WHERE state <> 'handed-over')`); err != nil {
					t.Fatal(err)
				}
				if err := h.advancer(h.store).AdvanceDue(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
			}
			for _, id := range ids {
				h.want(id, post.LetterHandedOver)
				if sum := h.digital.count(id) + h.paper.count(id); sum != 1 {
					t.Fatalf("crash at call %d (after it: %v): letter %s went out %d times", n, after, id, sum)
				}
			}
		}
	}
	h.conserved()
}

func TestAnUrgentSingleLetterOvertakes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range 5 {
		h.submit(fmt.Sprint("k", i))
	}
	s := submission("breach")
	s.Urgent = true
	r, err := h.desk.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	ls, err := h.store.LeaseDue(t.Context(), queue.Claim{Kind: queue.AdvanceLetter, N: 2, For: time.Minute})
	if err != nil || len(ls) != 2 || ls[0].ID != string(r.ID) {
		t.Fatalf("%v, %v, want %s first", ls, err, r.ID)
	}
	// It keeps its lane when its job ends and a person lets it go on.
	if _, err := h.raw.Exec(`UPDATE letter SET state = 'needs-person' WHERE id = $1`, string(r.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.raw.Exec(`DELETE FROM job WHERE id = $1`, string(r.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.store.DecideLetter(t.Context(), letter.Decided{Letter: r.ID, Actor: "person", Decision: letter.Retry}); err != nil {
		t.Fatal(err)
	}
	if ls, err = h.store.LeaseDue(t.Context(), queue.Claim{Kind: queue.AdvanceLetter, N: 1, For: time.Minute}); err != nil || len(ls) != 1 || ls[0].ID != string(r.ID) {
		t.Fatalf("after a person's decision: %v, %v", ls, err)
	}
}
