package verify

import (
	"crypto/sha256"
	"strconv"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func TestATreeTakesTheRoomOfItsLettersAtOnceAndKnowsTheirLeaves(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 7, 8, 1000, 1 << 12} {
		tree, grown := NewTree(n), &Tree{}
		room := cap(tree.hashes)
		for i := range n {
			leaf := tlog.Hash(sha256.Sum256([]byte(strconv.Itoa(i))))
			tree.Append(leaf)
			grown.Append(leaf)
		}
		if cap(tree.hashes) != room || len(tree.hashes) != room {
			t.Errorf("%d letters: room for %d hashes, then %d of %d", n, room, len(tree.hashes), cap(tree.hashes))
		}
		if n > 0 && tree.Root() != grown.Root() {
			t.Errorf("%d letters: another root", n)
		}
		for i := range n {
			if tree.Leaf(int64(i)) != tlog.Hash(sha256.Sum256([]byte(strconv.Itoa(i)))) {
				t.Fatalf("%d letters: leaf %d is another", n, i)
			}
		}
	}
}
