package config_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/config"
)

func TestLoginSettingsAreRead(t *testing.T) {
	dir := folder(t)
	text := strings.Replace(portal, `"idp_metadata_file": "idp.xml"`, `"idp_metadata_file": "idp.xml",
		"power_of_attorney": ["urn:dk:example:fuldmagt"], "company_roles": ["https://example.dk/rolle"],
		"previous_encryption_cert_file": "letter.pem", "previous_encryption_key_file": "letter-key.pem",
		"next_signing_cert_file": "letter.pem", "archive_recipients_file": "dpo.recipients"`, 1)
	text = strings.Replace(text, `"idle": "30m"`, `"idle": "30m", "absolute": "4h", "pages": [{"path": "/ny", "level": "High", "fresh": "15m"}]`, 1)
	p, err := load[config.Portal](t, dir, text)
	if err != nil {
		t.Fatal(err)
	}
	if p.Absolute != 4*time.Hour || len(p.Pages) != 1 || p.Pages[0] != (config.PageRule{Path: "/ny", Level: "High", Fresh: 15 * time.Minute}) ||
		p.SAML.PowerOfAttorney[0] != "urn:dk:example:fuldmagt" || p.SAML.CompanyRoles[0] != "https://example.dk/rolle" ||
		p.SAML.PreviousEncryptionKey != filepath.Join(dir, "letter-key.pem") || p.SAML.ArchiveRecipients != filepath.Join(dir, "dpo.recipients") {
		t.Errorf("values are lost: %+v %+v", p.SAML, p.Pages)
	}
}

func TestWrongLoginSettingsAreNamed(t *testing.T) {
	for change, want := range map[[2]string]string{
		{`"saml": {`, `"saml": {"power_of_attorney": ["fuldmagt"], `}:                                                               "saml.power_of_attorney[0]",
		{`"saml": {`, `"saml": {"company_roles": [" urn:x "], `}:                                                                    "saml.company_roles[0]",
		{`"saml": {`, `"saml": {"next_encryption_cert_file": "letter.pem", `}:                                                       "saml.next_encryption_key_file",
		{`"saml": {`, `"saml": {"next_encryption_cert_file": "sp-signing.pem", "next_encryption_key_file": "sp-signing-key.pem", `}: "saml.next_encryption_key_file",
		{`"saml": {`, `"saml": {"next_signing_cert_file": "nothing.pem", `}:                                                         "saml.next_signing_cert_file",
		{`"saml": {`, `"saml": {"archive_recipients_file": "nothing", `}:                                                            "saml.archive_recipients_file",
		{`"idle": "30m"`, `"absolute": "13h"`}:                                                                                      "absolute",
		{`"idle": "30m"`, `"idle": "30m", "absolute": "20m"`}:                                                                       "absolute",
		{`"idle": "30m"`, `"pages": [{"path": "/ny"}]`}:                                                                             "pages[0]",
		{`"idle": "30m"`, `"pages": [{"path": "https://x", "level": "High"}]`}:                                                      "pages[0].path",
		{`"idle": "30m"`, `"pages": [{"path": "/ny", "level": "Low"}]`}:                                                             "pages[0].level",
		{`"idle": "30m"`, `"pages": [{"path": "/ny", "fresh": "1m"}]`}:                                                              "pages[0].fresh",
		{`"idle": "30m"`, `"pages": [{"path": "/ny", "fresh": "5m"}, {"path": "/ny", "fresh": "6m"}]`}:                              "pages[1].path",
	} {
		t.Run(want, func(t *testing.T) {
			dir := folder(t)
			_, err := load[config.Portal](t, dir, strings.Replace(portal, change[0], change[1], 1))
			if err == nil || !strings.Contains(err.Error(), want+": ") {
				t.Errorf("%s gives %v", change[1], err)
			}
		})
	}
}
