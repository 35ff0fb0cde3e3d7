package memo

import (
	"errors"
	"io"

	"sikkerpost.dk/gateway/internal/b64"
)

// decoded yields the bytes that a stream of base64 without white space stands
// for; [rawContent] has taken that out already. It takes and refuses what
// encoding/base64 does.
type decoded struct {
	r     io.Reader
	text  [8 << 10]byte // characters that were read, a multiple of four at most
	have  int
	bytes [6 << 10]byte
	rest  []byte // of bytes, not yet handed out
	ended bool   // padding was met: nothing may follow
	err   error
}

var errBase64 = errors.New("not base64")

func (d *decoded) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		d.fill()
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// fill reads on until something can be decoded, or the stream has ended.
func (d *decoded) fill() {
	n, err := d.r.Read(d.text[d.have:])
	d.have += n
	whole := d.have / 4 * 4
	if whole > 0 {
		if d.ended {
			d.err = errBase64
			return
		}
		got, bad := b64.Decode(d.bytes[:], d.text[:whole])
		d.rest = d.bytes[:got]
		d.ended = got < whole/4*3
		d.have = copy(d.text[:], d.text[whole:d.have])
		if bad != nil {
			d.err = errBase64
			return
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF) && d.have > 0:
		d.err = errBase64
	default:
		d.err = err
	}
}
