package post

import (
	"fmt"
	"net/http"
	"slices"
)

// A Fault is one kind of refusal: a stable code, one sentence that a person
// understands, and the cure, in both languages. Faults are declared as package
// variables here, never made at run time; each has a page docs/errors/CODE.md.
type Fault struct {
	Code    string // POST-nnnn, never reused
	Status  int    // the HTTP status that carries it
	English string // one sentence, no personal data
	Danish  string
	Cure    string // what to do about it
	CureDA  string
}

// Error implements error.
func (f *Fault) Error() string { return f.Code + ": " + f.English }

// A Refusal is a fault at a particular place.
type Refusal struct {
	Fault  *Fault
	Detail string // where: a line, a field, an id; never personal data
	Cause  error  // for the log only
}

// Error implements error. It leaves Cause out of nothing: callers log it.
func (r *Refusal) Error() string {
	s := r.Fault.Error()
	if r.Detail != "" {
		s += " (" + r.Detail + ")"
	}
	if r.Cause != nil {
		s += ": " + r.Cause.Error()
	}
	return s
}

// Unwrap lets errors.Is find both the fault and the cause.
func (r *Refusal) Unwrap() []error {
	if r.Cause == nil {
		return []error{r.Fault}
	}
	return []error{r.Fault, r.Cause}
}

// At returns the fault at a place: detail says which line, field or id.
func (f *Fault) At(detail string, args ...any) error {
	return &Refusal{Fault: f, Detail: fmt.Sprintf(detail, args...)}
}

// Because returns the fault with a cause that only the log shows.
func (f *Fault) Because(cause error) error { return &Refusal{Fault: f, Cause: cause} }

var faults []*Fault

func fault(code string, status int, english, danish, cure, cureDA string) *Fault {
	f := &Fault{code, status, english, danish, cure, cureDA}
	faults = append(faults, f)
	return f
}

// Faults returns every fault, ordered by code.
func Faults() []*Fault {
	all := slices.Clone(faults)
	slices.SortFunc(all, func(a, b *Fault) int {
		if a.Code < b.Code {
			return -1
		}
		return 1
	})
	return all
}

// Faults of the words themselves (POST-0nnn).
var (
	FaultInternal = fault("POST-0001", http.StatusInternalServerError,
		"Something went wrong on our side.", "Noget gik galt hos os.",
		"Try again in a moment; if it goes on, give us the error reference.",
		"Prøv igen om lidt. Bliver det ved, så oplys fejlreferencen.")
	FaultNotFound = fault("POST-0002", http.StatusNotFound,
		"There is nothing here, or it is not yours to see.", "Der er ikke noget her, eller du har ikke adgang til det.",
		"Check the address or the id.", "Tjek adressen eller nummeret.")
	FaultStale = fault("POST-0003", http.StatusConflict,
		"The record has changed since you read it.", "Sagen er ændret, siden du læste den.",
		"Read it again and repeat the step.", "Hent den igen, og gentag trinnet.")
	FaultUnavailable = fault("POST-0004", http.StatusServiceUnavailable,
		"We cannot take this right now; nothing was half-done.", "Vi kan ikke tage imod lige nu. Intet er gjort halvt.",
		"Send the same request again in a few minutes.", "Send det samme igen om et par minutter.")
	FaultCPR = fault("POST-0101", http.StatusUnprocessableEntity,
		"The CPR number is not ten digits that begin with a date.", "CPR-nummeret er ikke ti cifre, der begynder med en dato.",
		"Check the number; write ten digits, with or without the dash.", "Tjek nummeret; skriv ti cifre, med eller uden bindestreg.")
	FaultCVR = fault("POST-0102", http.StatusUnprocessableEntity,
		"The CVR number is not eight digits.", "CVR-nummeret er ikke otte cifre.",
		"Check the number; write eight digits without spaces.", "Tjek nummeret; skriv otte cifre uden mellemrum.")
	FaultIDType = fault("POST-0103", http.StatusUnprocessableEntity,
		"A party is identified by CPR or CVR and nothing else.", "En part angives med CPR eller CVR og ikke andet.",
		"Give exactly one CPR or CVR number.", "Angiv netop ét CPR- eller CVR-nummer.")
	FaultTenant = fault("POST-0104", http.StatusUnprocessableEntity,
		"This municipality is not served here.", "Kommunen findes ikke i denne løsning.",
		"Choose one of the municipalities listed.", "Vælg en af kommunerne på listen.")
)
