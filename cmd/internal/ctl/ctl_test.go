package ctl_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
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

func TestOneIsOne(t *testing.T) {
	for n, want := range map[int]string{0: "0 letters", 1: "1 letter", 2: "2 letters"} {
		if got := ctl.Count(n, "letter"); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
