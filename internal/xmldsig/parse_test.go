package xmldsig_test

import (
	"fmt"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/xmldsig"
)

func TestParseRefusesWhatASignedMessageNeverNeeds(t *testing.T) {
	attrs := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ` a%d=""`, i)
		}
		return b.String()
	}
	for doc, want := range map[string]string{
		`<a/>`: "",
		`<?xml version="1.0" encoding="UTF-8"?><a>æ&amp;&#65;</a>` + "\n":               "",
		`<a xmlns="urn:x" xmlns:b="urn:y"><b:c b:d="1" d="2" ID="1"/><b:c Id="2"/></a>`: "",
		``:                             "xml-empty",
		`<a>`:                          "xml-syntax",
		`<a></b>`:                      "xml-syntax",
		`</a>`:                         "xml-syntax",
		`<a/><a/>`:                     "xml-second-root",
		`x<a/>`:                        "xml-text-outside-root",
		`<a/>x`:                        "xml-text-outside-root",
		`<!DOCTYPE a><a/>`:             "xml-doctype",
		`<a><!-- --></a>`:              "xml-comment",
		`<a><?b c?></a>`:               "xml-pi",
		` <?xml version="1.0"?><a/>`:   "xml-pi",
		`<a><?xml version="1.0"?></a>`: "xml-pi",
		`<?xml version="1.1"?><a/>`:    "xml-syntax",
		`<?xml version="1.0" encoding="UTF-16"?><a/>`: "xml-encoding",
		"\ufeff<a/>":               "xml-encoding",
		"<a>\xff</a>":              "xml-encoding",
		"<a>\x00</a>":              "xml-syntax",
		`<a><![CDATA[x]]></a>`:     "xml-cdata",
		`<a>&x;</a>`:               "xml-syntax",
		`<b:a/>`:                   "xml-prefix",
		`<a b:c=""/>`:              "xml-prefix",
		`<:a/>`:                    "xml-prefix",
		`<a:b:c xmlns:a="urn:x"/>`: "xml-syntax",
		`<a b="" b=""/>`:           "xml-attribute-twice",
		`<a xmlns:x="urn:x" xmlns:y="urn:x" x:b="" y:b=""/>`:        "xml-attribute-twice",
		`<a xmlns:x="urn:x" xmlns:x="urn:y"/>`:                      "xml-attribute-twice",
		`<a xmlns:x=""/>`:                                           "xml-namespace-relative",
		`<a xmlns=""/>`:                                             "xml-namespace-relative",
		`<a xmlns:x="1"/>`:                                          "xml-namespace-relative",
		`<a xmlns:xml="http://www.w3.org/XML/1998/namespace"/>`:     "xml-namespace-reserved",
		`<a xmlns:xmlns="urn:x"/>`:                                  "xml-namespace-reserved",
		`<a xml:base="urn:x"/>`:                                     "xml-base",
		`<a xmlns="http://www.w3.org/2001/XInclude"/>`:              "xml-xinclude",
		`<a ID="1"><b ID="1"/></a>`:                                 "xml-id",
		`<a ID="1"><b Id="1"/></a>`:                                 "xml-id",
		`<a ID="1" Id="2"/>`:                                        "xml-id",
		`<a ID=""/>`:                                                "xml-id",
		`<a xml:id="1"/>`:                                           "xml-id",
		`<a xmlns:x="urn:x" x:ID="1"/>`:                             "xml-id",
		`<a` + attrs(64) + `/>`:                                     "",
		`<a` + attrs(65) + `/>`:                                     "xml-attributes",
		`<a>` + strings.Repeat(`<a/>`, 799) + `</a>`:                "",
		`<a>` + strings.Repeat(`<a/>`, 800) + `</a>`:                "xml-elements",
		strings.Repeat(`<a>`, 32) + strings.Repeat(`</a>`, 32):      "",
		strings.Repeat(`<a>`, 33) + strings.Repeat(`</a>`, 33):      "xml-depth",
		`<a>` + strings.Repeat(`<a xmlns:b="urn:x"/>`, 64) + `</a>`: "",
		`<a>` + strings.Repeat(`<a xmlns:b="urn:x"/>`, 65) + `</a>`: "xml-namespaces",
		`<a>` + strings.Repeat(`x`, 128<<10-7) + `</a>`:             "",
		`<a>` + strings.Repeat(`x`, 128<<10-6) + `</a>`:             "xml-size",
	} {
		_, err := xmldsig.Parse([]byte(doc), xmldsig.Strict)
		if got := xmldsig.Reason(err); got != want || (err == nil) != (want == "") {
			t.Errorf("%.80q: got %q (%v), want %q", doc, got, err, want)
		}
	}
}

func TestSignRefusesWhatWouldReadDifferently(t *testing.T) {
	who := ecIdentity(t)
	d := parse(t, `<m ID="m1"><x>a</x></m>`)
	for want, spoil := range map[string]func(){
		"sign-id":              func() { d.Root().CreateAttr("ID", "other") },
		"sign-token":           func() { d.Root().CreateComment("x") },
		"sign-attribute-space": func() { d.Root().CreateAttr("a", "b\nc") },
		"sign-text":            func() { d.Root().ChildElements()[0].SetText("a\rb") },
		"sign-twice": func() {
			if err := xmldsig.Sign(d.Root(), "m1", who.key, who.cert.Raw); err != nil {
				t.Fatal(err)
			}
		},
	} {
		d = parse(t, `<m ID="m1"><x>a</x></m>`)
		spoil()
		if got := xmldsig.Reason(xmldsig.Sign(d.Root(), "m1", who.key, who.cert.Raw)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := xmldsig.Sign(parse(t, `<m ID="m1"/>`).Root(), "m1", who.key, rsaIdentity(t).cert.Raw); err == nil {
		t.Error("a certificate of another key was taken")
	}
}

// FuzzVerify changes a signed document: what still verifies is what was signed.
func FuzzVerify(f *testing.F) {
	who := ecIdentity(f)
	doc := signed(f, who, letter)
	el, err := verify(f, doc, who.cert)
	if err != nil {
		f.Fatal(err)
	}
	want := text(f, el)
	f.Add([]byte(doc))
	f.Add([]byte(strings.Replace(doc, "engdal", "fjordby", 1)))
	f.Add([]byte(`<a ID="1">` + doc + `</a>`))
	f.Add([]byte(strings.Replace(doc, "#m1", "", 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		el, err := verify(t, string(data), who.cert)
		if err == nil && text(t, el) != want {
			t.Fatalf("verified as %q", text(t, el))
		}
	})
}
