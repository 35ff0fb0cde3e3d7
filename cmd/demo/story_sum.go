package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
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
	key, err := os.ReadFile(t.h.certs.Checkpoint.Verifier)
	if err != nil {
		return "", err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	if err != nil {
		return "", err
	}
	text, err := t.h.fetch(ctx, t.h.portalURL+"/ledger/checkpoint")
	if err != nil {
		return "", err
	}
	n, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return "", fmt.Errorf("the checkpoint's signature: %w", err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 3 {
		return "", errors.New("the checkpoint has no size")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 100 {
		return "", fmt.Errorf("the log holds %d entries, which is too few for this story", size)
	}
	return fmt.Sprintf("reads the public log: signed checkpoint over %d ledger entries, commitments only", size), nil
}

// count is the law of conservation: what was accepted is what stands in states
// and what the carriers hold, and nothing was handed over twice.
func (t *teller) count(ctx context.Context) (string, error) {
	db, err := sqlstore.Open(ctx, t.h.database)
	if err != nil {
		return "", err
	}
	defer db.Close()
	var sum letter.Count // Accepted comes from the ledger, States from the letters
	err = until(ctx, "18 letters delivered", func() (bool, error) {
		counts, err := db.LetterCounts(ctx, engdal().ID)
		if err != nil || len(counts) != 1 {
			return false, errors.Join(err, expect("municipalities with letters", len(counts), 1))
		}
		sum = counts[0]
		return sum.States[post.LetterDelivered] == 18, nil
	})
	if err != nil {
		return "", fmt.Errorf("%w; the counts were %v", err, sum)
	}
	var carriers carrierCounts
	if err := t.simulators(ctx, "/api/v1/counts", &carriers); err != nil {
		return "", err
	}
	err = errors.Join(
		expect("letters accepted", sum.Accepted, 22),
		expect("letters in all states", sum.Sum(), 22),
		expect("messages that Digital Post holds", carriers.DigitalPost.Accepted, 18),
		expect("messages handed over twice", carriers.DigitalPost.Duplicates, 0),
		expect("print jobs", carriers.PrintJobs, 3),
	)
	if err != nil {
		return "", err
	}
	return "counts: 22 letters accepted = 18 in Digital Post + 3 on paper + 1 waiting; nothing lost, nothing twice", nil
}
