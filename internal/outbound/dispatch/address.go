package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// Addresses knows where people live. It is asked for a letter on paper that
// bears no address, and for one that came back, and only before the first
// attempt of a hand-over.
type Addresses interface {
	// Find asks for recipient's address at this moment. A look-up that fails is
	// AddressUnsure with a code, never a guess.
	Find(ctx context.Context, tenant post.Tenant, recipient post.PartyRecord) Residence
}

// A Residence is the answer of [Addresses].
type Residence struct {
	Answer AddressAnswer
	Code   string // why, from a closed set of characters; no personal data
	Name   string // as the register has it; "" when it does not say
	Lines  []string
	// Protected addresses (navne- og adressebeskyttelse) may be printed and
	// posted; they are never shown to anybody.
	Protected bool
}

// AddressAnswer is what a register knows of a recipient.
type AddressAnswer string

// Answers. Only the first prints a letter.
const (
	AddressFound    AddressAnswer = "found"
	AddressUnknown  AddressAnswer = "unknown"  // definite: the register has no such recipient, or no address
	AddressDeceased AddressAnswer = "deceased" // definite
	AddressAbroad   AddressAnswer = "abroad"   // definite: emigrated, and no address there is known
	AddressUnsure   AddressAnswer = "unsure"   // not known, or the look-up failed
)

// postal is an address as it is kept with the intent.
type postal struct {
	Name  string   `json:"name,omitempty"`
	Lines []string `json:"lines"`
}

// onto writes the address onto a recipient. The name that the sender gave
// stands.
func (p postal) onto(r post.PartyRecord) post.PartyRecord {
	if r.Name == "" {
		r.Name = p.Name
	}
	r.Address = slices.Clone(p.Lines)
	return r
}

// openPostal opens an address that was kept.
func (a *Advancer) openPostal(sealed []byte) (p postal, err error) {
	clear, err := a.Opener.Small(sealed)
	if err != nil {
		return p, fmt.Errorf("open address: %w", err)
	}
	if err := json.Unmarshal(clear, &p); err != nil {
		return p, fmt.Errorf("%w: the address is not readable", post.ErrPermanent) // the cause could quote it
	}
	return p, nil
}

// addressed returns the recipient as a letter on paper names him, and keeps an
// address that was found in in. It reports false when the letter now waits, or
// needs a person.
//
// Crash before the intent's commit: nothing is kept; the register is asked
// again. After: the address stands, whatever the register says later.
func (a *Advancer) addressed(ctx context.Context, l queue.Lease, r Record, own post.PartyRecord, in *Intent) (post.PartyRecord, bool, error) {
	switch {
	case r.Channel != post.Physical:
		return own, true, nil
	case r.Intent != nil && len(in.Address) > 0:
		p, err := a.openPostal([]byte(in.Address))
		return p.onto(own), err == nil, err
	case len(own.Address) > 0 && (r.Intent != nil || len(r.Former) == 0 || a.Addresses == nil):
		return own, true, nil
	case r.Intent != nil, a.Addresses == nil:
		return own, false, a.askPerson(ctx, l, r, "no-address")
	}
	found := a.Addresses.Find(ctx, a.tenants[r.Tenant], own)
	switch found.Answer {
	case AddressFound:
	case AddressUnknown, AddressDeceased, AddressAbroad:
		return own, false, a.askPerson(ctx, l, r, code("address-"+string(found.Answer), found.Code))
	default:
		return own, false, a.addressUnsure(ctx, l, r, found.Code)
	}
	p := postal{Name: found.Name, Lines: found.Lines}
	same, err := a.cameBack(r, own, p)
	if err != nil {
		return own, false, err
	}
	if same { // it would come back again
		return own, false, a.askPerson(ctx, l, r, "address-unchanged")
	}
	clear, err := json.Marshal(p)
	if err != nil {
		return own, false, fmt.Errorf("keep address: %w", err)
	}
	sealed, err := a.Seal(ctx, clear)
	if err != nil {
		return own, false, fmt.Errorf("keep address: %w", err)
	}
	in.Address = string(sealed)
	return p.onto(own), true, nil
}

// addressUnsure waits inside the budget of look-ups, then asks a person.
func (a *Advancer) addressUnsure(ctx context.Context, l queue.Lease, r Record, why string) error {
	answers, next, over := a.unsureAgain(ctx, r, r.Channel, a.Roads.Chosen(r.Tenant, r.Channel))
	if over {
		return a.askPerson(ctx, l, r, code("address-unsure", why))
	}
	return a.waitFor(ctx, l, r, Wait{Code: code("address", why), Due: next, Looks: answers})
}

// cameBack reports whether p is where a sending went that came back.
func (a *Advancer) cameBack(r Record, own post.PartyRecord, p postal) (bool, error) {
	for _, sealed := range r.Former {
		former := postal{Lines: own.Address}
		if len(sealed) > 0 {
			var err error
			if former, err = a.openPostal(sealed); err != nil {
				return false, err
			}
		}
		if slices.EqualFunc(former.Lines, p.Lines, func(a, b string) bool {
			return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
		}) {
			return true, nil
		}
	}
	return false, nil
}

var errNoSeal = errors.New("dispatch: Seal is required with Addresses")
