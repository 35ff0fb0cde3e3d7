// Package letterbench measures what a letter costs from end to end: taken in as
// a line of a batch, signed, handed over, its business receipt matched. It holds
// nothing but a benchmark; docs/benchmarks.md says what its rows mean.
//
// Desk, dispatcher, the carriers, Redis and PostgreSQL are processes of their
// own, so that the processor time of each is read apart; the caller is the
// benchmark itself. They are the programs as they are shipped. Where profiles are
// asked for, desk and dispatcher run within the benchmark's own binary, which can
// write them; what it prints then is not a figure of the programs.
//
// PostgreSQL runs with fsync and Redis with its append-only file, or the run is
// refused. What it is compared with is measured in the same run, half of it before
// and half of it after: bare RSA-3072 signatures of Go's standard library, asynq
// workers that do nothing, and a floor: a process that takes a document in and
// hands it on with bare libraries and nothing around them.
//
// It needs Linux, PostgreSQL (SIKKERPOST_POSTGRES, which .ci/with-postgres sets)
// and redis-server; without them it says what it left out.
package letterbench
