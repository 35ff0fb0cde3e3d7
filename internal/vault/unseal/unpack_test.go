package unseal_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

var facts = seal.Facts{V: seal.Version, Kind: "inquiry", Tenant: "engdal", Object: "0190c3a0-0000-7000-8000-000000000001"}

func message() seal.Message {
	p := persona.All()[0]
	return seal.Message{
		Kind: post.Access, Road: post.ToDPO, Language: "da", Subject: "Indsigt i min sag", Text: "Kære DPO\n\n<b>æøå</b> \u2028 & \"citat\"",
		Person:     post.PersonRecord{Actor: post.PartyRecord{IDType: "CPR", ID: p.CPR, Name: p.Name}},
		AcceptedAt: time.Date(2026, 8, 3, 9, 30, 0, 123000, time.UTC), Reference: "SP-0000-0000",
	}
}

func part(name string, content []byte) seal.Part {
	return seal.Part{Name: name, MediaType: "application/pdf", Size: int64(len(content)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}
}

func pack(t testing.TB, parts ...seal.Part) ([]byte, [32]byte) {
	t.Helper()
	var b bytes.Buffer
	digest, err := seal.Pack(&b, facts, message(), parts)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), digest
}

// read unpacks everything.
func read(data []byte, want seal.Facts) (names []string, contents [][]byte, p *unseal.Package, err error) {
	p, err = unseal.Unpack(bytes.NewReader(data), want)
	if err != nil {
		return nil, nil, nil, err
	}
	for {
		part, r, err := p.Next()
		if errors.Is(err, io.EOF) {
			return names, contents, p, nil
		}
		if err != nil {
			return nil, nil, nil, err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, nil, nil, err
		}
		names, contents = append(names, part.Name), append(contents, content)
	}
}

func TestWhatIsPackedComesBack(t *testing.T) {
	one, two := bytes.Repeat([]byte("%PDF"), 500), []byte{}
	data, digest := pack(t, part("Bilag æ/..\\1.pdf", one), part("../../etc/passwd", two))
	names, contents, p, err := read(data, facts)
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != 2 || names[0] != "Bilag æ/..\\1.pdf" || !bytes.Equal(contents[0], one) || len(contents[1]) != 0 {
		t.Errorf("got %q", names)
	}
	if p.Digest() != digest || digest == [32]byte{} {
		t.Error("the digest differs from the one at packing")
	}
	want, err1 := json.Marshal(message())
	got, err2 := json.Marshal(p.Message)
	if err1 != nil || err2 != nil || !bytes.Equal(got, want) {
		t.Errorf("message came back as %s", got)
	}
}

func TestAMessageDoesNotPrint(t *testing.T) {
	m := message()
	for _, v := range []any{m, &m, seal.Letterhead{Message: m}, []seal.Message{m}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			out := fmt.Sprintf(verb, v)
			for _, secret := range []string{m.Subject, "citat", m.Person.Actor.ID, "Berggren", fmt.Sprintf("%x", "Berggren")} {
				if strings.Contains(out, secret) {
					t.Errorf("%s of %T shows %q", verb, v, secret)
				}
			}
		}
	}
}

func TestAPackageIsAStockTar(t *testing.T) {
	data, digest := pack(t, part("a.pdf", []byte("one")), part("b.pdf", bytes.Repeat([]byte("b"), 512)))
	r := tar.NewReader(bytes.NewReader(data))
	var names []string
	var last []byte
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if last, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(names, " "); got != "facts.json message.json attachments/1 attachments/2 manifest.json" {
		t.Errorf("entries are %s", got)
	}
	if sha256.Sum256(last) != digest {
		t.Error("the digest is not the SHA-256 of manifest.json")
	}
}

func TestTheDigestIsSaltedAndTheSizePadded(t *testing.T) {
	a, first := pack(t)
	b, second := pack(t)
	if first == second {
		t.Error("two packages of one content have one digest: a guess can be confirmed")
	}
	c, _ := pack(t, part("x", bytes.Repeat([]byte("x"), 700)))
	if len(a) != len(b) || len(a) != len(c) || int64(len(a)) != seal.Bucket(int64(len(a))) {
		t.Errorf("sizes %d, %d, %d tell the content apart", len(a), len(b), len(c))
	}
}

func TestRestChecksWithoutReading(t *testing.T) {
	data, digest := pack(t, part("a", bytes.Repeat([]byte("a"), 1000)), part("b", []byte("b")))
	p, err := unseal.Unpack(bytes.NewReader(data), facts)
	if err != nil {
		t.Fatal(err)
	}
	if p.Digest() != [32]byte{} {
		t.Error("there is a digest before the end")
	}
	if err := p.Rest(); err != nil || p.Digest() != digest {
		t.Errorf("got %v", err)
	}
}

