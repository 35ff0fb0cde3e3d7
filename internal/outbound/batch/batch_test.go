package batch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/testdata"
)

// store keeps what it is given; what the real one refuses is tried on the real
// one (its engines and the dispatcher's tests).
type store struct {
	batch.Store
	mu     sync.Mutex
	opened []batch.Opened
	parts  []batch.Part
	docs   map[string]letter.Sealed
	closes []int // answers of CloseBatch, in order; the last one stays
	stops  []int // the same of StopBatch; nil is stale each time
	// approvals are answers of ApproveBatch, in order.
	approvals []error
	err       error
	// asked and puts count what is asked and kept of documents; nobodys are those
	// that no line announces.
	asked, puts int
	nobodys     map[string]bool
}

func (s *store) OpenBatch(_ context.Context, o batch.Opened) (batch.View, error) {
	s.opened = append(s.opened, o)
	return batch.View{ID: o.ID, Lines: o.Count, State: batch.Receiving}, s.err
}

func (s *store) BatchView(_ context.Context, _ post.TenantID, id post.BatchID) (batch.View, error) {
	return batch.View{ID: id, Tenant: "engdal", Lines: 2500, State: batch.Stopped}, s.err
}

func (s *store) PutBatchLines(_ context.Context, _ post.TenantID, _ post.BatchID, p batch.Part) (bool, error) {
	s.parts = append(s.parts, p)
	return false, s.err
}

func (s *store) BatchDocuments(_ context.Context, _ post.TenantID, _ post.BatchID, sums []string) (map[string]batch.Need, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	needs := map[string]batch.Need{}
	for _, sum := range sums {
		needs[sum] = batch.Wanted
		if _, here := s.docs[sum]; here {
			needs[sum] = batch.Here
		}
		if s.nobodys[sum] {
			needs[sum] = batch.Unannounced
		}
	}
	return needs, s.err
}

func (s *store) PutBatchDocuments(_ context.Context, _ post.TenantID, _ post.BatchID, docs []batch.KeptDocument) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	for _, d := range docs {
		s.docs[d.SHA256] = d.Sealed
	}
	return nil
}

func next(answers *[]int) int {
	n := (*answers)[0]
	if len(*answers) > 1 {
		*answers = (*answers)[1:]
	}
	return n
}

func (s *store) CloseBatch(context.Context, post.TenantID, post.BatchID, int) (int, error) {
	return next(&s.closes), s.err
}

func (s *store) StopBatch(context.Context, post.TenantID, post.BatchID, post.ClientID, int) (int, error) {
	if s.stops == nil {
		return 0, post.ErrStale
	}
	return next(&s.stops), s.err
}

func (s *store) ApproveBatch(context.Context, post.TenantID, post.BatchID, post.ClientID, int) (int, error) {
	err := s.approvals[0]
	s.approvals = s.approvals[1:]
	return len(s.approvals), err
}

type blobs struct{}

func (blobs) Put(_ context.Context, write func(io.Writer) error) (string, []byte, int64, error) {
	return post.NewID(), make([]byte, 32), 1, write(io.Discard)
}

func (b blobs) PutGroup(_ context.Context, fill func(seal.Group) error) error { return fill(b) }

func (blobs) Leave(string) {}

