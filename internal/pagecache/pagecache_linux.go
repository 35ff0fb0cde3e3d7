package pagecache

import (
	"os"

	"golang.org/x/sys/unix"
)

// StartWriting lets the disk begin with n bytes of a file from at on, with all
// after it for 0, while the next ones are prepared. It promises nothing: that a
// file is on the disk is for Sync to say.
func StartWriting(f *os.File, at, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), at, n, unix.SYNC_FILE_RANGE_WRITE)
}

// Forget lets the system keep no more of a file in memory than what is not on the
// disk yet.
func Forget(path string) {
	f, err := os.Open(path)
	if err != nil {
		return // deleted, and its memory with it
	}
	defer f.Close()
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
