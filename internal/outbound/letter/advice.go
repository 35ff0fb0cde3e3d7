package letter

import (
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// advices says, for the first word of the code with which a letter came to a
// person, what it asks for.
var advices = map[string]string{
	"no-address":            "it bears no postal address: cancel it and send a new letter with one",
	"address-unknown":       "the address register knows no address: find one, cancel this letter and send a new one with it",
	"address-deceased":      "the address register says that the recipient is dead: find out who is to have it",
	"address-abroad":        "the address register has no address in Denmark: find one, cancel this letter and send a new one with it",
	"address-unchanged":     "the address register still names the address from which it came back: find another one, and send a new letter with it",
	"address-unsure":        "the address register gave no sure answer in time: retry asks again",
	"outcome-unknown":       "its carrier may have it: ask the carrier (postctl letter trace); retry sends the same under the same id, which no carrier delivers twice",
	"batch-stopped":         "its batch was stopped while a carrier may have it: ask the carrier (postctl letter trace), then close it",
	"registered-undeclared": "it is to go by registered post, which its carrier does not offer: say in the configuration that it does, then retry",
	"carrier-gone":          "the carrier that it was begun with is not configured any more: configure it again, then retry",
	"refused-recipient":     "its carrier refused the recipient for good: correct name and address in a new letter, and cancel this one",
	"refused-content":       "its carrier refused the content for good: mend that and send a new letter, and close this one",
	"lookup-unsure":         "the directory gave no definite answer for as long as any may wait: retry asks again, print decides for paper",
	"lookup-deadline":       "its latest day leaves no time to ask the directory longer: retry asks again, print decides for paper",
	"form-changed":          "what would leave differs from what was fixed before: a fault of ours; see the dispatcher's log before anything else",
	"not-proven":            "its signature or a document does not verify any more, so it never leaves: run postctl verify, and find out who changed it",
	"signer-unknown":        "the dispatcher does not know the certificate that it was signed with: name that as other_letter_cert_file of each dispatcher, restart them, then retry; who never had such a certificate finds out who signed it",
	"refused-by-rule":       "a rule refuses it: the page of the POST code, where one is named, says what to do",
	"step-failed":           "the same step failed again and again: the dispatcher's log says why; retry once that is mended",
}

// Advice returns what a letter that came to a person with code asks for, "" when
// the code is a carrier's own word.
func Advice(code string) string {
	word, _, _ := strings.Cut(code, ":")
	return advices[word]
}

// decisions returns what somebody may decide about v, which waits for a person:
// what [Judge] would refuse is not offered.
func decisions(v View) string {
	var may []string
	doubt, stopped := inDoubt(v), strings.HasPrefix(v.Code, "batch-stopped")
	for _, o := range []struct {
		d  Decision
		is bool
	}{
		{Retry, !stopped},
		{Print, !stopped && !doubt && v.Channel != post.Physical && !v.SignedAt.IsZero()},
		{Cancel, !doubt},
		{Close, true},
	} {
		if o.is {
			may = append(may, string(o.d))
		}
	}
	return either(may)
}

// inDoubt reports whether the carrier may have v, which waits for a person, as its
// ledger entries tell: some attempt had no clear answer, and nothing was heard
// since. From what a carrier has taken only its refusal leads to a person.
func inDoubt(v View) bool {
	doubt := false
	for _, e := range v.Events {
		switch post.LetterState(strings.TrimPrefix(e.Kind, "letter.")) {
		case post.LetterOutcomeUnknown:
			doubt = true
		case post.LetterHandedOver, post.LetterRefused, post.LetterReturned:
			doubt = false
		default:
		}
	}
	return doubt
}