func desk(t *testing.T, s *store, change func(*batch.Config)) *batch.Desk {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	s.docs = map[string]letter.Sealed{}
	c := batch.Config{Store: s, PutDataKey: func(context.Context, string, []byte) error { return nil }, Blobs: blobs{}, Dispatcher: id.Recipient(),
		IndexKey: make([]byte, 32), Tenants: persona.Tenants(), Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	d, err := batch.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func lines(n int) []batch.Line {
	p, _ := persona.By("nancy")
	all := make([]batch.Line, n)
	for i := range all {
		all[i] = batch.Line{Key: fmt.Sprint("k", i), Title: "Afgørelse", Filename: "a.pdf", SHA256: strings.Repeat("ab", 32),
			Recipient: post.PartyRecord{IDType: "CPR", ID: p.CPR, Name: p.Name}}
	}
	return all
}

func TestPolicyIsTheBatchsThenTheTenantsThenEachLetter(t *testing.T) {
	for _, c := range []struct{ batch, tenant, want post.SigningPolicy }{
		{"", "", post.SignEach}, {"", post.SignBatch, post.SignBatch}, {post.SignEach, post.SignBatch, post.SignEach}, {post.SignBatch, "", post.SignBatch},
	} {
		s := &store{}
		d := desk(t, s, func(cfg *batch.Config) {
			cfg.Tenants = append([]post.Tenant{}, cfg.Tenants...)
			cfg.Tenants[0].Signing = c.tenant
		})
		if _, err := d.Announce(t.Context(), persona.Tenants()[0].ID, "case", "k", 5, batch.Options{Policy: c.batch}); err != nil {
			t.Fatal(err)
		}
		if got := s.opened[0].Policy; got != c.want {
			t.Errorf("batch %q, tenant %q: %q, want %q", c.batch, c.tenant, got, c.want)
		}
	}
}

func TestWhatIsRefusedNeverReachesTheStore(t *testing.T) {
	s := &store{}
	d := desk(t, s, nil)
	for name, c := range map[string]struct {
		tenant post.TenantID
		key    string
		lines  int
		o      batch.Options
		want   *post.Fault
	}{
		"an unknown tenant":     {"nowhere", "k", 1, batch.Options{}, post.FaultTenant},
		"no key":                {"engdal", "", 1, batch.Options{}, post.FaultBatchKey},
		"no line":               {"engdal", "k", 0, batch.Options{}, post.FaultBatchSize},
		"more than can come":    {"engdal", "k", batch.MaxAnnounced + 1, batch.Options{}, post.FaultBatchSize},
		"another policy":        {"engdal", "k", 1, batch.Options{Policy: "none"}, post.FaultBatchPolicy},
		"a canary of a flock":   {"engdal", "k", 1, batch.Options{Canary: 2}, post.FaultBatchPolicy},
		"a canary of less than": {"engdal", "k", 1, batch.Options{Canary: -1}, post.FaultBatchPolicy},
	} {
		if _, err := d.Announce(t.Context(), c.tenant, "case", c.key, c.lines, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s, announced: %v", name, err)
		}
		if c.lines <= batch.MaxLines {
			if _, err := d.Open(t.Context(), c.tenant, "case", c.key, lines(c.lines), c.o); !errors.Is(err, c.want) {
				t.Errorf("%s, in one piece: %v", name, err)
			}
		}
	}
	if len(s.opened) != 0 {
		t.Error("the store was asked")
	}
}

func TestOptionsAreOfTheBatch(t *testing.T) {
	s := &store{}
	d := desk(t, s, nil)
	for _, o := range []batch.Options{{}, {}, {Urgent: true}, {Canary: 2}, {Policy: post.SignBatch}} {
		if _, err := d.Open(t.Context(), "engdal", "case", "k", lines(3), o); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(s.opened[0].Digest, s.opened[1].Digest) {
		t.Error("the same batch has two digests")
	}
	for _, o := range s.opened[2:] {
		if bytes.Equal(s.opened[0].Digest, o.Digest) {
			t.Errorf("a batch with %+v passes for another", o.Options)
		}
	}
}

func TestPartsNumberTheirLinesAndHideThem(t *testing.T) {
	s := &store{}
	d := desk(t, s, nil)
	all := lines(2500)
	if _, err := d.PutLines(t.Context(), "engdal", "b", 3, all[2000:]); err != nil {
		t.Fatal(err)
	}
	p := s.parts[0]
	if p.N != 3 || len(p.Lines) != 500 || p.Lines[0].N != 2001 || p.Lines[499].N != 2500 {
		t.Errorf("part %d: %d lines from %d", p.N, len(p.Lines), p.Lines[0].N)
	}
	// What is searched for is long, so that no sealed bytes hold it by chance.
	for i, l := range p.Lines {
		line := all[2000+i]
		if bytes.Contains(l.Recipient, []byte(line.Recipient.ID)) || bytes.Contains(l.Content, []byte(line.Title)) || bytes.Contains(l.Key, []byte(line.Key)) {
			t.Fatal("a line is kept in clear")
		}
	}
	bad := lines(1000)
	bad[4].Title, bad[7].Recipient.ID = "", "1"
	_, err := d.PutLines(t.Context(), "engdal", "b", 2, bad)
	for _, where := range []string{"line 1005", "line 1008"} {
		if !strings.Contains(fmt.Sprint(err), where) {
			t.Errorf("%s is not named: %v", where, err)
		}
	}
}

// slow is a document that shows how many of its kind are being read.
type slow struct {
	r          io.Reader
	now, most  *atomic.Int32
	begun, out bool
}

func (s *slow) Read(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		if n := s.now.Add(1); n > s.most.Load() {
			s.most.Store(n)
		}
	}
	n, err := s.r.Read(p[:min(len(p), 4096)])
	if err != nil && !s.out {
		s.out = true
		s.now.Add(-1)
	}
	return n, err
}

func TestAtMostTwoDocumentsAreInMemory(t *testing.T) {
	d := desk(t, &store{}, nil)
	pdf, err := testdata.FS.ReadFile("pdf/decision-01.pdf")
	if err != nil {
		t.Fatal(err)
	}
	var now, most atomic.Int32
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			b := append(bytes.Clone(pdf), fmt.Sprintf("%%%d\n", i)...)
			sum := sha256.Sum256(b)
			if err := d.PutDocument(t.Context(), "engdal", "b", hex.EncodeToString(sum[:]), &slow{r: bytes.NewReader(b), now: &now, most: &most}); err != nil {
				t.Errorf("document %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := most.Load(); n < 1 || n > 2 {
		t.Errorf("%d documents were read at once", n)
	}
}

func TestADocumentThatIsHereIsNotReadAgain(t *testing.T) {
	s := &store{}
	d := desk(t, s, nil)
	sum := strings.Repeat("ab", 32)
	s.docs[sum] = letter.Sealed{}
	if err := d.PutDocument(t.Context(), "engdal", "b", sum, io.MultiReader(nil)); err != nil {
		t.Error(err)
	}
	if err := d.PutDocument(t.Context(), "engdal", "b", strings.Repeat("cd", 32), strings.NewReader("no PDF")); !errors.Is(err, post.FaultNotPDF) {
		t.Errorf("something else: %v", err)
	}
}

func TestALongStepAnswersAndIsAskedAgain(t *testing.T) {
	s := &store{closes: []int{1}}
	d := desk(t, s, func(c *batch.Config) { c.Patience = time.Millisecond })
	if _, err := d.Close(t.Context(), "engdal", "b", "case"); err != nil {
		t.Errorf("a close that does not come to its end: %v", err)
	}
	s.err = post.FaultDocumentsMissing
	if _, err := d.Close(t.Context(), "engdal", "b", "case"); !errors.Is(err, post.FaultDocumentsMissing) {
		t.Error(err)
	}
}

func TestStopDoesNotWaitForCarriers(t *testing.T) {
	s := &store{stops: []int{900, 800, 12, 12}}
	d := desk(t, s, func(c *batch.Config) { c.Patience = time.Hour })
	if _, err := d.Stop(t.Context(), "engdal", "b", "case"); err != nil {
		t.Fatal(err)
	}
	if len(s.stops) != 1 {
		t.Errorf("stopped early: %v answers left", s.stops)
	}
}

// TestApprovalReleasesBesideTheDispatcher: both release the letters of an approved
// batch, and who comes second to a hundred goes on with the next.
func TestApprovalReleasesBesideTheDispatcher(t *testing.T) {
	s := &store{approvals: []error{nil, fmt.Errorf("release: %w", post.ErrStale), nil, nil}}
	d := desk(t, s, func(c *batch.Config) { c.Patience = time.Hour })
	if _, err := d.Approve(t.Context(), "engdal", "b", "approver"); err != nil || len(s.approvals) != 0 {
		t.Errorf("%v with %d answers left", err, len(s.approvals))
	}
	s.approvals = []error{post.FaultBatchState}
	if _, err := d.Approve(t.Context(), "engdal", "b", "approver"); !errors.Is(err, post.FaultBatchState) {
		t.Errorf("a batch that is not closed: %v", err)
	} else if at, ok := errors.AsType[*post.Refusal](err); !ok || at.Detail != "it is stopped" {
		t.Errorf("a refusal for its state does not say which that is: %v", err)
	}
}

// TestWhatWasNotDoneIsNotAnsweredAsDone: a stop or an approval of which each try was
// stale until patience ended has changed nothing, and whoever asked is told.
func TestWhatWasNotDoneIsNotAnsweredAsDone(t *testing.T) {
	d := desk(t, &store{}, func(c *batch.Config) { c.Patience = time.Nanosecond })
	if v, err := d.Stop(t.Context(), "engdal", "b", "anne"); !errors.Is(err, post.ErrStale) {
		t.Errorf("a stop was answered %s, %v", v.State, err)
	}
	d = desk(t, &store{approvals: []error{post.ErrStale, nil}}, func(c *batch.Config) { c.Patience = time.Nanosecond })
	if v, err := d.Approve(t.Context(), "engdal", "b", "approver"); !errors.Is(err, post.ErrStale) {
		t.Errorf("an approval was answered %s, %v", v.State, err)
	}
}

func TestApprovalNeedsSomebody(t *testing.T) {
	if _, err := desk(t, &store{}, nil).Approve(t.Context(), "engdal", "b", ""); !errors.Is(err, post.FaultSecondPerson) {
		t.Error(err)
	}
}

func TestEveryGapIsNamed(t *testing.T) {
	_, err := batch.New(batch.Config{})
	for _, gap := range []string{"Store", "PutDataKey", "Blobs", "Dispatcher", "IndexKey", "Tenants", "Log"} {
		if !strings.Contains(fmt.Sprint(err), gap) {
			t.Errorf("%s is not named", gap)
		}
	}
}
