package memo_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ulikunitz/xz/lzma"

	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

func numbered(n int) *memo.Message {
	m := full()
	m.Header.UUID = post.DerivedID("letter", post.Digital, n)
	m.Header.Sender.Representative = nil
	return m
}

func container(t testing.TB, version string, messages ...*memo.Message) []byte {
	t.Helper()
	var b bytes.Buffer
	c, err := memo.NewContainerWriter(&b, version)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := c.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAContainerReadsBackTheSame(t *testing.T) {
	for _, version := range []string{memo.Version, memo.Version11} {
		packed := container(t, version, numbered(1), numbered(2), numbered(3))
		if !bytes.Equal(packed, container(t, version, numbered(1), numbered(2), numbered(3))) {
			t.Error("the same messages make another container")
		}
		n := 0
		err := memo.ReadContainer(bytes.NewReader(packed), memo.ContainerLimits{}, func(uuid string, r io.Reader) error {
			n++
			m, err := memo.Read(r, memo.Limits{}, keep)
			if err != nil {
				return err
			}
			if m.Version != version || m.Header.UUID != uuid || uuid != post.DerivedID("letter", post.Digital, n) {
				t.Errorf("message %d is %s of version %s", n, uuid, m.Version)
			}
			return nil
		})
		if err != nil || n != 3 {
			t.Errorf("%d messages, %v", n, err)
		}
	}
}

func TestAContainerHasTheFormOfTheOfficialOnes(t *testing.T) {
	packed := container(t, memo.Version, numbered(1))
	if packed[0] != 0x5d || !bytes.Equal(packed[5:13], bytes.Repeat([]byte{0xff}, 8)) {
		t.Errorf("header % x", packed[:13])
	}
	z, err := lzma.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := io.ReadAll(z)
	if err != nil || len(archive)%10240 != 0 || string(archive[257:265]) != "ustar  \x00" {
		t.Errorf("%d bytes, magic %q, %v", len(archive), archive[257:265], err)
	}
}

func TestAMessageThatMayNotBeWrittenLeavesTheContainerWhole(t *testing.T) {
	var b bytes.Buffer
	c, err := memo.NewContainerWriter(&b, memo.Version11)
	if err != nil {
		t.Fatal(err)
	}
	bad := numbered(1)
	bad.Header.Sender.Representative = full().Header.Sender.Representative
	var invalid *memo.Invalid
	if err := c.Add(bad); !errors.As(err, &invalid) || invalid.Code != memo.CodeLoses {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(c.Add(numbered(2)), c.Close()); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := memo.ReadContainer(&b, memo.ContainerLimits{}, func(string, io.Reader) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("%d messages, %v", n, err)
	}
	c, _ = memo.NewContainerWriter(io.Discard, memo.Version)
	if err := errors.Join(c.Add(numbered(1)), c.Add(numbered(1))); !errors.As(err, &invalid) || invalid.Code != memo.CodeContainer {
		t.Errorf("the same message twice: %v", err)
	}
}

type entry struct {
	name string
	kind byte
	body string
}

// forged packs any entries.
func forged(t testing.TB, tail string, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := lzma.WriterConfig{DictCap: 1 << 16, EOSMarker: true}.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Size: int64(len(e.body)), ModTime: time.Unix(0, 0), Linkname: map[byte]string{tar.TypeSymlink: "/etc/passwd"}[e.kind]}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(z, tail); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTheContainerReaderRefuses(t *testing.T) {
	const id = "8c2ea15d-61fb-4ba9-9366-42f8b194c114"
	good := forged(t, "", entry{id + ".xml", tar.TypeReg, "x"})
	huge := bytes.Clone(good)
	copy(huge[1:5], []byte{0, 0, 0, 0x40}) // a dictionary of 1 GiB
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 0x55
	limits := memo.ContainerLimits{Entries: 2, Entry: 1000, Inflated: 64 << 10}
	for _, c := range []struct {
		name, code string
		packed     []byte
	}{
		{"nothing", memo.CodeContainer, nil},
		{"something else", memo.CodeContainer, []byte("PK\x03\x04 hello, this is no container")},
		{"a dictionary of 1 GiB", memo.CodeContainer, huge},
		{"half of it", memo.CodeContainer, good[:len(good)/2]},
		{"without its end marker", memo.CodeContainer, good[:len(good)-6]},
		{"bytes behind the end", memo.CodeContainer, append(bytes.Clone(good), 1)},
		{"bytes behind the last entry", memo.CodeContainer, forged(t, "hidden", entry{id + ".xml", tar.TypeReg, "x"})},
		{"a path", memo.CodeContainer, forged(t, "", entry{"../" + id + ".xml", tar.TypeReg, "x"})},
		{"a folder", memo.CodeContainer, forged(t, "", entry{id + ".xml/", tar.TypeDir, ""})},
		{"a link", memo.CodeContainer, forged(t, "", entry{id + ".xml", tar.TypeSymlink, ""})},
		{"another name", memo.CodeContainer, forged(t, "", entry{"brev.xml", tar.TypeReg, "x"})},
		{"the same name twice", memo.CodeContainer, forged(t, "", entry{id + ".xml", tar.TypeReg, "x"}, entry{strings.ToUpper(id) + ".xml", tar.TypeReg, "x"})},
		{"an entry beyond the limit", memo.CodeLimit, forged(t, "", entry{id + ".xml", tar.TypeReg, strings.Repeat("x", 1001)})},
		{"too many entries", memo.CodeLimit, forged(t, "", entry{id + ".xml", tar.TypeReg, "x"},
			entry{post.DerivedID("a", post.Digital, 1) + ".xml", tar.TypeReg, "x"}, entry{post.DerivedID("a", post.Digital, 2) + ".xml", tar.TypeReg, "x"})},
		{"a bomb", memo.CodeLimit, forged(t, strings.Repeat("\x00", 1<<20), entry{id + ".xml", tar.TypeReg, "x"})},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := memo.ReadContainer(bytes.NewReader(c.packed), limits, func(_ string, r io.Reader) error {
				_, err := io.Copy(io.Discard, r)
				return err
			})
			var bad *memo.Invalid
			if !errors.As(err, &bad) || bad.Code != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
	if err := memo.ReadContainer(bytes.NewReader(flipped), limits, func(_ string, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }); err == nil {
		t.Log("a flipped bit passed: LZMA has no checksum; the message's own reading must see it")
	}
}

func TestAContainersReaderOrTakerThatFailsIsNotAnInvalidContainer(t *testing.T) {
	wire := errors.New("wire")
	packed := container(t, memo.Version, numbered(1), numbered(2))
	var bad *memo.Invalid
	err := memo.ReadContainer(io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(wire)), memo.ContainerLimits{}, func(_ string, r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if err == nil || errors.As(err, &bad) {
		t.Errorf("the wire: %v", err)
	}
	disk := errors.New("disk")
	if err := memo.ReadContainer(bytes.NewReader(packed), memo.ContainerLimits{}, func(string, io.Reader) error { return disk }); !errors.Is(err, disk) {
		t.Errorf("the taker: %v", err)
	}
}

func FuzzReadContainer(f *testing.F) {
	f.Add(container(f, memo.Version, numbered(1)))
	f.Add(forged(f, "", entry{"../x", tar.TypeReg, "x"}))
	f.Add([]byte{0x5d, 0, 0, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4 && in[4] > 0 || len(in) > 3 && in[3] > 1 {
			return // a large dictionary costs memory, and finds nothing new
		}
		limits := memo.ContainerLimits{Entries: 5, Entry: 1 << 16, Inflated: 1 << 18}
		var total int64
		err := memo.ReadContainer(bytes.NewReader(in), limits, func(uuid string, r io.Reader) error {
			n, err := io.Copy(io.Discard, r)
			total += n
			if len(uuid) != 36 {
				t.Fatalf("a name of %q", uuid)
			}
			return err
		})
		if total > limits.Inflated {
			t.Fatalf("%d bytes came out", total)
		}
		var bad *memo.Invalid
		if err != nil && total == 0 && !errors.As(err, &bad) {
			t.Fatalf("not an Invalid: %v", err)
		}
	})
}
