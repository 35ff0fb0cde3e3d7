package sqlstore

import (
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// lostTime is after how many milliseconds PostgreSQL ends a transaction whose
// client says nothing more. A machine that is cut off in the middle of one would
// otherwise hold its letters until TCP gives up, which takes hours.
const lostTime = "60000"

// openPostgres opens the server at address; what the address says itself stands.
func openPostgres(address string) (*sql.DB, error) {
	c, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err) // it names no password
	}
	for name, value := range map[string]string{
		"idle_in_transaction_session_timeout": lostTime,
		// A statement is planned once on a connection, not for each list of ids anew:
		// the plan is the same whatever they are, and takes longer than the work.
		"plan_cache_mode": "force_generic_plan",
		// Nothing here runs long enough to be worth compiling. Who is next, a recursive
		// statement whose cost is guessed far too high, took 74 ms with it and 0.2 without.
		"jit": "off",
	} {
		if _, ok := c.RuntimeParams[name]; !ok {
			c.RuntimeParams[name] = value
		}
	}
	return stdlib.OpenDB(*c), nil
}
