// Package login knows who is there and how sure that is. A [Provider] (NemLog-in)
// says who somebody is; [Sessions] remembers it for a while.
//
// A log-in begins with a pending request, bound to the browser by an opaque
// cookie, and ends in one transaction that consumes the request, marks the
// assertion as used and makes a new session under a new id. It refuses a level
// below the floor, an assertion seen before, a request that was consumed or has
// expired, and a browser that did not ask.
//
// The database never learns who is logged in: the person stands sealed in the
// session row, cookies and provider names only as hashes. A session whose seal
// cannot be opened (the portal's key is gone) counts as no session. When the
// database does not answer, nobody is logged in.
package login

import (
	"context"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// Level is an assurance level (sikringsniveau) of NSIS: Low < Substantial < High.
type Level int

// Levels. "Sikker autentifikation" in lov om MitID og NemLog-in § 2 nr. 5 means
// Substantial (Betydelig) or High (Høj).
const (
	Low Level = 1 + iota
	Substantial
	High
)

var levelWords = map[Level]string{Low: "Low", Substantial: "Substantial", High: "High"}

// ParseLevel reads the exact English word.
func ParseLevel(word string) (Level, error) {
	for l, w := range levelWords {
		if w == word {
			return l, nil
		}
	}
	return 0, post.FaultLevelUnknown
}

// String returns the word of NSIS, or "none".
func (l Level) String() string {
	if w, ok := levelWords[l]; ok {
		return w
	}
	return "none"
}

// Kind is the kind of identity that a page asks for.
type Kind string

// Kinds of identity (OIOSAML 3 identity types).
const (
	Citizen      Kind = "citizen"      // a private person
	Professional Kind = "professional" // an employee, for a company (MitID Erhverv)
)

// NameID is the provider's name for a person, with every attribute as received:
// a LogoutRequest must repeat it exactly. It prints as a mask.
type NameID struct {
	Value           string `json:"value"`
	NameFormat      string `json:"format"`
	NameQualifier   string `json:"name_qualifier,omitempty"`
	SPNameQualifier string `json:"sp_name_qualifier,omitempty"`
	SPProvidedID    string `json:"sp_provided_id,omitempty"`
}

// Format implements [fmt.Formatter] for every verb.
func (NameID) Format(w fmt.State, _ rune) { fmt.Fprint(w, "NameID(masked)") }

// persistent is the format of a name that is the same at each log-in (SAML core 8.3.7).
const persistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"

// account is n where it lasts, else empty.
func (n NameID) account() post.Account {
	if n.NameFormat != persistent {
		return ""
	}
	return post.Account(n.Value)
}

// Claims is what a provider vouches for after one log-in. Every field but
// Grants, Roles and SessionEnds must be set.
type Claims struct {
	Person       post.Person
	Grants       []post.Party // those who gave power of attorney (fuldmagt); never the person
	Roles        []string     // configured privileges in the company that is acted for
	Level        Level
	Issuer       string // the provider's entity id
	Audience     string // our entity id
	NameID       NameID
	SessionIndex string
	AssertionID  string
	AuthnAt      time.Time
	UsableUntil  time.Time // until when the assertion could be replayed
	SessionEnds  time.Time // the provider's own end of session; zero when it set none
}

// Pending is one log-in under way.
type Pending struct {
	ID         string // the request's id as the provider sees it
	Browser    []byte // SHA-256 of the cookie value
	Tenant     post.TenantID
	Level      Level
	Kind       Kind
	Return     string // local path
	RelayState string // opaque
	Force      bool   // the person must authenticate anew
	StartedAt  time.Time
	ExpiresAt  time.Time
}

// Session is one logged-in person.
type Session struct {
	ID           string // UUIDv7; not the cookie
	Tenant       post.TenantID
	Person       post.Person // who acts, and for whom at this moment
	Grants       []post.Party
	Acting       int      // 0: not for a grantor; n: for Grants[n-1]
	Chosen       bool     // the person said so; where there are grants, nothing happens before
	Roles        []string // privileges in the company
	Level        Level
	Issuer       string
	NameID       NameID
	SessionIndex string
	AuthnAt      time.Time
	ExpiresAt    time.Time // hard end, whatever the activity
	IdleAt       time.Time // the end when nothing is asked until then
}

// EndsAt returns when the session ends if nothing is asked of it.
func (s Session) EndsAt() time.Time {
	if s.IdleAt.Before(s.ExpiresAt) {
		return s.IdleAt
	}
	return s.ExpiresAt
}

// Undecided reports whether the person has yet to say for whom to act.
func (s Session) Undecided() bool { return len(s.Grants) > 0 && !s.Chosen }

// A Provider tells who somebody is.
type Provider interface {
	// Request returns the address to which the browser goes to log in for p.
	Request(ctx context.Context, p Pending) (string, error)
	// Claims reads the provider's answer to p. An answer that cannot be trusted
	// is refused with a [post.Fault]; the claims are then empty.
	Claims(ctx context.Context, p Pending, answer []byte) (Claims, error)
	// End returns what the browser takes to the provider so that s ends
	// everywhere. The local session must be gone before.
	End(ctx context.Context, s Session) (Farewell, error)
}

// Farewell is a log-off on its way to the provider.
type Farewell struct {
	ID      string // which the answer will name
	Address string
	// Form is what the browser posts to Address; nil means that it goes there by
	// redirect.
	Form map[string]string
}

// A Sealer closes and opens small values with a key of this program alone.
type Sealer interface {
	Small(plaintext []byte) ([]byte, error)
	// Open fails for a value whose key is gone; that value is lost.
	Open(sealed []byte) ([]byte, error)
}
