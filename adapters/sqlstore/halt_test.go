package sqlstore_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// intentOf begins the hand-over of a letter that was read when nothing was halted.
func intentOf(r dispatch.Record) dispatch.Move {
	m := moveTo(r, post.LetterHandingOver)
	m.Through = []dispatch.Passage{{State: post.LetterReady}, {State: post.LetterSigned}, {State: post.LetterRouted, Channel: post.Digital, Generation: 1}}
	m.Channel, m.Generation, m.Manifest = post.Digital, 1, []byte("manifest")
	m.MessageID = post.DerivedID(r.ID, post.Digital, 1)
	m.Intent = &dispatch.Intent{MessageID: m.MessageID, Carrier: post.DigitalPost, CreatedAt: time.Unix(1_790_000_000, 0).UTC(), Size: 1,
		SHA256: sha256.Sum256([]byte("form")), Attempts: 1}
	return m
}

// Whoever pauses while an intent is on its way to its commit is answered after it,
// and sees it among what is being handed over.
func TestAPauseIsAnsweredWhenNoIntentThatHasNotSeenItIsUnderWay(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		t := c.T
		ls, rs := c.leased(3)
		committing, let := make(chan struct{}), make(chan struct{})
		c.s.OnCommit(func(tx *sql.Tx) error {
			close(committing)
			<-let
			return tx.Commit()
		})
		answered := make(chan error, 1)
		var seen string
		go func() {
			<-committing
			err := c.s.PauseChannel(context.WithoutCancel(c.Context()), letter.Pause{Channel: post.Digital, Actor: "anne"})
			seen = c.seen(rs[0].ID)
			answered <- err
		}()
		go func() {
			<-committing
			select {
			case <-answered:
				t.Error("a pause was answered while an intent that had not seen it was being committed")
				answered <- nil
			case <-time.After(80 * time.Millisecond):
			}
			close(let)
		}()
		if errs := c.together(c.mover(ls[0], intentOf(rs[0])), c.mover(ls[1], intentOf(rs[1]))); errs[0] != nil || errs[1] != nil {
			t.Fatal(errs)
		}
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		if seen != "handing-over 1" {
			t.Errorf("whoever paused was shown %s", seen)
		}
		c.s.OnCommit(nil)
		if err := c.s.MoveLetter(t.Context(), ls[2], intentOf(rs[2])); !errors.Is(err, dispatch.ErrRoadHalted) {
			t.Errorf("an intent after it: %v", err)
		}
		c.want(rs[2].ID, "accepted 1")
	})
}

// Many begin and one pauses: what is being handed over when it was answered is all
// that ever is.
func TestAfterAPauseWasAnsweredNoHandOverBegins(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		t := c.T
		const many = 96
		ls, rs := c.leased(many)
		begun := func() (n int) {
			all, err := c.s.LetterList(t.Context(), letter.Filter{State: post.LetterHandingOver, Limit: 1000})
			if err != nil {
				t.Error(err)
			}
			return len(all)
		}
		errs := make([]error, many)
		var all sync.WaitGroup
		start, some := make(chan struct{}), make(chan struct{}, many)
		for i := range many {
			all.Go(func() {
				<-start
				for n := 0; n < i/24; n++ { // they come in waves
					<-some
				}
				errs[i] = c.s.MoveLetter(t.Context(), ls[i], intentOf(rs[i]))
				for range 4 {
					select {
					case some <- struct{}{}:
					default:
					}
				}
			})
		}
		close(start)
		<-some
		if err := c.s.PauseChannel(t.Context(), letter.Pause{Actor: "anne"}); err != nil {
			t.Fatal(err)
		}
		answered := begun()
		for done := make(chan struct{}); ; {
			go func() { all.Wait(); close(done) }()
			for {
				select {
				case some <- struct{}{}:
					continue
				case <-done:
				}
				break
			}
			break
		}
		went := 0
		for i, err := range errs {
			switch {
			case err == nil:
				went++
			case errors.Is(err, dispatch.ErrRoadHalted):
				c.want(rs[i].ID, "accepted 1")
			default:
				t.Error(err)
			}
		}
		if after := begun(); after != answered || after != went {
			t.Errorf("%d hand-overs when the pause was answered, %d later, %d were told that they may", answered, after, went)
		}
		t.Logf("%d of %d began before the pause", went, many)
	})
}
