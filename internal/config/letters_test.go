package config_test

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/config"
)

func TestOtherCertificatesOfLettersAreCertificates(t *testing.T) {
	for other, wrong := range map[string]bool{"letter.pem": false, "letter-key.pem": true, "nothing.pem": true} {
		p, err := load[config.Dispatcher](t, folder(t), strings.Replace(dispatcher, `"letter_key_file":`, `"other_letter_cert_file": "`+other+`", "letter_key_file":`, 1))
		if (err != nil) != wrong || wrong && !strings.Contains(err.Error(), "other_letter_cert_file: ") {
			t.Errorf("%s gives %v", other, err)
		}
		if !wrong && !strings.HasSuffix(p.OtherLetterCertFile, "/letter.pem") {
			t.Errorf("it is read as %q", p.OtherLetterCertFile)
		}
	}
}
