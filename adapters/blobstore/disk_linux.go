package blobstore

import (
	"errors"
	"os"
	"syscall"
)

const (
	keepSize  = 1 // FALLOC_FL_KEEP_SIZE
	punchHole = 2 // FALLOC_FL_PUNCH_HOLE
)

// erase gives back the blocks of n bytes of a file, which read as zeros then;
// where the file system cannot, it writes zeros over them.
func erase(f *os.File, at, n int64) error {
	if n == 0 {
		return nil
	}
	for {
		err := syscall.Fallocate(int(f.Fd()), keepSize|punchHole, at, n)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return zero(f, at, n)
		case err != nil:
			return os.NewSyscallError("fallocate", err)
		}
		return nil
	}
}
