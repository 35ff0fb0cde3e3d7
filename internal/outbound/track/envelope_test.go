package track_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// shelf is an inbox that finds envelopes.
type shelf struct {
	*inbox
	found []track.Envelope
	only  track.Code // finds nothing else, when it is set
}

func (s *shelf) FindEnvelopes(_ context.Context, _ post.TenantID, c track.Code) ([]track.Envelope, error) {
	if s.only != (track.Code{}) && s.only != c {
		return nil, nil
	}
	return s.found, nil
}

func newShelf(state post.LetterState, channel post.Channel) (*shelf, *track.Mailroom) {
	s := &shelf{inbox: newInbox(), found: []track.Envelope{{MessageID: "m", Letter: "l", Reference: "SP-1", Generation: 1}}}
	s.letters["m"] = track.Standing{Letter: "l", State: state, Version: 1, Channel: channel, On: channel, Generation: 1, Present: true, By: post.PrintHouse}
	return s, &track.Mailroom{Store: s, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

const code = "RR473124829DK"

func TestAnEnvelopeComesBackOnce(t *testing.T) {
	for _, state := range []post.LetterState{post.LetterHandedOver, post.LetterPrinting, post.LetterPosted, post.LetterPresumed, post.LetterOutcomeUnknown} {
		s, m := newShelf(state, post.Physical)
		got, err := m.Enter(t.Context(), track.Return{Actor: "mail-room", Code: code, Reason: "moved"})
		if err != nil || got.State != post.LetterReturned || got.Repeated || s.letters["m"].State != post.LetterReturned {
			t.Errorf("%s: got %+v, %v", state, got, err)
		}
		for _, who := range []post.ClientID{"mail-room", "somebody-else"} {
			again, err := m.Enter(t.Context(), track.Return{Actor: who, Code: code, Reason: "refused"})
			if err != nil || !again.Repeated || again.State != post.LetterReturned || s.letters["m"].Version > 4 {
				t.Errorf("%s, again by %s: got %+v, %v", state, who, again, err)
			}
		}
	}
}

func TestWhatCannotComeBackIsRefusedAndNothingIsKept(t *testing.T) {
	for _, state := range []post.LetterState{post.LetterProven, post.LetterCancelled, post.LetterClosed, post.LetterPurged, post.LetterReady} {
		s, m := newShelf(state, post.Physical)
		_, err := m.Enter(t.Context(), track.Return{Code: code, Reason: "moved"})
		if !errors.Is(err, post.FaultReturnState) || len(s.receipts) != 0 || s.letters["m"].State != state {
			t.Errorf("%s: got %v with %d receipts", state, err, len(s.receipts))
		}
	}
}

func TestTheEnvelopeOfAFormerSendingMovesNothing(t *testing.T) {
	s, m := newShelf(post.LetterPosted, post.Physical)
	st := s.letters["m"]
	st.Generation, st.Present = 2, false
	s.letters["m"] = st
	got, err := m.Enter(t.Context(), track.Return{Code: code, Reason: "moved"})
	if err != nil || !got.Repeated || got.State != post.LetterPosted || s.letters["m"].State != post.LetterPosted {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestALetterThatMovesMeanwhileIsDecidedAnew(t *testing.T) {
	s, m := newShelf(post.LetterPrinting, post.Physical)
	moved := false
	s.before = func([]track.Settlement) error {
		if st := s.letters["m"]; !moved {
			moved, st.State, st.Version = true, post.LetterPosted, st.Version+1
			s.letters["m"] = st
		}
		return nil
	}
	if got, err := m.Enter(t.Context(), track.Return{Code: code, Reason: "moved"}); err != nil || got.State != post.LetterReturned || got.Repeated {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestACodeNamesOneEnvelopeOrNone(t *testing.T) {
	s, m := newShelf(post.LetterPosted, post.Physical)
	s.found = append(s.found, track.Envelope{MessageID: "n", Letter: "l", Generation: 2})
	if _, err := m.Enter(t.Context(), track.Return{Code: code, Reason: "moved"}); !errors.Is(err, post.FaultReturnWhich) {
		t.Errorf("got %v", err)
	}
	s.found = nil
	if _, err := m.Enter(t.Context(), track.Return{Code: code, Reason: "moved"}); !errors.Is(err, post.FaultReturnUnknown) {
		t.Errorf("got %v", err)
	}
	if _, err := m.Enter(t.Context(), track.Return{Code: code, Reason: "lost interest"}); !errors.Is(err, post.FaultReturnReason) {
		t.Errorf("got %v", err)
	}
}

// TestAReferenceWithAWrongCharacterIsToldFromAStrangersLetter: each single slip,
// anywhere, is told to be one, with its number or without.
func TestAReferenceWithAWrongCharacterIsToldFromAStrangersLetter(t *testing.T) {
	reference := post.NewReference()
	s, m := newShelf(post.LetterPosted, post.Physical)
	s.only = track.Code{Reference: reference}
	enter := func(code string) error {
		_, err := m.Enter(t.Context(), track.Return{Code: code, Reason: "moved"})
		return err
	}
	for i := 3; i < len(reference); i++ {
		if reference[i] == '-' {
			continue
		}
		for _, c := range "0123456789ABCDEFGHJKMNPQRSTVWXYZ" {
			wrong := reference[:i] + string(c) + reference[i+1:]
			if byte(c) == reference[i] {
				continue
			}
			if err := enter(wrong); !errors.Is(err, post.FaultReturnCode) {
				t.Fatalf("%s for %s: %v", wrong, reference, err)
			}
			if err := enter(wrong + "/2"); !errors.Is(err, post.FaultReturnCode) {
				t.Fatalf("%s/2: %v", wrong, err)
			}
		}
	}
	if err := enter(post.NewReference()); !errors.Is(err, post.FaultReturnUnknown) {
		t.Errorf("a stranger's: %v", err)
	}
	if s.letters["m"].State != post.LetterPosted {
		t.Fatalf("moved: %s", s.letters["m"].State)
	}
	if err := enter(reference); err != nil {
		t.Errorf("the right one: %v", err)
	}
}

// TestATrackingNumberThatFitsAsAReferenceIsStillFound: eight characters of a
// distributor's own.
func TestATrackingNumberThatFitsAsAReferenceIsStillFound(t *testing.T) {
	number := post.NewReference()[3:7] + post.NewReference()[8:]
	for {
		if _, ok := post.ParseReference(number); ok {
			break
		}
		r := post.NewReference()
		number = r[3:7] + r[8:]
	}
	s, m := newShelf(post.LetterPosted, post.Physical)
	s.only = track.Code{Tracking: number}
	got, err := m.Enter(t.Context(), track.Return{Code: number, Reason: "moved"})
	if err != nil || got.Letter != "l" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := m.Enter(t.Context(), track.Return{Code: number + "/1", Reason: "moved"}); !errors.Is(err, post.FaultReturnUnknown) {
		t.Errorf("with the number of a sending: %v", err)
	}
}

func TestCodesAreReadAsScannersAndPeopleGiveThem(t *testing.T) {
	reference := post.NewReference()
	id := post.DerivedID("l", post.Physical, 1)
	for text, want := range map[string]track.Code{
		reference:                    {Reference: reference},
		" " + reference[3:] + "\n":   {Reference: reference},
		reference + "/2":             {Reference: reference, Generation: 2},
		"rr 473 124 829 dk":          {Tracking: "RR473124829DK"},
		"DAO-0012345678":             {Tracking: "DAO-0012345678"},
		id:                           {MessageID: id},
		reference + "/0":             {},
		reference + "/x":             {},
		"":                           {},
		"a":                          {},
		"'; DROP TABLE letter; --  ": {},
	} {
		got, err := track.ParseCode(text)
		if got != want || (err != nil) != (want == track.Code{}) {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
}
