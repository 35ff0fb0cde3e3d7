package sqlstore

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

func TestAPersonSeesWhereTheAnswerIsAndNothingOfMail(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		own := map[post.TenantID][]byte{"engdal": {1}}
		answered := addInquiry(t, s, post.InquiryAnswered, time.Now(), post.NewID())
		sentOn := addInquiry(t, s, post.InquiryForwarded, time.Now(), post.NewID())
		waiting := addInquiry(t, s, post.InquiryWaiting, time.Now(), post.NewID())
		for _, id := range []string{answered, sentOn} {
			l := addLetter(t, s, post.LetterReturned, time.Now(), "", post.NewID())
			mustExec(t, s, `UPDATE letter SET channel = 'physical' WHERE id = $1`, l)
			mustExec(t, s, `UPDATE inquiry SET letter = $1 WHERE id = $2`, l, id)
		}
		mustExec(t, s, `UPDATE inquiry SET road = 'digital-post' WHERE id = $1`, sentOn)
		for id, want := range map[string]post.LetterState{answered: post.LetterReturned, sentOn: "", waiting: ""} {
			q, err := s.OwnInquiry(t.Context(), id, own)
			if err != nil || q.Letter != want || (q.Channel == post.Physical) != (want != "") {
				t.Errorf("%s: %q on %q, %v, want %q", q.State, q.Letter, q.Channel, err, want)
			}
		}
		if all, err := s.OwnInquiries(t.Context(), own); err != nil || len(all) != 3 {
			t.Errorf("%d, %v", len(all), err)
		}
	})
}
