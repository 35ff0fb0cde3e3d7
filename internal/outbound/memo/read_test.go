package memo_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sikkerpost.dk/gateway/internal/outbound/memo"
)

const head = `<m:Message xmlns:m="https://DigitalPost.dk/MeMo-1" memoVersion="1.2"><m:MessageHeader>` +
	`<m:messageType>DIGITALPOST</m:messageType><m:messageUUID>8C2EA15D-61FB-4BA9-9366-42F8B194C114</m:messageUUID>` +
	`<m:label>T</m:label><m:Sender><m:senderID>1</m:senderID><m:idType>cvr</m:idType><m:label>K</m:label></m:Sender>` +
	`<m:Recipient><m:recipientID>2</m:recipientID><m:idType>cpr</m:idType></m:Recipient></m:MessageHeader>`

const body = `<m:MessageBody><m:createdDateTime>2024-05-03T12:00:00.5Z</m:createdDateTime><m:MainDocument><m:File>` +
	`<m:encodingFormat>text/plain</m:encodingFormat><m:filename>a.txt</m:filename><m:language>da</m:language>` +
	`<m:content>VGhpcyBp` + "\n  " + `cyBhIHRlc3Q=</m:content></m:File></m:MainDocument></m:MessageBody></m:Message>`

func TestAnyPrefixAndBrokenLinesOfBase64Read(t *testing.T) {
	for _, text := range []string{head + body, "\ufeff" + head + body, `<?xml version="1.0" encoding="utf-8"?><!-- c -->` + head + body + "\n"} {
		var got string
		m, err := memo.Read(strings.NewReader(text), memo.Limits{}, func(d memo.Document, f *memo.File, r io.Reader) error {
			if d.Kind != memo.Main || f.Filename != "a.txt" {
				t.Errorf("sink sees %+v %+v", d, f)
			}
			b, err := io.ReadAll(r)
			got = string(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got != "This is a test" || m.Body.Documents[0].Files[0].Size != 14 || m.Header.Recipient.ID != "2" {
			t.Errorf("got %q, %+v", got, m)
		}
	}
}

func TestTheReaderRefuses(t *testing.T) {
	swap := func(old, new string) string {
		s := strings.Replace(head+body, old, new, 1)
		if s == head+body {
			panic("nothing swapped: " + old)
		}
		return s
	}
	for _, c := range []struct{ name, code, text string }{
		{"a DOCTYPE", memo.CodeForbidden, `<!DOCTYPE x>` + head + body},
		{"a processing instruction", memo.CodeForbidden, `<?php x?>` + head + body},
		{"another encoding", memo.CodeSyntax, `<?xml version="1.0" encoding="ISO-8859-1"?>` + head + body},
		{"an entity of its own", memo.CodeSyntax, swap("<m:label>T", "<m:label>&x;")},
		{"broken UTF-8", memo.CodeSyntax, swap("<m:label>T", "<m:label>\xff")},
		{"nothing at all", memo.CodeSyntax, ""},
		{"half a message", memo.CodeSyntax, head},
		{"half a content", memo.CodeSyntax, head + body[:len(body)-120]},
		{"two messages", memo.CodeUnexpected, head + body + head + body},
		{"another root", memo.CodeUnexpected, `<x/>`},
		{"the right name in another namespace", memo.CodeUnexpected, swap("DigitalPost.dk", "example.dk")},
		{"version 2", memo.CodeVersion, swap(`memoVersion="1.2"`, `memoVersion="2.0"`)},
		{"no version", memo.CodeVersion, swap(`memoVersion="1.2"`, ``)},
		{"elements in another order", memo.CodeUnexpected, swap(`<m:label>T</m:label>`, `<m:label>T</m:label><m:messageID>x</m:messageID>`)},
		{"a missing element", memo.CodeMissing, swap(`<m:label>T</m:label>`, ``)},
		{"an unknown element", memo.CodeUnexpected, swap(`<m:label>T</m:label>`, `<m:label>T</m:label><m:secret/>`)},
		{"idTypeLabel, gone since 1.2", memo.CodeUnexpected, swap(`<m:idType>cvr</m:idType>`, `<m:idType>cvr</m:idType><m:idTypeLabel>x</m:idTypeLabel>`)},
		{"an element inside a value", memo.CodeUnexpected, swap(`<m:label>T</m:label>`, `<m:label><m:b/></m:label>`)},
		{"text between elements", memo.CodeUnexpected, swap(`</m:label>`, `</m:label>text`)},
		{"an attribute out of place", memo.CodeForbidden, swap(`<m:label>`, `<m:label a="b">`)},
		{"a local time", memo.CodeValue, swap("12:00:00.5Z", "12:00:00+02:00")},
		{"a time that is none", memo.CodeValue, swap("12:00:00.5Z", "25:00:00Z")},
		{"content that is not base64", memo.CodeBase64, swap("VGhpcyBp", "VGh*cyBp")},
		{"base64 with something after its end", memo.CodeBase64, swap("cyBhIHRlc3Q=", "cyBhIHRlc3Q=AAAA")},
		{"CDATA in content", memo.CodeUnexpected, swap("cyBhIHRlc3Q=", "<![CDATA[AAAA]]>")},
		{"a label without end", memo.CodeLimit, swap("<m:label>T", "<m:label>"+strings.Repeat("x", 80<<10))},
		{"too many elements", memo.CodeLimit, swap("</m:MessageHeader>", strings.Repeat("<m:ReplyData><m:messageUUID>8C2EA15D-61FB-4BA9-9366-42F8B194C114</m:messageUUID></m:ReplyData>", 20)+"</m:MessageHeader>")},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := memo.Read(strings.NewReader(c.text), memo.Limits{Elements: 40}, nil)
			var bad *memo.Invalid
			if !errors.As(err, &bad) || bad.Code != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
}

func TestARefusalTellsWhereAndNothingOfTheContent(t *testing.T) {
	text := strings.Replace(head+body, "<m:recipientID>2<", "\n<m:recipientID>6503851236</m:recipientID><m:recipientID>2<", 1)
	_, err := memo.Read(strings.NewReader(text), memo.Limits{}, nil)
	var bad *memo.Invalid
	if !errors.As(err, &bad) || bad.Path != "/Message/MessageHeader/Recipient" || bad.Line != 2 {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), "6503851236") {
		t.Error("the refusal repeats content")
	}
}

func TestAMessageBeyondTheLimitEndsTheReading(t *testing.T) {
	_, err := memo.Read(strings.NewReader(head+body), memo.Limits{Bytes: int64(len(head)) + 250}, nil)
	var bad *memo.Invalid
	if !errors.As(err, &bad) || bad.Code != memo.CodeLimit {
		t.Errorf("got %v", err)
	}
}

func TestAReaderThatFailsIsNotAnInvalidMessage(t *testing.T) {
	broken := errors.New("wire")
	for _, cut := range []int{10, len(head), len(head) + 250} {
		r := io.MultiReader(strings.NewReader((head + body)[:cut]), iotest.ErrReader(broken))
		_, err := memo.Read(r, memo.Limits{}, nil)
		if !errors.Is(err, broken) {
			t.Errorf("cut at %d: got %v", cut, err)
		}
	}
}

func TestASinkMayLeaveContentUnread(t *testing.T) {
	m, err := memo.Read(strings.NewReader(head+body), memo.Limits{}, func(memo.Document, *memo.File, io.Reader) error { return nil })
	if err != nil || m.Body.Documents[0].Files[0].Size != 14 {
		t.Errorf("got %v, %+v", err, m)
	}
}

// repeat yields n bytes without holding them.
type repeat struct{ n int64 }

func (r *repeat) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.n)
	clear(p[:n])
	r.n -= n
	return int(n), nil
}

func TestAFileOf20MBStreamsThrough(t *testing.T) {
	const size = 20 << 20
	m := full()
	m.Body.Documents[0].Files[0].Size = size
	m.Body.Documents[0].Files[0].Open = func() (io.ReadCloser, error) { return io.NopCloser(&repeat{size}), nil }
	r, w := io.Pipe()
	go func() { w.CloseWithError(memo.Write(w, m)) }()
	got, err := memo.Read(r, memo.Limits{}, nil)
	if err != nil || got.Body.Documents[0].Files[0].Size != size {
		t.Errorf("got %v", err)
	}
}

// TestAMessageThatEndsEarlyIsBroken wherever it ends: it is the message that is wrong, and whoever reads it
// again gets no further. A reader that breaks off is another matter, also when it says that more was to come.
func TestAMessageThatEndsEarlyIsBroken(t *testing.T) {
	whole := head + body
	whole = whole[:strings.LastIndex(whole, ">")]
	for cut := range len(whole) {
		for what, sink := range map[string]memo.Sink{"kept": keep, "left aside": nil} {
			_, err := memo.Read(strings.NewReader(whole[:cut]), memo.Limits{}, sink)
			var bad *memo.Invalid
			if !errors.As(err, &bad) || bad.Code != memo.CodeSyntax && bad.Code != memo.CodeBase64 {
				t.Fatalf("cut at %d, %s: %v", cut, what, err)
			}
			broken := io.MultiReader(strings.NewReader(whole[:cut]), iotest.ErrReader(io.ErrUnexpectedEOF))
			if _, err := memo.Read(broken, memo.Limits{}, sink); errors.As(err, &bad) || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("broken off at %d, %s: %v", cut, what, err)
			}
			if found, err := memo.Faults(strings.NewReader(whole[:cut]), memo.Limits{}); err != nil || len(found) == 0 {
				t.Fatalf("cut at %d: %v, %v", cut, found, err)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := memo.Write(&b, full()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(head + body))
	f.Add([]byte("\ufeff" + head + "</m:Message>"))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := memo.Read(bytes.NewReader(in), memo.Limits{Bytes: 1 << 20, Elements: 500}, keep)
		if err != nil {
			var bad *memo.Invalid
			if !errors.As(err, &bad) || bad.Code == "" {
				t.Fatalf("not an Invalid: %v", err)
			}
			return
		}
		if m.Check() != nil { // business rules, or what 1.1 has and 1.2 does not
			return
		}
		first := written(t, m)
		again, err := memo.Read(bytes.NewReader(first), memo.Limits{}, keep)
		if err != nil {
			t.Fatalf("what was written does not read: %v", err)
		}
		if !bytes.Equal(written(t, again), first) {
			t.Fatal("a second round gives other bytes")
		}
	})
}
