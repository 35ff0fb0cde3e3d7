package envelope_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/vault/internal/envelope"
)

// stanzas is a recipient that writes these, and the identity that knows them again.
type stanzas struct {
	all     []*age.Stanza
	fileKey []byte
}

func (s *stanzas) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	s.fileKey = bytes.Clone(fileKey)
	return s.all, nil
}

func (s *stanzas) Unwrap(all []*age.Stanza) ([]byte, error) {
	same := func(a, b *age.Stanza) bool {
		return a.Type == b.Type && slices.Equal(a.Args, b.Args) && bytes.Equal(a.Body, b.Body)
	}
	if !slices.EqualFunc(s.all, all, same) {
		return nil, errors.New("not what was written")
	}
	return s.fileKey, nil
}

// TestAHeaderIsWhatAgeWouldWrite: age reads it, finds its MAC right, and writes it
// again with the same bytes.
func TestAHeaderIsWhatAgeWouldWrite(t *testing.T) {
	for n := range 200 {
		s := &stanzas{all: []*age.Stanza{{Type: "one", Args: []string{"a", fmt.Sprint(n)}, Body: text(n)}}}
		if n%3 == 0 {
			s.all = append(s.all, &age.Stanza{Type: "two", Body: text(n / 3)})
		}
		begun := begin(t, []age.Recipient{s})
		whole, err := begun.Whole([]byte("text"))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := age.ExtractHeader(bytes.NewReader(whole)); err != nil || !bytes.Equal(again, begun.Header) {
			t.Fatalf("a body of %d bytes: %v\n%s\n%s", n, err, begun.Header, again)
		}
		if got, err := theirs(whole, s); err != nil || string(got) != "text" {
			t.Fatalf("a body of %d bytes: %q, %v", n, got, err)
		}
	}
}

func TestAHeaderThatAgeWouldNotReadIsNotWritten(t *testing.T) {
	for name, s := range map[string][]*age.Stanza{
		"no stanza":     nil,
		"no type":       {{Type: ""}},
		"a blank":       {{Type: "a b"}},
		"a line break":  {{Type: "a", Args: []string{"b\nc"}}},
		"an empty word": {{Type: "a", Args: []string{""}}},
		"not ASCII":     {{Type: "a", Args: []string{"ø"}}},
		"too long":      {{Type: "a", Body: text(1 << 20)}},
	} {
		if begun, err := envelope.Begin(&stanzas{all: s}); err == nil {
			t.Errorf("%s: %q", name, begun.Header)
		}
	}
	failed := errors.New("no key")
	if _, err := envelope.Begin(unwilling{failed}); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}

type unwilling struct{ err error }

func (f unwilling) Wrap([]byte) ([]*age.Stanza, error) { return nil, f.err }
