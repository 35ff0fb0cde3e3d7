package postctlapp

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// none is the number of no document.
const none = -1

// documents finds and checks the PDFs of a table, each once. Documents with the
// same content are one, whatever their names.
type documents struct {
	dir    string
	faults *faults
	names  digests
	of     []int32 // for each of names: the number of its content, or that of a fault below none
	sums   digests // of contents
	bytes  int64   // of the good ones, by name
}

// examine looks at the document named name, a plain file name, unless it did
// before. It returns its number, or in wrong the words of what is wrong with it.
// Without a folder it returns neither.
func (d *documents) examine(name string) (doc int, wrong int32) {
	if d.dir == "" {
		return none, none
	}
	n, known := d.names.put(sha256.Sum256([]byte(name)))
	if !known {
		sum, size, err := examine(filepath.Join(d.dir, name))
		if err != nil {
			d.of = append(d.of, none-1-d.faults.kind(err))
		} else {
			at, _ := d.sums.put(sum)
			d.of = append(d.of, int32(at)) //nolint:gosec // a table has at most 128 MB
			d.bytes += size
		}
	}
	if of := d.of[n]; of >= 0 {
		return int(of), none
	} else {
		return none, none - 1 - of
	}
}

// find returns the number of a document that was examined and is good.
func (d *documents) find(name string) int {
	if d.names.n == 0 {
		return none
	}
	slot := d.names.find(sha256.Sum256([]byte(name)))
	if n := d.names.slots[slot]; n > 0 && d.of[n-1] >= 0 {
		return int(d.of[n-1])
	}
	return none
}

// sum is the digest of document doc, in hexadecimal digits.
func (d *documents) sum(doc int) string {
	sum := d.sums.at(doc)
	return hex.EncodeToString(sum[:])
}

// examine applies desk's own rules to a document: it parses the PDF.
func examine(path string) (sum [sha256.Size]byte, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, 0, post.FaultTableDocument
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return sum, 0, post.FaultTableDocument
	}
	b, err := letter.ReadPDF(f)
	if err != nil {
		return sum, 0, err
	}
	return sha256.Sum256(b), int64(len(b)), nil
}
