package sqlstore

import (
	"database/sql"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// lostTime is after how many milliseconds PostgreSQL ends a transaction whose
// client says nothing more. A machine that is cut off in the middle of one would
// otherwise hold its letters until TCP gives up, which takes hours.
const lostTime = "60000"

// byKeys makes PostgreSQL look up rows by the keys that a statement names, one by
// one, in whatever state its statistics are. A plan is kept for as long as a
// connection lives, and may have been made when a table was young or its queue had just run
// empty: then reading all of it looked cheapest, and did no longer ten thousand letters
// later. Plain index scans also tell the index which of its entries are dead.
//
// So that only one index can be used, a statement that names rows by id compares
// what else it knows of them, a state or a kind that begins or bounds some other
// index, with nothing appended, which no index holds:
//
//	id = $1 AND (state || '') = 'ready'
var byKeys = map[string]string{
	"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
	"enable_material":  "off", // or the inner side of a join is read whole once, and kept for its outer rows
	"random_page_cost": "1.1",
}

// openPostgres opens the server at address; what the address says itself stands,
// but for how much a transaction sees: each statement sees all that was committed
// before it began, whatever is usual at the server. A compare-and-swap that waited for
// a row, and an intent that waited for a pause, must see what they waited for.
func openPostgres(address string) (*sql.DB, error) {
	c, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err) // it names no password
	}
	settings := map[string]string{
		"idle_in_transaction_session_timeout": lostTime,
		// A statement is planned once on a connection, not for each list of ids anew:
		// the plan is the same whatever they are, and takes longer than the work.
		"plan_cache_mode": "force_generic_plan",
		// Nothing here runs long enough to be worth compiling. Who is next, a recursive
		// statement whose cost is guessed far too high, took 74 ms with it and 0.2 without.
		"jit": "off",
	}
	maps.Copy(settings, byKeys)
	for name, value := range settings {
		if _, ok := c.RuntimeParams[name]; !ok {
			c.RuntimeParams[name] = value
		}
	}
	c.RuntimeParams["default_transaction_isolation"] = "read committed"
	return stdlib.OpenDB(*c, stdlib.OptionAfterConnect(packArrays)), nil
}
