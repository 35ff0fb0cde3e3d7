package verify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// Namespace of a letter's manifest and of what binds it to its batch.
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
	b := make([]byte, 0, len(commitV1)+len(purpose)+1+len(value))
	b = append(append(append(b, commitV1...), purpose...), 0)
	h.Write(append(b, value...))
	return [32]byte(h.Sum(b[:0]))
}

const commitV1 = "sikkerpost.dk/commit/v1\x00"

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

// timeForm is how times are written in whatever is signed.
const timeForm = "2006-01-02T15:04:05Z"

// XML returns m as XML, in one way only, which is its exclusive canonical form.
// It answers nil when a value would need escaping or a document is missing:
// such a manifest is never signed.
func (m Manifest) XML() []byte {
	b, ok := m.appendXML(make([]byte, 0, m.room()))
	if !ok {
		return nil
	}
	return b
}

// room is about how many bytes m takes as XML; values are rarely longer.
func (m Manifest) room() int { return 600 + 300*len(m.Documents) }

// appendXML appends m to b as [Manifest.XML] writes it; ok is false where that
// answers nil.
func (m Manifest) appendXML(b []byte) (_ []byte, ok bool) {
	ok = plain(string(m.Letter), m.Reference, string(m.Tenant), string(m.CVR)) &&
		len(m.Documents) >= 1 && len(m.Documents) <= 1+post.MaxAdditionalDocuments
	b = append(append(b, openManifest...), m.Letter...)
	b = append(append(b, `</LetterID><Reference>`...), m.Reference...)
	b = m.SignedAt.UTC().AppendFormat(append(b, `</Reference><SignedAt>`...), timeForm)
	b = append(append(b, `</SignedAt><Tenant cvr="`...), m.CVR...)
	b = append(append(b, `" id="`...), m.Tenant...)
	b = hex.AppendEncode(append(b, `"></Tenant><RecipientCommitment>`...), m.Recipient[:])
	b = hex.AppendEncode(append(b, `</RecipientCommitment><TitleCommitment>`...), m.Title[:])
	b = append(b, `</TitleCommitment>`...)
	for i := range m.Documents {
		d := &m.Documents[i]
		ok = ok && plain(d.MediaType) && d.Size >= 0
		b = append(append(b, `<Document mediaType="`...), d.MediaType...)
		b = strconv.AppendInt(append(b, `" n="`...), int64(i)+1, 10)
		b = strconv.AppendInt(append(b, `" size="`...), d.Size, 10)
		b = hex.AppendEncode(append(b, `"><FilenameCommitment>`...), d.Filename[:])
		b = hex.AppendEncode(append(b, `</FilenameCommitment><SHA256>`...), d.SHA256[:])
		b = append(b, `</SHA256></Document>`...)
	}
	return append(b, `</Letter>`...), ok
}

const openManifest = `<Letter xmlns="` + Namespace + `" version="1"><LetterID>`

// plain reports whether no value is empty, long, or needs escaping in XML.
func plain(values ...string) bool {
	for _, s := range values {
		if s == "" || len(s) > 200 {
			return false
		}
		for i := range len(s) {
			switch c := s[i]; {
			case c < ' ', c > '~', c == '<', c == '>', c == '&', c == '"', c == '\'':
				return false
			}
		}
	}
	return true
}

// readManifest takes a manifest out of b. It refuses whatever
// [Manifest.XML] would not have written, to the byte: no element, attribute or
// order that a reader would overlook.
func readManifest(b []byte) (Manifest, error) {
	r := reader{rest: string(b)}
	var m Manifest
	m.Letter = post.LetterID(r.take(openManifest, `<`))
	m.Reference = r.take(`<Reference>`, `<`)
	m.SignedAt = r.time(`<SignedAt>`, `<`)
	m.CVR = post.CVR(r.take(`<Tenant cvr="`, `"`))
	m.Tenant = post.TenantID(r.take(` id="`, `"`))
	m.Recipient = r.digest(`<RecipientCommitment>`, `<`)
	m.Title = r.digest(`<TitleCommitment>`, `<`)
	for !r.bad && strings.Contains(r.rest, `<Document `) && len(m.Documents) <= post.MaxAdditionalDocuments {
		var d Document
		d.MediaType = r.take(`<Document mediaType="`, `"`)
		d.Size = r.number(` size="`, `"`)
		d.Filename = r.digest(`<FilenameCommitment>`, `<`)
		d.SHA256 = r.digest(`<SHA256>`, `<`)
		m.Documents = append(m.Documents, d)
	}
	var room [2 << 10]byte
	if again, ok := m.appendXML(room[:0]); r.bad || !ok || !bytes.Equal(again, b) {
		return Manifest{}, fmt.Errorf("%w: manifest: not of the form that is signed", ErrNotProven)
	}
	return m, nil
}

// reader takes values out of a text whose exact form is checked afterwards by
// writing it again.
type reader struct {
	rest string
	bad  bool
}

// take returns what stands between before and the next after.
func (r *reader) take(before, after string) string {
	_, tail, found := strings.Cut(r.rest, before)
	value, _, ended := strings.Cut(tail, after)
	if !found || !ended {
		r.bad = true
		return ""
	}
	r.rest = tail[len(value):]
	return value
}

func (r *reader) digest(before, after string) (sum [32]byte) {
	var text [2 * len(sum)]byte
	value := r.take(before, after)
	if copy(text[:], value) != len(value) || len(value) != len(text) {
		r.bad = true
		return sum
	}
	if _, err := hex.Decode(sum[:], text[:]); err != nil {
		r.bad = true
	}
	return sum
}

func (r *reader) number(before, after string) int64 {
	n, err := strconv.ParseInt(r.take(before, after), 10, 64)
	if err != nil || n < 0 {
		r.bad = true
	}
	return n
}

func (r *reader) time(before, after string) time.Time {
	t, err := time.Parse(timeForm, r.take(before, after))
	r.bad = r.bad || err != nil
	return t
}
