package post_test

import (
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/post"
)

func TestFaultsAreCompleteAndUnique(t *testing.T) {
	code := regexp.MustCompile(`^POST-[0-9]{4}$`)
	seen := map[string]bool{}
	for _, f := range post.Faults() {
		if !code.MatchString(f.Code) || seen[f.Code] {
			t.Errorf("%s is not a code of its own", f.Code)
		}
		seen[f.Code] = true
		if f.Status < 400 || f.Status > 599 {
			t.Errorf("%s has status %d", f.Code, f.Status)
		}
		for _, text := range []string{f.English, f.Danish, f.Cure, f.CureDA} {
			if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "?") {
				t.Errorf("%s: %q is not a sentence", f.Code, text)
			}
		}
	}
	if len(seen) == 0 {
		t.Error("there are no faults")
	}
}

func TestRefusalIsFoundByFaultAndByCause(t *testing.T) {
	err := post.FaultNotFound.Because(io.ErrUnexpectedEOF)
	if !errors.Is(err, post.FaultNotFound) || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, post.FaultStale) {
		t.Errorf("%v is not found by what it is", err)
	}
	at := post.FaultCPR.At("line %d", 7)
	var r *post.Refusal
	if !errors.As(at, &r) || r.Detail != "line 7" || !errors.Is(at, post.FaultCPR) || !strings.Contains(at.Error(), "POST-0101") {
		t.Errorf("%v has lost its place", at)
	}
}
