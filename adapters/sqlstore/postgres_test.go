package sqlstore

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
)

// TestWhoeverIsCutOffInATransactionHoldsItsLocksNotForLong lets a client fall
// silent while it holds a lock.
func TestWhoeverIsCutOffInATransactionHoldsItsLocksNotForLong(t *testing.T) {
	address, ok := suite.Server(t, "whoever is cut off in a transaction")
	if !ok {
		return
	}
	usual, err := openPostgres(address)
	if err != nil {
		t.Fatal(err)
	}
	defer usual.Close()
	var is string
	if err := usual.QueryRowContext(t.Context(), `SHOW idle_in_transaction_session_timeout`).Scan(&is); err != nil || is != "1min" {
		t.Errorf("usually %q: %v", is, err)
	}
	for setting, want := range map[string]string{"plan_cache_mode": "force_generic_plan", "jit": "off", "enable_seqscan": "off"} {
		if err := usual.QueryRowContext(t.Context(), `SHOW `+setting).Scan(&is); err != nil || is != want {
			t.Errorf("%s is %q: %v", setting, is, err)
		}
	}
	and := more(address)
	silent, err := openPostgres(address + and + "idle_in_transaction_session_timeout=100ms")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	tx, err := silent.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // the server has ended it
	const lock = `SELECT pg_advisory_xact_lock(7305812)`
	if _, err := tx.ExecContext(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _, err := usual.ExecContext(t.Context(), lock); err != nil || time.Since(begun) > 30*time.Second {
		t.Errorf("the lock was had after %s: %v", time.Since(begun), err)
	}
}

// TestPostgreSQLGathersStatisticsOfFewRows: how many it reads goes by the column that asks
// for most, so one forgotten in a later migration undoes it for its table.
func TestPostgreSQLGathersStatisticsOfFewRows(t *testing.T) {
	server, ok := suite.Server(t, "statistics of few rows")
	if !ok {
		return
	}
	s := mustOpen(t, suite.Schema(t, server))
	for _, table := range []string{"letter", "letter_document", "hand_over", "receipt", "job", "ledger_event", "ledger_place", "ledger_hash", "ledger_waiting",
		"batch_line", "batch_document", "batch_leaf"} {
		columns := 0
		if err := each(t.Context(), s.read, func(r *sql.Rows) error {
			var of, column string
			var rows int
			err := r.Scan(&of, &column, &rows)
			if rows != 10 {
				t.Errorf("%s: statistics of %s are %d; SET STATISTICS 10", of, column, rows)
			}
			columns++
			return err
		}, `SELECT c.relname, a.attname, a.attstattarget FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_index i ON i.indexrelid = c.oid
			WHERE a.attnum > 0 AND NOT a.attisdropped
			  AND (c.oid = to_regclass($1) OR i.indrelid = to_regclass($1) AND i.indkey[a.attnum - 1] = 0)`, table); err != nil || columns < 2 {
			t.Errorf("%s has %d columns, %v", table, columns, err)
		}
	}
}

// more is what joins another parameter to address.
func more(address string) string {
	if strings.Contains(address, "?") {
		return "&"
	}
	return "?"
}

// TestEachStatementSeesWhatWasCommittedBeforeIt holds whatever an installation has
// made the rule of its server: an intent that waited for a pause must see it, and a
// transaction that has one view from its first statement on would not.
func TestEachStatementSeesWhatWasCommittedBeforeIt(t *testing.T) {
	address, ok := suite.Server(t, "what a statement sees")
	if !ok {
		return
	}
	for _, rule := range []string{"repeatable read", "serializable"} {
		db, err := openPostgres(address + more(address) + "default_transaction_isolation=" + strings.ReplaceAll(rule, " ", "%20"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback() //nolint:errcheck // it changes nothing
		var is string
		if err := tx.QueryRowContext(t.Context(), `SHOW transaction_isolation`).Scan(&is); err != nil || is != "read committed" {
			t.Errorf("where %s is the rule a transaction is %s: %v", rule, is, err)
		}
	}
}
