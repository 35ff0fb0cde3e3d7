// Package queue says what travels through Redis: names of things, never
// things. A task is a doorbell; the database decides whether there is anything
// to do, who may do it, and whether it was already done.
//
// It refuses a task whose MAC does not fit, whose version or kind is unknown,
// or that carries anything more; such tasks are dropped, counted and alarmed.
// When the queue is down, work goes on: the sweeper rings by itself.
package queue

// Kind is a kind of job. It names the record whose next step is to be taken.
type Kind string

// The kinds of job.
const (
	AdvanceLetter  Kind = "letter.advance"  // take the letter's next step
	ForwardInquiry Kind = "inquiry.forward" // make a letter of an inquiry to the municipality's Digital Post
	ReleaseBatch   Kind = "batch.release"   // sign what is approved and let its letters go; there is no job of it
)

// A Lane says which jobs overtake: those of a lower one are taken first.
type Lane int

// The lanes.
const (
	Urgent   Lane = 0 // notifications of a breach (GDPR art. 34), letters with a deadline that is near
	Ordinary Lane = 1
)

// A Ring asks for a job to be looked at. Attempt counts rings, not failures;
// (ID, Attempt) is the task's identity in the queue.
type Ring struct {
	Kind    Kind
	ID      string
	Attempt int64
}

// A Lease is the sole right to take the next step of a record. Fence is the
// fencing token that every effect and every result carries.
type Lease struct {
	Kind    Kind
	ID      string
	Fence   int64
	Attempt int64
}
