package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"sikkerpost.dk/gateway/internal/post"
)

// plainly writes m as the schema reads, word by word.
func plainly(m Manifest) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<Letter xmlns="%s" version="1"><LetterID>%s</LetterID><Reference>%s</Reference><SignedAt>%s</SignedAt>`,
		Namespace, m.Letter, m.Reference, m.SignedAt.UTC().Format("2006-01-02T15:04:05Z"))
	fmt.Fprintf(&b, `<Tenant cvr="%s" id="%s"></Tenant><RecipientCommitment>%x</RecipientCommitment><TitleCommitment>%x</TitleCommitment>`,
		m.CVR, m.Tenant, m.Recipient, m.Title)
	for i, d := range m.Documents {
		fmt.Fprintf(&b, `<Document mediaType="%s" n="%d" size="%d"><FilenameCommitment>%x</FilenameCommitment><SHA256>%x</SHA256></Document>`,
			d.MediaType, i+1, d.Size, d.Filename, d.SHA256)
	}
	return b.String() + `</Letter>`
}

func pathPlainly(index int64, path tlog.RecordProof) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<Inclusion xmlns="%s" index="%d" version="1">`, Namespace, index)
	for _, h := range path {
		fmt.Fprintf(&b, `<Node>%s</Node>`, hex.EncodeToString(h[:]))
	}
	return b.String() + `</Inclusion>`
}

func digests(t *rapid.T) [32]byte {
	return sha256.Sum256(rapid.SliceOfN(rapid.Byte(), 1, 4).Draw(t, "digest of"))
}

func manifests(t *rapid.T) Manifest {
	word := rapid.StringMatching(`[!#-%(-;=?-~]{1,40}`)
	m := Manifest{
		Letter: post.LetterID(word.Draw(t, "letter")), Reference: word.Draw(t, "reference"), Tenant: post.TenantID(word.Draw(t, "tenant")),
		CVR: post.CVR(word.Draw(t, "cvr")), SignedAt: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0).In(time.FixedZone("", 7200)),
		Recipient: digests(t), Title: digests(t),
	}
	for range rapid.IntRange(1, 1+post.MaxAdditionalDocuments).Draw(t, "documents") {
		m.Documents = append(m.Documents, Document{Filename: digests(t), MediaType: word.Draw(t, "type"),
			Size: rapid.Int64Min(0).Draw(t, "size"), SHA256: digests(t)})
	}
	return m
}

func TestAManifestIsWrittenWordByWordAndReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := manifests(t)
		b := m.XML()
		if string(b) != plainly(m) {
			t.Fatalf("written\n%s\nnot\n%s", b, plainly(m))
		}
		got, err := readManifest(b)
		if err != nil || plainly(got) != plainly(m) || !got.SignedAt.Equal(m.SignedAt) {
			t.Fatalf("read back: %v\n%+v\n%+v", err, got, m)
		}
		leaf, err := Leaf(m)
		if err != nil || leaf != tlog.RecordHash(b) {
			t.Fatalf("leaf %v, %v", leaf, err)
		}
		// Of one spelling only: whatever differs in a byte, at its end too, is
		// refused or is another manifest.
		c := slices.Clone(b)
		c[rapid.IntRange(0, len(c)-1).Draw(t, "place")] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		if other, err := readManifest(c); err == nil && plainly(other) != string(c) {
			t.Fatalf("another spelling was read:\n%s", c)
		}
		for _, c := range [][]byte{b[:len(b)-1], append(slices.Clone(b), ' '), append([]byte(" "), b...), append(slices.Clone(b), b...)} {
			if _, err := readManifest(c); err == nil {
				t.Fatalf("another spelling was read:\n%s", c)
			}
		}
	})
}

func TestAPathIsWrittenWordByWordAndReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		index := rapid.Int64Min(0).Draw(t, "index")
		var path tlog.RecordProof
		for range rapid.IntRange(0, maxPath).Draw(t, "nodes") {
			path = append(path, tlog.Hash(digests(t)))
		}
		b := appendPath(nil, index, path)
		if string(b) != pathPlainly(index, path) {
			t.Fatalf("written\n%s\nnot\n%s", b, pathPlainly(index, path))
		}
		i, p, err := readPath(b)
		if err != nil || i != index || !slices.Equal(p, path) {
			t.Fatalf("read back: %d of %d, %v", i, index, err)
		}
		c := slices.Clone(b)
		c[rapid.IntRange(0, len(c)-1).Draw(t, "place")] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		if i, p, err := readPath(c); err == nil && pathPlainly(i, p) != string(c) {
			t.Fatalf("another spelling was read:\n%s", c)
		}
		if _, _, err := readPath(append(slices.Clone(b), b...)); err == nil {
			t.Fatal("two paths were read as one")
		}
	})
	long := make(tlog.RecordProof, maxPath+1)
	if _, _, err := readPath(appendPath(nil, 1, long)); err == nil {
		t.Error("a path of more nodes than any tree has was read")
	}
}

func TestAFormIsManifestPathAndRootOfItsOwnLeafOnly(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8, 33} {
		tree, letters := NewTree(n), make([]Manifest, n)
		for i := range letters {
			letters[i] = Manifest{Letter: post.LetterID(fmt.Sprintf("l%d", i)), Reference: "r", Tenant: "t", CVR: "12345678",
				SignedAt: time.Unix(1e9, 0), Documents: []Document{{MediaType: "application/pdf", Size: 1}}}
			leaf, err := Leaf(letters[i])
			if err != nil {
				t.Fatal(err)
			}
			tree.Append(leaf)
		}
		for i, m := range letters {
			got, err := tree.Form(m, int64(i), []byte("<the root and its signature>"))
			if want := plainly(m) + pathPlainly(int64(i), tree.Path(int64(i))) + "<the root and its signature>"; err != nil || string(got) != want {
				t.Fatalf("letter %d of %d: %v\n%s\nnot\n%s", i, n, err, got, want)
			}
			for _, other := range []int64{-1, int64(n), int64(i) + 1, int64(i) - 1} {
				if _, err := tree.Form(m, other, nil); err == nil {
					t.Errorf("letter %d of %d has a form at %d", i, n, other)
				}
			}
		}
	}
	if _, err := Leaf(Manifest{}); err == nil {
		t.Error("a manifest that cannot be written has a leaf")
	}
}
