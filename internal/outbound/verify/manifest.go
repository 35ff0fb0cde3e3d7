package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// Namespace of a letter's manifest.
const Namespace = "https://sikkerpost.dk/ns/letter/1"

// A Manifest is what the signature of a letter covers: the letter, whatever
// channel carries it. It holds digests and salted commitments, no personal
// data and no content.
type Manifest struct {
	Letter    post.LetterID
	Reference string
	Tenant    post.TenantID
	CVR       post.CVR
	SignedAt  time.Time // whole seconds, UTC; the signer's own claim
	Recipient [32]byte  // [Commit] of the recipient
	Title     [32]byte  // [Commit] of the title
	Documents []Document
}

// Document is one document of a manifest, in order, the main one first.
type Document struct {
	Filename  [32]byte // [Commit] of the file name
	MediaType string
	Size      int64
	SHA256    [32]byte
}

// Commit returns the commitment to value under salt for one purpose. Without
// the salt, which is sealed with the letter, nobody can test a guess.
func Commit(salt []byte, purpose, value string) [32]byte {
	h := hmac.New(sha256.New, salt)
	fmt.Fprintf(h, "sikkerpost.dk/commit/v1\x00%s\x00%s", purpose, value)
	return [32]byte(h.Sum(nil))
}

// CommitRecipient returns the commitment to a recipient, address included.
func CommitRecipient(salt []byte, r post.PartyRecord) ([32]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return [32]byte{}, fmt.Errorf("commit to recipient: %w", err)
	}
	return Commit(salt, "recipient", string(b)), nil
}

// CommitFilename returns the commitment to the name of document n, from 1.
func CommitFilename(salt []byte, n int, name string) [32]byte {
	return Commit(salt, "filename-"+strconv.Itoa(n), name)
}

// ElementID is the value of the ID attribute that the signature refers to.
func (m Manifest) ElementID() string { return "letter-" + string(m.Letter) }

// Element returns m as XML, unsigned, in one way only.
func (m Manifest) Element() *etree.Element {
	e := etree.NewElement("Letter")
	e.CreateAttr("xmlns", Namespace)
	e.CreateAttr("ID", m.ElementID())
	e.CreateAttr("version", "1")
	e.CreateElement("LetterID").SetText(string(m.Letter))
	e.CreateElement("Reference").SetText(m.Reference)
	e.CreateElement("SignedAt").SetText(m.SignedAt.UTC().Format(time.RFC3339))
	t := e.CreateElement("Tenant")
	t.CreateAttr("id", string(m.Tenant))
	t.CreateAttr("cvr", string(m.CVR))
	e.CreateElement("RecipientCommitment").SetText(hex.EncodeToString(m.Recipient[:]))
	e.CreateElement("TitleCommitment").SetText(hex.EncodeToString(m.Title[:]))
	for i, d := range m.Documents {
		x := e.CreateElement("Document")
		x.CreateAttr("n", strconv.Itoa(i+1))
		x.CreateAttr("mediaType", d.MediaType)
		x.CreateAttr("size", strconv.FormatInt(d.Size, 10))
		x.CreateElement("FilenameCommitment").SetText(hex.EncodeToString(d.Filename[:]))
		x.CreateElement("SHA256").SetText(hex.EncodeToString(d.SHA256[:]))
	}
	return e
}

// read takes a manifest from a verified element. It refuses any element,
// attribute or order that [Manifest.Element] would not write.
func read(e *etree.Element) (Manifest, error) {
	var m Manifest
	bad := func(what string) (Manifest, error) {
		return Manifest{}, fmt.Errorf("%w: manifest: %s", ErrNotProven, what)
	}
	if !xmldsig.Is(e, Namespace, "Letter") {
		return bad("root")
	}
	kids := e.ChildElements()
	if len(kids) < 7 || len(kids) > 6+1+post.MaxAdditionalDocuments {
		return bad("number of elements")
	}
	m.Letter, m.Reference = post.LetterID(kids[0].Text()), kids[1].Text()
	at, err := time.Parse(time.RFC3339, kids[2].Text())
	if err != nil {
		return bad("SignedAt")
	}
	m.SignedAt = at.UTC()
	id, _ := xmldsig.Attr(kids[3], "id")
	cvr, _ := xmldsig.Attr(kids[3], "cvr")
	m.Tenant, m.CVR = post.TenantID(id), post.CVR(cvr)
	if !digest(kids[4].Text(), &m.Recipient) || !digest(kids[5].Text(), &m.Title) {
		return bad("commitment")
	}
	for _, k := range kids[6:] {
		var d Document
		parts := k.ChildElements()
		d.MediaType, _ = xmldsig.Attr(k, "mediaType")
		size, _ := xmldsig.Attr(k, "size")
		if d.Size, err = strconv.ParseInt(size, 10, 64); err != nil || d.Size < 0 || len(parts) != 2 ||
			!digest(parts[0].Text(), &d.Filename) || !digest(parts[1].Text(), &d.SHA256) {
			return bad("document")
		}
		m.Documents = append(m.Documents, d)
	}
	// What was signed must be exactly what this manifest writes: no element or
	// attribute that a reader would overlook.
	want, err := xmldsig.Canonical(m.Element())
	if err != nil {
		return bad("canonical form")
	}
	have, err := xmldsig.Canonical(e)
	if err != nil || string(want) != string(have) {
		return bad("something besides the manifest is signed")
	}
	return m, nil
}

func digest(s string, into *[32]byte) bool {
	b, err := hex.DecodeString(s)
	return err == nil && copy(into[:], b) == 32 && len(b) == 32
}
