//go:build linux

package letterbench

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// timeline tells when the events of a batch and of its letters were recorded, in
// seconds since the first byte: of the first one and of the last one.
func (h *house) timeline(run, batch string, began time.Time) {
	rows, err := h.db.Query(`SELECT kind, min(at), max(at) FROM ledger_event
		WHERE subject = $1 OR subject IN (SELECT id FROM letter WHERE batch = $1) GROUP BY kind ORDER BY min(at), max(at)`, batch)
	h.must(err)
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var kind string
		var first, last int64
		h.must(rows.Scan(&kind, &first, &last))
		fmt.Fprintf(&b, " %s %.2f", kind, time.UnixMicro(first).Sub(began).Seconds())
		if last != first {
			fmt.Fprintf(&b, "–%.2f", time.UnixMicro(last).Sub(began).Seconds())
		}
	}
	h.must(rows.Err())
	fmt.Fprintf(os.Stderr, "%s: seconds until the first and the last:%s\n", run, b.String())
}
