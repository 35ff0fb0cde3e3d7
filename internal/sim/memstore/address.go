package memstore

import "sikkerpost.dk/gateway/internal/post"

// formerAddress returns the sealed address of the former sending on paper.
func (db *DB) formerAddress(r *row) []byte {
	if r.channel != post.Physical || r.generation < 2 {
		return nil
	}
	for _, h := range db.handOvers {
		if h.letter == r.ID && h.channel == r.channel && h.generation == r.generation-1 {
			return []byte(h.Address)
		}
	}
	return nil
}
