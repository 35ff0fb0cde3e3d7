package kombipost_test

import (
	"context"
	"errors"
	"testing"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// store is the least of a tracker's store.
type store struct {
	track.Inbox // what is not below is never called here
	kept        []track.Receipt
	err         error
}

func (s *store) KeepReceipts(_ context.Context, rs []track.Receipt) error {
	if s.err == nil {
		s.kept = append(s.kept, rs...)
	}
	return s.err
}

func (s *store) ReceiptStandings(_ context.Context, ids []string) (map[string]track.Standing, error) {
	if ids[0] != "known" {
		return nil, s.err
	}
	return map[string]track.Standing{"known": {Tenant: "engdal"}}, s.err
}

func TestTheTrackersStoreIsAnInboxThatSealsFirst(t *testing.T) {
	s := &store{}
	in := kombipost.InboxOf(s, func(_ context.Context, raw []byte) ([]byte, error) { return append([]byte("sealed "), raw...), nil })
	if err := in.Keep(t.Context(), track.Receipt{EventID: "1", Raw: []byte("clear")}); err != nil || len(s.kept) != 1 || string(s.kept[0].Raw) != "sealed clear" {
		t.Errorf("kept %+v, %v", s.kept, err)
	}
	if tenant, err := in.Owner(t.Context(), "known"); err != nil || tenant != "engdal" {
		t.Errorf("got %q, %v", tenant, err)
	}
	if _, err := in.Owner(t.Context(), "other"); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	s.err = errDown
	if err := in.Keep(t.Context(), track.Receipt{}); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	broken := kombipost.InboxOf(&store{}, func(context.Context, []byte) ([]byte, error) { return nil, errDown })
	if err := broken.Keep(t.Context(), track.Receipt{}); !errors.Is(err, errDown) {
		t.Errorf("what could not be sealed was kept: %v", err)
	}
}
