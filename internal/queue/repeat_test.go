package queue_test

import (
	"context"
	"errors"
	"testing"

	"sikkerpost.dk/gateway/internal/queue"
)

func TestATaskThatRunsTwiceUnderItsOwnIDIsSeen(t *testing.T) {
	var fail error
	runs, seen := 0, 0
	run := queue.Repeats(func(context.Context, queue.Ring) error { runs++; return fail }, 2, func(queue.Ring) { seen++ })
	ring := func(id string, attempt int64, wantSeen int) {
		t.Helper()
		before := runs
		if err := run(t.Context(), queue.Ring{Kind: queue.AdvanceLetter, ID: id, Attempt: attempt}); !errors.Is(err, fail) || runs != before+1 {
			t.Errorf("it did not run: %v", err)
		}
		if seen != wantSeen {
			t.Errorf("%s:%d: seen %d, want %d", id, attempt, seen, wantSeen)
		}
	}
	ring("a", 1, 0)
	ring("a", 2, 0) // another attempt is another task
	ring("a", 1, 1) // put back
	fail = errors.New("database")
	ring("b", 1, 1)
	fail = nil
	ring("b", 1, 1) // the queue's own retry of a failed one
	ring("b", 1, 2)
	ring("c", 1, 2)
	ring("d", 1, 2)
	ring("a", 1, 2) // forgotten by now
}
