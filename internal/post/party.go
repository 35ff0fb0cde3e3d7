package post

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// CPR is a civil registration number (CPR-nummer). It prints as a mask
// wherever it is nested; only [CPR.Reveal] yields the digits.
//
// It is never refused on modulus 11 (numbers without the check have been
// issued since 2007), and replacement numbers (erstatnings-CPR: day + 60) are
// accepted.
type CPR struct{ digits *string } // a pointer, so that fmt cannot reach through an unexported field

// ParseCPR reads ten digits, with or without the dash after the sixth.
func ParseCPR(s string) (CPR, error) {
	if len(s) == 11 && s[6] == '-' {
		s = s[:6] + s[7:]
	}
	if len(s) != 10 || !digits(s) {
		return CPR{}, FaultCPR
	}
	day, month := int(s[0]-'0')*10+int(s[1]-'0'), int(s[2]-'0')*10+int(s[3]-'0')
	if day > 60 {
		day -= 60
	}
	if day < 1 || day > 31 || month < 1 || month > 12 {
		return CPR{}, FaultCPR
	}
	return CPR{&s}, nil
}

// Reveal returns the ten digits. Each call site is a place where personal data
// leaves the type's protection; there should be few.
func (c CPR) Reveal() string {
	if c.digits == nil {
		return ""
	}
	return *c.digits
}

// IsZero reports whether c holds no number.
func (c CPR) IsZero() bool { return c.digits == nil }

// Format implements [fmt.Formatter] for every verb.
func (CPR) Format(w fmt.State, _ rune) { fmt.Fprint(w, "CPR(masked)") }

// LogValue implements [slog.LogValuer].
func (CPR) LogValue() slog.Value { return slog.StringValue("CPR(masked)") }

// MarshalText refuses: a CPR number is written only inside a seal, through [PartyRecord].
func (CPR) MarshalText() ([]byte, error) { return nil, errors.New("a CPR number is never marshaled") }

// CVR is the number of a company or an authority (CVR-nummer): eight digits.
// It is public.
type CVR string

// ParseCVR reads eight digits, of which the first is not zero.
func ParseCVR(s string) (CVR, error) {
	if len(s) != 8 || !digits(s) || s[0] == '0' {
		return "", FaultCVR
	}
	return CVR(s), nil
}

func digits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// Party is one citizen (CPR) or one company or authority (CVR). Exactly one of
// the two numbers is set.
type Party struct {
	CPR  CPR
	CVR  CVR
	name *string
}

// NewParty returns a party with a name that prints as a mask.
func NewParty(cpr CPR, cvr CVR, name string) Party { return Party{CPR: cpr, CVR: cvr, name: &name} }

// Name returns the name in clear, or "".
func (p Party) Name() string {
	if p.name == nil {
		return ""
	}
	return *p.name
}

// IDType returns "CPR" or "CVR", the MeMo idType.
func (p Party) IDType() string {
	if p.CPR.IsZero() {
		return "CVR"
	}
	return "CPR"
}

// RevealID returns the digits of whichever number is set.
func (p Party) RevealID() string {
	if p.CPR.IsZero() {
		return string(p.CVR)
	}
	return p.CPR.Reveal()
}

// Format implements [fmt.Formatter]: a party never prints.
func (p Party) Format(w fmt.State, _ rune) { fmt.Fprint(w, "Party(masked)") }

// LogValue implements [slog.LogValuer].
func (p Party) LogValue() slog.Value { return slog.StringValue("Party(masked)") }

// MarshalText refuses, as [CPR.MarshalText] does.
func (p Party) MarshalText() ([]byte, error) {
	return nil, errors.New("a party is never marshaled; use its Record inside a seal")
}

// Person is who writes to us: the human or company that logged in, and whom it
// acts for (fuldmagt), if anybody. The two are never merged.
type Person struct {
	Actor      Party
	OnBehalfOf *Party
	// Account is the log-in's lasting name for the human being, or empty. It tells
	// colleagues apart of whom no CPR number is told. It is for keyed indexes alone:
	// [Person.Record] leaves it out.
	Account Account
}

// Account is a log-in's lasting name for a human being. It prints as a mask.
type Account string

// Format implements [fmt.Formatter] for every verb.
func (Account) Format(w fmt.State, _ rune) { fmt.Fprint(w, "Account(masked)") }

// LogValue implements [slog.LogValuer].
func (Account) LogValue() slog.Value { return slog.StringValue("Account(masked)") }

// MarshalText refuses, as [CPR.MarshalText] does.
func (Account) MarshalText() ([]byte, error) {
	return nil, errors.New("an account is never marshaled")
}

// Subject returns the party whom the inquiry concerns: on-behalf-of when set,
// else the actor.
func (p Person) Subject() Party {
	if p.OnBehalfOf != nil {
		return *p.OnBehalfOf
	}
	return p.Actor
}

// PartyRecord is a party in clear. It exists only inside a seal or in memory on
// the way into or out of one.
type PartyRecord struct {
	IDType string `json:"id_type"` // CPR or CVR
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	// Contact point of an authority (kontaktpunkt), when the party is one.
	ContactPoint string `json:"contact_point,omitempty"`
	// Address lines for physical post, empty when none is known.
	Address []string `json:"address,omitempty"`
}

// Record returns p in clear, for sealing.
func (p Party) Record() PartyRecord {
	return PartyRecord{IDType: p.IDType(), ID: p.RevealID(), Name: p.Name()}
}

// Party returns the party that r describes.
func (r PartyRecord) Party() (Party, error) {
	switch strings.ToUpper(r.IDType) {
	case "CPR":
		c, err := ParseCPR(r.ID)
		return NewParty(c, "", r.Name), err
	case "CVR":
		c, err := ParseCVR(r.ID)
		return NewParty(CPR{}, c, r.Name), err
	}
	return Party{}, FaultIDType
}

// PersonRecord is a person in clear, for sealing only.
type PersonRecord struct {
	Actor      PartyRecord  `json:"actor"`
	OnBehalfOf *PartyRecord `json:"on_behalf_of,omitempty"`
}

// Record returns p in clear, for sealing.
func (p Person) Record() PersonRecord {
	r := PersonRecord{Actor: p.Actor.Record()}
	if p.OnBehalfOf != nil {
		o := p.OnBehalfOf.Record()
		r.OnBehalfOf = &o
	}
	return r
}

// Person returns the person that r describes.
func (r PersonRecord) Person() (Person, error) {
	a, err := r.Actor.Party()
	if err != nil {
		return Person{}, err
	}
	p := Person{Actor: a}
	if r.OnBehalfOf != nil {
		o, err := r.OnBehalfOf.Party()
		if err != nil {
			return Person{}, err
		}
		p.OnBehalfOf = &o
	}
	return p, nil
}

// Subject returns the record of the party whom the inquiry concerns.
func (r PersonRecord) Subject() PartyRecord {
	if r.OnBehalfOf != nil {
		return *r.OnBehalfOf
	}
	return r.Actor
}
