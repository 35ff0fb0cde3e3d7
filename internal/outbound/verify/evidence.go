package verify

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// MediaType is the media type of an evidence file (ASiC-E with XAdES, ETSI EN
// 319 162-1 clause 4.4).
const MediaType = "application/vnd.etsi.asic-e+zip"

// Names inside an evidence file. "mimetype" comes first and is stored, so that
// the type can be read at a fixed place. The files that the signature covers,
// directly or through the batch, lie in the root of the container; what only
// the gateway says lies in META-INF, where no signature is expected of it.
const (
	nameType       = "mimetype"
	nameIndex      = "META-INF/manifest.xml"
	nameSignatures = "META-INF/signatures-letter.xml"
	nameView       = "META-INF/letter.json"
	nameReceipts   = "META-INF/receipts.json"
	nameLedger     = "META-INF/ledger.json"
)

// maxEntry bounds one file of an evidence file; the largest, a ledger timeline,
// has some hundred bytes for each event.
const maxEntry = 1 << 20

// Evidence is what goes into an evidence file. Documents stay outside.
type Evidence struct {
	Manifest []byte // the signed form of the letter
	Letter   []byte // JSON: state and metadata, as shown by the desk
	Receipts []byte // JSON: what carriers said
	Ledger   []byte // JSON: array of [Entry]
}

// An Entry is one ledger event with the salt that opens its leaf.
type Entry struct {
	Body json.RawMessage `json:"body"` // exactly the bytes committed to
	Salt []byte          `json:"salt"`
}

// A file is one entry of an evidence file.
type file struct {
	name  string
	media string // as its index says; "" for those that the index leaves out
	data  []byte
}

// Pack writes an evidence file. It holds no times of its own: the same evidence
// is the same bytes.
func Pack(e Evidence) ([]byte, error) {
	s, err := apart(e.Manifest)
	if err != nil {
		return nil, fmt.Errorf("pack evidence: %w", err)
	}
	files := []file{{NameLetter, "application/xml", s.manifest}}
	if s.root != nil {
		files = append(files, file{NameRoot, "application/xml", s.root}, file{namePath, "application/xml", s.path})
	}
	files = append(files, file{nameIndex, "", index(files)}, file{nameSignatures, "", s.signature},
		file{nameView, "", e.Letter}, file{nameReceipts, "", e.Receipts}, file{nameLedger, "", e.Ledger})
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	kind := []byte(MediaType)
	w, err := z.CreateRaw(&zip.FileHeader{Name: nameType, Method: zip.Store, CRC32: crc32.ChecksumIEEE(kind),
		CompressedSize64: uint64(len(kind)), UncompressedSize64: uint64(len(kind))}) // no extra field, no descriptor
	if err == nil {
		_, err = w.Write(kind)
	}
	for _, f := range files {
		if err == nil {
			w, err = z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate})
		}
		if err == nil {
			_, err = w.Write(f.data)
		}
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("pack evidence: %w", err)
	}
	return b.Bytes(), nil
}

// index lists the files in the root of the container (OpenDocument 1.2 part 3,
// as EN 319 162-1 clause 4.4.3.2 has it).
func index(files []file) []byte {
	b := []byte(`<?xml version="1.0" encoding="UTF-8"?>
<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2">
<manifest:file-entry manifest:full-path="/" manifest:media-type="` + MediaType + `"></manifest:file-entry>
`)
	for _, f := range files {
		b = append(b, `<manifest:file-entry manifest:full-path="`+f.name+`" manifest:media-type="`+f.media+"\"></manifest:file-entry>\n"...)
	}
	return append(b, "</manifest:manifest>\n"...)
}

// Result is what an evidence file proves. Manifest is signed; Events, Letter
// and Receipts are the gateway's word until their leaves are found in the
// ledger.
type Result struct {
	Manifest  Manifest
	Root      *Root      // under policy "batch": what the signature covers
	Documents []Standing // one for each document of the manifest
	Events    []Proven
	Letter    json.RawMessage
	Receipts  json.RawMessage
}

// Standing says what is known of one document.
type Standing string

// Standings.
const (
	Matches Standing = "matches"   // given, and exactly the signed bytes
	Absent  Standing = "not given" // only its digest is known
)

// Proven is a ledger event with the leaf to look up in the log.
type Proven struct {
	Event ledger.Event
	Leaf  []byte
}

