package sqlstore_test

import (
	"testing"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/outbound/dispatch/dispatchtest/suite"
	"sikkerpost.dk/gateway/internal/sim/memstore"
	"time"
)

// TestLetterStoreKeepsTheContract holds both engines to the rules that the
// simulation's store passes too.
func TestLetterStoreKeepsTheContract(t *testing.T) {
	onEachEngine(t, func(t *testing.T, fresh func(*testing.T) (address, driver, dsn string)) {
		suite.Run(t, func(t *testing.T) suite.Store { return openLetters(t, fresh) })
	})
}

// TestSimulatedStoreAnswersAsTheDatabaseDoes makes the same random calls on
// both; a simulation is worth as much as its store is true.
func TestSimulatedStoreAnswersAsTheDatabaseDoes(t *testing.T) {
	onEachEngine(t, func(t *testing.T, fresh func(*testing.T) (address, driver, dsn string)) {
		for seed := range uint64(4) {
			suite.SideBySide(t, openLetters(t, fresh), memstore.New().Node(time.Now), seed, 800)
		}
	})
}

func openLetters(t *testing.T, fresh func(*testing.T) (address, driver, dsn string)) *sqlstore.Store {
	t.Helper()
	address, _, _ := fresh(t)
	s, err := sqlstore.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
