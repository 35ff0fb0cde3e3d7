package sqlstore

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
)

// TestBringingASchemaUpToDateIsTold: with millions of letters it takes minutes, in which
// the program that does it says nothing else, and the others wait for it.
func TestBringingASchemaUpToDateIsTold(t *testing.T) {
	addresses := map[string]string{"sqlite": "sqlite://" + filepath.Join(t.TempDir(), "old.db")}
	if server, ok := suite.Server(t, "the same on PostgreSQL"); ok {
		addresses["postgres"] = suite.Schema(t, server)
	}
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			old, err := open(address)
			if err != nil {
				t.Fatal(err)
			}
			p, err := old.migrator()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.UpTo(t.Context(), 35); err != nil {
				t.Fatal(err)
			}
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
			for _, want := range []int{2, 0} { // the second time there is nothing to do
				var out strings.Builder
				s, err := OpenTelling(t.Context(), address, slog.New(slog.NewTextHandler(&out, nil)))
				if err != nil {
					t.Fatal(err)
				}
				s.Close()
				lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
				if got := strings.Count(out.String(), "\n"); got != want || want == 2 &&
					(!strings.Contains(lines[0], "began") || !strings.Contains(lines[0], "from=35") || !strings.Contains(lines[1], "was brought up to date") || !strings.Contains(lines[1], "took=")) {
					t.Errorf("it says\n%s", out.String())
				}
			}
		})
	}
}
