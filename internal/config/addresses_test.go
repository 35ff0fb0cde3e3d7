package config_test

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/config"
)

func TestARegisterOfAddressesIsOneOfTwo(t *testing.T) {
	for register, want := range map[string]string{
		`{"register_file": "letter-key.pem"}`: "",
		`{"url": "https://register.example/addresses", "tls": {"cert_file": "letter.pem", "key_file": "letter-key.pem"}}`: "",
		`{"register_file": "nothing"}`:                                                                                          "addresses.register_file",
		`{"register_file": "letter-key.pem", "url": "https://register.example/"}`:                                               "addresses.url",
		`{"url": "http://register.example/", "tls": {"cert_file": "letter.pem", "key_file": "letter-key.pem"}}`:                 "addresses.url",
		`{"url": "https://register.example/"}`:                                                                                  "addresses.tls.cert_file",
		`{"url": "https://r.example/", "tls": {"cert_file": "letter.pem", "key_file": "letter-key.pem", "ca_file": "nothing"}}`: "addresses.tls.ca_file",
	} {
		_, err := load[config.Dispatcher](t, folder(t), strings.Replace(dispatcher, `"print_house":`, `"addresses": `+register+`, "print_house":`, 1))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want+": ")) {
			t.Errorf("%s gives %v", register, err)
		}
	}
}