// File checks an evidence file of size bytes with pinned certs. documents, when
// given, are the letter's documents in any order; one that is not among the
// signed digests is an error.
func File(r io.ReaderAt, size int64, certs []*x509.Certificate, documents ...io.Reader) (Result, error) {
	files, err := unpack(r, size)
	if err != nil {
		return Result{}, err
	}
	// Put together again as it was signed, and as the ledger vouches for it.
	whole := slices.Concat(files[NameLetter], files[namePath], files[NameRoot], files[nameSignatures])
	parts := signed{manifest: files[NameLetter], path: files[namePath], root: files[NameRoot], signature: files[nameSignatures]}
	m, err := parts.check(certs, signedRoot)
	if err != nil {
		return Result{}, err
	}
	res := Result{Manifest: m, Letter: files[nameView], Receipts: files[nameReceipts]}
	if parts.root != nil {
		root, err := readRoot(parts.root)
		if err != nil {
			return Result{}, err
		}
		res.Root = &root
	}
	if res.Documents, err = match(m, documents); err != nil {
		return Result{}, err
	}
	var claim struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(files[nameView], &claim); err != nil || claim.ID != string(m.Letter) {
		return Result{}, fmt.Errorf("%w: evidence: letter.json speaks of another letter", ErrNotProven)
	}
	var entries []Entry
	if err := json.Unmarshal(files[nameLedger], &entries); err != nil {
		return Result{}, fmt.Errorf("%w: evidence: ledger.json", ErrNotProven)
	}
	for _, e := range entries {
		p := Proven{Leaf: ledger.Leaf(e.Salt, e.Body)}
		if err := json.Unmarshal(e.Body, &p.Event); err != nil || p.Event.Subject != string(m.Letter) {
			return Result{}, fmt.Errorf("%w: evidence: a ledger entry speaks of another record", ErrNotProven)
		}
		res.Events = append(res.Events, p)
	}
	if !signedInLedger(res.Events, whole) {
		return Result{}, fmt.Errorf("%w: evidence: no ledger entry vouches for this manifest", ErrNotProven)
	}
	return res, nil
}

// signedInLedger reports whether an event records the digest of manifest.
func signedInLedger(events []Proven, manifest []byte) bool {
	want := ManifestDigest(manifest)
	for _, e := range events {
		if e.Event.Kind == "letter.signed" && e.Event.Digest == want {
			return true
		}
	}
	return false
}

// unpack reads the files of an evidence file: those of policy "letter" or those
// of policy "batch", and no other.
func unpack(r io.ReaderAt, size int64) (map[string][]byte, error) {
	bad := func(what string) error { return fmt.Errorf("%w: evidence: %s", ErrNotProven, what) }
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, bad("not a zip file")
	}
	want := []string{nameType, NameLetter, nameIndex, nameSignatures, nameView, nameReceipts, nameLedger}
	if len(z.File) == len(want)+2 {
		want = append(want, NameRoot, namePath)
	}
	if len(z.File) != len(want) || z.File[0].Name != nameType || z.File[0].Method != zip.Store {
		return nil, bad("layout")
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		if _, twice := files[f.Name]; twice || !slices.Contains(want, f.Name) {
			return nil, bad("a name twice, or one that does not belong here")
		}
		rc, err := f.Open()
		if err != nil {
			return nil, bad("layout")
		}
		b, err := io.ReadAll(io.LimitReader(rc, maxEntry+1))
		rc.Close()
		if err != nil || len(b) > maxEntry {
			return nil, bad("a file is damaged or too large")
		}
		files[f.Name] = b
	}
	if string(files[nameType]) != MediaType {
		return nil, bad("media type")
	}
	return files, nil
}

// match finds for each document given the signed digest that it has.
func match(m Manifest, documents []io.Reader) ([]Standing, error) {
	out := make([]Standing, len(m.Documents))
	for i := range out {
		out[i] = Absent
	}
	for n, r := range documents {
		d, err := measure(r, m)
		if err != nil {
			return nil, err
		}
		found := false
		for i, want := range m.Documents {
			if want.Size == d.Size && want.SHA256 == d.SHA256 {
				out[i], found = Matches, true
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: document %d given is %w", ErrNotProven, n+1, ErrOtherDocument)
		}
	}
	return out, nil
}

// measure reads a document, at most one byte beyond the largest signed one.
func measure(r io.Reader, m Manifest) (Document, error) {
	var longest int64
	for _, d := range m.Documents {
		longest = max(longest, d.Size)
	}
	n, sum, err := sum256(io.LimitReader(r, longest+1))
	if err != nil {
		return Document{}, errors.Join(errors.New("read document"), err)
	}
	return Document{Size: n, SHA256: sum}, nil
}

// ManifestDigest returns the hex SHA-256 by which the ledger vouches for a
// signed letter.
func ManifestDigest(manifest []byte) string {
	sum := sha256.Sum256(manifest)
	return hex.EncodeToString(sum[:])
}
