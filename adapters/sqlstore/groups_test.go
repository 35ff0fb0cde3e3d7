package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"
)

func TestStretchGivesFewSizesAndNothingNew(t *testing.T) {
	if got := stretch[int](nil); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	sizes := map[int]bool{}
	for n := 1; n <= 300; n++ {
		values := make([]int, n)
		for i := range values {
			values[i] = i
		}
		got := stretch(values)
		sizes[len(got)] = true
		if !slices.Equal(got[:n], values) || slices.Max(got) != n-1 {
			t.Fatalf("of %d: %v", n, got)
		}
	}
	if len(sizes) != 10 {
		t.Errorf("%d sizes", len(sizes))
	}
}

func TestManyRowsAreInsertedAndChangedWithFewTexts(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		for _, n := range []int{0, 1, 2, 3, 63, 99, 100, 101, 237} {
			err := s.tx(t.Context(), func(tx *sql.Tx) error {
				if _, err := exec(t.Context(), tx, `DELETE FROM ledger_hash`); err != nil {
					return err
				}
				rows, change := make([][]any, n), make([][]any, n)
				for i := range rows {
					rows[i], change[i] = []any{int64(i + 1), []byte{byte(i)}}, []any{int64(i + 1), int64(i + 1_000_000)} // 0 is nobody
				}
				wrote, err := s.d.insertRows(t.Context(), tx, "ledger_hash", "n, hashes", "", rows)
				if err != nil || wrote != int64(n) {
					return fmt.Errorf("%d rows: %d, %w", n, wrote, err)
				}
				if n == 0 {
					return nil
				}
				with, args := s.d.withAny("a, b", change)
				changed, err := exec(t.Context(), tx, with+`UPDATE ledger_hash SET n = v.b FROM v WHERE ledger_hash.n = v.a`, args...)
				if err != nil || changed != int64(n) {
					return fmt.Errorf("%d rows changed: %d, %w", n, changed, err)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			var sum, want int64
			if err := s.read.QueryRowContext(context.Background(), `SELECT coalesce(sum(n), 0) FROM ledger_hash`).Scan(&sum); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				want += int64(i + 1_000_000)
			}
			if sum != want {
				t.Fatalf("%d rows: sum %d, want %d", n, sum, want)
			}
		}
	})
}
