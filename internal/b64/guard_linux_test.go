package b64_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"syscall"
	"testing"

	"sikkerpost.dk/gateway/internal/b64"
)

// fenced returns memory between two pages that nobody may touch: to read or to
// write one byte beyond it ends the program.
func fenced(t *testing.T, pages int) []byte {
	t.Helper()
	page := os.Getpagesize()
	all, err := syscall.Mmap(-1, 0, (pages+2)*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(all) })
	for _, fence := range [][]byte{all[:page], all[(pages+1)*page:]} {
		if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return all[page : (pages+1)*page : (pages+1)*page]
}

// TestNothingBesideIsTouched: the assembly reads and writes 32 bytes at a time;
// it must not do so beyond what it was given, at either end.
func TestNothingBesideIsTouched(t *testing.T) {
	clear, text := fenced(t, 2), fenced(t, 2)
	copy(clear, noise(len(clear)))
	for n := range 1000 {
		size := int(b64.Size(int64(n)))
		for _, from := range []int{0, len(clear) - n} {
			for _, to := range []int{0, len(text) - size} {
				src, dst := clear[from:from+n:from+n], text[to:to:to+size]
				out := b64.Append(dst, src)
				if string(out) != base64.StdEncoding.EncodeToString(src) || size > 0 && &out[0] != &text[to:][0] {
					t.Fatalf("%d bytes: another text, or elsewhere", n)
				}
				was := bytes.Clone(src)
				room := clear[:size/4*3]
				if from > 0 {
					room = clear[len(clear)-size/4*3:]
				}
				if got, err := b64.Decode(room, out); err != nil || !bytes.Equal(room[:got], was) {
					t.Fatalf("%d bytes: %v", n, err)
				}
			}
		}
	}
}
