package main

import (
	"context"
	"errors"
	"fmt"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// carrierCounts is what the simulated carriers say of themselves.
type carrierCounts struct {
	DigitalPost struct {
		Accepted   int `json:"accepted"`
		Duplicates int `json:"duplicates"`
	} `json:"digital_post"`
	PrintJobs int `json:"print_jobs"`
}

// sent is everything that was ever handed over.
func (c carrierCounts) sent() [3]int {
	return [3]int{c.DigitalPost.Accepted, c.DigitalPost.Duplicates, c.PrintJobs}
}

// checkLedger reads the published log as a stranger does.
func (t *teller) checkLedger(ctx context.Context) (string, error) {
	known, err := ledger.Known(t.s.LogPublicKey)
	if err != nil {
		return "", err
	}
	text, err := get(ctx, t.client(), t.s.LedgerURL+"checkpoint")
	if err != nil {
		return "", err
	}
	tree, err := ledger.OpenCheckpoint(text, known)
	if err != nil {
		return "", fmt.Errorf("the checkpoint: %w", err)
	}
	if tree.N < 100 {
		return "", fmt.Errorf("the log holds %d entries, which is too few for this story", tree.N)
	}
	return fmt.Sprintf("reads the public log: signed checkpoint over %d ledger entries, commitments only", tree.N), nil
}

// count is the law of conservation: what was accepted is what stands in states
// and what the carriers hold, and nothing was handed over twice.
func (t *teller) count(ctx context.Context) (string, error) {
	db, err := sqlstore.Open(ctx, t.s.DatabaseURL)
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }() // only read from
	var sum letter.Count              // Accepted comes from the ledger, States from the letters
	err = until(ctx, "19 letters delivered", func() (bool, error) {
		counts, err := db.LetterCounts(ctx, engdal().ID)
		if err != nil || len(counts) != 1 {
			return false, errors.Join(err, expect("municipalities with letters", len(counts), 1))
		}
		sum = counts[0]
		return sum.States[post.LetterDelivered] == 19, nil
	})
	if err != nil {
		return "", fmt.Errorf("%w; the counts were %v", err, sum)
	}
	var carriers carrierCounts
	if err := t.simulators(ctx, "/api/v1/counts", &carriers); err != nil {
		return "", err
	}
	err = errors.Join(
		expect("letters accepted", sum.Accepted, 23),
		expect("letters in all states", sum.Sum(), 23),
		expect("messages that Digital Post holds, hers to the DPO among them", carriers.DigitalPost.Accepted, 20),
		expect("messages handed over twice", carriers.DigitalPost.Duplicates, 0),
		expect("print jobs", carriers.PrintJobs, 3),
	)
	if err != nil {
		return "", err
	}
	return "counts: 23 letters accepted = 19 in Digital Post + 3 on paper + 1 waiting; nothing lost, nothing twice", nil
}
