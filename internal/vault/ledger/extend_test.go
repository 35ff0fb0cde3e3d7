package ledger_test

import (
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// TestExtendIsWhatTheStockToolStores grows a log in random groups and wants the
// hashes that golang.org/x/mod/sumdb/tlog stores, read with one question a group.
func TestExtendIsWhatTheStockToolStores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ours, theirs []tlog.Hash
		read := func(from *[]tlog.Hash, asked *int) tlog.HashReader {
			return tlog.HashReaderFunc(func(indexes []int64) (out []tlog.Hash, err error) {
				*asked++
				for _, x := range indexes {
					out = append(out, (*from)[x])
				}
				return out, nil
			})
		}
		var size int64
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 70), 1, 12).Draw(t, "groups") {
			leaves := make([][]byte, n)
			for i := range leaves {
				leaves[i] = []byte{byte(size), byte(i)}
				var ignored int
				more, err := tlog.StoredHashes(size+int64(i), leaves[i], read(&theirs, &ignored))
				if err != nil {
					t.Fatal(err)
				}
				theirs = append(theirs, more...)
			}
			asked := 0
			fresh, err := ledger.Extend(size, leaves, read(&ours, &asked))
			if err != nil || asked > 1 {
				t.Fatalf("asked %d times: %v", asked, err)
			}
			ours = append(ours, fresh...)
			size += int64(n)
		}
		if !slices.Equal(ours, theirs) {
			t.Fatalf("other hashes at size %d", size)
		}
	})
}
