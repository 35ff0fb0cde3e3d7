package letter_test

import (
	"bytes"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// TestAWishForRegisteredPostIsContent: with it the letter is another one, and
// without it the digest is what it was before the wish could be told, or known
// keys would be refused after an upgrade.
func TestAWishForRegisteredPostIsContent(t *testing.T) {
	key := make([]byte, 32)
	told := letter.Told{Content: letter.Content{V: 1, Title: "Afgørelse"}}
	plain, err := letter.Digest(key, "engdal", told)
	if err != nil {
		t.Fatal(err)
	}
	before := seal.Index(key, "engdal", "letter-content",
		`{"Recipient":null,"Inquiry":"","Content":{"v":1,"title":"Afgørelse","salt":null,"documents":null}}`)
	if !bytes.Equal(plain, before) {
		t.Error("the digest of a letter that asks for nothing has changed")
	}
	told.Registered = true
	if asked, err := letter.Digest(key, "engdal", told); err != nil || bytes.Equal(asked, plain) {
		t.Errorf("the wish is no part of the digest (%v)", err)
	}
}
