package verify_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/verify"
)

func TestPackIsDeterministicAndTypedAtAFixedPlace(t *testing.T) {
	e := verify.Evidence{Manifest: []byte("<x></x><asic:XAdESSignatures >"), Letter: []byte("{}"), Receipts: []byte("[]"), Ledger: []byte("[]")}
	a, err := verify.Pack(e)
	if err != nil {
		t.Fatal(err)
	}
	b, err := verify.Pack(e)
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("two packings differ, %v", err)
	}
	if !bytes.Contains(a[:100], []byte("mimetype"+verify.MediaType)) {
		t.Error("the media type is not stored first")
	}
	if _, err := zip.NewReader(bytes.NewReader(a), int64(len(a))); err != nil {
		t.Error(err)
	}
	if _, err := verify.File(bytes.NewReader(a), int64(len(a)), nil); !errors.Is(err, verify.ErrNotProven) {
		t.Errorf("unsigned evidence: %v", err)
	}
}

func TestDocumentBytesMustBeTheSignedOnes(t *testing.T) {
	d := verify.Document{Size: 3, SHA256: [32]byte{}}
	for _, s := range []string{"", "ab", "abc", "abcd"} {
		if err := d.Bytes(bytes.NewReader([]byte(s))); !errors.Is(err, verify.ErrNotProven) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	seed, err := verify.Pack(verify.Evidence{Manifest: []byte("<x></x><asic:XAdESSignatures >"), Letter: []byte("{}"), Receipts: []byte("[]"), Ledger: []byte("[]")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte("PK"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := verify.File(bytes.NewReader(b), int64(len(b)), nil); !errors.Is(err, verify.ErrNotProven) {
			t.Errorf("something was proven without a certificate: %v", err)
		}
	})
}
