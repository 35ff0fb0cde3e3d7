package ctl_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
)

func TestAServerThatIsNotTrustedIsNoNetworkFault(t *testing.T) {
	var talk bytes.Buffer
	e := &ctl.Env{Name: "postctl", Stderr: &talk}
	stranger := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	if code := e.Fail(fmt.Errorf("%w: %w", client.ErrUnreachable, stranger)); code != ctl.BadConfig || !strings.Contains(talk.String(), "-ca is who issued it") {
		t.Errorf("%d: %s", code, talk.String())
	}
	talk.Reset()
	if code := e.Fail(fmt.Errorf("%w: refused", client.ErrUnreachable)); code != ctl.Unreachable || !strings.Contains(talk.String(), "safe to run the same command again") {
		t.Errorf("%d: %s", code, talk.String())
	}
}

func TestEachOfSeveralFaultsHasItsCodeAndItsCure(t *testing.T) {
	var talk bytes.Buffer
	e := &ctl.Env{Name: "postctl", Stderr: &talk}
	spot := wire.ProblemSpot{Location: "line 2", Message: "The key is used.", Code: "POST-6011", Cure: "Use another key."}
	other := spot
	other.Location = "line 3"
	p := &client.Problem{Problem: wire.Problem{Title: "Several things are wrong; nothing was taken.", Cure: "Correct each.", Code: "POST-4131", Status: 422,
		Errors: []wire.ProblemSpot{spot, other}}}
	want := "postctl: several things are wrong; nothing was taken\n  line 2: the key is used (POST-6011)\n  line 3: the key is used (POST-6011)\nhint: Correct each. Use another key.\ncode: POST-4131\n"
	if code := e.Fail(p); code != ctl.Failed || talk.String() != want {
		t.Errorf("%d:\n%s\nwant\n%s", code, talk.String(), want)
	}
}

func TestOneIsOne(t *testing.T) {
	for n, want := range map[int]string{0: "0 letters", 1: "1 letter", 2: "2 letters"} {
		if got := ctl.Count(n, "letter"); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
