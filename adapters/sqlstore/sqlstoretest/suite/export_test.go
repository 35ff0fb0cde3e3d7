package suite

import (
	"testing"
	"time"
)

// Impatient shortens how long a schema waits for its last connection, until the test ends.
func Impatient(t *testing.T, to time.Duration) {
	was := patience
	patience = to
	t.Cleanup(func() { patience = was })
}
