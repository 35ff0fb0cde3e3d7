package blobstore

import (
	"bytes"
	"errors"
	"os/signal"
	"syscall"
	"testing"

	"sikkerpost.dk/gateway/internal/vault/seal"
)

// limited lets no file grow beyond n bytes while do runs: a write that would is cut
// short there and fails, as on a disk that fills up in the midst of it.
func limited(t *testing.T, n uint64, do func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Fatal(err)
		}
	}()
	do()
}

// A document that the disk has no room for is left out, and those beside it are
// kept: whatever the failed write has left is cut off, or nobody would find the
// table.
func TestWhatAFailedWriteLeftIsCutOff(t *testing.T) {
	for _, before := range []int{5_000, bufferLen, bufferLen + 5_000} {
		s, _ := stored(t)
		var blobs []string
		limited(t, bufferLen+50_000, func() {
			err := s.PutGroup(t.Context(), func(g seal.Group) error {
				for _, n := range []int{before, 3 * bufferLen, 7_000} {
					blob, _, _, err := g.Put(t.Context(), writing(content(n)))
					if n > 2*bufferLen {
						if !errors.Is(err, syscall.EFBIG) {
							t.Errorf("it has room: %v", err)
						}
						continue
					}
					if err != nil {
						return err
					}
					blobs = append(blobs, blob)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
		for i, n := range []int{before, 7_000} {
			if got, err := read(t, s, blobs[i]); err != nil || !bytes.Equal(got, content(n)) {
				t.Errorf("after %d: %d bytes of %d, %v", before, len(got), n, err)
			}
		}
	}
}
