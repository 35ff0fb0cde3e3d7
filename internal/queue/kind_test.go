package queue

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

// A task of a later version of the house, made with the right key, is not run by
// one that does not know what it asks for.
func TestAGenuineTaskOfAnUnknownKindIsRefused(t *testing.T) {
	k, err := NewKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Ring{
		{Kind: "letter.burn", ID: "01a202a6-2581-79e9-ac81-13baff3376b1"},
		{Kind: AdvanceLetter, ID: "everything"},
		{Kind: AdvanceLetter, ID: "01a202a6-2581-79e9-ac81-13baff3376b1", Attempt: -1},
	} {
		b, err := json.Marshal(task{V: 1, Kind: r.Kind, ID: r.ID, Attempt: r.Attempt, MAC: k.mac(r)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Decode(b); !errors.Is(err, ErrForged) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
