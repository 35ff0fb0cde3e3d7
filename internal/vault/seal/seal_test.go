package seal_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/bits"
	"strings"
	"testing"

	"filippo.io/age"
	"pgregory.net/rapid"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// memory is a putter that keeps blobs in memory.
type memory map[string][]byte

func (m memory) Put(_ context.Context, write func(io.Writer) error) (string, []byte, int64, error) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return "", nil, 0, err
	}
	id, sum := post.NewID(), sha256.Sum256(b.Bytes())
	m[id] = b.Bytes()
	return id, sum[:], int64(b.Len()), nil
}

func hybrid(t testing.TB) *age.HybridIdentity {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func sealed(t testing.TB, plain []byte, to ...age.Recipient) (seal.Object, []byte) {
	t.Helper()
	m := memory{}
	o, err := seal.Stream(t.Context(), m, to, func(w io.Writer) error {
		_, err := w.Write(plain)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return o, m[o.Blob]
}

func open(header, payload []byte, ids ...age.Identity) ([]byte, error) {
	r, err := unseal.Payload(header, bytes.NewReader(payload), ids...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestHeaderAndPayloadTogetherAreAStockAgeFile(t *testing.T) {
	dpo, deputy, recovery := hybrid(t), hybrid(t), hybrid(t)
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 300_000} {
		plain := bytes.Repeat([]byte("æ"), size/2+1)[:size]
		o, payload := sealed(t, plain, dpo.Recipient(), deputy.Recipient(), recovery.Recipient())
		if sum := sha256.Sum256(payload); !bytes.Equal(sum[:], o.SHA256) || o.Size != int64(len(payload)) {
			t.Error("the object does not describe its payload")
		}
		for _, id := range []age.Identity{dpo, deputy, recovery} {
			r, err := age.Decrypt(io.MultiReader(bytes.NewReader(o.Header), bytes.NewReader(payload)), id)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes: stock age gives %d bytes, %v", size, len(got), err)
			}
			if got, err := open(o.Header, payload, id); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes: unseal gives %d bytes, %v", size, len(got), err)
			}
		}
	}
}

func TestPayloadWithoutItsHeaderIsShredded(t *testing.T) {
	id := hybrid(t)
	o, payload := sealed(t, []byte("hemmeligt"), id.Recipient())
	other, _ := sealed(t, []byte("hemmeligt"), id.Recipient())
	for name, header := range map[string][]byte{"none": nil, "of another object": other.Header, "cut": o.Header[:len(o.Header)-1]} {
		if _, err := open(header, payload, id); !errors.Is(err, post.FaultSealed) || !errors.Is(err, post.ErrPermanent) {
			t.Errorf("header %s: %v", name, err)
		}
	}
	if bytes.Contains(payload, []byte("hemmeligt")) || bytes.Contains(o.Header, []byte("hemmeligt")) {
		t.Error("the text stands in clear")
	}
}

func TestOneFlippedBitIsRefused(t *testing.T) {
	id := hybrid(t)
	plain := bytes.Repeat([]byte("0123456789abcdef"), 4100) // two chunks
	o, payload := sealed(t, plain, id.Recipient())
	step := max(1, len(payload)/600)
	for i := 0; i < len(o.Header); i++ {
		flipped := bytes.Clone(o.Header)
		flipped[i] ^= 1 << (i % 8)
		if _, err := open(flipped, payload, id); !errors.Is(err, post.FaultSealed) {
			t.Fatalf("header byte %d: %v", i, err)
		}
	}
	for i := 0; i < len(payload); i += step {
		flipped := bytes.Clone(payload)
		flipped[i] ^= 1 << (i % 8)
		if _, err := open(o.Header, flipped, id); !errors.Is(err, post.FaultSealed) {
			t.Fatalf("payload byte %d: %v", i, err)
		}
	}
	for _, i := range []int{0, 15, 16, 17, len(payload) / 2, 16 + 64<<10 + 16, len(payload) - 1} {
		if _, err := open(o.Header, payload[:i], id); !errors.Is(err, post.FaultSealed) {
			t.Errorf("payload cut at %d: %v", i, err)
		}
	}
	if _, err := open(o.Header, append(bytes.Clone(payload), 0), id); !errors.Is(err, post.FaultSealed) {
		t.Error("a byte after the end passes")
	}
	if _, err := open(append(bytes.Clone(o.Header), payload[:3]...), payload[3:], id); !errors.Is(err, post.FaultSealed) {
		t.Error("the cut between header and payload may be moved")
	}
}

func TestOpeningErrorsNeverSayWhichKey(t *testing.T) {
	right, wrong := hybrid(t), hybrid(t)
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	o, payload := sealed(t, []byte("x"), right.Recipient())
	var words []string
	for _, ids := range [][]age.Identity{nil, {wrong}, {wrong, classic}, {classic}} {
		_, err := open(o.Header, payload, ids...)
		if !errors.Is(err, post.FaultSealed) {
			t.Fatalf("%d wrong keys: %v", len(ids), err)
		}
		words = append(words, err.Error())
	}
	broken := bytes.Clone(payload)
	broken[20] ^= 1
	_, err = open(o.Header, broken, right)
	for _, w := range words {
		if w != err.Error() {
			t.Errorf("%q differs from %q", w, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAFailureOfTheStoreIsPassing(t *testing.T) {
	id, gone := hybrid(t), errors.New("connection reset")
	o, payload := sealed(t, bytes.Repeat([]byte("x"), 200_000), id.Recipient())
	for _, n := range []int{0, 10, 20_000, 100_000} {
		r, err := unseal.Payload(o.Header, io.MultiReader(bytes.NewReader(payload[:n]), failing{gone}), id)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if !errors.Is(err, gone) || errors.Is(err, post.ErrPermanent) || errors.Is(err, post.FaultSealed) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func TestNothingIsKeptWhenTheWriterFails(t *testing.T) {
	m, boom := memory{}, errors.New("boom")
	o, err := seal.Stream(t.Context(), m, []age.Recipient{hybrid(t).Recipient()}, func(w io.Writer) error {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100_000))
		return boom
	})
	if !errors.Is(err, boom) || o.Blob != "" || o.Header != nil || len(m) != 0 {
		t.Errorf("got %+v, %v", o, err)
	}
	if _, err := seal.Stream(t.Context(), m, nil, func(io.Writer) error { return nil }); err == nil {
		t.Error("something was sealed to nobody")
	}
}

func TestSmall(t *testing.T) {
	id := hybrid(t)
	box, err := seal.Small([]byte("navn og nummer"), id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := unseal.Small(box, id); err != nil || string(got) != "navn og nummer" {
		t.Errorf("got %q, %v", got, err)
	}
	for i := range box {
		flipped := bytes.Clone(box)
		flipped[i] ^= 0x10
		if _, err := unseal.Small(flipped, id); !errors.Is(err, post.FaultSealed) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
}

func TestReadRecipients(t *testing.T) {
	one, two := hybrid(t).Recipient().String(), hybrid(t).Recipient().String()
	x, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, text string
		n          int
	}{
		{"hybrid, comments and empty lines", "# DPO\n" + one + "\n\n# recovery\n" + two + "\n", 2},
		{"classic", x.Recipient().String() + "\n", 1},
		{"mixed", one + "\n" + x.Recipient().String() + "\n", 0},
		{"nobody", "# nobody yet\n", 0},
		{"secret key by mistake", x.String() + "\n", 0},
		{"garbage", "hello\n", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := seal.ReadRecipients(strings.NewReader(tt.text))
			if len(list) != tt.n || (err == nil) != (tt.n > 0) || err != nil && !errors.Is(err, post.FaultRecipients) {
				t.Errorf("got %d, %v", len(list), err)
			}
			if err != nil && strings.Contains(err.Error(), x.String()[:24]) {
				t.Error("the error repeats a secret key")
			}
		})
	}
}

func TestIndexNeverChangesAndSeparates(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	const golden = "117a5ea0531636e4f157b6c1c1616959b8c03d01aca7dd0fc413c0a98f45ba52"
	if got := hex.EncodeToString(seal.Index(key, "engdal", "person", "6503851236")); got != golden {
		t.Errorf("got %s: every stored index is lost", got)
	}
	seen := map[string]bool{}
	for _, v := range [][]byte{
		seal.Index(key, "engdal", "person", "6503851236"), seal.Index(key, "fjordby", "person", "6503851236"),
		seal.Index(key, "engdal", "draft", "6503851236"), seal.Index(key, "engdalperson", "", "6503851236"),
		seal.Index(bytes.Repeat([]byte{8}, 32), "engdal", "person", "6503851236"), seal.Index(key, "engdal", "person6", "503851236"),
	} {
		if seen[string(v)] {
			t.Error("two different things have one index")
		}
		seen[string(v)] = true
	}
}

func TestBucketHidesTheExactLength(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 1<<40).Draw(t, "n")
		b := seal.Bucket(n)
		if b < n || b%512 != 0 || seal.Bucket(b) != b {
			t.Fatalf("bucket of %d is %d", n, b)
		}
		if n > 8<<10 && float64(b-n) > 0.12*float64(n) {
			t.Fatalf("bucket of %d is %d: too large", n, b)
		}
		if seal.Bucket(n+1) < b {
			t.Fatalf("buckets fall after %d", n)
		}
		// No more than log2(log2(n))+1 significant bits show.
		if shown := bits.Len64(uint64(b)) - bits.TrailingZeros64(uint64(b)); n > 8<<10 && shown > bits.Len(uint(bits.Len64(uint64(b))))+1 {
			t.Fatalf("bucket %d shows %d bits", b, shown)
		}
	})
	sizes := map[int64]bool{}
	for n := int64(1 << 20); n < 1<<20+30_000; n++ {
		sizes[seal.Bucket(n)] = true
	}
	if len(sizes) > 2 {
		t.Errorf("30,000 lengths near 1 MiB show %d sizes", len(sizes))
	}
}
