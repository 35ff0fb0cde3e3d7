package post

// SigningPolicy says what one signature covers.
type SigningPolicy string

// Signing policies. A batch may choose; else its tenant's holds.
const (
	SignEach  SigningPolicy = "letter" // one signature for each letter; the default
	SignBatch SigningPolicy = "batch"  // one for a batch, over the Merkle root of its letters
)

// Known reports whether p is a policy.
func (p SigningPolicy) Known() bool { return p == SignEach || p == SignBatch }
