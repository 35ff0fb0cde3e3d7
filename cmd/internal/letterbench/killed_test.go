//go:build linux

package letterbench

import (
	"syscall"
	"testing"
	"time"
)

// job is a letter in somebody's hands.
type job struct {
	id    string
	fence int64
}

// held returns the letters that a dispatcher has in hand.
func (h *house) held() map[job]bool {
	rows, err := h.db.Query(`SELECT id, fence FROM job WHERE kind = 'letter.advance' AND lease_until > 0`)
	h.must(err)
	defer rows.Close()
	all := map[job]bool{}
	for rows.Next() {
		var j job
		h.must(rows.Scan(&j.id, &j.fence))
		all[j] = true
	}
	h.must(rows.Err())
	return all
}

// afterKill kills one of two dispatchers with letters in hand and measures, with
// the timings of production, how long the last of them waits until it goes on.
// The other stands still until then, so that whatever is in hand is of the one that
// is killed. Every letter has to be delivered in the end.
func afterKill(b *testing.B) {
	h := newHouse(b, rsaKey, 0, 2)
	h.send("warm", "letter", 20)
	h.must(h.process["dispatcher-2"].Signal(syscall.SIGSTOP))
	batch := h.take("killed", "letter", min(*letters, 400))
	h.until(time.Minute, "letters in hand", func() bool { return len(h.held()) > 4 })
	h.must(h.process["dispatcher"].Signal(syscall.SIGKILL))
	killed, inHand := time.Now(), h.held()
	h.must(h.process["dispatcher-2"].Signal(syscall.SIGCONT))
	if len(inHand) == 0 {
		b.Fatal("nothing was in hand: nothing was measured")
	}
	h.until(2*time.Minute, "letters of a killed dispatcher to go on", func() bool {
		still := h.held()
		for j := range inHand {
			if still[j] {
				return false
			}
		}
		return true
	})
	took := time.Since(killed)
	h.until(10*time.Minute, "the letters", func() bool { return h.left(batch) == 0 })
	b.Run("letters:_until_those_of_a_killed_worker_go_on", func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(took.Seconds(), "s")
		b.ReportMetric(15, "at-most")
	})
}
