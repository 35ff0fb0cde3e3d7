package xmldsig_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// shapes are documents whose namespaces, attributes and text are awkward.
var shapes = []string{
	letter,
	`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<a xmlns="urn:x"> <b xmlns="urn:y" z="1" y="&#9;&#10;&lt;&quot;"/> x&#13;y&gt; </a>` + "\n",
	`<p:a xmlns:p="urn:1" xmlns:q="urn:2" xmlns:unused="urn:3"><q:b q:k="1" p:k="2" k="3"><p:c xmlns:p="urn:4"/></q:b><p:d/></p:a>`,
	`<a xmlns:p="urn:1"><b xmlns:p="urn:1"><p:c xmlns:p="urn:1"/></b><p:c/></a>`,
	`<a xml:lang="da" xmlns:xs="http://www.w3.org/2001/XMLSchema"><b xsi:type="xs:string" xmlns:xsi="urn:xsi">Ærø</b></a>`,
	`<a ID="1">` + "\r\n\t" + `<b/>]]&gt;</a>`,
}

// agree checks that nobody can see another document than Parse does.
func agree(t *testing.T, data []byte) {
	doc, err := xmldsig.Parse(data, xmldsig.Strict)
	if err != nil {
		return
	}
	other := etree.NewDocument()
	if err := other.ReadFromBytes(data); err != nil {
		t.Fatalf("etree refuses what Parse takes: %v", err)
	}
	mine, err1 := doc.WriteToBytes()
	theirs, err2 := other.WriteToBytes()
	if err1 != nil || err2 != nil || !bytes.Equal(mine, theirs) {
		t.Fatalf("Parse reads\n%s\netree reads\n%s", mine, theirs)
	}
	got, err := xmldsig.Canonical(doc.Root())
	want, err2 := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(other.Root())
	if (err == nil) != (err2 == nil) || !bytes.Equal(got, want) {
		t.Fatalf("canonical form is\n%s (%v)\nthe library's\n%s (%v)", got, err, want, err2)
	}
	if err != nil {
		return
	}
	again, err := xmldsig.Parse(got, xmldsig.Limits{Namespaces: 10000})
	if err != nil {
		t.Fatalf("canonical form does not parse: %v", err)
	}
	if twice, err := xmldsig.Canonical(again.Root()); err != nil || !bytes.Equal(twice, got) {
		t.Fatalf("canonical form of\n%s\nis\n%s (%v)", got, twice, err)
	}
}

func corpus(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, s := range shapes {
		all = append(all, []byte(s))
	}
	files, err := filepath.Glob("../../testdata/saml/*.xml")
	if err != nil || len(files) < 8 {
		t.Fatalf("seeds are missing: %d %v", len(files), err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// FuzzParse holds our single reading against etree's and our canonical form
// against goxmldsig's: a difference would let one see what the other signed.
func FuzzParse(f *testing.F) {
	for _, b := range corpus(f) {
		f.Add(b)
	}
	f.Fuzz(agree)
}

func TestAnotherImplementationCanonicalizesTheSame(t *testing.T) {
	tool, ok := outside.Program(t, "xmllint", "canonical form was not compared with libxml2's")
	if !ok {
		return
	}
	compared := 0
	for _, b := range corpus(t) {
		doc, err := xmldsig.Parse(b, xmldsig.Strict)
		if err != nil {
			continue
		}
		mine, err := xmldsig.Canonical(doc.Root())
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(tool, "--exc-c14n", "-")
		cmd.Stdin = bytes.NewReader(b)
		theirs, err := cmd.Output()
		if err != nil {
			t.Fatalf("xmllint: %v\n%s", err, b)
		}
		if !bytes.Equal(bytes.TrimSuffix(theirs, []byte("\n")), mine) {
			t.Errorf("libxml2 says\n%s\nwe say\n%s", theirs, mine)
		}
		compared++
	}
	if compared < len(shapes)+5 {
		t.Fatalf("only %d documents were compared", compared)
	}
}
