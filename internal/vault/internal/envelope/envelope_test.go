package envelope_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"

	"filippo.io/age"
	"pgregory.net/rapid"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/internal/envelope"
)

const chunk = 64 << 10

// edges are the lengths at which the number of chunks or what the last one holds changes.
var edges = []int{0, 1, 15, 16, 17, chunk - 17, chunk - 1, chunk, chunk + 1, chunk + 16, 2*chunk - 1, 2 * chunk, 2*chunk + 1, 3*chunk + 7}

func text(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), 7)) //nolint:gosec // not a secret
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

type pair struct {
	name string
	to   []age.Recipient
	id   age.Identity
}

func pairs(t testing.TB) []pair {
	t.Helper()
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	second, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	key := envelope.NewKey("sikkerpost.dk/test/v1", post.NewID())
	return []pair{
		{"a key", []age.Recipient{key}, key},
		{"X25519", []age.Recipient{classic.Recipient()}, classic},
		{"hybrid", []age.Recipient{hybrid.Recipient()}, hybrid},
		{"the second of two", []age.Recipient{hybrid.Recipient(), second.Recipient()}, second},
		{"the second key of two", []age.Recipient{envelope.NewKey("sikkerpost.dk/other/v1", post.NewID()), key}, key},
	}
}

// theirs opens a whole file with the age library alone.
func theirs(sealed []byte, id age.Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// apart opens a file as its header and its payload.
func apart(sealed []byte, id age.Identity, how func(io.Reader) io.Reader) ([]byte, error) {
	header, err := age.ExtractHeader(bytes.NewReader(sealed))
	if err != nil || !bytes.HasPrefix(sealed, header) {
		return nil, envelope.ErrSealed
	}
	r, err := envelope.Open(header, how(bytes.NewReader(sealed[len(header):])), id)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(how(r))
}

func asItIs(r io.Reader) io.Reader { return r }

func TestAgeOpensWhatIsSealedHere(t *testing.T) {
	for _, p := range pairs(t) {
		for _, n := range edges {
			want := text(n)
			whole := begin(t, p.to)
			sealed, err := whole.Whole(want)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := theirs(sealed, p.id); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s, %d bytes at once: %d bytes, %v", p.name, n, len(got), err)
			}
			if got, err := theirs(stream(t, p.to, want, 1000+n), p.id); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s, %d bytes in pieces: %d bytes, %v", p.name, n, len(got), err)
			}
		}
	}
}

func TestWhatAgeSealedIsOpenedHere(t *testing.T) {
	for _, p := range pairs(t) {
		for _, n := range edges {
			want := text(n)
			var b bytes.Buffer
			w, err := age.Encrypt(&b, p.to...)
			if err == nil {
				_, err = w.Write(want)
			}
			if err == nil {
				err = w.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := envelope.OpenSmall(b.Bytes(), p.id); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s, %d bytes at once: %d bytes, %v", p.name, n, len(got), err)
			}
			for i, how := range []func(io.Reader) io.Reader{asItIs, iotest.HalfReader, iotest.DataErrReader} {
				if got, err := apart(b.Bytes(), p.id, how); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%s, %d bytes read in way %d: %d bytes, %v", p.name, n, i, len(got), err)
				}
			}
		}
	}
}

func TestAnyTextInAnyPiecesComesBackFromBothSides(t *testing.T) {
	key := envelope.NewKey("sikkerpost.dk/test/v1", post.NewID())
	rapid.Check(t, func(t *rapid.T) {
		want := text(rapid.IntRange(0, 3*chunk).Draw(t, "length"))
		sealed := stream(t, []age.Recipient{key}, want, rapid.IntRange(1, 2*chunk).Draw(t, "piece"))
		for name, open := range map[string]func([]byte, age.Identity) ([]byte, error){
			"theirs": theirs, "at once": func(b []byte, id age.Identity) ([]byte, error) { return envelope.OpenSmall(b, id) },
			"as a stream": func(b []byte, id age.Identity) ([]byte, error) { return apart(b, id, asItIs) },
		} {
			if got, err := open(sealed, key); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: %d bytes, %v", name, len(got), err)
			}
		}
	})
}

// fatal is what testing.TB and rapid.T share here.
type fatal interface{ Fatal(args ...any) }

