//go:build !linux

package pagecache

import "os"

// StartWriting does nothing where no system call is made for it.
func StartWriting(*os.File, int64, int64) {}

// Forget does nothing where no system call is made for it.
func Forget(string) {}
