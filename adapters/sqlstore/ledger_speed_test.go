package sqlstore

import (
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/ratio"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// tell writes what a cost is per piece, for the record: the ratio says nothing of it.
func tell(what, engine string, pieces int, m ratio.Measured) {
	fmt.Fprintf(os.Stderr, "%s (%s): %.1f µs of CPU, beside it %.1f µs\n", what, engine,
		float64(m.Subject.Nanoseconds())/1000/float64(pieces), float64(m.Base.Nanoseconds())/1000/float64(pieces))
}

// BenchmarkLedgerEvent tells what an event costs: made and committed to, written
// with the change it describes, given its place in the log, and published.
func BenchmarkLedgerEvent(b *testing.B) {
	const events = 400 // of 50 letters or so
	s, engine := speedStore(b)
	signer, _, err := newSigner()
	if err != nil {
		b.Fatal(err)
	}
	g, err := ledger.NewIntegrator(ledger.Config{Store: s, Dir: b.TempDir(), Signer: signer, Origin: signer.Name(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	made := func() (all []ledger.Event) {
		for range events {
			e := ledger.New("letter.handed-over", "engdal", post.NewID())
			e.Actor, e.Outcome = "dispatcher", "digital/1"
			all = append(all, e)
		}
		return all
	}
	commit := func() {
		for _, e := range made() {
			if _, err := ledger.Commit(e); err != nil {
				b.Fatal(err)
			}
		}
	}
	write := func() {
		if err := s.tx(b.Context(), func(tx *sql.Tx) error { return s.recordAll(b.Context(), tx, made()) }); err != nil {
			b.Fatal(err)
		}
	}
	place := func() {
		if _, err := g.Step(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	for range b.N {
		tell("ledger: an event written, beside made and committed to", engine, events, ratio.Cost(21, 1, write, commit))
		place() // what is there already is not measured
		tell("ledger: an event placed and published, beside written", engine, events, ratio.Cost(21, 1, func() { write(); place() }, write))
	}
}

func newSigner() (note.Signer, string, error) {
	skey, vkey, err := ledger.GenerateCheckpointKey("log.test")
	if err != nil {
		return nil, "", err
	}
	signer, err := note.NewSigner(skey)
	return signer, vkey, err
}

// BenchmarkReceipts tells what a receipt costs in the database when its carrier
// speaks of letters that the house does not know: kept, and settled, a hundred at
// a time and one by one.
func BenchmarkReceipts(b *testing.B) {
	const n = 100
	s, engine := speedStore(b)
	made := func() (rs []track.Receipt) {
		for range n {
			rs = append(rs, track.Receipt{Carrier: "digitalpost", EventID: post.NewID(), MessageID: post.NewID(), Kind: track.Delivered, At: time.Now(), Raw: make([]byte, 400)})
		}
		return rs
	}
	pass := func(group int) func() {
		return func() {
			for rs := made(); len(rs) > 0; rs = rs[group:] {
				some := rs[:group]
				if err := s.KeepReceipts(b.Context(), some); err != nil {
					b.Fatal(err)
				}
				var all []track.Settlement
				for _, r := range some {
					all = append(all, track.Settlement{Receipt: r, Verdict: track.Parked, Reason: "unknown-hand-over"})
				}
				if _, err := s.SettleReceipts(b.Context(), all); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	for range b.N {
		tell("receipts: kept and settled by the hundred, beside one by one", engine, n, ratio.Cost(15, 1, pass(n), pass(1)))
	}
}
