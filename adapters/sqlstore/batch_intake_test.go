package sqlstore

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// announced opens a batch of two parts, the first of 1,000 lines.
func announced(t *testing.T, s *Store, key string, lines int) post.BatchID {
	t.Helper()
	v, err := s.OpenBatch(t.Context(), batch.Opened{ID: post.BatchID(post.NewID()), Tenant: "engdal", Client: "case",
		Key: []byte(key), Digest: []byte(key), Count: lines})
	if err != nil {
		t.Fatal(err)
	}
	return v.ID
}

// lastPart is part 2 with n lines; each line has a document of its own.
func lastPart(n int) batch.Part {
	p := speedPart(2)
	p.Lines = p.Lines[:n]
	for i := range p.Lines {
		p.Lines[i].Document = fmt.Sprintf("%064x", i)
	}
	return p
}

func kept(names ...string) (docs []batch.KeptDocument) {
	for _, name := range names {
		docs = append(docs, batch.KeptDocument{SHA256: name, Sealed: letter.Sealed{
			Object: seal.Object{Header: []byte("h"), Blob: post.NewID(), SHA256: []byte("s"), Size: 2}, Clear: 1}})
	}
	return docs
}

func TestKeysThatAreTakenAreAllNamed(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		id := announced(t, s, "one", 1010)
		first, second := speedPart(1), lastPart(10)
		if _, err := s.PutBatchLines(t.Context(), "engdal", id, first); err != nil {
			t.Fatal(err)
		}
		twice := second
		twice.Lines = append([]batch.SealedLine{}, second.Lines...)
		twice.Lines[3].Key, twice.Lines[7].Key = first.Lines[16].Key, first.Lines[999].Key
		_, err := s.PutBatchLines(t.Context(), "engdal", id, twice)
		if !errors.Is(err, post.FaultLineKeyTwice) || !strings.Contains(err.Error(), "lines 17 and 1004") || !strings.Contains(err.Error(), "lines 1000 and 1008") {
			t.Errorf("keys of another part: %v", err)
		}
		if v, err := s.BatchView(t.Context(), "engdal", id); err != nil || v.Received != 1000 || v.State != batch.Receiving {
			t.Errorf("after it: %+v, %v", v, err)
		}
		// A letter takes two keys, in this municipality and in another.
		var takers []post.LetterID
		for i, tenant := range []post.TenantID{"engdal", "engdal", "fjordby"} {
			takers = append(takers, post.LetterID(post.NewID()))
			_, fresh, err := s.AcceptLetter(t.Context(), letter.Accepted{ID: takers[i], Reference: post.NewReference(),
				Tenant: tenant, Client: "case", Key: second.Lines[i*2].Key, Digest: []byte("d"), Recipient: []byte("r"), Content: []byte("c")})
			if err != nil || !fresh {
				t.Fatal(err)
			}
		}
		_, err = s.PutBatchLines(t.Context(), "engdal", id, second)
		if !errors.Is(err, post.FaultLineKeyUsed) || !strings.Contains(err.Error(), "line 1001") || !strings.Contains(err.Error(), "line 1003") || strings.Contains(err.Error(), "line 1005") {
			t.Errorf("keys of letters: %v", err)
		}
		if err == nil || !strings.Contains(err.Error(), "line 1001, first used for letter "+string(takers[0])) || !strings.Contains(err.Error(), "line 1003, first used for letter "+string(takers[1])) {
			t.Errorf("who has the keys is not named: %v", err)
		}
		second.Lines[0].Key, second.Lines[2].Key = bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		if _, err := s.PutBatchLines(t.Context(), "engdal", id, second); err != nil {
			t.Error(err)
		}
	})
}

func TestABatchSaysWhichDocumentsItNeeds(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		id := announced(t, s, "needs", 1120)
		if _, err := s.BatchDocuments(t.Context(), "engdal", id, nil); !errors.Is(err, post.FaultBatchState) {
			t.Errorf("while receiving: %v", err)
		}
		p := lastPart(120)
		for _, part := range []batch.Part{speedPart(1), p} {
			if _, err := s.PutBatchLines(t.Context(), "engdal", id, part); err != nil {
				t.Fatal(err)
			}
		}
		shared := strings.Repeat("ab", 32)
		names := []string{shared, strings.Repeat("ff", 32)}
		for _, l := range p.Lines {
			names = append(names, l.Document)
		}
		if err := s.PutBatchDocuments(t.Context(), "engdal", id, kept(names[5:105]...)); err != nil {
			t.Fatal(err)
		}
		again := kept(names[5], names[110])
		if err := s.PutBatchDocuments(t.Context(), "engdal", id, again); err != nil {
			t.Fatal(err)
		}
		needs, err := s.BatchDocuments(t.Context(), "engdal", id, names)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			want := batch.Wanted
			switch {
			case i == 1:
				want = batch.Unannounced
			case i >= 5 && i < 105 || i == 110:
				want = batch.Here
			}
			if needs[name] != want {
				t.Errorf("document %d is %q, want %q", i, needs[name], want)
			}
		}
		var blob string
		if err := s.read.QueryRow(`SELECT blob FROM batch_document WHERE batch = $1 AND sha256 = $2`, string(id), names[5]).Scan(&blob); err != nil || blob == again[0].Blob {
			t.Errorf("what was here was replaced: %v", err)
		}
		for tenant, want := range map[post.TenantID]error{"fjordby": post.ErrNotFound, "": nil} {
			if _, err := s.BatchDocuments(t.Context(), tenant, id, names[:1]); !errors.Is(err, want) {
				t.Errorf("as %q: %v", tenant, err)
			}
		}
	})
}

// Two who close a batch at the same time make each letter once; one that comes
// too late is told that things have moved on.
func TestTwoCloseABatchTogether(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		id := announced(t, s, "together", 1030)
		p := lastPart(30)
		for _, part := range []batch.Part{speedPart(1), p} {
			if _, err := s.PutBatchLines(t.Context(), "engdal", id, part); err != nil {
				t.Fatal(err)
			}
		}
		names := []string{strings.Repeat("ab", 32)}
		for _, l := range p.Lines {
			names = append(names, l.Document)
		}
		if err := s.PutBatchDocuments(t.Context(), "engdal", id, kept(names...)); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				for left := 1; left > 0; {
					n, err := s.CloseBatch(t.Context(), "engdal", id, 100)
					switch {
					case errors.Is(err, post.ErrStale):
					case err != nil:
						t.Error(err)
						return
					default:
						left = n
					}
				}
			})
		}
		all.Wait()
		var letters, lines, documents int
		if err := s.read.QueryRow(`SELECT count(*), count(DISTINCT line), (SELECT count(*) FROM letter_document) FROM letter WHERE batch = $1`, string(id)).
			Scan(&letters, &lines, &documents); err != nil || letters != 1030 || lines != 1030 || documents != 1030 {
			t.Errorf("%d letters of %d lines, %d documents, %v", letters, lines, documents, err)
		}
		if v, err := s.BatchView(t.Context(), "engdal", id); err != nil || v.State != batch.Closed || v.Letters[post.LetterHeld] != 1030 {
			t.Errorf("%+v, %v", v, err)
		}
	})
}
