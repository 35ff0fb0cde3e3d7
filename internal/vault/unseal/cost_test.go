package unseal_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

type oneKey []byte

func (k oneKey) WrappedDataKey(context.Context, string) ([]byte, error) { return k, nil }

type nowhere struct{ bytes.Buffer }

func (n *nowhere) Put(_ context.Context, write func(io.Writer) error) (string, []byte, int64, error) {
	n.Reset()
	err := write(n)
	return "b", nil, int64(n.Len()), err
}

// BenchmarkUnderADataKey measures what a letter does several times: a value of
// 1 KB and a document of 100 KB, sealed and opened.
func BenchmarkUnderADataKey(b *testing.B) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		b.Fatal(err)
	}
	key, wrapped, err := seal.NewDataKey(id.Recipient())
	if err != nil {
		b.Fatal(err)
	}
	open := unseal.Opener{unseal.DataKeys(b.Context(), oneKey(wrapped), id)}
	small, large := bytes.Repeat([]byte("ab"), 512), bytes.Repeat([]byte("ab"), 50<<10)
	value, err := seal.Small(small, key)
	if err != nil {
		b.Fatal(err)
	}
	document := func(w io.Writer) error { _, err := w.Write(large); return err }
	var at nowhere
	object, err := seal.Stream(b.Context(), &at, []age.Recipient{key}, document)
	if err != nil {
		b.Fatal(err)
	}
	stored := bytes.Clone(at.Bytes())
	b.Run("seal value", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := seal.Small(small, key); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open value", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := open.Small(value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("seal document", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := seal.Stream(b.Context(), &at, []age.Recipient{key}, document); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open document", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := open.Payload(object.Header, bytes.NewReader(stored))
			if err != nil {
				b.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, r); err != nil || n != int64(len(large)) {
				b.Fatal(n, err)
			}
		}
	})
}
