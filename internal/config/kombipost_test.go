package config_test

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
)

const print = "bb11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11"

// kombi is the section of a tenant that goes by KombiPost both ways.
const kombi = `"roads": {"engdal": {"digital": "kombipost", "physical": "kombipost"}},
"kombi_post": {"token_url": "https://sts.example.dk", "service_url": "https://sp.example.dk", "ca_file": "server.pem",
  "systems": {"engdal": {"cert_file": "gateway.pem", "key_file": "gateway-key.pem", "paper": {"sides": "Duplex"}}},
  "codes": {"1234": "later"}, "updates": {"10": "returned"},
  "senders": [{"id": "A1000000-0001-350C-0000-000000000999", "name": "X", "channel": "physical"}],
  "push": {"listen": "127.0.0.1:8445", "tls": {"cert_file": "server.pem", "key_file": "server-key.pem", "ca_file": "server.pem"},
    "peers": ["` + print + `"]},
  "pull": {"address": "bfo.example.dk:5671", "queues": {"engdal": "a1000000-0001-350c-0000-000000000777"}}}`

// withKombi adds the section, and leaves the usual carriers there or not.
func withKombi(usual bool, section string) string {
	text := strings.TrimSuffix(strings.TrimSpace(dispatcher), "}") + ",\n" + section + "\n}"
	if !usual {
		i, j := strings.Index(text, `"digital_post"`), strings.Index(text, `"roads"`)
		text = text[:i] + text[j:]
	}
	return text
}

func TestATenantGoesByKombiPost(t *testing.T) {
	dir := folder(t)
	for _, usual := range []bool{true, false} { // nobody's road goes by the others: they may be left out
		d, err := load[config.Dispatcher](t, dir, withKombi(usual, kombi))
		if err != nil {
			t.Fatal(err)
		}
		want := config.Road{Digital: post.KombiPost, Physical: post.KombiPost}
		if d.Road("engdal") != want || d.Uses(post.DigitalPost) || !d.Uses(post.KombiPost) {
			t.Errorf("road %+v", d.Road("engdal"))
		}
		if d.KombiPost.Systems["engdal"].Paper.Sides != "Duplex" || !strings.HasPrefix(d.KombiPost.Systems["engdal"].KeyFile, dir) {
			t.Errorf("system %+v", d.KombiPost.Systems["engdal"])
		}
	}
	d, err := load[config.Dispatcher](t, dir, dispatcher)
	if err != nil {
		t.Fatal(err)
	}
	if (d.Road("engdal") != config.Road{Digital: post.DigitalPost, Physical: post.PrintHouse}) || d.Uses(post.KombiPost) {
		t.Errorf("without a word, the road is %+v", d.Road("engdal"))
	}
	// What nobody's road goes by any more may stay, for what is under way.
	if _, err := load[config.Dispatcher](t, dir, withKombi(true, kombi[strings.Index(kombi, `"kombi_post"`):])); err != nil {
		t.Error(err)
	}
}

func TestAWrongRoadIsNamed(t *testing.T) {
	dir := folder(t)
	for _, c := range []struct{ name, old, new, want string }{
		{"a carrier of the other channel", `"digital": "kombipost"`, `"digital": "printhouse"`, "roads.engdal.digital: want digitalpost or kombipost"},
		{"a carrier that nobody knows", `"physical": "kombipost"`, `"physical": "dove"`, "roads.engdal.physical: want printhouse or kombipost"},
		{"somebody else's road", `"roads": {"engdal"`, `"roads": {"odense": {}, "engdal"`, "roads.odense: is not one of tenants"},
		{"a road without its system", `"systems": {"engdal": {"cert_file": "gateway.pem", "key_file": "gateway-key.pem", "paper": {"sides": "Duplex"}}}`, `"systems": {}`,
			`kombi_post.systems: tenant "engdal" has no user system`},
		{"somebody else's system", `"systems": {"engdal": {"cert_file"`, `"systems": {"odense": {"cert_file": "gateway.pem", "key_file": "gateway-key.pem"}, "engdal": {"cert_file"`, "kombi_post.systems.odense: is not one of tenants"},
		{"a plain address", `https://sp.`, `http://sp.`, "kombi_post.service_url: want an https"},
		{"no token service", `"token_url": "https://sts.example.dk", `, ``, "kombi_post.token_url: want an https"},
		{"another key", `"key_file": "gateway-key.pem", "paper"`, `"key_file": "server-key.pem", "paper"`, "kombi_post.systems.engdal.key_file"},
		{"authorities without a certificate", `"ca_file": "server.pem",
  "systems"`, `"ca_file": "token",
  "systems"`, "kombi_post.ca_file"},
		{"a meaning that is none", `"later"`, `"soon"`, "kombi_post.codes.1234: want content, recipient, later or unclear"},
		{"an update that is none", `"10": "returned"`, `"10": "delivered"`, "kombi_post.updates.10: want returned, delivered-proven or posted"},
		{"a sender on no channel", `"channel": "physical"}]`, `"channel": "air"}]`, "kombi_post.senders[0].channel"},
		{"a listener that believes nobody", `"peers": ["` + print + `"]`, `"peers": []`, "kombi_post.push.peers: name at least one"},
		{"a fingerprint that is none", print, "BFO_PROD_Beskedfordeler_1", "kombi_post.push.peers[0]: want the SHA-256"},
		{"queues without a place", `"address": "bfo.example.dk:5671", `, ``, "kombi_post.pull.address: is required"},
		{"a place without its port", `bfo.example.dk:5671`, `bfo.example.dk`, `kombi_post.pull.address: want an address`},
		{"a queue that is none", `a1000000-0001-350c-0000-000000000777`, `statuses`, "kombi_post.pull.queues.engdal: want a UUID"},
		{"too much at once", `"address": "bfo`, `"prefetch": 5000, "address": "bfo`, "kombi_post.pull.prefetch"},
		{"nobody hears", kombi[strings.Index(kombi, `,
  "push"`):], `}`, `kombi_post.pull.queues: tenant "engdal" has no queue, and nothing is pushed`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(withKombi(true, kombi), c.old, c.new, 1)
			if text == withKombi(true, kombi) {
				t.Fatal("the case changes nothing")
			}
			if _, err := load[config.Dispatcher](t, dir, text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
