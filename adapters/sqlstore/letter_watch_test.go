package sqlstore

import (
	"slices"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

func TestWaitingAndTimedLettersAreCountedInGroups(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		first, second := longAgo.Truncate(time.Microsecond).UTC(), longAgo.Add(time.Hour).Truncate(time.Microsecond).UTC()
		addLetter(t, s, post.LetterNeedsPerson, second, "", post.NewID())
		addLetter(t, s, post.LetterNeedsPerson, first, "", post.NewID())
		addLetter(t, s, post.LetterReturned, second, "", post.NewID())
		var timed []string
		for _, state := range []post.LetterState{post.LetterReady, post.LetterReady, post.LetterPosted, post.LetterDelivered, post.LetterPurged} {
			timed = append(timed, addLetter(t, s, state, second, "", post.NewID()))
		}
		for i, day := range []string{"2026-12-28", "2026-12-28", "2026-12-01", "2026-12-01", "2026-12-01"} {
			mustExec(t, s, `UPDATE letter SET arrive = $1 WHERE id = $2`, day, timed[i])
		}
		mustExec(t, s, `UPDATE letter SET channel = 'physical' WHERE id = $1`, timed[2])
		got, err := s.WaitingGroups(t.Context())
		want := []letter.Group{
			{Tenant: "engdal", State: post.LetterNeedsPerson, Count: 2, Oldest: first},
			{Tenant: "engdal", State: post.LetterReturned, Count: 1, Oldest: second},
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("waiting: %+v, %v", got, err)
		}
		got, err = s.TimedGroups(t.Context())
		want = []letter.Group{
			{Tenant: "engdal", State: post.LetterPosted, Channel: post.Physical, Arrive: "2026-12-01", Count: 1, Oldest: second},
			{Tenant: "engdal", State: post.LetterReady, Arrive: "2026-12-28", Count: 2, Oldest: second},
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("with a day: %+v, %v", got, err)
		}
	})
}
