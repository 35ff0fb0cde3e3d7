package config_test

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/config"
)

func TestAChoiceThatIsNoneIsNamed(t *testing.T) {
	dir := folder(t)
	digital := func(choice string) string {
		return strings.Replace(dispatcher, `"digital_post": {`, `"digital_post": {`+choice+`, `, 1)
	}
	both := func(choice string) string {
		return withKombi(true, strings.Replace(kombi, `"kombi_post": {`, `"kombi_post": {`+choice+`, `, 1))
	}
	for _, c := range []struct{ name, text, want string }{
		{"both versions and the switches", digital(`"memo_version": "1.1", "bulk_text": true, "bare_versions": true, "recipient_codes": ["mailbox.gone"]`), ""},
		{"a code of a recipient with a blank", digital(`"recipient_codes": ["mailbox.gone", "gone "]`), "digital_post.recipient_codes[1]"},
		{"a code of a recipient that is none", digital(`"recipient_codes": [""]`), "digital_post.recipient_codes[0]"},
		{"what KOMBIT agreed", both(`"memo_version": "1.1", "paper_limit": 20971520`), ""},
		{"a version of Digital Post that is none", digital(`"memo_version": "1.3"`), "digital_post.memo_version: want 1.1 or 1.2"},
		{"a representative in 1.1", digital(`"memo_version": "1.1", "originator_as_sender": true`), "digital_post.originator_as_sender: means nothing"},
		{"a version of KombiPost that is none", both(`"memo_version": "2"`), "kombi_post.memo_version: want 1.1 or 1.2"},
		{"a limit in megabytes", both(`"paper_limit": 7`), "kombi_post.paper_limit: want between 1048576 and 104857600 bytes"},
		{"a limit below nothing", both(`"paper_limit": -1`), "kombi_post.paper_limit: want between"},
		{"a choice about no carrier", withKombi(false, kombi+`, "digital_post": {"bulk_text": true}`), "digital_post.base_url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := load[config.Dispatcher](t, dir, c.text); (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("Load = %v, want %q", err, c.want)
			}
		})
	}
}

func TestAContactPointThatLeadsBackIsRefused(t *testing.T) {
	dir := folder(t)
	of := func(key string) string {
		_, after, _ := strings.Cut(dispatcher, `"`+key+`": "`)
		id, _, _ := strings.Cut(after, `"`)
		return id
	}
	municipality, dpo := of("contact_point"), of("dpo_contact_point")
	if municipality == "" || dpo == "" || municipality == dpo {
		t.Fatal("the tenant has no contact points of its own")
	}
	point := `"digital_post": {"mail": {"systems": {"engdal": {"id": "x", "token_file": "token"}},
	  "contact_points": [{"id": "` + strings.ToUpper(municipality) + `", "tenant": "engdal", "inbox": "dpo"}]}, `
	for name, text := range map[string]string{
		"the DPO's own": strings.Replace(dispatcher, `"contact_point": "`+municipality, `"contact_point": "`+strings.ToUpper(dpo), 1),
		"one of mail":   strings.Replace(dispatcher, `"digital_post": {`, point, 1),
	} {
		_, err := load[config.Dispatcher](t, dir, text)
		if err == nil || strings.Count(err.Error(), "tenants[0].contact_point: is ") != 1 || !strings.Contains(err.Error(), "POST-7134") {
			t.Errorf("%s: Load = %v", name, err)
		}
	}
	back := func(text string) string {
		return strings.Replace(text, `"contact_point": "`+municipality, `"contact_point": "`+strings.ToUpper(dpo), 1)
	}
	_, ofPortal := load[config.Portal](t, dir, back(portal))
	_, ofDesk := load[config.Desk](t, dir, back(desk))
	for name, err := range map[string]error{"portal": ofPortal, "desk": ofDesk} {
		if err == nil || !strings.Contains(err.Error(), "tenants[0].contact_point: is ") || !strings.Contains(err.Error(), "POST-7134") {
			t.Errorf("%s: Load = %v", name, err)
		}
	}
	two := strings.Replace(desk, `"tenants": [`, `"tenants": [{"id": "fjordby", "name": "Fjordby Kommune", "cvr": "29000022", "inbox": "dpo", "phone": "+45 00",
	  "contact_point": "a1000000-0002-350c-0000-000000000440", "dpo_contact_point": "`+dpo+`"}, `, 1)
	if _, err := load[config.Desk](t, dir, two); err == nil || !strings.Contains(err.Error(), "tenants[1].dpo_contact_point: is that of fjordby too") {
		t.Errorf("one contact point of two DPOs: Load = %v", err)
	}
}
