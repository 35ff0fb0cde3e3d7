package nemlogin_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/adapters/nemlogin/samlattack"
)

// alone are checks that each keep somebody out by themselves: with that one
// check switched off and every other one on, the case of the catalog logs in.
var alone = map[string]string{
	"form-parameters": "F1/two", "form-relay-state": "F1/relay-long", "form-size": "F1/large",

	"xml-encoding": "V-XML-11/utf7", "xml-cdata": "S11/cpr-cdata", "xml-comment": "S5", "xml-pi": "S10",
	"xml-doctype": "D2", "xml-declaration": "V-XML-11/no-version", "xml-crossed": "V-XML-12/crossed", "xml-unclosed": "V-XML-12/unclosed",
	"xml-second-root": "V-XSW-14/inside", "xml-text-outside-root": "V-ENC-14/tail",
	"xml-elements": "V-XML-7/value", "xml-depth": "V-XML-3/hidden", "xml-attributes": "V-XML-4/hidden", "xml-namespaces": "V-XML-4/namespaces-hidden",
	"xml-prefix": "G13/unbound", "xml-namespace-reserved": "D5/xml", "xml-namespace-relative": "D5/relative-inside",
	"xml-attribute-twice": "D5/twice", "xml-id": "V-ID-3", "xml-xinclude": "D8/xinclude-key",

	"response-name": "V-XML-12/renamed", "response-shape": "V-RSP-4", "response-attribute": "D4/pollution",
	"response-version": "V-VER-1", "response-id": "V-ID-5", "response-destination": "V-DST-1", "response-time": "V-TIM-3/response",
	"response-issuer": "V-ISS-2/wrong", "response-in-response-to": "V-IRT-1", "response-assertions": "V-XSW-10/after",
	"text-between-elements": "V-AST-8",
	"status-missing":        "G15/codes", "status-shape": "V-STA-9/foreign", "status-contradicts": "V-STA-8",
	"status-cancelled": "V-STA-9/cancelled", "status-no-authn-context": "V-STA-9/context", "status-no-passive": "V-STA-9/passive",
	"status-responder": "V-STA-9/responder", "status-requester": "V-STA-9/requester", "status-unknown": "V-STA-9/unknown",

	"decrypt-shape": "C1/foreign-child", "decrypt-recipients": "C1/twenty", "decrypt-cbc": "V-ENC-5/256", "decrypt-algorithm": "V-ENC-6/192",
	"decrypt-key-size": "C1/key-size", "decrypt-parameters": "C1/label", "decrypt-mask": "C1/mask",

	"assertion-name": "V-ENC-13/renamed", "assertion-sig-missing": "S1/last", "assertion-sig-shape": "V-SIG-28/hidden",
	"sig-shape": "V-SIG-25", "sig-reference": "G03", "sig-algorithm": "V-SIG-12/method", "sig-digest-algorithm": "V-SIG-12/digest",
	"sig-c14n": "V-SIG-14/claimed", "sig-transforms": "S7/twice", "sig-keyinfo": "S2/keyinfo-foreign",
	"sig-key-unknown": "V-SIG-7", "sig-value": "S2/none", "sig-digest": "V-SIG-18",

	"assertion-version": "V-VER-2", "assertion-id": "V-ID-1", "assertion-time": "V-TIM-4", "assertion-shape": "V-AST-5/decision",
	"assertion-issuer": "V-ISS-1", "subject-missing": "V-SUB-1/renamed", "conditions-missing": "V-CND-1/renamed",
	"subject-name": "V-SUB-5", "subject-shape": "V-SUB-4", "subject-bearers": "V-SCM-8", "subject-confirmation": "V-SCM-2",
	"subject-confirmation-data": "V-SCM-7/two", "subject-recipient": "V-RCP-1", "subject-expired": "V-SCM-6/past",
	"subject-in-response-to": "V-IRT-3", "subject-not-yet": "V-SCM-5",
	"name-id": "V-NID-1/bare", "name-id-format": "V-NID-1/format",
	"conditions-not-yet": "V-TIM-2/outside", "conditions-expired": "V-TIM-1/outside", "conditions-validity": "G22",
	"audience": "V-AUD-1", "condition-unknown": "V-CND-2",
	"authn-instant": "V-AUI-1", "session-index": "V-AST-6", "authn-context": "V-AST-7", "authn-not-fresh": "V-FRC-1", "session-over": "V-TIM-6",

	"spec-version": "V-SPEC-1/old", "attribute-kind": "V-AST-5/encrypted", "attribute-format": "V-ATT-4", "attribute-values": "V-ATT-2",
	"identity-type": "V-NID-2/professional", "cpr": "V-CPR-1/dash", "cpr-missing": "V-CPR-1/missing", "organization": "V-PRO-1/no-name", "role-missing": "V-BPP-6/other-company",
}

// together are checks whose attack another check catches as well, by its other
// end: both must be off. Each stays, because it refuses earlier, or says better
// what is wrong.
var together = map[string]struct {
	with  []string
	case_ string
	why   string
}{
	"xml-size": {[]string{"form-size"}, "V-XML-5", "a Response that did not come over the form is bounded too"},
	"xml-base": {[]string{"response-attribute"}, "D8/base", "also inside what was encrypted, where other attributes may stand"},
	"sig-digest-of-nothing": {[]string{"sig-digest"}, "S8/digest",
		"a canonicalizer that yields nothing would make the digest right"},
	"conditions-times": {[]string{"conditions-expired", "conditions-validity"}, "V-CND-3", "a missing end is told apart from one that is past"},
	"assertion-statements": {[]string{"assertion-shape"}, "V-AST-2",
		"which statement counts is not left to the number of elements"},
}

