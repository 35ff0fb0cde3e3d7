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
	const idle = "idle_in_transaction_session_timeout"
	if _, ok := c.RuntimeParams[idle]; !ok {
		c.RuntimeParams[idle] = lostTime
	}
	return stdlib.OpenDB(*c), nil
}
