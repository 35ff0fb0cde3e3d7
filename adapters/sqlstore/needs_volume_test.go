package sqlstore

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/post"
)

// TestADocumentIsLookedUpWithoutReadingTheLinesOfItsBatch: on a connection that has
// planned the look-up with a small batch, that of a large one reads as much, and no
// index in the order of lines can stand in for that of documents, whatever the statistics.
func TestADocumentIsLookedUpWithoutReadingTheLinesOfItsBatch(t *testing.T) {
	for _, analyzed := range []bool{false, true} {
		v := newVolume(t)
		if v == nil {
			return
		}
		small, some := v.lines(200)
		if analyzed {
			v.must(v.exec(`ANALYZE batch_line`))
		}
		few, _ := v.count(func() { v.needed(small, some[:64]) })
		large, many := v.lines(6000)
		read, from := v.count(func() { v.needed(large, many[len(many)-64:]) })
		if read > few*2 {
			t.Errorf("analyzed %t: %d rows and entries were read for 64 documents of 6,000, %d for 64 of 200: %v", analyzed, read, few, from)
		}
		v.must(v.exec(`DROP INDEX batch_line_document`))
		_, from = v.count(func() { v.needed(small, some[:1]) })
		if from["batch_line_next_pkey"]+from["batch_line_key"] > 0 {
			t.Errorf("lines of a batch are read in their order: %v", from)
		}
	}
}

// lines opens a batch of n lines, each with a document of its own.
func (v *volume) lines(n int) (id post.BatchID, sums []string) {
	v.Helper()
	id = post.BatchID(post.NewID())
	_, err := v.s.OpenBatch(v.Context(), batch.Opened{ID: id, Tenant: volumeTenant, Client: "case", Key: []byte(id), Digest: []byte(id), Count: n, Options: batch.Options{Policy: post.SignBatch}})
	v.must(err)
	for first := 0; first < n; first += batch.PartLines {
		p := speedPart(first/batch.PartLines + 1)
		p.Lines = p.Lines[:min(batch.PartLines, n-first)]
		for i := range p.Lines {
			sum := sha256.Sum256(append(p.Lines[i].Key, id...))
			p.Lines[i].Document = hex.EncodeToString(sum[:])
			sums = append(sums, p.Lines[i].Document)
		}
		_, err := v.s.PutBatchLines(v.Context(), volumeTenant, id, p)
		v.must(err)
	}
	return id, sums
}

func (v *volume) needed(id post.BatchID, sums []string) {
	v.Helper()
	needs, err := v.s.BatchDocuments(v.Context(), volumeTenant, id, sums)
	v.must(err)
	if len(needs) != len(sums) {
		v.Fatalf("%d of %d documents are of a line", len(needs), len(sums))
	}
}
