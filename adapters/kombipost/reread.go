package kombipost

import (
	"context"

	"sikkerpost.dk/gateway/internal/outbound/track"
)

var _ track.Reader = (*Rereader)(nil)

// Rereader reads statuses again that could not be believed when they came, by the
// configuration of now: a sender, a code or a type of Opdatering may be known by
// now. Whose letter they speak of is checked as it was then.
type Rereader struct{ *reader }

// NewRereader returns one, or an error that names every gap of c.
func NewRereader(c StatusConfig) (*Rereader, error) {
	r, err := newReader(c)
	return &Rereader{r}, err
}

// Carrier implements [track.Reader].
func (*Rereader) Carrier() string { return carrier }

// Reread implements [track.Reader].
func (r *Rereader) Reread(ctx context.Context, old track.Receipt) (track.Receipt, error) {
	return r.judge(ctx, old.Raw)
}
