// Package suite holds every store of letters to the contract that dispatch,
// track, letter and queue rely on: compare-and-swap on (state, version), leases
// with fencing tokens, one job for each letter, an inbox of receipts.
//
// [Run] states each rule by itself. [SideBySide] makes the same random calls on
// two stores and wants the same answers, so that what no rule thought of is
// compared too.
package suite

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// Store is all that the outbound room asks of its store.
type Store interface {
	letter.Store
	letter.Records
	dispatch.Store
	track.Envelopes
	track.Drawer
	queue.Jobs
	letter.Pauses
	batch.Store
}

const tenant = post.TenantID("engdal")

// Run holds the store that fresh opens, empty, to every rule.
func Run(t *testing.T, fresh func(t *testing.T) Store) {
	for name, rule := range map[string]func(*testing.T, *bench){
		"a key names one letter":                                   aKeyNamesOneLetter,
		"a wish for registered post is kept":                       aWishForRegisteredPostIsKept,
		"one lease at a time":                                      oneLeaseAtATime,
		"a former holder changes nothing":                          aFormerHolderChangesNothing,
		"a fence is never given twice":                             aFenceIsNeverGivenTwice,
		"a move from another state or version changes nothing":     aStaleMoveChangesNothing,
		"a move keeps its job, frees its lease, or ends both":      aMoveKeepsItsJob,
		"an intent is kept as it was first committed":              anIntentIsKept,
		"doubt, once there, stays":                                 doubtStays,
		"what is spared is counted apart":                          theSparedAreCounted,
		"no intent on a channel that is paused":                    noIntentOnAPausedChannel,
		"no intent of a batch that is paused or stopped":           noIntentOfAHaltedBatch,
		"nobody waits for the end of a halt that was lifted":       nobodyWaitsForWhatIsOver,
		"a stop cancels what nobody may have, and no more":         aStopCancelsWhatNobodyHas,
		"a canary goes alone":                                      aCanaryGoesAlone,
		"waiting changes the code and nothing else":                waitingChangesTheCode,
		"a due job rings once in a quiet time, unless it is held":  aDueJobRingsOnce,
		"many are leased at once, lane by lane, none twice":        manyAreLeasedAtOnce,
		"a letter takes the time of a receipt that is believed":    aLetterTakesTheTimeThatIsBelieved,
		"neither another lane nor another tenant starves":          nobodyStarves,
		"what is kept back comes behind what can go":               whatIsKeptBackComesBehind,
		"unsure answers are counted for each state":                unsureAnswersAreCounted,
		"a receipt is kept once and settled once":                  aReceiptIsKeptOnce,
		"receipts wait in the carrier's order":                     receiptsWaitInTheCarriersOrder,
		"a receipt walks its path or changes nothing":              aReceiptWalksItsPath,
		"in a group the stale are left and the others applied":     aGroupLeavesTheStale,
		"a group keeps its receipts, however many":                 aGroupIsKept,
		"receipts that cannot be settled stand in nobody's way":    theUnsettledStandInNobodysWay,
		"a receipt that came before its intent is matched again":   anEarlyReceiptIsMatchedAgain,
		"parked receipts are listed, and dealt with once":          parkedReceiptsAreDealtWithOnce,
		"an envelope is found by each of its codes":                anEnvelopeIsFound,
		"a refusal by receipt ends every doubt":                    aRefusalEndsDoubt,
		"a letter of another tenant is not found":                  anotherTenantsLetterIsNotFound,
		"a decision moves the letter and its job, or nothing":      aDecisionMovesTheLetter,
		"each move has its entry; accepted is the sum over states": eachMoveHasItsEntry,
	} {
		t.Run(name, func(t *testing.T) { rule(t, &bench{t, fresh(t)}) })
	}
}

// bench is a store under test with short ways to use it.
type bench struct {
	*testing.T
	s Store
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) stale(err error) {
	b.Helper()
	if !errors.Is(err, post.ErrStale) {
		b.Fatalf("got %v, want stale", err)
	}
}

func (b *bench) accept() post.LetterID {
	b.Helper()
	a := accepted(post.NewID(), post.NewID(), post.NewReference())
	_, fresh, err := b.s.AcceptLetter(b.Context(), a)
	b.must(err)
	if !fresh {
		b.Fatal("a new key was known")
	}
	return a.ID
}

func accepted(id, key, reference string) letter.Accepted {
	sum := sha256.Sum256([]byte(id))
	return letter.Accepted{ID: post.LetterID(id), Reference: reference, Tenant: tenant, Client: "case-system", Key: []byte(key),
		Digest: sum[:], Recipient: []byte("sealed recipient"), Content: []byte("sealed content"),
		Documents: []letter.Sealed{{Object: seal.Object{Header: []byte("header"), Blob: "blob-" + id, SHA256: sum[:], Size: 12}, Clear: 10}}}
}

