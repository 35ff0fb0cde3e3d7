package sqlstore

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// Of 100,000 lines one in seven batches has two with one reference, and with a
// million letters here already every batch has some: none of them may be kept
// from closing by it.
func TestAReferenceThatIsTakenKeepsNoLetterOut(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		former := letter.Accepted{ID: post.LetterID(post.NewID()), Reference: post.NewReference(), Tenant: "fjordby", Client: "case",
			Key: []byte("k1"), Digest: []byte("d"), Recipient: []byte("r"), Content: []byte("c")}
		if _, fresh, err := s.AcceptLetter(t.Context(), former); err != nil || !fresh {
			t.Fatal(err)
		}
		single := former
		single.ID, single.Key = post.LetterID(post.NewID()), []byte("k2")
		first, fresh, err := s.AcceptLetter(t.Context(), single)
		if err != nil || !fresh || first.ID != single.ID || first.Reference == former.Reference {
			t.Fatalf("a single letter: %+v, fresh %v, %v", first, fresh, err)
		}
		if v, err := s.LetterView(t.Context(), "fjordby", single.ID); err != nil || v.Reference != first.Reference {
			t.Errorf("told %s, kept %s, %v", first.Reference, v.Reference, err)
		}

		id := announced(t, s, "references", 1010)
		second := lastPart(10)
		second.Lines[2].Reference, second.Lines[5].Reference = second.Lines[1].Reference, former.Reference
		for _, part := range []batch.Part{speedPart(1), second} {
			if _, err := s.PutBatchLines(t.Context(), "engdal", id, part); err != nil {
				t.Fatal(err)
			}
		}
		names := []string{strings.Repeat("ab", 32)}
		for _, l := range second.Lines {
			names = append(names, l.Document)
		}
		if err := s.PutBatchDocuments(t.Context(), "engdal", id, kept(names...)); err != nil {
			t.Fatal(err)
		}
		if left, err := s.CloseBatch(t.Context(), "engdal", id, 2000); err != nil || left != 0 {
			t.Fatalf("%d left, %v", left, err)
		}
		var letters, references, documents, alike int
		if err := s.read.QueryRow(`SELECT count(*), count(DISTINCT l.reference), (SELECT count(*) FROM letter_document d JOIN letter x ON x.id = d.letter WHERE x.batch = $1),
			(SELECT count(*) FROM batch_line b JOIN letter x ON x.id = b.letter AND x.reference = b.reference WHERE b.batch = $1)
			FROM letter l WHERE batch = $1`, string(id)).Scan(&letters, &references, &documents, &alike); err != nil {
			t.Fatal(err)
		}
		if letters != 1010 || references != 1010 || documents != 1010 || alike != 1010 {
			t.Errorf("%d letters, %d references, %d documents, %d as their lines say", letters, references, documents, alike)
		}
	})
}
