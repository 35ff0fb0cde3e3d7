//go:build !pkcs11

package pkcs11key_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/pkcs11key"
	"sikkerpost.dk/gateway/internal/outside"
)

func TestAProgramWithoutPKCS11SaysHowToGetIt(t *testing.T) {
	_, err := pkcs11key.Open(pkcs11key.Key{Module: "m", Token: "t", Label: "l", PIN: "p"})
	if !errors.Is(err, pkcs11key.ErrNotBuilt) || !strings.Contains(err.Error(), "-tags pkcs11") {
		t.Error(err)
	}
}

func TestEveryGapIsNamed(t *testing.T) {
	_, err := pkcs11key.Open(pkcs11key.Key{})
	for _, gap := range []string{"Module", "Token", "Label", "PIN"} {
		if err == nil || !strings.Contains(err.Error(), gap) {
			t.Errorf("%s is not named in %v", gap, err)
		}
	}
}

// TestWithAToken builds this package with PKCS#11 and runs its other tests
// against SoftHSM. The first build takes a C compiler some seconds.
func TestWithAToken(t *testing.T) {
	const what = "signing with a key on a token (SoftHSM)"
	if !outside.Full() {
		t.Log("LEFT OUT, because SIKKERPOST_FULL is not set: " + what)
		return
	}
	for _, tool := range []string{"gcc", "softhsm2-util"} {
		if _, ok := outside.Program(t, tool, what); !ok {
			return
		}
	}
	cmd := exec.Command("go", "test", "-count=1", "-tags", "pkcs11", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
