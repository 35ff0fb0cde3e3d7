package printhouse_test

import (
	"fmt"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

func TestAnEventIsReadAgainUnderItsOwnName(t *testing.T) {
	w := newWorld(t, nil)
	job := post.NewID()
	text := fmt.Sprintf(`{"event_id":"e-1","job_id":%q,"kind":"posted","at":"2026-11-22T09:00:00Z"}`, job)
	for _, c := range []struct {
		name, event, raw string
		want             track.Kind
	}{
		{"readable by now", "e-1~00112233", text, track.Posted},
		{"an event of another name", "e-2~00112233", text, track.Unreadable},
		{"half of it", "e-1~00112233", text[:40], track.Unreadable},
	} {
		old := track.Receipt{Carrier: w.house.Carrier(), EventID: c.event, Kind: track.Unreadable, Raw: []byte(c.raw)}
		now, err := w.house.Reread(t.Context(), old)
		if err != nil || now.Kind != c.want || c.want == track.Posted && now.MessageID != job {
			t.Errorf("%s: %+v, %v", c.name, now, err)
		}
	}
}
