//go:build !unix

package ratio

import "time"

func cpu() (time.Duration, bool) { return 0, false }