func (b *bench) lease(id post.LetterID, d time.Duration) queue.Lease {
	b.Helper()
	l, ok, err := b.s.Lease(b.Context(), queue.AdvanceLetter, string(id), d)
	b.must(err)
	if !ok {
		b.Fatal("no lease")
	}
	return l
}

func (b *bench) noLease(id post.LetterID) {
	b.Helper()
	if _, ok, err := b.s.Lease(b.Context(), queue.AdvanceLetter, string(id), time.Hour); err != nil || ok {
		b.Fatalf("lease given: %v, %v", ok, err)
	}
}

func (b *bench) read(l queue.Lease) dispatch.Record {
	b.Helper()
	r, err := b.s.LetterForStep(b.Context(), l)
	b.must(err)
	return r
}

// to makes the move of r that l's holder asks for; due at once.
func to(r dispatch.Record, st post.LetterState, change ...func(*dispatch.Move)) dispatch.Move {
	m := dispatch.Move{Letter: r.ID, Tenant: r.Tenant, Batch: r.Batch, From: r.State, Version: r.Version, To: st, Channel: r.Channel, Generation: r.Generation, Due: past()}
	for _, f := range change {
		f(&m)
	}
	return m
}

func (b *bench) move(l queue.Lease, st post.LetterState, change ...func(*dispatch.Move)) dispatch.Record {
	b.Helper()
	b.must(b.s.MoveLetter(b.Context(), l, to(b.read(l), st, change...)))
	return b.read(l)
}

// handingOver brings a new letter to its first hand-over on ch.
func (b *bench) handingOver(ch post.Channel) (queue.Lease, dispatch.Record) {
	b.Helper()
	l := b.lease(b.accept(), time.Hour)
	b.move(l, post.LetterReady)
	b.move(l, post.LetterSigned, func(m *dispatch.Move) { m.Manifest = []byte("manifest") })
	b.move(l, post.LetterRouted, func(m *dispatch.Move) { m.Channel, m.Generation = ch, 1 })
	return l, b.move(l, post.LetterHandingOver, func(m *dispatch.Move) { m.Intent = intent(*m, 1); m.MessageID = m.Intent.MessageID })
}

var intentTime = time.Unix(1_790_000_000, 0).UTC()

func intent(m dispatch.Move, attempts int) *dispatch.Intent {
	return &dispatch.Intent{MessageID: post.DerivedID(m.Letter, m.Channel, m.Generation), Carrier: post.KombiPost, CreatedAt: intentTime,
		Size: 7, SHA256: sha256.Sum256([]byte("form")), Attempts: attempts}
}

func past() time.Time   { return time.Now().Add(-time.Minute) }
func future() time.Time { return time.Now().Add(time.Hour) }

func aReceipt(r dispatch.Record, event string, kind track.Kind) track.Receipt {
	return track.Receipt{Carrier: "carrier", EventID: event, MessageID: post.DerivedID(r.ID, r.Channel, r.Generation), Kind: kind,
		At: time.Unix(1_790_000_100, 0).UTC(), Raw: []byte("raw")}
}

func (b *bench) keep(rs ...track.Receipt) {
	b.Helper()
	b.must(b.s.KeepReceipts(b.Context(), rs))
}

func (b *bench) waiting() []track.Receipt {
	b.Helper()
	rs, err := b.s.WaitingReceipts(b.Context(), 100)
	b.must(err)
	return rs
}

func (b *bench) standing(r track.Receipt) track.Standing {
	b.Helper()
	all, err := b.s.ReceiptStandings(b.Context(), []string{r.MessageID})
	b.must(err)
	st, ok := all[r.MessageID]
	if !ok || len(all) != 1 {
		b.Fatalf("standings: %+v", all)
	}
	return st
}

// settle wants all to be applied, or to be settled already.
func (b *bench) settle(all ...track.Settlement) {
	b.Helper()
	stale, err := b.s.SettleReceipts(b.Context(), all)
	b.must(err)
	if len(stale) > 0 {
		b.Fatalf("stale: %+v", stale)
	}
}

func (b *bench) view(id post.LetterID) letter.View {
	b.Helper()
	v, err := b.s.LetterView(context.WithoutCancel(b.Context()), "", id)
	b.must(err)
	return v
}

func (b *bench) rings(quiet time.Duration) string {
	b.Helper()
	rs, err := b.s.Due(b.Context(), queue.AdvanceLetter, 100, quiet)
	b.must(err)
	return fmt.Sprint(rs)
}
