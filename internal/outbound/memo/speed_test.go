package memo_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/ratio"
)

// largest is about the most that one message carries.
const largest = 74_000_000

// heavy is a message with one file of that content.
func heavy(content []byte) *memo.Message {
	return &memo.Message{
		Header: memo.Header{Type: memo.DigitalPost, UUID: post.DerivedID("heavy", post.Digital, len(content)), ID: "ref", Label: "T",
			Sender: memo.Party{ID: "29000011", IDType: "CVR", Label: "K"}, Recipient: memo.Party{ID: "6503851236", IDType: "CPR"}},
		Body: &memo.Body{Created: time.Unix(1_800_000_000, 0), Documents: []memo.Document{{Kind: memo.Main, Files: []memo.File{{
			MediaType: "application/pdf", Filename: "a.pdf", Language: "da", Size: int64(len(content)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		}}}}},
	}
}

// noise fills n bytes with what no compressor can shrink.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

// grown runs f and returns by how many MB the program's memory rose at most;
// false where the system does not tell.
func grown(f func()) (float64, bool) {
	debug.FreeOSMemory()
	if os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200) != nil { // the peak counts from now
		return 0, false
	}
	before, ok := status("VmRSS:")
	if !ok {
		return 0, false
	}
	f()
	after, ok := status("VmHWM:")
	return float64(after-before) / 1000, ok
}

// status returns a figure of this process in KB.
func status(name string) (int, bool) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			return n, err == nil
		}
	}
	return 0, false
}

// BenchmarkRatio measures MeMo against bare base64 of the same bytes, both
// streaming.
func BenchmarkRatio(b *testing.B) {
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	content := noise(largest)
	m := heavy(content)
	encode := func() { must(memo.Write(io.Discard, m)) }
	ratio.Row{Name: "memo:_speed_of_writing_75_MB_to_bare_base64", AtLeast: 0.5, Rounds: 5}.Speed(b, encode, func() {
		w := base64.NewEncoder(base64.StdEncoding, io.Discard)
		_, err := io.Copy(w, bytes.NewReader(content))
		must(err)
		must(w.Close())
	})
	if mb, ok := grown(encode); ok {
		ratio.Row{Name: "memo:_memory_to_write_75_MB", AtMost: 16}.Amount(b, "MB", mb)
	}
	var message bytes.Buffer
	message.Grow(largest*4/3 + 1<<20)
	must(memo.Write(&message, m))
	text := []byte(base64.StdEncoding.EncodeToString(content))
	drain := func(_ memo.Document, _ *memo.File, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
	decode := func() {
		_, err := memo.Read(bytes.NewReader(message.Bytes()), memo.Limits{}, drain)
		must(err)
	}
	ratio.Row{Name: "memo:_speed_of_reading_75_MB_to_bare_base64", AtLeast: 0.35, Rounds: 5}.Speed(b, decode, func() {
		_, err := io.Copy(io.Discard, base64.NewDecoder(base64.StdEncoding, bytes.NewReader(text)))
		must(err)
	})
	if mb, ok := grown(decode); ok {
		ratio.Row{Name: "memo:_memory_to_read_75_MB", AtMost: 16}.Amount(b, "MB", mb)
	}
	containers(b, must)
}

// containers measures a container of 1,000 messages of 20 KB, as it streams:
// written and read at once, and read with the dictionary that official
// containers ask for.
func containers(b *testing.B, must func(error)) {
	content := noise(20_000)
	write := func(w io.Writer) error {
		c, err := memo.NewContainerWriter(w, memo.Version)
		for n := 0; err == nil && n < 1000; n++ {
			m := heavy(content)
			m.Header.UUID = post.DerivedID("container", post.Digital, n)
			err = c.Add(m)
		}
		if err == nil {
			err = c.Close()
		}
		return err
	}
	read := func(r io.Reader) {
		n := 0
		must(memo.ReadContainer(r, memo.ContainerLimits{}, func(_ string, message io.Reader) error {
			n++
			_, err := memo.Read(message, memo.Limits{}, nil)
			return err
		}))
		if n != 1000 {
			must(fmt.Errorf("%d messages", n))
		}
	}
	carry := func() {
		r, w := io.Pipe()
		go func() { w.CloseWithError(write(w)) }()
		read(r)
	}
	if mb, ok := grown(carry); ok {
		ratio.Row{Name: "memo:_memory_to_write_and_read_a_container_of_1000", AtMost: 200}.Amount(b, "MB", mb)
	}
	var packed bytes.Buffer
	must(write(&packed))
	official := packed.Bytes()
	copy(official[1:5], []byte{0, 0, 0, 8}) // 128 MiB
	if mb, ok := grown(func() { read(bytes.NewReader(official)) }); ok {
		ratio.Row{Name: "memo:_memory_to_read_an_official_container_of_1000", AtMost: 200}.Amount(b, "MB", mb)
	}
}
