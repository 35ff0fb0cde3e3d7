package letter

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// Content is what of a letter is sealed in the database: everything but the
// recipient, who has a seal of his own so that a reply can copy it.
type Content struct {
	V     int    `json:"v"`
	Title string `json:"title"`
	// Salt makes the commitments of the manifest unguessable; 32 bytes.
	Salt []byte `json:"salt"`
	// Originator is the person for whom the tenant's system sends, when an
	// inquiry is carried to the municipality's own contact point.
	Originator *post.PartyRecord `json:"originator,omitempty"`
	Documents  []ContentDocument `json:"documents"`
}

// ContentDocument describes one document; its size stands beside its seal.
type ContentDocument struct {
	Filename  string `json:"filename"`
	Label     string `json:"label"`
	MediaType string `json:"media_type"`
	Language  string `json:"language"`
	SHA256    string `json:"sha256"` // hex, of the plaintext
}

// NewContent returns the content of a letter with a fresh salt.
func NewContent(title string, documents []ContentDocument) Content {
	salt := make([]byte, 32)
	rand.Read(salt)
	return Content{V: 1, Title: title, Salt: salt, Documents: documents}
}

// ReadContent decodes content that was just opened. It refuses another version
// and unknown members.
func ReadContent(clear []byte) (Content, error) {
	var c Content
	dec := json.NewDecoder(bytes.NewReader(clear))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return Content{}, errors.New("content of the letter is not readable") // the cause could quote content
	}
	if c.V != 1 || len(c.Salt) != 32 || len(c.Documents) == 0 || len(c.Documents) > 1+post.MaxAdditionalDocuments {
		return Content{}, fmt.Errorf("content of the letter has version %d and %d documents", c.V, len(c.Documents))
	}
	return c, nil
}

// ReadRecipient decodes a recipient that was just opened. A sealed
// [post.PersonRecord], copied from an inquiry, yields the party whom the
// inquiry concerned.
func ReadRecipient(clear []byte) (post.PartyRecord, error) {
	var either struct {
		post.PartyRecord
		Actor      *post.PartyRecord `json:"actor"`
		OnBehalfOf *post.PartyRecord `json:"on_behalf_of"`
	}
	if err := json.Unmarshal(clear, &either); err != nil {
		return post.PartyRecord{}, errors.New("recipient of the letter is not readable") // the cause could quote it
	}
	r := either.PartyRecord
	if either.Actor != nil {
		r = post.PersonRecord{Actor: *either.Actor, OnBehalfOf: either.OnBehalfOf}.Subject()
	}
	if _, err := r.Party(); err != nil {
		return post.PartyRecord{}, fmt.Errorf("recipient of the letter: %w", err)
	}
	return r, nil
}

// Told is what a caller says of a letter, by which two submissions are known to
// be the same.
type Told struct {
	Recipient *post.PartyRecord
	Inquiry   post.InquiryID
	Content   Content
	Arrive    post.Day `json:",omitempty"`
	// Registered is left out when it is not asked for, so that letters from
	// before it could be asked for keep their digest.
	Registered bool `json:",omitempty"`
}

// Digest returns the keyed digest of what was told. Keyed, because recipient and
// title could otherwise be guessed from it.
func Digest(key []byte, tenant post.TenantID, t Told) ([]byte, error) {
	t.Content.Salt = nil
	canonical, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("digest letter: %w", err)
	}
	return seal.Index(key, tenant, "letter-content", string(canonical)), nil
}

// KeyIndex returns the keyed index of the caller's own key of a letter.
func KeyIndex(key []byte, tenant post.TenantID, business string) []byte {
	return seal.Index(key, tenant, "letter-key", business)
}

// CheckKey refuses a caller's key that is empty, too long or not printable.
func CheckKey(key string, f *post.Fault) error {
	if key == "" || utf8.RuneCountInString(key) > 200 || !printable(key) {
		return f
	}
	return nil
}

// CheckTitle refuses a title that no channel could show.
func CheckTitle(title string) error {
	n := utf8.RuneCountInString(title)
	if n < 1 || n > 256 || strings.TrimSpace(title) == "" || !printable(title) {
		return post.FaultLetterTitle
	}
	return nil
}

// CheckRecipient refuses what is not one CPR or CVR with a usable address.
func CheckRecipient(r post.PartyRecord) error {
	if _, err := r.Party(); err != nil {
		return err
	}
	return CheckAddress(r.Name, r.Address)
}

// CheckAddress bounds a recipient's name and address lines.
func CheckAddress(name string, lines []string) error {
	bad := len(lines) > 7
	for _, line := range lines {
		bad = bad || utf8.RuneCountInString(line) > 100 || !printable(line)
	}
	if bad || utf8.RuneCountInString(name) > 200 || !printable(name) {
		return post.FaultAddressLines
	}
	return nil
}

// NormalRecipient writes the number and its type in one way only.
func NormalRecipient(r post.PartyRecord) post.PartyRecord {
	p, err := r.Party()
	if err != nil {
		return r
	}
	r.IDType, r.ID = p.IDType(), p.RevealID()
	return r
}

// Describe checks the description of a document and fills its defaults.
func Describe(filename, label, mediaType, language string) (ContentDocument, error) {
	n := utf8.RuneCountInString(filename)
	if n < 1 || n > 255 || !printable(filename) || strings.ContainsAny(filename, `/\`) || filename == "." || filename == ".." {
		return ContentDocument{}, post.FaultDocumentName
	}
	if label == "" {
		label = filename
	}
	if utf8.RuneCountInString(label) > 256 || !printable(label) {
		return ContentDocument{}, post.FaultDocumentName
	}
	if mediaType == "" {
		mediaType = "application/pdf"
	}
	if language == "" {
		language = "da"
	}
	if !strings.EqualFold(mediaType, "application/pdf") || len(language) != 2 ||
		strings.ContainsFunc(language, func(r rune) bool { return r < 'a' || r > 'z' }) {
		return ContentDocument{}, post.FaultDocumentType
	}
	return ContentDocument{Filename: filename, Label: label, MediaType: "application/pdf", Language: language}, nil
}

// ParseDigest reads 64 hexadecimal digits and returns them in lower case.
func ParseDigest(s string) (string, bool) {
	b, err := hex.DecodeString(s)
	return hex.EncodeToString(b), err == nil && len(b) == 32
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\ufffe' || r == '\uffff' })
}
