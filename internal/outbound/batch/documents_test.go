package batch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/testdata"
)

// counted are blobs that tell how large their groups were, and fail when told.
type counted struct {
	mu     sync.Mutex
	groups []int
	left   []string
	full   int // the group, from 1, that finds the disk full
}

func (c *counted) Put(ctx context.Context, write func(io.Writer) error) (string, []byte, int64, error) {
	return blobs{}.Put(ctx, write)
}

func (c *counted) PutGroup(_ context.Context, fill func(seal.Group) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.groups = append(c.groups, 0)
	if len(c.groups) == c.full {
		return post.FaultStorageFull
	}
	return fill(oneMore{c})
}

type oneMore struct{ *counted }

func (o oneMore) Put(ctx context.Context, write func(io.Writer) error) (string, []byte, int64, error) {
	o.groups[len(o.groups)-1]++
	return blobs{}.Put(ctx, write)
}

func (o oneMore) Leave(blob string) { o.left = append(o.left, blob) }

// incoming are n documents that are PDFs of at least size bytes.
func incoming(n, size int) []batch.Document {
	docs := make([]batch.Document, n)
	for i := range docs {
		b := fmt.Appendf(testdata.Page(""), "%%%d", i)
		b = append(b, bytes.Repeat([]byte(" "), max(0, size-len(b)-1))...)
		b = append(b, '\n')
		sum := sha256.Sum256(b)
		docs[i] = batch.Document{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(b)), Body: bytes.NewReader(b)}
	}
	return docs
}

func inRow(docs []batch.Document, end error) func() (batch.Document, error) {
	return func() (batch.Document, error) {
		if len(docs) == 0 {
			return batch.Document{}, end
		}
		d := docs[0]
		docs = docs[1:]
		return d, nil
	}
}

func TestDocumentsGoInGroups(t *testing.T) {
	for name, c := range map[string]struct {
		n, size int
		want    string
	}{
		"none":                       {0, 0, "[]"},
		"by their number":            {150, 0, "[64 64 22]"},
		"by their bytes":             {9, 3 << 20, "[2 2 2 2 1]"},
		"a large one goes by itself": {3, 9 << 20, "[1 1 1]"},
		"as many as may come":        {batch.MaxDocuments, 0, "[64 64 64 64 64 64 64 52]"},
	} {
		t.Run(name, func(t *testing.T) {
			s, b := &store{}, &counted{}
			d := desk(t, s, func(c *batch.Config) { c.Blobs = b })
			docs := incoming(c.n, c.size)
			verdicts, err := d.PutDocuments(t.Context(), "engdal", "b", inRow(docs, io.EOF))
			if err != nil {
				t.Fatal(err)
			}
			if len(verdicts) != c.n || len(s.docs) != c.n || fmt.Sprint(b.groups) != c.want || s.puts != len(b.groups) || s.asked != len(b.groups)+1 {
				t.Errorf("%d verdicts, %d kept, groups %v, %d puts, %d questions", len(verdicts), len(s.docs), b.groups, s.puts, s.asked)
			}
			for i, v := range verdicts {
				if v.State != batch.Stored || v.SHA256 != docs[i].SHA256 || hex.EncodeToString(v.Sum[:]) != v.SHA256 {
					t.Fatalf("document %d: %+v", i, v)
				}
			}
		})
	}
}

func TestWhatFailsOnItsWayLeavesTheGroupsBefore(t *testing.T) {
	gone := errors.New("the line broke")
	for name, c := range map[string]struct {
		end  error
		n    int
		full int
		want error
		kept int
	}{
		"the caller goes away":   {gone, 100, 0, gone, 64},
		"the disk is full":       {io.EOF, 200, 3, post.FaultStorageFull, 128},
		"the disk is full first": {io.EOF, 10, 1, post.FaultStorageFull, 0},
		"one too many":           {io.EOF, batch.MaxDocuments + 1, 0, post.FaultDocumentsMany, 448},
	} {
		t.Run(name, func(t *testing.T) {
			s := &store{}
			d := desk(t, s, func(cfg *batch.Config) { cfg.Blobs = &counted{full: c.full} })
			docs := incoming(c.n, 0)
			verdicts, err := d.PutDocuments(t.Context(), "engdal", "b", inRow(docs, c.end))
			if !errors.Is(err, c.want) || verdicts != nil || len(s.docs) != c.kept {
				t.Fatalf("%d kept, %v", len(s.docs), err)
			}
			for i, again := range incoming(min(c.n, 100), 0) { // what was kept is known
				if _, here := s.docs[again.SHA256]; here != (i < c.kept) {
					t.Errorf("document %d: %t", i, here)
				}
			}
		})
	}
}

