package sqlstore

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// TestALetterReadsNoMoreRowsWithThousandsBehindIt takes batches from their first
// line to their receipts on a connection whose statements were planned when every
// table was empty, and counts what PostgreSQL reads: rows and entries of indexes.
func TestALetterReadsNoMoreRowsWithThousandsBehindIt(t *testing.T) {
	v := newVolume(t)
	if v == nil {
		return
	}
	v.must(v.exec(`ALTER TABLE letter SET (autovacuum_enabled = off)`), v.exec(`ALTER TABLE job SET (autovacuum_enabled = off)`))
	const few, many = 100, 1500
	v.live(few)
	first, was := v.count(func() { v.live(few) })
	v.live(many)
	later, from := v.count(func() { v.live(few) })
	t.Logf("read for a letter: %.0f, with %d more behind it %.0f", float64(first)/few, many, float64(later)/few)
	if later > first*3/2 {
		t.Errorf("%d rows and entries were read for %d letters, and %d for as many with %d behind them:\n%v\n%v", first, few, later, many, was, from)
	}
}

type volume struct {
	*testing.T
	s *Store

	mu     sync.Mutex
	handed []string // guarded by mu; message ids
}

// newVolume opens a database of its own in PostgreSQL, on one connection; nil when
// there is no server, which a full run does not pass over.
func newVolume(t *testing.T) *volume {
	t.Helper()
	server, ok := suite.Server(t, "what PostgreSQL reads")
	if !ok {
		return nil
	}
	s, err := Open(t.Context(), suite.Schema(t, server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.write.SetMaxOpenConns(1) // it tells what it has read
	return &volume{T: t, s: s}
}

func (v *volume) must(errs ...error) {
	v.Helper()
	for _, err := range errs {
		if err != nil {
			v.Fatal(err)
		}
	}
}

func (v *volume) exec(query string, args ...any) error {
	_, err := v.s.write.ExecContext(v.Context(), query, args...)
	return err
}

// count returns what is read while f runs, and from where.
func (v *volume) count(f func()) (n int64, from map[string]int64) {
	v.Helper()
	before := v.read()
	f()
	from = v.read()
	for name := range from {
		from[name] -= before[name]
		if n += from[name]; from[name] == 0 {
			delete(from, name)
		}
	}
	return n, from
}

// read returns how many rows of each table and entries of each index have been read.
func (v *volume) read() map[string]int64 {
	v.Helper()
	v.must(v.exec(`SELECT pg_stat_force_next_flush()`))
	all := map[string]int64{}
	v.must(each(v.Context(), v.s.write, func(rows *sql.Rows) error {
		var name string
		var n int64
		err := rows.Scan(&name, &n)
		all[name] = n
		return err
	}, `SELECT relname, seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE schemaname = current_schema() AND idx_tup_fetch IS NOT NULL
		UNION ALL SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes WHERE schemaname = current_schema()`))
	return all
}

const volumeTenant = "engdal"

// live takes a batch of n letters from its lines to its receipts.
func (v *volume) live(n int) {
	v.Helper()
	v.send(n)
	v.receive(n)
}

// send takes a batch of n letters from its lines to its carrier.
func (v *volume) send(n int) {
	v.Helper()
	v.approved(n)
	v.must(v.s.ReleaseApproved(v.Context(), 100, nil))
	v.advance(n)
}

// approved takes a batch of n letters from its lines until it is signed and none of its
// letters may go yet.
func (v *volume) approved(n int) post.BatchID {
	v.Helper()
	ctx, s, id := v.Context(), v.s, post.BatchID(post.NewID())
	_, err := s.OpenBatch(ctx, batch.Opened{ID: id, Tenant: volumeTenant, Client: "case", Key: []byte(id), Digest: []byte(id), Count: n, Options: batch.Options{Policy: post.SignBatch}})
	v.must(err)
	var sums []string
	for first := 0; first < n; first += batch.PartLines {
		p := speedPart(first/batch.PartLines + 1)
		p.Lines = p.Lines[:min(batch.PartLines, n-first)]
		for i := range p.Lines {
			sum := sha256.Sum256(p.Lines[i].Key)
			p.Lines[i].Document = hex.EncodeToString(sum[:])
			sums = append(sums, p.Lines[i].Document)
		}
		_, err := s.PutBatchLines(ctx, volumeTenant, id, p)
		v.must(err)
	}
	for first := 0; first < n; first += 50 {
		some := sums[first:min(first+50, n)]
		needs, err := s.BatchDocuments(ctx, volumeTenant, id, some)
		v.must(err)
		var docs []batch.KeptDocument
		for _, sum := range some {
			if needs[sum] != batch.Wanted {
				v.Fatalf("document %s is not wanted", sum)
			}
			docs = append(docs, batch.KeptDocument{SHA256: sum, Sealed: letter.Sealed{Object: seal.Object{Header: []byte("header"), Blob: sum, SHA256: []byte(sum), Size: 1}, Clear: 1}})
		}
		v.must(s.PutBatchDocuments(ctx, volumeTenant, id, docs))
	}
	for left := 1; left > 0; {
		left, err = s.CloseBatch(ctx, volumeTenant, id, 100)
		v.must(err)
	}
	_, err = s.ApproveBatch(ctx, volumeTenant, id, "approver", 100)
	v.must(err)
	v.sign(id, n)
	return id
}

// sign keeps leaves and root of a batch of n letters.
func (v *volume) sign(id post.BatchID, n int) {
	v.Helper()
	ctx, s := v.Context(), v.s
	_, err := s.BatchesToSign(ctx, time.Now())
	v.must(err)
	for after := 0; after < n; after += 100 {
		records, err := s.LettersToSign(ctx, id, after, 100)
		v.must(err)
		if len(records) != min(100, n-after) {
			v.Fatalf("%d letters to sign after %d", len(records), after)
		}
		v.must(s.KeepLeaves(ctx, id, after, make([]tlog.Hash, len(records))))
	}
	v.must(s.KeepRoot(ctx, id, []byte("root of "+id)))
}

// advance hands n due letters over.
func (v *volume) advance(n int) {
	v.Helper()
	for done := 0; done < n; {
		leases, err := v.s.LeaseDue(v.Context(), queue.Claim{Kind: queue.AdvanceLetter, N: 32, For: time.Minute})
		v.must(err)
		if len(leases) == 0 {
			v.Fatalf("nothing is due after %d of %d letters", done, n)
		}
		var all sync.WaitGroup
		for _, l := range leases {
			all.Go(func() {
				if err := v.handOver(l); err != nil {
					v.Error(err)
				}
			})
		}
		all.Wait()
		done += len(leases)
	}
}

func (v *volume) handOver(l queue.Lease) error {
	ctx := v.Context()
	r, err := v.s.LetterForStep(ctx, l)
	if err != nil {
		return err
	}
	id := post.DerivedID(r.ID, post.Digital, 1)
	if err := v.s.MoveLetter(ctx, l, dispatch.Move{Letter: r.ID, Tenant: r.Tenant, From: r.State, Version: r.Version,
		Through: []dispatch.Passage{{State: post.LetterSigned}}, To: post.LetterHandingOver, Channel: post.Digital, Generation: 1, Due: time.Now(),
		Manifest: []byte("manifest, root of " + r.Batch), MessageID: id,
		Intent: &dispatch.Intent{MessageID: id, Carrier: "digitalpost", CreatedAt: time.Now(), Size: 1, Attempts: 1}}); err != nil {
		return err
	}
	if r, err = v.s.LetterForStep(ctx, l); err != nil {
		return err
	}
	if want := "manifest, root of " + string(r.Batch); string(r.Manifest) != want {
		return fmt.Errorf("the letter's signed form is %q", r.Manifest)
	}
	v.mu.Lock()
	v.handed = append(v.handed, id)
	v.mu.Unlock()
	return v.s.MoveLetter(ctx, l, dispatch.Move{Letter: r.ID, Tenant: r.Tenant, From: r.State, Version: r.Version, To: post.LetterHandedOver,
		Channel: post.Digital, Generation: 1, Due: time.Now().Add(time.Hour), Free: true, MessageID: id,
		Answer: &dispatch.Outcome{Verdict: dispatch.Taken, At: time.Now()}})
}

// receive keeps and settles the receipts of n letters that were handed over.
func (v *volume) receive(n int) {
	v.Helper()
	ctx, s := v.Context(), v.s
	var rs []track.Receipt
	for _, id := range v.handed {
		rs = append(rs, track.Receipt{Carrier: "digitalpost", EventID: post.NewID(), MessageID: id, Kind: track.Delivered, At: time.Now(), Raw: make([]byte, 400)})
	}
	if v.handed = nil; len(rs) != n {
		v.Fatalf("%d of %d letters were handed over", len(rs), n)
	}
	for len(rs) > 0 {
		some := rs[:min(100, len(rs))]
		rs = rs[len(some):]
		v.must(s.KeepReceipts(ctx, some))
		waiting, err := s.WaitingReceipts(ctx, 100)
		v.must(err)
		var ids []string
		for _, r := range waiting {
			ids = append(ids, r.MessageID)
		}
		standings, err := s.ReceiptStandings(ctx, ids)
		v.must(err)
		var all []track.Settlement
		for _, r := range waiting {
			all = append(all, track.Settlement{Receipt: r, Standing: standings[r.MessageID], Verdict: track.Applied, Path: []post.LetterState{post.LetterDelivered}})
		}
		stale, err := s.SettleReceipts(ctx, all)
		v.must(err)
		if len(stale) > 0 {
			v.Fatalf("%d settlements are stale", len(stale))
		}
	}
}
