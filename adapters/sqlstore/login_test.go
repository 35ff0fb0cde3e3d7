package sqlstore_test

import (
	"path/filepath"
	"testing"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/inbound/login/logintest/suite"
)

func TestLoginStoreKeepsTheContract(t *testing.T) {
	suite.Run(t, func(t *testing.T) login.Store {
		s, err := sqlstore.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "login.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	})
}