// In a group everything is sealed before anybody asks what the batch waits for.
func TestOnlyWhatTheBatchWaitsForIsKept(t *testing.T) {
	docs := incoming(8, 0)
	s, b := &store{nobodys: map[string]bool{}}, &counted{}
	d := desk(t, s, func(c *batch.Config) { c.Blobs = b })
	bad := []byte("%PDF-1.7 and nothing more")
	sum := sha256.Sum256(bad)
	broken := batch.Document{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(bad)), Body: bytes.NewReader(bad)}
	brokenAndHere := broken
	brokenAndHere.Body = bytes.NewReader(bad)
	other := func(doc batch.Document) batch.Document { doc.Body = incoming(9, 0)[8].Body; return doc }
	s.docs[docs[1].SHA256], s.docs[docs[2].SHA256] = letter.Sealed{}, letter.Sealed{}
	s.nobodys[docs[3].SHA256], s.nobodys[docs[4].SHA256] = true, true
	again := docs[5]
	again.Body = incoming(8, 0)[5].Body
	nameless := docs[0]
	nameless.SHA256 = "letter.pdf"
	steps := []struct {
		doc   batch.Document
		state batch.DocumentState
		fault *post.Fault
	}{
		{docs[0], batch.Stored, nil},
		{docs[1], batch.Known, nil},
		{other(docs[2]), batch.Refused, post.FaultDocumentDigest}, // though another one is here
		{docs[3], batch.Refused, post.FaultDocumentUnannounced},
		{other(docs[4]), batch.Refused, post.FaultDocumentUnannounced}, // said first
		{docs[5], batch.Stored, nil},
		{again, batch.Known, nil},
		{broken, batch.Refused, post.FaultNotPDF},
		{other(docs[6]), batch.Refused, post.FaultDocumentDigest},
		{nameless, batch.Refused, post.FaultDocumentName256},
	}
	var row []batch.Document
	for _, step := range steps {
		row = append(row, step.doc)
	}
	verdicts, err := d.PutDocuments(t.Context(), "engdal", "b", inRow(row, io.EOF))
	if err != nil || len(verdicts) != len(steps) {
		t.Fatalf("%d verdicts, %v", len(verdicts), err)
	}
	for i, v := range verdicts {
		if v.State != steps[i].state || v.Fault != steps[i].fault {
			t.Errorf("document %d is %s, %v", i+1, v.State, v.Fault)
		}
	}
	// Sealed: two that are stored; and one known, one that nobody announced and
	// one that came twice, all of which are left out.
	if fmt.Sprint(b.groups) != "[5]" || len(b.left) != 3 || s.puts != 1 || len(s.docs) != 4 {
		t.Errorf("groups %v, %d left out, %d puts, %d here", b.groups, len(b.left), s.puts, len(s.docs))
	}
	for _, blob := range b.left {
		for _, kept := range s.docs {
			if kept.Blob == blob {
				t.Error("a row names a blob that was left out")
			}
		}
	}
	s.docs[broken.SHA256] = letter.Sealed{} // taken under rules of before
	verdicts, err = d.PutDocuments(t.Context(), "engdal", "b", inRow([]batch.Document{brokenAndHere}, io.EOF))
	if err != nil || verdicts[0].State != batch.Known || verdicts[0].Fault != nil {
		t.Errorf("what is here needs not be good again: %+v, %v", verdicts, err)
	}
}

// watched is a document that tells how many were sealed when it is read.
type watched struct {
	io.Reader
	begun func()
}

func (w watched) Read(p []byte) (int, error) {
	w.begun()
	return w.Reader.Read(p)
}

