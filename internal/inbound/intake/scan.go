package intake

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"sikkerpost.dk/gateway/internal/post"
)

// A Scanner looks for malware.
type Scanner interface {
	// Scan reads r to its end. An error means that nothing is known: the
	// attachment is not taken, and may be sent again.
	Scan(ctx context.Context, r io.Reader) (Verdict, error)
}

// Verdict is what a scanner says of one file.
type Verdict string

// Verdicts.
const (
	Clean      Verdict = "clean"
	Infected   Verdict = "infected"
	NotScanned Verdict = "not-scanned" // no scanner is configured; recorded as such
)

// NoScanner stands in where no scanner is configured. It says so of every
// file, and refuses only the test file of the anti-malware industry (EICAR),
// so that the refusal can be seen in a demonstration.
type NoScanner struct{}

// eicar is split, so that scanners leave this program alone.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// Scan implements [Scanner].
func (NoScanner) Scan(_ context.Context, r io.Reader) (Verdict, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("read for scan: %w", err)
	}
	if bytes.Contains(data, []byte(eicar)) {
		return Infected, nil
	}
	return NotScanned, nil
}

func (d *Desk) scan(ctx context.Context, data []byte) (Verdict, error) {
	v, err := d.Scanner.Scan(ctx, bytes.NewReader(data))
	switch {
	case err != nil:
		return "", post.FaultScannerDown.Because(err)
	case v == Infected:
		return "", post.FaultMalware
	case v == Clean, v == NotScanned:
		return v, nil
	}
	return "", post.FaultScannerDown.Because(fmt.Errorf("scanner answered %q", v))
}
