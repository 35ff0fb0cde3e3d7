package sqlstore

import "testing"

// TestTheNextLettersOfABatchAreFoundWithoutReadingWhatOthersHandedOver: neither on a
// connection that planned it when hardly any letter had been handed over, nor after.
func TestTheNextLettersOfABatchAreFoundWithoutReadingWhatOthersHandedOver(t *testing.T) {
	v := newVolume(t)
	if v == nil {
		return
	}
	v.live(20)
	v.must(v.exec(`ALTER TABLE letter SET (autovacuum_enabled = off)`), v.exec(`ALTER TABLE hand_over SET (autovacuum_enabled = off)`))
	id := v.approved(2000)
	v.must(v.exec(`ANALYZE letter`), v.exec(`ANALYZE hand_over`))
	release := func() {
		_, err := v.s.ApproveBatch(v.Context(), "", id, "", 100)
		v.must(err)
	}
	release() // is planned
	few, was := v.count(release)
	v.must(v.exec(`INSERT INTO hand_over (message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts)
		SELECT 'other ' || id, id, 'other', 1, 0, 1, digest, 1 FROM letter`))
	many, from := v.count(release)
	if many > few*3/2 {
		t.Errorf("%d rows and entries were read for 100 letters, and %d for 100 with 2,000 hand-overs beside them:\n%v\n%v", few, many, was, from)
	}
}
