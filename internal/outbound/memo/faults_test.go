package memo_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"sikkerpost.dk/gateway/internal/outbound/memo"
)

// plain is a valid message with a file, an action and a reply thread.
const plain = `<?xml version="1.0" encoding="UTF-8"?>
<memo:Message xmlns:memo="https://DigitalPost.dk/MeMo-1" memoVersion="1.2">
<memo:MessageHeader>
<memo:messageType>DIGITALPOST</memo:messageType>
<memo:messageUUID>8c2ea15d-61fb-4ba9-9366-42f8b194c114</memo:messageUUID>
<memo:label>A title</memo:label>
<memo:Sender><memo:senderID>29000011</memo:senderID><memo:idType>CVR</memo:idType><memo:label>K</memo:label></memo:Sender>
<memo:Recipient><memo:recipientID>6503851236</memo:recipientID><memo:idType>CPR</memo:idType></memo:Recipient>
<memo:ReplyData><memo:messageUUID>8c2ea15d-61fb-4ba9-9366-42f8b194c115</memo:messageUUID></memo:ReplyData>
</memo:MessageHeader>
<memo:MessageBody>
<memo:createdDateTime>2026-11-22T10:00:00Z</memo:createdDateTime>
<memo:MainDocument>
<memo:File><memo:encodingFormat>text/plain</memo:encodingFormat><memo:filename>a.txt</memo:filename><memo:language>da</memo:language><memo:content>aGk=</memo:content></memo:File>
<memo:Action><memo:label>l</memo:label><memo:actionCode>BETALING</memo:actionCode><memo:EntryPoint><memo:url>https://example.dk/</memo:url></memo:EntryPoint></memo:Action>
</memo:MainDocument>
</memo:MessageBody>
</memo:Message>
`

// told writes faults as code and path.
func told(found []*memo.Invalid) []string {
	all := []string{}
	for _, f := range found {
		all = append(all, f.Code+" "+f.Path)
	}
	return all
}

func faultsOf(text []byte) []*memo.Invalid {
	found, err := memo.Faults(bytes.NewReader(text), memo.Limits{})
	if err != nil {
		panic(err) // bytes have no errors of their own
	}
	return found
}