func TestEveryFlippedBitOfAPackageIsRefused(t *testing.T) {
	data, digest := pack(t, part("a.pdf", []byte("indhold")))
	for i := range data {
		flipped := bytes.Clone(data)
		flipped[i] ^= 1 << (i % 8)
		if _, _, p, err := read(flipped, facts); err == nil {
			if p.Digest() != digest { // the salt is free: another digest, which no receipt knows
				continue
			}
			t.Fatalf("byte %d of %d is free", i, len(data))
		} else if !errors.Is(err, post.FaultPackage) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
}

// rebuild writes a tar of entries with a matching manifest, unless told otherwise.
func rebuild(t testing.TB, entries []seal.Entry, contents [][]byte, manifest []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	write := func(path string, content []byte) {
		h, err := seal.Header(path, int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		b.Write(h)
		b.Write(content)
		b.Write(make([]byte, -len(content)&511))
	}
	for i, e := range entries {
		write(e.Path, contents[i])
	}
	if manifest == nil {
		var list []seal.Entry
		for i, e := range entries {
			list = append(list, seal.Entry{Path: e.Path, Size: int64(len(contents[i])), SHA256: fmt.Sprintf("%x", sha256.Sum256(contents[i]))})
		}
		var err error
		if manifest, err = json.Marshal(seal.Manifest{V: 1, Salt: strings.Repeat("00", 32), Entries: list}); err != nil {
			t.Fatal(err)
		}
	}
	if len(manifest) > 0 {
		write(seal.ManifestPath, manifest)
	}
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

func letterhead(t testing.TB, attached ...seal.Attachment) []byte {
	t.Helper()
	b, err := json.Marshal(seal.Letterhead{Message: message(), Attachments: attached})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestForgedPackagesAreRefused(t *testing.T) {
	f, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	type es = []seal.Entry
	type bs = [][]byte
	two := []seal.Attachment{{Name: "a", Size: 1}, {Name: "b", Size: 1}}
	base := es{{Path: "facts.json"}, {Path: "message.json"}}
	good := rebuild(t, base, bs{f, letterhead(t)}, nil)
	if _, _, _, err := read(good, facts); err != nil {
		t.Fatalf("the plain one is refused: %v", err)
	}
	for name, data := range map[string][]byte{
		"empty":                          {},
		"cut in the header":              good[:100],
		"cut before the manifest":        good[:2048],
		"cut before the end":             good[:len(good)-1024],
		"one block short":                good[:len(good)-512],
		"not whole blocks":               append(bytes.Clone(good), 0),
		"something after the end":        append(bytes.Clone(good), bytes.Repeat([]byte{1}, 512)...),
		"no manifest":                    rebuild(t, base, bs{f, letterhead(t)}, []byte{}),
		"manifest of something else":     rebuild(t, base, bs{f, letterhead(t)}, []byte(`{"v":1,"salt":"`+strings.Repeat("00", 32)+`","entries":[]}`)),
		"manifest with more in it":       rebuild(t, base, bs{f, letterhead(t)}, []byte(`{"v":1,"salt":"","entries":[],"x":1}`)),
		"an entry that no message names": rebuild(t, append(base[:2:2], seal.Entry{Path: "attachments/1"}), bs{f, letterhead(t), []byte("x")}, nil),
		"an attachment twice":            rebuild(t, append(base[:2:2], seal.Entry{Path: "attachments/1"}, seal.Entry{Path: "attachments/1"}), bs{f, letterhead(t, two...), []byte("x"), []byte("y")}, nil),
		"attachments out of order":       rebuild(t, append(base[:2:2], seal.Entry{Path: "attachments/2"}, seal.Entry{Path: "attachments/1"}), bs{f, letterhead(t, two...), []byte("x"), []byte("y")}, nil),
		"a path that climbs":             rebuild(t, append(base[:2:2], seal.Entry{Path: "../etc/passwd"}), bs{f, letterhead(t, two[0]), []byte("x")}, nil),
		"an absolute path":               rebuild(t, append(base[:2:2], seal.Entry{Path: "/attachments/1"}), bs{f, letterhead(t, two[0]), []byte("x")}, nil),
		"another size than announced":    rebuild(t, append(base[:2:2], seal.Entry{Path: "attachments/1"}), bs{f, letterhead(t, two[0]), []byte("xy")}, nil),
		"a missing attachment":           rebuild(t, base, bs{f, letterhead(t, two...)}, nil),
		"facts twice":                    rebuild(t, es{{Path: "facts.json"}, {Path: "facts.json"}, {Path: "message.json"}}, bs{f, f, letterhead(t)}, nil),
		"unknown fact":                   rebuild(t, base, bs{append(f[:len(f)-1:len(f)-1], `,"x":1}`...), letterhead(t)}, nil),
		"two values in one file":         rebuild(t, base, bs{append(f[:len(f):len(f)], " {}"...), letterhead(t)}, nil),
		"too many attachments":           rebuild(t, base, bs{f, letterhead(t, make([]seal.Attachment, seal.MaxAttachments+1)...)}, nil),
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, _, err := read(data, facts); !errors.Is(err, post.FaultPackage) || !errors.Is(err, post.ErrPermanent) {
				t.Errorf("got %v", err)
			}
		})
	}
	h, err := seal.Header("facts.json", seal.MaxJSON+1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unseal.Unpack(io.MultiReader(bytes.NewReader(h), endless{}), facts); !errors.Is(err, post.FaultPackage) {
		t.Errorf("an oversize entry: %v", err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestWrongFactsAreRefused(t *testing.T) {
	data, _ := pack(t)
	for _, change := range []func(*seal.Facts){
		func(f *seal.Facts) { f.Tenant = "fjordby" }, func(f *seal.Facts) { f.Object = "another" },
		func(f *seal.Facts) { f.Kind = "letter" }, func(f *seal.Facts) { f.V = 2 }, func(f *seal.Facts) { *f = seal.Facts{} },
	} {
		want := facts
		change(&want)
		if _, err := unseal.Unpack(bytes.NewReader(data), want); !errors.Is(err, post.FaultPackage) {
			t.Errorf("%+v: %v", want, err)
		}
	}
}

func TestPackRefusesPartsThatAreNotWhatTheySay(t *testing.T) {
	short, long, huge := part("a", []byte("abc")), part("a", []byte("abc")), part("a", nil)
	short.Size, long.Size, huge.Size = 4, 2, seal.MaxAttachment+1
	gone := part("a", nil)
	gone.Open = func() (io.ReadCloser, error) { return nil, os.ErrNotExist }
	for name, p := range map[string]seal.Part{"short": short, "long": long, "huge": huge, "gone": gone} {
		if _, err := seal.Pack(io.Discard, facts, message(), []seal.Part{p}); err == nil {
			t.Errorf("%s: packed", name)
		}
	}
	if _, err := seal.Pack(io.Discard, facts, message(), make([]seal.Part, seal.MaxAttachments+1)); err == nil {
		t.Error("too many attachments: packed")
	}
}

func TestReadIdentitiesFile(t *testing.T) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "identity")
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if ids, err := unseal.ReadIdentitiesFile(write("# DPO\n"+id.String()+"\n", 0o600)); err != nil || len(ids) != 1 {
		t.Errorf("got %d, %v", len(ids), err)
	}
	for name, path := range map[string]string{
		"readable by others": write(id.String()+"\n", 0o644), "empty": write("", 0o600),
		"broken": write(id.String()[:60]+"\n", 0o600), "public key": write(id.Recipient().String()+"\n", 0o600),
	} {
		_, err := unseal.ReadIdentitiesFile(path)
		if !errors.Is(err, post.FaultIdentity) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), id.String()[:30]) {
			t.Errorf("%s: the error repeats the key", name)
		}
	}
	if _, err := unseal.ReadIdentitiesFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

// Whatever Unpack accepts, a stock tar reader sees the same way.
func FuzzUnpack(f *testing.F) {
	plain, _ := pack(f)
	full, _ := pack(f, part("a.pdf", []byte("%PDF-1.7")), part("b", nil))
	f.Add(plain)
	f.Add(full)
	f.Add(full[:len(full)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		names, contents, p, err := read(data, facts)
		if err != nil {
			return
		}
		r := tar.NewReader(bytes.NewReader(data))
		for i := 0; ; i++ {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				if i != len(names)+3 {
					t.Fatalf("tar sees %d entries, unpack %d attachments", i, len(names))
				}
				break
			}
			if err != nil {
				t.Fatalf("tar refuses what unpack accepts: %v", err)
			}
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if i >= 2 && i < len(names)+2 && (h.Name != seal.AttachmentPath(i-1) || !bytes.Equal(content, contents[i-2])) {
				t.Fatalf("entry %d differs", i)
			}
			if h.Name == seal.ManifestPath && sha256.Sum256(content) != p.Digest() {
				t.Fatal("the digest is not that of the manifest")
			}
		}
	})
}
