package login_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/inbound/login/logintest"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

func TestArchiveIsReadByItsKeyAloneAndFor180Days(t *testing.T) { // V-LOG-1
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	m, c := &logintest.Memory{}, &clock{time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	a, err := login.NewArchive(m, func(b []byte) ([]byte, error) { return seal.Small(b, id.Recipient()) }, slog.New(slog.DiscardHandler), c.Now)
	if err != nil {
		t.Fatal(err)
	}
	secret := "PHNhbWxwOlJlc3BvbnNl" + strings.Repeat("A", 40<<10)
	for _, e := range []login.Exchange{
		{Kind: "Response", Request: "_1", Outcome: login.Accepted, Remote: "192.0.2.7", Agent: "Browser", Message: secret},
		{Kind: "Response", Request: "_2", Outcome: "xml-doctype", Message: secret},
	} {
		if err := a.Keep(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	kept := m.Messages()
	if len(kept) != 2 || bytes.Contains(kept[0].Body, []byte("192.0.2.7")) || bytes.Contains(kept[0].Body, []byte(secret[:20])) {
		t.Fatal("not kept, or kept in clear")
	}
	var got struct {
		Outcome, Remote, Message string
		SHA256                   []byte
	}
	for i, want := range []int{len(secret), 16 << 10} {
		plain, err := unseal.Small(kept[i].Body, id)
		if err != nil {
			t.Fatal(err)
		}
		got.SHA256 = nil
		if err := json.Unmarshal(plain, &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Message) != want || (len(got.SHA256) == 32) != (i == 1) {
			t.Errorf("message %d: %d bytes are kept, digest %d", i, len(got.Message), len(got.SHA256))
		}
	}
	c.now = c.now.Add(179 * 24 * time.Hour)
	if n, err := a.Purge(t.Context()); err != nil || n != 0 {
		t.Fatalf("after 179 days: %d purged, %v", n, err)
	}
	c.now = c.now.Add(24 * time.Hour)
	if n, err := a.Purge(t.Context()); err != nil || n != 2 || len(m.Messages()) != 0 {
		t.Fatalf("after 180 days: %d purged, %v", n, err)
	}
}

func TestMessageThatCannotBeSealedIsNotKeptInClear(t *testing.T) {
	m := &logintest.Memory{}
	a, err := login.NewArchive(m, func([]byte) ([]byte, error) { return nil, errors.New("no key") }, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Keep(t.Context(), login.Exchange{Message: "x"}); err == nil || len(m.Messages()) != 0 {
		t.Fatal("kept without a seal")
	}
	if _, err := login.NewArchive(nil, nil, nil, nil); err == nil {
		t.Fatal("an archive of nothing")
	}
}
