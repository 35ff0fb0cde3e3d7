//go:build unix

package ratio

import (
	"syscall"
	"time"
)

// cpu returns the processor time that this process has used, garbage collection
// and all; ok is false where it cannot be told.
func cpu() (used time.Duration, ok bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
