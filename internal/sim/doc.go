// Package sim runs the house's own letter code (acceptance, dispatch, receipt
// matching, sweeping) in small worlds of simulated time, nodes, carriers, queue
// and faults, thousands of worlds a second. It holds tests only; no program
// links it.
//
// A world is a function of its seed: everything that happens in it is drawn
// from one source of luck, and one thing happens at a time. A seed that breaks
// an invariant breaks it again, every time, and prints how.
//
// What is real: letter.Desk, dispatch.Advancer, track.Matcher, queue.Sweeper,
// the task keys, the sealing of documents. What stands in: the database
// (memstore, held to the SQL store's contract), the carriers, Redis, the clock,
// and the signature, which is a keyed digest here because it has tests of its
// own. docs/simulation.md lists faults, invariants and what is left out.
package sim
