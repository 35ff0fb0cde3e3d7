package verify

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/post"
)

// A Root is what one signature covers when a whole batch is signed at once
// (policy "batch"): the Merkle tree over the manifests of its letters, in the
// order of its lines, hashed as in RFC 6962 section 2.1 (leaves and nodes have
// different prefixes). One signature vouches for each of them, and a letter's
// evidence says nothing of the others.
type Root struct {
	Batch    post.BatchID
	Tenant   post.TenantID
	CVR      post.CVR
	SignedAt time.Time // whole seconds, UTC; that of every manifest in it
	Size     int64     // letters
	Hash     tlog.Hash
}

// Leaf returns the leaf that m is in the tree of its batch. A manifest that cannot
// be written is none.
func Leaf(m Manifest) (tlog.Hash, error) {
	xml := m.XML()
	if xml == nil {
		return tlog.Hash{}, fmt.Errorf("%w: manifest cannot be written", ErrNotProven)
	}
	return tlog.RecordHash(xml), nil
}

// XML returns r as XML, in one way only, or nil when a value would need
// escaping.
func (r Root) XML() []byte {
	if !plain(string(r.Batch), string(r.Tenant), string(r.CVR)) || r.Size < 1 {
		return nil
	}
	return []byte(openRoot + string(r.Batch) + `</BatchID><SignedAt>` + r.SignedAt.UTC().Format(timeForm) + `</SignedAt><Tenant cvr="` +
		string(r.CVR) + `" id="` + string(r.Tenant) + `"></Tenant><Tree hash="RFC6962-SHA-256" root="` + hex.EncodeToString(r.Hash[:]) +
		`" size="` + strconv.FormatInt(r.Size, 10) + `"></Tree></LetterBatch>`)
}

const (
	openRoot = `<LetterBatch xmlns="` + Namespace + `" version="1"><BatchID>`
	openPath = `<Inclusion xmlns="` + Namespace + `" index="`
)

func readRoot(b []byte) (Root, error) {
	r := reader{rest: string(b)}
	var root Root
	root.Batch = post.BatchID(r.take(openRoot, `<`))
	root.SignedAt = r.time(`<SignedAt>`, `<`)
	root.CVR = post.CVR(r.take(`<Tenant cvr="`, `"`))
	root.Tenant = post.TenantID(r.take(` id="`, `"`))
	root.Hash = r.digest(` root="`, `"`)
	root.Size = r.number(` size="`, `"`)
	if r.bad || string(root.XML()) != string(b) {
		return Root{}, fmt.Errorf("%w: batch: not of the form that is signed", ErrNotProven)
	}
	return root, nil
}

// appendPath appends the inclusion path of leaf index, from 0.
func appendPath(b []byte, index int64, path tlog.RecordProof) []byte {
	b = strconv.AppendInt(append(b, openPath...), index, 10)
	b = append(b, `" version="1">`...)
	for i := range path {
		b = hex.AppendEncode(append(b, `<Node>`...), path[i][:])
		b = append(b, `</Node>`...)
	}
	return append(b, `</Inclusion>`...)
}

// room is about how many bytes the path of a letter of t takes.
func (t *Tree) room() int { return len(openPath) + 50 + nodeSize*bits.Len64(uint64(t.size)) }

// nodeSize is how many bytes one node of a path takes.
const nodeSize = len(`<Node></Node>`) + 2*tlog.HashSize

// A Tree is the Merkle tree of a batch in memory, 64 bytes a letter.
type Tree struct {
	size   int64
	hashes []tlog.Hash // in the numbering of package tlog
}

// NewTree returns an empty tree with room for n letters.
func NewTree(n int) *Tree {
	return &Tree{hashes: make([]tlog.Hash, 0, tlog.StoredHashCount(int64(n)))}
}

// Append adds the leaf of the next line.
func (t *Tree) Append(leaf tlog.Hash) {
	more, err := tlog.StoredHashesForRecordHash(t.size, leaf, tlog.HashReaderFunc(t.read))
	if err != nil {
		panic(err) // every hash that it asks for was appended before
	}
	t.hashes, t.size = append(t.hashes, more...), t.size+1
}

// Size returns the number of leaves.
func (t *Tree) Size() int64 { return t.size }

// Leaf returns the leaf at index, which must exist.
func (t *Tree) Leaf(index int64) tlog.Hash { return t.hashes[tlog.StoredHashIndex(0, index)] }

// Root returns the root hash. An empty tree has none: the caller checks Size.
func (t *Tree) Root() tlog.Hash {
	h, err := tlog.TreeHash(t.size, tlog.HashReaderFunc(t.read))
	if err != nil {
		panic(err)
	}
	return h
}

// Path returns the inclusion path of leaf index, which must exist.
func (t *Tree) Path(index int64) tlog.RecordProof {
	p, err := tlog.ProveRecord(t.size, index, tlog.HashReaderFunc(t.read))
	if err != nil {
		panic(err)
	}
	return p
}

func (t *Tree) read(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = t.hashes[x]
	}
	return out, nil
}

// maxPath is the length of a path in a tree of 2^40 letters.
const maxPath = 40

func readPath(b []byte) (index int64, path tlog.RecordProof, err error) {
	r := reader{rest: string(b)}
	index = r.number(openPath, `"`)
	path = make(tlog.RecordProof, 0, min(len(b)/nodeSize, maxPath))
	for !r.bad && strings.Contains(r.rest, `<Node>`) && len(path) < maxPath {
		path = append(path, r.digest(`<Node>`, `<`))
	}
	var room [2 << 10]byte
	if r.bad || !bytes.Equal(appendPath(room[:0], index, path), b) {
		return 0, nil, fmt.Errorf("%w: inclusion: not of the form that is written", ErrNotProven)
	}
	return index, path, nil
}

// Form returns the signed form of a letter under policy "batch": its manifest,
// its inclusion path and the signed root of t. It refuses a letter that is not the
// leaf at index, from 0.
func (t *Tree) Form(m Manifest, index int64, signedRoot []byte) ([]byte, error) {
	b, ok := m.appendXML(make([]byte, 0, m.room()+t.room()+len(signedRoot)))
	if !ok || index < 0 || index >= t.size || t.Leaf(index) != tlog.RecordHash(b) {
		return nil, fmt.Errorf("%w: the letter is not what its batch was signed with", ErrNotProven)
	}
	return append(appendPath(b, index, t.Path(index)), signedRoot...), nil
}

// inBatch checks that m, whose XML is xml, is leaf index of root and that both say
// the same of what they share.
func inBatch(m Manifest, xml []byte, root Root, index int64, path tlog.RecordProof) error {
	if m.Tenant != root.Tenant || m.CVR != root.CVR || !m.SignedAt.Equal(root.SignedAt) {
		return fmt.Errorf("%w: letter and batch contradict each other", ErrNotProven)
	}
	if index >= root.Size || tlog.CheckRecord(path, root.Size, root.Hash, index, tlog.RecordHash(xml)) != nil {
		return fmt.Errorf("%w: letter is not in the signed batch", ErrNotProven)
	}
	return nil
}
