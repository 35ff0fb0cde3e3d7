package seal

import (
	"fmt"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/internal/envelope"
)

// DataKeyStanza is the type of the age stanza that a [DataKey] writes.
const DataKeyStanza = "sikkerpost.dk/data-key/v1"

// A DataKey is a recipient for many objects in a row: the costly public-key
// step is done once, for the data key itself, and each object costs
// microseconds. The program that holds it can open what it sealed under it, so
// it is replaced after an hour at most and never stored in clear.
type DataKey struct {
	key    *envelope.Key
	made   time.Time
	labels []string
}

// NewDataKey draws a data key and wraps it to one recipient. Store wrapped under
// [DataKey.ID] before anything sealed under the key is stored: whoever has
// the recipient's identity opens it with unseal.DataKeys.
func NewDataKey(to age.Recipient) (k *DataKey, wrapped []byte, err error) {
	key := envelope.NewKey(DataKeyStanza, post.NewID())
	wrapped, err = Small(DataKeyText(key.ID, key.Secret[:]), to)
	if err != nil {
		return nil, nil, fmt.Errorf("wrap data key %s: %w", key.ID, err)
	}
	k = &DataKey{key: key, made: time.Now()}
	if postQuantum(to) {
		k.labels = []string{"postquantum"}
	}
	return k, wrapped, nil
}

// DataKeyText is what stands inside a wrapped data key: the id beside the
// secret, so that a wrapped key stored under another id is refused.
func DataKeyText(id string, secret []byte) []byte {
	return append([]byte(DataKeyStanza+"\n"+id+"\n"), secret...)
}

// ID returns the id under which the wrapped key is stored.
func (k *DataKey) ID() string { return k.key.ID }

// Age returns how long ago the key was drawn.
func (k *DataKey) Age() time.Duration { return time.Since(k.made) }

// Wrap implements age.Recipient.
func (k *DataKey) Wrap(fileKey []byte) ([]*age.Stanza, error) { return k.key.Wrap(fileKey) }

// WrapWithLabels implements age.RecipientWithLabels: a data key is as strong as
// the recipient it is wrapped to.
func (k *DataKey) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	s, err := k.Wrap(fileKey)
	return s, k.labels, err
}

var _ age.RecipientWithLabels = (*DataKey)(nil)
