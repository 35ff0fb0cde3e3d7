package sqlstore

import (
	"fmt"
	"os"
	"testing"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
)

// TestMain drops the schemas that tests handed on.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := suite.Forget(); err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}
