package memstore_test

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch/dispatchtest/suite"
	"sikkerpost.dk/gateway/internal/sim/memstore"
)

func TestMemoryKeepsTheContractOfTheDatabase(t *testing.T) {
	suite.Run(t, func(*testing.T) suite.Store { return memstore.New().Node(time.Now) })
}