func TestOneDocumentOfAGroupIsInMemoryAtATime(t *testing.T) {
	b := &counted{}
	d := desk(t, &store{}, func(c *batch.Config) { c.Blobs = b })
	docs := incoming(10, 0)
	for i := range docs {
		docs[i].Body = watched{docs[i].Body, func() {
			if b.groups[0] != i {
				t.Errorf("document %d is read when %d are sealed", i+1, b.groups[0])
			}
		}}
	}
	if _, err := d.PutDocuments(t.Context(), "engdal", "b", inRow(docs, io.EOF)); err != nil {
		t.Fatal(err)
	}
}

func TestABatchThatTakesNoDocumentsReadsNone(t *testing.T) {
	s := &store{err: post.FaultBatchState}
	_, err := desk(t, s, nil).PutDocuments(t.Context(), "engdal", "b", func() (batch.Document, error) {
		t.Error("a document was asked for")
		return batch.Document{}, io.EOF
	})
	if !errors.Is(err, post.FaultBatchState) {
		t.Error(err)
	}
}

func TestADocumentThatEndsEarlyIsNotTaken(t *testing.T) {
	s := &store{}
	d := desk(t, s, nil)
	for _, size := range []int64{1000, 9 << 20} {
		doc := incoming(1, 0)[0]
		doc.Size, doc.Body = size, strings.NewReader("%PDF-1.7")
		if _, err := d.PutDocuments(t.Context(), "engdal", "b", inRow([]batch.Document{doc}, io.EOF)); !errors.Is(err, io.ErrUnexpectedEOF) || len(s.docs) != 0 {
			t.Errorf("%d kept, %v", len(s.docs), err)
		}
	}
}

// stuck is a document whose bytes do not come.
type stuck struct{ begun, free chan struct{} }

func (s stuck) Read([]byte) (int, error) {
	s.begun <- struct{}{}
	<-s.free
	return 0, io.ErrUnexpectedEOF
}

func TestFourCallsAreInMemoryAndOthersWait(t *testing.T) {
	s := &store{}
	d := desk(t, s, nil)
	slow := stuck{make(chan struct{}), make(chan struct{})}
	doc := incoming(1, 0)[0]
	doc.Body = slow
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := d.PutDocuments(t.Context(), "engdal", "b", inRow([]batch.Document{doc}, io.EOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Error(err)
			}
		})
		<-slow.begun
	}
	ctx, cancel := context.WithCancel(t.Context())
	fifth := make(chan error)
	go func() {
		_, err := d.PutDocuments(ctx, "engdal", "b", func() (batch.Document, error) { t.Error("a fifth one reads"); return batch.Document{}, io.EOF })
		fifth <- err
	}()
	cancel()
	if err := <-fifth; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(slow.free)
	all.Wait()
	if _, err := d.PutDocuments(t.Context(), "engdal", "b", inRow(incoming(3, 0), io.EOF)); err != nil || len(s.docs) != 3 {
		t.Errorf("afterwards: %d kept, %v", len(s.docs), err)
	}
}

// Documents that wait unread for a turn are told to come back: over HTTP/2 they
// may be what keeps those from coming that have a turn.
func TestWhoWaitsTooLongIsToldToComeBack(t *testing.T) {
	d := desk(t, &store{}, func(c *batch.Config) { c.Patience = time.Millisecond })
	slow := stuck{make(chan struct{}), make(chan struct{})}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			if err := d.PutDocument(t.Context(), "engdal", "b", strings.Repeat("ab", 32), slow); err == nil {
				t.Error("half a document was taken")
			}
		})
		<-slow.begun
	}
	one := incoming(1, 0)[0]
	if err := d.PutDocument(t.Context(), "engdal", "b", one.SHA256, one.Body); !errors.Is(err, post.FaultUnavailable) {
		t.Errorf("a single one: %v", err)
	}
	large := inRow(incoming(1, 9<<20), io.EOF)
	if _, err := d.PutDocuments(t.Context(), "engdal", "b", large); !errors.Is(err, post.FaultUnavailable) {
		t.Errorf("a large one of many: %v", err)
	}
	close(slow.free)
	all.Wait()
	if err := d.PutDocument(t.Context(), "engdal", "b", one.SHA256, one.Body); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
