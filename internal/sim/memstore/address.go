package memstore

import (
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// formerAddresses returns the sealed addresses of the former sendings on paper
// that came back.
func (db *DB) formerAddresses(r *row) (all [][]byte) {
	if r.channel != post.Physical || r.generation < 2 {
		return nil
	}
	for _, h := range db.handOvers {
		if h.letter == r.ID && h.channel == r.channel && h.generation < r.generation && !strings.HasPrefix(string(h.answer), "refused-") {
			all = append(all, []byte(h.Address))
		}
	}
	return all
}
