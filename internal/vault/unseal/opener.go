package unseal

import (
	"io"

	"filippo.io/age"
)

// An Opener opens with a fixed set of identities, for those who may open but
// need not know with what.
type Opener []age.Identity

// Small opens as the function [Small] does.
func (o Opener) Small(sealed []byte) ([]byte, error) { return Small(sealed, o...) }

// Payload opens as the function [Payload] does.
func (o Opener) Payload(header []byte, payload io.Reader) (io.Reader, error) {
	return Payload(header, payload, o...)
}