func TestEveryFaultIsNamedWithItsPlace(t *testing.T) {
	const header, file = "/Message/MessageHeader", "/Message/MessageBody/MainDocument/File"
	for name, c := range map[string]struct {
		pairs []string // old, new, …
		want  []string
	}{
		"none": {nil, []string{}},
		"three in three places": {[]string{
			"<memo:label>A title</memo:label>\n", "", ">da<", ">dansk<", "aGk=", "",
		}, []string{"memo.missing " + header, "memo.value " + file + "/language", "memo.file.empty " + file + "/content"}},
		"two missing in a row": {[]string{
			"<memo:senderID>29000011</memo:senderID><memo:idType>CVR</memo:idType>", "",
		}, []string{"memo.missing " + header + "/Sender", "memo.missing " + header + "/Sender"}},
		"an element of no place, with all that is in it": {[]string{
			"<memo:label>A title", `<x xmlns="y"><z a="b">1</z></x><memo:label>A title`, ">a.txt<", ">a:b.txt<",
		}, []string{"memo.unexpected " + header, "memo.filename " + file + "/filename"}},
		"out of order": {[]string{
			"<memo:messageType>DIGITALPOST</memo:messageType>\n", "", "<memo:label>A title</memo:label>",
			"<memo:label>A title</memo:label><memo:messageType>DIGITALPOST</memo:messageType>",
		}, []string{"memo.missing " + header, "memo.unexpected " + header}},
		"the version, and the rest all the same": {[]string{`"1.2"`, `"2.0"`, "aGk=", "!!"},
			[]string{"memo.version /", "memo.base64 " + file + "/content"}},
		"an attribute and text between elements": {[]string{"<memo:MessageHeader>", `<memo:MessageHeader id="1">x`},
			[]string{"memo.forbidden " + header, "memo.unexpected " + header}},
		"a NemSMS with a body and no text": {[]string{">DIGITALPOST<", ">NEMSMS<"},
			[]string{"memo.unexpected /Message/MessageBody", "memo.missing " + header + "/notification"}},
		"an address of an action": {[]string{"https://example.dk/", "http://example.dk/"},
			[]string{"memo.action.url /Message/MessageBody/MainDocument/Action/EntryPoint/url"}},
		"an element inside a value": {[]string{"A title", "A <b>title</b>"}, []string{"memo.unexpected " + header + "/label"}},
		"no XML any more": {[]string{">da<", ">dansk<", "</memo:MessageBody>", ""},
			[]string{"memo.value " + file + "/language", "memo.syntax /Message/MessageBody"}},
		"a DOCTYPE ends it": {[]string{"<memo:Message ", "<!DOCTYPE a><memo:Message "}, []string{"memo.forbidden /"}},
		"nothing":           {[]string{plain, ""}, []string{"memo.syntax /"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.NewReplacer(c.pairs...).Replace(plain)
			if got := told(faultsOf([]byte(text))); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestAFaultHasTheLineOfItsDocument(t *testing.T) {
	found := faultsOf([]byte(strings.Replace(plain, ">da<", ">dansk<", 1)))
	if len(found) != 1 || found[0].Line != 14 {
		t.Errorf("got %v", found)
	}
}

func TestElevenDocumentsAreOneFault(t *testing.T) {
	const one = `<memo:AdditionalDocument><memo:File><memo:encodingFormat>text/plain</memo:encodingFormat><memo:filename>a.txt</memo:filename><memo:language>da</memo:language><memo:content>aGk=</memo:content></memo:File></memo:AdditionalDocument>`
	text := strings.Replace(plain, "</memo:MainDocument>", "</memo:MainDocument>"+strings.Repeat(one, 12), 1)
	if got := told(faultsOf([]byte(text))); len(got) != 1 || !strings.HasPrefix(got[0], "memo.documents ") {
		t.Errorf("got %q", got)
	}
}

func TestAHopelessMessageEndsTheList(t *testing.T) {
	text := strings.Replace(plain, "<memo:label>A", strings.Repeat("<x/>", 3*memo.MaxFaults)+"<memo:label>A", 1)
	found := faultsOf([]byte(text))
	if len(found) != memo.MaxFaults+1 || found[memo.MaxFaults].Code != memo.CodeLimit {
		t.Errorf("%d faults, the last is %v", len(found), found[len(found)-1])
	}
}

func TestAnErrorOfTheReaderIsNoFault(t *testing.T) {
	broken := errors.New("disk")
	r := io.MultiReader(strings.NewReader(plain[:500]), iotest.ErrReader(broken))
	if found, err := memo.Faults(r, memo.Limits{}); !errors.Is(err, broken) || found != nil {
		t.Errorf("got %v, %v", found, err)
	}
}

// agree holds the list of faults to the reader: a message has faults if and
// only if the reader or the rules refuse it, and the reader's is among them.
func agree(t *testing.T, text []byte) {
	t.Helper()
	m, err := memo.Read(bytes.NewReader(text), memo.Limits{}, nil)
	if err == nil {
		err = m.CheckRules()
	}
	found := faultsOf(text)
	if (err == nil) != (len(found) == 0) {
		t.Fatalf("read: %v; faults: %q\n%s", err, told(found), text)
	}
	bad, ok := errors.AsType[*memo.Invalid](err)
	if ok && !slices.ContainsFunc(found, func(f *memo.Invalid) bool { return f.Code == bad.Code }) {
		t.Fatalf("read: %v; faults: %q\n%s", err, told(found), text)
	}
}

func TestFaultsAndReaderAgree(t *testing.T) {
	lines := strings.SplitAfter(plain, "\n")
	tags := strings.SplitAfter(plain, ">")
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		parts := slices.Clone(tags)
		if random.IntN(2) == 0 {
			parts = slices.Clone(lines)
		}
		for range 1 + random.IntN(3) {
			i, j := random.IntN(len(parts)), random.IntN(len(parts))
			switch random.IntN(4) {
			case 0:
				parts[i] = ""
			case 1:
				parts[i], parts[j] = parts[j], parts[i]
			case 2:
				parts[i] += parts[j]
			default:
				if len(parts[i]) > 0 {
					k := random.IntN(len(parts[i]))
					parts[i] = parts[i][:k] + string(rune(32+random.IntN(95))) + parts[i][k+1:]
				}
			}
		}
		agree(t, []byte(strings.Join(parts, "")))
	}
}

func FuzzFaults(f *testing.F) {
	f.Add([]byte(plain))
	f.Add([]byte(strings.Replace(plain, "aGk=", "<![CDATA[aGk=]]>", 1)))
	f.Add([]byte(strings.Replace(plain, "aGk=", "a<b/>Gk=", 1)))
	f.Fuzz(func(t *testing.T, text []byte) { agree(t, text) })
}
