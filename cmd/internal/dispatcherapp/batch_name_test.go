package dispatcherapp

import (
	"sync"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// TestACarrierIsToldWhichBatchALetterCameIn: each time that its form is written,
// and a letter by itself came in none.
func TestACarrierIsToldWhichBatchALetterCameIn(t *testing.T) {
	t.Parallel()
	for _, policy := range []post.SigningPolicy{post.SignEach, post.SignBatch} {
		h := newHouse(t)
		var mu sync.Mutex
		told := map[post.LetterID]map[post.BatchID]bool{}
		h.digital.renderer = func(j dispatch.Job) string {
			mu.Lock()
			defer mu.Unlock()
			if told[j.Letter] == nil {
				told[j.Letter] = map[post.BatchID]bool{}
			}
			told[j.Letter][j.Batch] = true
			return ""
		}
		id := h.closed("b", 2, batch.Options{Policy: policy})
		h.approve(id)
		if err := h.signBatches(h.signer); err != nil {
			t.Fatal(err)
		}
		h.release()
		all := append(h.letters(id), h.submit("alone"))
		for i, l := range all {
			h.advance(l)
			h.want(l, post.LetterHandedOver)
			want := id
			if i == len(all)-1 {
				want = ""
			}
			if got := told[l]; len(got) != 1 || !got[want] {
				t.Errorf("%s: letter %d was told to be of %v", policy, i, got)
			}
		}
	}
}
