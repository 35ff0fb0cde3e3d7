package sqlstore_test

import (
	"testing"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/inbound/login/logintest/suite"
)

func TestLoginStoreKeepsTheContract(t *testing.T) {
	onEachEngine(t, func(t *testing.T, fresh func(*testing.T) (address, driver, dsn string)) {
		open := func(t *testing.T) *sqlstore.Store {
			address, _, _ := fresh(t)
			s, err := sqlstore.Open(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		}
		suite.Run(t, func(t *testing.T) login.Store { return open(t) })
		suite.RunArchive(t, func(t *testing.T) login.ArchiveStore { return open(t) })
	})
}
