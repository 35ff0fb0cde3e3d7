package login_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/inbound/login/logintest"
	"sikkerpost.dk/gateway/internal/inbound/login/logintest/suite"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	suite.Run(t, func(*testing.T) login.Store { return &logintest.Memory{} })
	suite.RunArchive(t, func(*testing.T) login.ArchiveStore { return &logintest.Memory{} })
}

// clock is a clock that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func sessions(t *testing.T, floor login.Level) (*login.Sessions, *logintest.Memory, *clock) {
	t.Helper()
	m, c := &logintest.Memory{}, &clock{time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	s, err := login.New(login.Config{Store: m, Sealer: logintest.Clear{}, Floor: floor, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s, m, c
}

func claims(t *testing.T, now time.Time, level login.Level) login.Claims {
	t.Helper()
	p, _ := persona.By("nancy")
	cpr, err := post.ParseCPR(p.CPR)
	if err != nil {
		t.Fatal(err)
	}
	return login.Claims{
		Person: post.Person{Actor: post.NewParty(cpr, "", p.Name)}, Level: level,
		Issuer: "https://idp", Audience: "https://sp",
		NameID:       login.NameID{Value: "https://data.gov.dk/model/core/eid/person/uuid/" + p.UUID, SPNameQualifier: "https://sp"},
		SessionIndex: "_index", AssertionID: "_assertion" + post.NewID(), AuthnAt: now, UsableUntil: now.Add(5 * time.Minute),
	}
}

func TestLoginLastsUntilIdleOrHardEnd(t *testing.T) {
	s, _, c := sessions(t, 0)
	p, browser, err := s.Start(t.Context(), login.Ask{Return: "/ny"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Level != login.Substantial || p.Kind != login.Citizen {
		t.Fatalf("asked for %v %v", p.Level, p.Kind)
	}
	if got, err := s.Pending(t.Context(), browser); err != nil || got.ID != p.ID {
		t.Fatalf("pending: %v", err)
	}
	made, cookie, err := s.Finish(t.Context(), p, claims(t, c.now, login.High), "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Current(t.Context(), cookie)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != made.ID || got.Person.Actor.RevealID() != "6503851236" || got.NameID.SPNameQualifier != "https://sp" ||
		got.Level != login.High || got.SessionIndex != "_index" {
		t.Fatal("the session came back changed")
	}
	c.now = c.now.Add(29 * time.Minute)
	if _, err := s.Current(t.Context(), cookie); err != nil {
		t.Fatalf("after 29 minutes: %v", err)
	}
	c.now = c.now.Add(31 * time.Minute)
	if _, err := s.Current(t.Context(), cookie); !errors.Is(err, post.FaultLoginNeeded) {
		t.Fatalf("after 31 idle minutes: %v", err)
	}
}

// TestSessionKnowsItsAccountOnlyByANameThatLasts: colleagues without CPR numbers are told apart by it.
func TestSessionKnowsItsAccountOnlyByANameThatLasts(t *testing.T) {
	for format, lasts := range map[string]bool{
		"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent": true,
		"urn:oasis:names:tc:SAML:2.0:nameid-format:transient":  false,
		"": false,
	} {
		s, _, c := sessions(t, 0)
		p, _, err := s.Start(t.Context(), login.Ask{Return: "/ny"})
		if err != nil {
			t.Fatal(err)
		}
		who := claims(t, c.now, login.High)
		who.NameID.NameFormat = format
		made, cookie, err := s.Finish(t.Context(), p, who, "")
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Current(t.Context(), cookie)
		if err != nil {
			t.Fatal(err)
		}
		for _, session := range []login.Session{made, got} {
			want := post.Account("")
			if lasts {
				want = post.Account(who.NameID.Value)
			}
			if session.Person.Account != want {
				t.Errorf("%q: the account is not the name that lasts", format)
			}
			if out := fmt.Sprintf("%v %+v %#v %s", session.Person, session.Person, session.Person, session.Person.Account); strings.Contains(out, "uuid") {
				t.Error("an account prints")
			}
		}
	}
}

func TestProviderMayEndASessionEarlier(t *testing.T) {
	s, _, c := sessions(t, 0)
	p, _, err := s.Start(t.Context(), login.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	cl := claims(t, c.now, login.High)
	cl.SessionEnds = c.now.Add(10 * time.Minute)
	_, cookie, err := s.Finish(t.Context(), p, cl, "")
	if err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(11 * time.Minute)
	if _, err := s.Current(t.Context(), cookie); !errors.Is(err, post.FaultLoginNeeded) {
		t.Fatalf("the session outlived the provider's: %v", err)
	}
}

func TestLevelBelowFloorOrRequestMakesNoSession(t *testing.T) {
	for _, c := range []struct {
		floor, asked, got login.Level
		ok                bool
	}{
		{0, login.Low, login.Low, false},
		{0, 0, login.Substantial, true},
		{0, login.High, login.Substantial, false},
		{login.High, 0, login.Substantial, false},
		{login.High, 0, login.High, true},
		{0, 0, 0, false},
	} {
		t.Run(fmt.Sprintf("floor %v asked %v got %v", c.floor, c.asked, c.got), func(t *testing.T) {
			s, m, clk := sessions(t, c.floor)
			p, _, err := s.Start(t.Context(), login.Ask{Level: c.asked})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = s.Finish(t.Context(), p, claims(t, clk.now, c.got), "")
			if (err == nil) != c.ok || err != nil && !errors.Is(err, post.FaultLevelTooLow) || m.Sessions() != map[bool]int{true: 1}[c.ok] {
				t.Fatalf("err %v, %d sessions", err, m.Sessions())
			}
		})
	}
	if _, err := login.New(login.Config{Store: &logintest.Memory{}, Sealer: logintest.Clear{}, Floor: login.Low}); err == nil {
		t.Fatal("a floor of Low was taken")
	}
}

func TestStolenDatabaseNamesNobody(t *testing.T) {
	s, m, c := sessions(t, 0)
	p, browser, err := s.Start(t.Context(), login.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	cl := claims(t, c.now, login.High)
	_, cookie, err := s.Finish(t.Context(), p, cl, "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.EndSessions(t.Context(), login.Ending{Name: nil, Cookie: nil}, c.now)
	if err != nil || len(r) != 0 {
		t.Fatal("an empty ending ended something")
	}
	ended, err := s.Logout(t.Context(), cookie)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%+v %+v %v", p, m.Events(), ended)
	for _, secret := range []string{cookie, browser, "6503851236", "Nancy", cl.NameID.Value} {
		if strings.Contains(all, secret) {
			t.Fatalf("%q stands in clear", secret)
		}
	}
}

func TestSessionWhoseKeyIsGoneIsNoSession(t *testing.T) {
	m, c := &logintest.Memory{}, &clock{time.Now()}
	s, err := login.New(login.Config{Store: m, Sealer: forgetful{}, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := s.Start(t.Context(), login.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	_, cookie, err := s.Finish(t.Context(), p, claims(t, c.now, login.High), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Current(t.Context(), cookie); !errors.Is(err, post.FaultLoginNeeded) {
		t.Fatal(err)
	}
}

// forgetful loses its key at once.
type forgetful struct{}

func (forgetful) Small(b []byte) ([]byte, error) { return b, nil }
func (forgetful) Open([]byte) ([]byte, error)    { return nil, errors.New("the key is gone") }

func TestReturnStaysOnThisSite(t *testing.T) {
	for path, ok := range map[string]bool{
		"/": true, "/ny/tjek?x=1#a": true, "/a//b": true,
		"": false, "//evil.example": false, "/\\evil.example": false, "https://evil.example": false,
		"javascript:alert(1)": false, "ny": false, "/a\r\nSet-Cookie: x": false, "/a b": false, "/\t/evil": false,
		"/" + strings.Repeat("a", 2000): false,
	} {
		if login.LocalPath(path) != ok {
			t.Errorf("%q: want %v", path, ok)
		}
	}
}
