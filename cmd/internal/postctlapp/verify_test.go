package postctlapp

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

func TestADatabaseThatIsNotThereIsConfigurationAndNoNetworkFault(t *testing.T) {
	for _, address := range []string{"nonsense", "mysql://x/y", "sqlite://" + filepath.Join(t.TempDir(), "none.db")} {
		var out, errs bytes.Buffer
		if code := Run(context.Background(), []string{"verify", "-database", address}, strings.NewReader(""), &out, &errs); code != ctl.BadConfig {
			t.Errorf("%s: %d %s", address, code, errs.String())
		}
	}
}

func TestWhoGivesAnotherCertificateIsToldSo(t *testing.T) {
	var errs bytes.Buffer
	e := &ctl.Env{Name: "postctl", Stderr: &errs}
	e.Fail(notProven("/tmp/a.asice", &xmldsig.Error{Reason: "sig-key-unknown"}))
	if said := errs.String(); !strings.Contains(said, "none of the certificates given has signed it") || !strings.Contains(said, "not that of who issued it") || !strings.Contains(said, "POST-2020") {
		t.Error(said)
	}
	errs.Reset()
	e.Fail(notProven("/tmp/a.asice", &xmldsig.Error{Reason: "sig-invalid"}))
	if said := errs.String(); strings.Contains(said, "certificates given") || !strings.Contains(said, "POST-2020") {
		t.Error(said)
	}
}
