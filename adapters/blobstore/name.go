package blobstore

import (
	"fmt"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// suffix is what the name of a group's file ends with. A file without it is one
// blob and nothing else, as all were before there were groups.
const suffix = ".blobs"

// place is where a blob is: the slot of a group's file, or a file of its own.
type place struct {
	id   string // a UUID, in lower case
	slot int    // of the group; alone when the file is the blob
}

// alone is the slot of a blob that has a file of its own.
const alone = -1

// find reads a blob's name: the UUID of its file, and in a group a point and
// two hexadecimal digits, the slot. There is one way to write each.
func find(blob string) (p place, ok bool) {
	id, slot, grouped := strings.Cut(blob, ".")
	if !post.ValidUUID(id) || id != strings.ToLower(id) {
		return place{}, false
	}
	if !grouped {
		return place{id, alone}, true
	}
	n, err := strconv.ParseUint(slot, 16, 8)
	p = place{id, int(n)}
	return p, err == nil && p.slot < maxBlobs && p.blob() == blob
}

// blob is the name of the blob that is there.
func (p place) blob() string {
	if p.slot == alone {
		return p.id
	}
	return fmt.Sprintf("%s.%02x", p.id, p.slot)
}

// file is the name of the file that it is in.
func (p place) file() string {
	if p.slot == alone {
		return p.id
	}
	return p.id + suffix
}