// barred are checks without which nobody gets in either, and what stands there
// instead. Where it says panic, the check is what keeps the reader from one.
var barred = map[string]struct{ case_, next, why string }{
	"form-type":            {"F1/text", "form-parameters", "Go's form reader passes over what is declared as something else"},
	"decrypt-length":       {"V-ENC-10/gcm-11", "panic", "a nonce is cut from too few bytes"},
	"level-unknown":        {"V-LOA-3/missing", "level-too-low", "an unknown word is level 0"},
	"level-too-low":        {"V-LOA-1", "fault-POST-1003", "login.Sessions compares the level again, whoever the provider is"},
	"xml-empty":            {"V-XML-13/empty", "form-base64", "no document at all: a better word than syntax"},
	"sig-key-expired":      {"", "", "needs a trusted certificate that has expired: TestExpiredProviderKeyIsBarredByItsDateAlone"},
	"idp-metadata-expired": {"", "", "needs metadata that has expired: its own test"},
}

// absent are refusals that cannot be switched off, because nothing is there to
// go on with: no bytes, no element, no key, no code that would do it.
const absent = `sig-missing sig-base64 sig-token sig-reparse c14n xml-syntax decrypt form-base64 form-syntax replay panic`

// TestLoadBearing takes the checks of the reader away, one at a time. A check
// that nobody would miss proves either that it is not needed or that the
// catalog has no attack for it. That each case is refused with every check on
// is shown by the catalog's own test.
func TestLoadBearing(t *testing.T) {
	w := newWorld(t)
	c := attacked(w)
	c.Cookies = []string{"__Host-session"}
	cases := map[string]samlattack.Case{}
	for _, k := range samlattack.Catalog() {
		cases[k.ID] = k
	}
	try := func(t *testing.T, id string, off ...string) string {
		t.Helper()
		k, ok := cases[id]
		if !ok {
			t.Fatalf("no case %s", id)
		}
		got := ""
		c := c
		c.Cases = []samlattack.Case{k}
		c.Mismatch = func(samlattack.Case, string) {}
		c.Done = func(_ samlattack.Case, r samlattack.Reply) { got = w.lastReason(r) }
		defer nemlogin.SwitchOff(off...)()
		w.log.Reset()
		if _, err := samlattack.Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return got
	}
	for check, id := range alone {
		if got := try(t, id, check); got != "accepted" {
			t.Errorf("without %s, %s is still refused: %s", check, id, got)
		}
	}
	for check, b := range together {
		if got := try(t, b.case_, b.with...); got == "accepted" {
			t.Errorf("%s alone does not stop %s", check, b.case_)
		}
		if got := try(t, b.case_, append(slices.Clone(b.with), check)...); got != "accepted" {
			t.Errorf("without %s and %v, %s is still refused: %s", check, b.with, b.case_, got)
		}
	}
	for check, b := range barred {
		if b.case_ == "" {
			continue
		}
		if got := try(t, b.case_, check); got != b.next {
			t.Errorf("without %s, %s ends as %q, want %q", check, b.case_, got, b.next)
		}
	}
	t.Logf("%d checks stop somebody alone, %d together with one other, %d are barred further on", len(alone), len(together), len(barred))
}

var (
	switchable = regexp.MustCompile(`\bon\("([a-z0-9-]+)"\)`)
	listed     = regexp.MustCompile(`check\{.*, "([a-z0-9-]+)"\}`)
	named      = regexp.MustCompile(`(?:reject|refuse)\("([a-z0-9-]+)"\)|Rejected\{"([a-z0-9-]+)"`)
)

// TestEachCheckIsInOneTable reads the source, so that a new check cannot be
// forgotten.
func TestEachCheckIsInOneTable(t *testing.T) {
	tables := map[string]int{}
	for _, table := range []map[string]string{alone} {
		for name := range table {
			tables[name]++
		}
	}
	for name := range together {
		tables[name]++
	}
	for name := range barred {
		tables[name]++
	}
	for _, name := range strings.Fields(absent) {
		tables[name]++
	}
	for name, n := range tables {
		if n > 1 {
			t.Errorf("%s stands in %d tables", name, n)
		}
	}
	found := map[string]bool{}
	for _, f := range readerFiles(t) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, re := range []*regexp.Regexp{switchable, listed, named} {
			for _, m := range re.FindAllStringSubmatch(string(text), -1) {
				found[m[len(m)-1]+strings.Join(m[1:len(m)-1], "")] = true
			}
		}
	}
	if len(found) < 30 {
		t.Fatalf("%d checks found in the source", len(found))
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if tables[name] == 0 && !strings.HasPrefix(name, "sign-") { // those are about what we write
			t.Errorf("%s is a check of the source and stands in no table", name)
		}
	}
}

// readerFiles are the files through which a Response goes.
func readerFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../internal/xmldsig/*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(f string) bool {
		return strings.HasSuffix(f, "_test.go") || filepath.Base(f) == "sign.go" // what we write
	})
	return append(files, "handler.go", "response.go", "assertion.go", "attributes.go", "decrypt.go")
}

// TestExpiredProviderKeyIsBarredByItsDateAlone: the key is trusted and the
// signature good; only the certificate's date stands against it.
func TestExpiredProviderKeyIsBarredByItsDateAlone(t *testing.T) {
	w := newWorld(t)
	idp := *w.conf.IDP
	expired := certificate(key("idp"), w.now.Add(-48*time.Hour), w.now.Add(-time.Hour))
	idp.Certs = append(idp.Certs[:0:0], expired)
	w.conf.IDP = &idp
	w.rebuild()
	w.rejected(w.login("", "nancy", tweak{Cert: expired}), "assertion-sig-key-expired")
	w.clear()
	defer nemlogin.SwitchOff("sig-key-expired")()
	w.accepted(w.login("", "nancy", tweak{Cert: expired}))
}
