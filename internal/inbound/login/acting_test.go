package login_test

import (
	"errors"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

func party(t *testing.T, key string) post.Party {
	t.Helper()
	p, ok := persona.By(key)
	if !ok {
		t.Fatal(key)
	}
	cpr, err := post.ParseCPR(p.CPR)
	if err != nil {
		t.Fatal(err)
	}
	return post.NewParty(cpr, "", p.Name)
}

// loggedIn makes a session of nancy with grants and returns its cookie.
func loggedIn(t *testing.T, s *login.Sessions, now time.Time, grants ...post.Party) string {
	t.Helper()
	p, _, err := s.Start(t.Context(), login.Ask{Tenant: "engdal"})
	if err != nil {
		t.Fatal(err)
	}
	c := claims(t, now, login.High)
	c.Grants = grants
	_, cookie, err := s.Finish(t.Context(), p, c, "")
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}

func TestPersonChoosesForWhomToAct(t *testing.T) {
	s, m, c := sessions(t, 0)
	cookie := loggedIn(t, s, c.now, party(t, "poul"), party(t, "erna"))
	now := func() login.Session {
		got, err := s.Current(t.Context(), cookie)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := now(); !got.Undecided() || got.Person.OnBehalfOf != nil || len(got.Grants) != 2 {
		t.Fatalf("before the choice: %d grants, undecided %v", len(got.Grants), got.Undecided())
	}
	for _, step := range []struct {
		choice int
		want   string // on whose behalf
	}{{2, "6201332268"}, {1, "7104521145"}, {0, ""}} {
		if _, err := s.Act(t.Context(), cookie, step.choice); err != nil {
			t.Fatal(err)
		}
		got := now()
		behalf := ""
		if got.Person.OnBehalfOf != nil {
			behalf = got.Person.OnBehalfOf.RevealID()
		}
		if behalf != step.want || got.Person.Actor.RevealID() != "6503851236" || got.Undecided() || got.Acting != step.choice {
			t.Fatalf("choice %d acts for %q", step.choice, behalf)
		}
	}
	for _, choice := range []int{-1, 3} {
		if _, err := s.Act(t.Context(), cookie, choice); !errors.Is(err, post.FaultNoGrant) {
			t.Fatalf("choice %d: %v", choice, err)
		}
	}
	if _, err := s.Act(t.Context(), "stranger", 0); !errors.Is(err, post.FaultLoginNeeded) {
		t.Fatal(err)
	}
	said := ""
	for _, e := range m.Events() {
		if e.Kind == "auth.acting" {
			said += e.Outcome + " "
		}
	}
	if said != "grantor grantor self " {
		t.Fatalf("the ledger has %q", said)
	}
}

func TestWithoutGrantsThereIsNothingToChoose(t *testing.T) {
	s, _, c := sessions(t, 0)
	cookie := loggedIn(t, s, c.now)
	got, err := s.Current(t.Context(), cookie)
	if err != nil || got.Undecided() {
		t.Fatalf("undecided %v, %v", got.Undecided(), err)
	}
	if _, err := s.Act(t.Context(), cookie, 1); !errors.Is(err, post.FaultNoGrant) {
		t.Fatal(err)
	}
}

func TestTooManyGrantsMakeNoSession(t *testing.T) {
	s, m, c := sessions(t, 0)
	p, _, err := s.Start(t.Context(), login.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	cl := claims(t, c.now, login.High)
	for range 33 {
		cl.Grants = append(cl.Grants, party(t, "poul"))
	}
	if _, _, err := s.Finish(t.Context(), p, cl, ""); !errors.Is(err, post.FaultLoginRefused) || m.Sessions() != 0 {
		t.Fatalf("%v, %d sessions", err, m.Sessions())
	}
}

func TestSessionSaysWhenItEnds(t *testing.T) {
	s, _, c := sessions(t, 0)
	cookie := loggedIn(t, s, c.now)
	began := c.now
	c.now = c.now.Add(20 * time.Minute)
	got, err := s.Peek(t.Context(), cookie)
	if err != nil || !got.EndsAt().Equal(began.Add(30*time.Minute)) {
		t.Fatalf("looking: ends %v, %v", got.EndsAt().Sub(began), err)
	}
	if got, err = s.Current(t.Context(), cookie); err != nil || !got.EndsAt().Equal(began.Add(50*time.Minute)) {
		t.Fatalf("use: ends %v, %v", got.EndsAt().Sub(began), err)
	}
	for range 23 {
		c.now = c.now.Add(20 * time.Minute)
		if _, err = s.Current(t.Context(), cookie); err != nil {
			break
		}
	}
	if err == nil || c.now.Sub(began) != 8*time.Hour {
		t.Fatalf("ended after %v: %v", c.now.Sub(began), err)
	}
	if _, err := s.Peek(t.Context(), cookie); !errors.Is(err, post.FaultLoginNeeded) {
		t.Fatal(err)
	}
}
