package account

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// eventPrefix begins the kind of each event that moves a letter.
const eventPrefix = "letter."

// events holds the letter's moves against its ledger entries. The order of
// entries is not relied on: two machines may disagree about the time.
func (k *check) events(d Dossier) {
	seen := map[post.LetterState]bool{}
	accepted := 0
	for _, e := range d.Events {
		k.r.Events++
		state := post.LetterState(strings.TrimPrefix(e.Kind, eventPrefix))
		seen[state] = true
		if state == post.LetterAccepted {
			accepted++
			seen[post.LetterState(e.Outcome)] = true // a line of a batch begins as held
		}
		if e.Tenant != d.Tenant {
			k.fault("events", string(d.ID), "an event names municipality %q, the letter %q", e.Tenant, d.Tenant)
		}
	}
	if accepted != 1 {
		k.fault("events", string(d.ID), "the ledger says %d times that it was accepted", accepted)
	}
	if int64(len(d.Events)) != d.Version {
		k.fault("events", string(d.ID), "it moved to version %d, and the ledger has %d events", d.Version, len(d.Events))
	}
	if !seen[d.State] {
		k.fault("events", string(d.ID), "it is %s, and no event says so", d.State)
	}
	for state := range seen {
		if state != post.LetterAccepted && state != post.LetterHeld && !reachable(state, seen) {
			k.fault("events", string(d.ID), "it came to %s, and nothing that was recorded leads there", state)
		}
	}
}

func reachable(to post.LetterState, seen map[post.LetterState]bool) bool {
	for from := range seen {
		if from.May(to, post.Digital) || from.May(to, post.Physical) {
			return true
		}
	}
	return false
}

// decisions counts the events by which a person decided that d goes on a road.
func decisions(d Dossier, decision string) int {
	n := 0
	for _, e := range d.Events {
		if e.Kind == eventPrefix+string(post.LetterRouted) && strings.HasSuffix(e.Outcome, "decided: "+decision) {
			n++
		}
	}
	return n
}

// generations returns those that a person began: by sending again what came back,
// or by another try of what its carrier had taken and then refused.
func generations(d Dossier) map[int]bool {
	decided := map[int]bool{}
	for _, e := range d.Events {
		place, why, _ := strings.Cut(e.Outcome, " ")
		_, g, _ := strings.Cut(place, "/")
		if n, err := strconv.Atoi(g); err == nil && e.Kind == eventPrefix+string(post.LetterRouted) && (why == "decided: reissue" || why == "decided: retry") {
			decided[n] = true
		}
	}
	return decided
}

// handOvers holds every intent of a letter against the rules that make it once,
// and against what the carriers hold.
func (k *check) handOvers(d Dossier) {
	channels := map[int]map[post.Channel]bool{} // by generation, where it may be delivered
	for _, h := range d.HandOvers {
		k.r.HandOvers++
		if h.MessageID != post.DerivedID(d.ID, h.Channel, h.Generation) {
			k.fault("ids", string(d.ID), "hand-over %s does not bear the id of %s, generation %d", h.MessageID, h.Channel, h.Generation)
		}
		held, known := k.carried(h)
		if h.Taken && known && held == 0 && !h.elsewhere() {
			k.fault("lost", string(d.ID), "the %s carrier took %s and does not hold it", h.Channel, h.MessageID)
		}
		if held > 1 {
			k.fault("twice", string(d.ID), "the %s carrier holds %s %d times", h.Channel, h.MessageID, held)
		}
		if !h.refused() && h.Taken {
			k.rests(d, h)
		}
		if !h.refused() && (h.Taken || held > 0) {
			if channels[h.Generation] == nil {
				channels[h.Generation] = map[post.Channel]bool{}
			}
			channels[h.Generation][h.Channel] = true
		}
	}
	k.intents(d)
	prints := decisions(d, "print")
	for generation, chs := range channels {
		if len(chs) < 2 {
			continue
		}
		if prints--; prints < 0 {
			k.fault("both-channels", string(d.ID), "generation %d was taken on paper and digitally, and nobody decided that", generation)
		}
	}
	if again := len(channels) - 1; again > decisions(d, "reissue") {
		k.fault("twice", string(d.ID), "it was taken in %d generations, and %d were decided", len(channels), decisions(d, "reissue")+1)
	}
	decided := generations(d)
	for g := 2; g <= d.Generation; g++ {
		if !decided[g] {
			k.fault("generation", string(d.ID), "generation %d was not decided by anybody", g)
		}
	}
}

type event = ledger.Event

// at reports whether e is about the hand-over on channel/generation.
func at(e event, place string) bool {
	return e.Outcome == place || strings.HasPrefix(e.Outcome, place+" ")
}

// intents holds hand-overs against the entries by which they were begun, and the
// reverse: nothing went out that the ledger does not know of.
func (k *check) intents(d Dossier) {
	begun := map[string]bool{}
	for _, e := range d.Events {
		if e.Kind == eventPrefix+string(post.LetterHandingOver) {
			place, _, _ := strings.Cut(e.Outcome, " ")
			begun[place] = true
		}
	}
	for _, h := range d.HandOvers {
		place := fmt.Sprintf("%s/%d", h.Channel, h.Generation)
		if !begun[place] {
			k.fault("hand-over", string(d.ID), "hand-over %s (%s) has no entry in the ledger", h.MessageID, place)
		}
		delete(begun, place)
	}
	for place := range begun {
		k.fault("hand-over", string(d.ID), "the ledger says that it was handed over (%s), and there is no hand-over", place)
	}
}

// carried says how often the carrier holds a hand-over, and whether that is
// known, and ticks it off.
func (k *check) carried(h HandOver) (n int, known bool) {
	held, known := k.held[h.Channel]
	n = held[h.MessageID]
	delete(held, h.MessageID)
	return n, known
}

// blob reads a sealed document and compares its digest.
func (k *check) blob(ctx context.Context, d Dossier, b Blob) error {
	k.r.Blobs++
	rc, err := k.Blobs.Get(ctx, b.Name)
	if errors.Is(err, post.ErrNotFound) {
		k.missed[b.Name] = true
		k.fault("blob", string(d.ID), "its document %s is gone", b.Name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read blob %s: %w", b.Name, err)
	}
	defer rc.Close()
	h := sha256.New()
	n, err := io.Copy(h, rc)
	if err != nil {
		return fmt.Errorf("read blob %s: %w", b.Name, err)
	}
	if n != b.Size || !bytes.Equal(h.Sum(nil), b.SHA256) {
		k.fault("blob", string(d.ID), "its document %s was changed", b.Name)
	}
	return nil
}
