package memstore

import (
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// Asleep returns the letters that were put off until after now by a halt that does not
// stand, and that nobody has in hand: whoever lifted it should have woken them, or they
// should not have been put off.
func (db *DB) Asleep(now time.Time) (all []post.LetterID) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for id, r := range db.letters {
		j := db.jobs[jobOf(id)]
		if j == nil || !j.lease.IsZero() || !j.due.After(now) {
			continue
		}
		h := dispatch.Halt{Tenant: r.Tenant, Channel: r.channel}
		if r.code == batch.CodeHeld {
			h = dispatch.Halt{Batch: r.batch}
		}
		if (r.code == "paused" || r.code == batch.CodeHeld) && !db.stands(h) {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return all
}
