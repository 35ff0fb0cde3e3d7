//go:build !linux

package blobstore

import "os"

// erase writes zeros over n bytes of a file.
func erase(f *os.File, at, n int64) error { return zero(f, at, n) }