func begin(t fatal, to []age.Recipient) *envelope.Sealing {
	s, err := envelope.Begin(to...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stream(t fatal, to []age.Recipient, b []byte, piece int) []byte {
	s := begin(t, to)
	out := bytes.NewBuffer(bytes.Clone(s.Header))
	w, err := s.Payload(out)
	for err == nil && len(b) > 0 {
		_, err = w.Write(b[:min(piece, len(b))])
		b = b[min(piece, len(b)):]
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAHeaderHasOnePayload(t *testing.T) {
	s := begin(t, pairs(t)[0].to)
	if _, err := s.Whole(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Whole(nil); err == nil {
		t.Error("a second payload under the same key and nonces")
	}
	if _, err := s.Payload(io.Discard); err == nil {
		t.Error("a second payload under the same key and nonces, in pieces")
	}
}

func TestAMixtureIsRefusedAsAgeDoes(t *testing.T) {
	all := pairs(t)
	for _, to := range [][]age.Recipient{nil, {all[1].to[0], all[2].to[0]}} {
		_, ours := envelope.Begin(to...)
		_, age := age.Encrypt(io.Discard, to...)
		if ours == nil || age == nil {
			t.Errorf("%d recipients: %v, age %v", len(to), ours, age)
		}
	}
}

func TestAWriterThatEndedTakesNothing(t *testing.T) {
	key := pairs(t)[0]
	broken := errors.New("no space left on device")
	for name, end := range map[string]func(w *envelope.Writer) error{
		"closed":    func(w *envelope.Writer) error { return w.Close() },
		"abandoned": func(w *envelope.Writer) error { w.Abandon(); return nil },
	} {
		w, err := begin(t, key.to).Payload(io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := end(w); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		w.Abandon()
		if _, err := w.Write([]byte("x")); err == nil {
			t.Errorf("%s: it took more", name)
		}
		if w.Close() == nil {
			t.Errorf("%s: closed again", name)
		}
	}
	full := &failing{left: 16, err: broken}
	w, err := begin(t, key.to).Payload(full)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text(2 * chunk)); !errors.Is(err, broken) {
		t.Errorf("a full disk: %v", err)
	}
	if err := w.Close(); !errors.Is(err, broken) {
		t.Errorf("closed after a full disk: %v", err)
	}
}

type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, f.err
	}
	return len(p), nil
}

func TestAFailureToReadIsPassing(t *testing.T) {
	key, down := pairs(t)[0], errors.New("input/output error")
	s := begin(t, key.to)
	sealed, err := s.Whole(text(2 * chunk))
	if err != nil {
		t.Fatal(err)
	}
	payload := sealed[len(s.Header):]
	for _, n := range []int{0, 5, 16, 40, chunk, chunk + 33, len(payload)} {
		r, err := envelope.Open(s.Header, io.MultiReader(bytes.NewReader(payload[:n]), iotest.ErrReader(down)), key.id)
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if !errors.Is(err, down) || errors.Is(err, post.ErrPermanent) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func TestBuffersServeManyAtOnce(t *testing.T) {
	key := pairs(t)[0]
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 20 {
				want := text(g*20_000 + i)
				sealed := stream(t, key.to, want, 30_000)
				if got, err := apart(sealed, key.id, asItIs); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
				}
				if r, err := envelope.Open(sealed[:bytes.Index(sealed, []byte("\n---"))+49], bytes.NewReader(nil), key.id); err == nil {
					t.Errorf("opened nothing: %v", r)
				}
			}
		})
	}
	all.Wait()
}

// agree holds what is here to the age library over the same bytes: the same text
// or a refusal, and never a refusal of what age would take in its own form.
func agree(t *testing.T, sealed []byte, id age.Identity) {
	t.Helper()
	want, their := theirs(sealed, id)
	if header, err := age.ExtractHeader(bytes.NewReader(sealed)); their == nil && (err != nil || !bytes.HasPrefix(sealed, header)) {
		their = errors.New("header is not in age's own form")
	}
	got, err := envelope.OpenSmall(sealed, id)
	if (err == nil) != (their == nil) || err == nil && !bytes.Equal(got, want) {
		t.Fatalf("at once: %d bytes, %v; age: %d bytes, %v", len(got), err, len(want), their)
	}
	if err != nil && !errors.Is(err, post.FaultSealed) {
		t.Fatalf("refused without its fault: %v", err)
	}
	got, err = apart(sealed, id, asItIs)
	if (err == nil) != (their == nil) || err == nil && !bytes.Equal(got, want) {
		t.Fatalf("as a stream: %d bytes, %v; age: %d bytes, %v", len(got), err, len(want), their)
	}
}
