package memo_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

func content(s string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }
}

func file(name, text string) memo.File {
	return memo.File{MediaType: "application/pdf", Filename: name, Language: "da", Size: int64(len(text)), Open: content(text)}
}

func document(k memo.Kind, name, text string) memo.Document {
	return memo.Document{Kind: k, Label: "Bilag", Files: []memo.File{file(name, text)}}
}

// full returns a message that uses every field of the model.
func full() *memo.Message {
	return &memo.Message{
		Header: memo.Header{
			Type: memo.DigitalPost, UUID: post.DerivedID("letter", post.Digital, 1), ID: "SP-7K3Q-92MD",
			Code: "svar", Label: "Afgørelse om æbler & <pærer>", Notification: "Ny post", Reply: true,
			Mandatory: true, Legal: true, PostType: "MYNDIGHEDSPOST",
			Sender: memo.Party{
				ID: "29000011", IDType: "CVR", Label: "Engdal Kommune",
				ContactPoint:   &memo.ContactPoint{Group: "Borger", ID: "a1000000-0001-350c-0000-000000000440", Label: "Skriv til os"},
				Representative: &memo.Representative{ID: "6503851236", IDType: "CPR", Label: "Nancy Ann Berggren"},
			},
			Recipient: memo.Party{ID: "29000011", IDType: "CVR", Label: "Engdal", ContactPoint: &memo.ContactPoint{ID: "x"}},
			Content: &memo.ContentData{
				CPR: "6503851236", Name: "Nancy", CVR: "11223491", Company: "Bech",
				Additional: []memo.AdditionalContent{{Type: "t", Name: "n", Value: "v"}, {Name: "n2", Value: "v2"}},
			},
			Replies: []memo.ReplyData{{
				MessageID: "m", MessageUUID: post.DerivedID("a", post.Digital, 1), ReplyUUID: post.DerivedID("b", post.Digital, 1),
				SenderID: "s", RecipientID: "r", CaseID: "c", ContactPoint: "p", System: "g", Comment: "k",
				Additional: []memo.AdditionalReply{{Label: "l", Value: "v\r\n"}},
			}},
		},
		Body: &memo.Body{
			Created: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC),
			Documents: []memo.Document{
				document(memo.Main, "Afgørelse.pdf", "%PDF-1.7 main"),
				document(memo.Additional, "bilag 1.pdf", "one"),
				document(memo.Technical, "data.xml", "<x/>"),
			},
		},
	}
}

func written(t *testing.T, m *memo.Message) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := memo.Write(&b, m); err != nil {
		t.Fatalf("write: %v", err)
	}
	return b.Bytes()
}

// keep is a sink that keeps content in memory.
func keep(_ memo.Document, f *memo.File, r io.Reader) error {
	text, err := io.ReadAll(r)
	f.Open = content(string(text))
	return err
}

func TestWhatIsWrittenReadsBackTheSame(t *testing.T) {
	want := full()
	got, err := memo.Read(bytes.NewReader(written(t, want)), memo.Limits{}, keep)
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != memo.Version {
		t.Errorf("version %q", got.Version)
	}
	if again := written(t, got); !bytes.Equal(again, written(t, want)) {
		t.Error("written again, the message has other bytes")
	}
	if !reflect.DeepEqual(got.Header, want.Header) {
		t.Errorf("header differs:\n%+v\n%+v", got.Header, want.Header)
	}
	for i, d := range got.Body.Documents {
		if d.Files[0].Size != want.Body.Documents[i].Files[0].Size || d.Files[0].Filename != want.Body.Documents[i].Files[0].Filename {
			t.Errorf("document %d differs", i)
		}
	}
}

func TestTheSameMessageYieldsTheSameBytes(t *testing.T) {
	a, b := written(t, full()), written(t, full())
	if sha256.Sum256(a) != sha256.Sum256(b) {
		t.Fatal("two writings differ")
	}
	if !bytes.Contains(a, []byte("<memo:MessageHeader>")) || bytes.Count(a, []byte("xmlns")) != 2 {
		t.Error("prefixes are not declared once on the root")
	}
	if bytes.Contains(a, []byte("\r")) {
		t.Error("a bare carriage return would be read as a line feed")
	}
}

func TestTimesAreWrittenInUTC(t *testing.T) {
	m := full()
	m.Body.Created = time.Date(2026, 7, 1, 0, 30, 0, 0, time.FixedZone("CEST", 7200))
	if !bytes.Contains(written(t, m), []byte("<memo:createdDateTime>2026-06-30T22:30:00Z<")) {
		t.Error("local time was written with a Z")
	}
}

func TestTheWriterRefuses(t *testing.T) {
	long := strings.Repeat("æ", memo.MaxText+1)
	for _, c := range []struct {
		name, code, path string
		bend             func(*memo.Message)
	}{
		{"a title of 257 characters", memo.CodeTooLong, "/Message/MessageHeader/label", func(m *memo.Message) { m.Header.Label = long }},
		{"no title", memo.CodeMissing, "/Message/MessageHeader/label", func(m *memo.Message) { m.Header.Label = "" }},
		{"a control character", memo.CodeCharacter, "/Message/MessageHeader/label", func(m *memo.Message) { m.Header.Label = "a\x00b" }},
		{"broken UTF-8", memo.CodeCharacter, "/Message/MessageHeader/label", func(m *memo.Message) { m.Header.Label = "a\xffb" }},
		{"a version 7 UUID", memo.CodeValue, "/Message/MessageHeader/messageUUID", func(m *memo.Message) { m.Header.UUID = post.NewID() }},
		{"a sender without label", memo.CodeMissing, "/Message/MessageHeader/Sender", func(m *memo.Message) { m.Header.Sender.Label = "" }},
		{"a representative of the recipient", memo.CodeUnexpected, "/Message/MessageHeader/Recipient", func(m *memo.Message) { m.Header.Recipient.Representative = &memo.Representative{"1", "CPR", "x"} }},
		{"a language of three letters", memo.CodeValue, "/Message/MessageBody/MainDocument/File/language", func(m *memo.Message) { m.Body.Documents[0].Files[0].Language = "dan" }},
		{"no main document", memo.CodeMissing, "/Message/MessageBody", func(m *memo.Message) { m.Body.Documents = m.Body.Documents[1:] }},
		{"two main documents", memo.CodeUnexpected, "/Message/MessageBody", func(m *memo.Message) { m.Body.Documents[1].Kind = memo.Main }},
		{"a document without a file", memo.CodeMissing, "/Message/MessageBody/MainDocument", func(m *memo.Message) { m.Body.Documents[0].Files = nil }},
		{"an empty file", memo.CodeEmptyFile, "/Message/MessageBody/MainDocument/File/content", func(m *memo.Message) { m.Body.Documents[0].Files[0].Size = 0 }},
		{"a path as file name", memo.CodeFilename, "/Message/MessageBody/MainDocument/File/filename", func(m *memo.Message) { m.Body.Documents[0].Files[0].Filename = "../a.pdf" }},
		{"five additional reply data", memo.CodeUnexpected, "/Message/MessageHeader/ReplyData", func(m *memo.Message) {
			m.Header.Replies[0].Additional = make([]memo.AdditionalReply, 5)
			for i := range m.Header.Replies[0].Additional {
				m.Header.Replies[0].Additional[i] = memo.AdditionalReply{Label: "a", Value: "b"}
			}
		}},
		{"an eleventh additional document", memo.CodeDocuments, "/Message/MessageBody/AdditionalDocument", func(m *memo.Message) {
			m.Body.Documents = m.Body.Documents[:1]
			for range post.MaxAdditionalDocuments + 1 {
				m.Body.Documents = append(m.Body.Documents, document(memo.Additional, "a.pdf", "x"))
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := full()
			c.bend(m)
			var b bytes.Buffer
			err := memo.Write(&b, m)
			var bad *memo.Invalid
			if !errors.As(err, &bad) || bad.Code != c.code || bad.Path != c.path {
				t.Errorf("got %v, want %s at %s", err, c.code, c.path)
			}
			if b.Len() > 0 {
				t.Error("bytes left before the refusal")
			}
		})
	}
}

func TestTheWriterTakesTitlesOf256Characters(t *testing.T) {
	m := full()
	m.Header.Label = strings.Repeat("å", memo.MaxText)
	written(t, m)
}

func TestContentOfAnotherLengthIsRefused(t *testing.T) {
	for _, text := range []string{"shorter", "longer than what was announced"} {
		m := full()
		m.Body.Documents[0].Files[0].Open = content(text)
		var bad *memo.Invalid
		if err := memo.Write(io.Discard, m); !errors.As(err, &bad) || bad.Code != memo.CodeSize {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestUnreadableContentIsNotAnInvalidMessage(t *testing.T) {
	broken := errors.New("disk")
	m := full()
	m.Body.Documents[0].Files[0].Open = func() (io.ReadCloser, error) { return nil, broken }
	err := memo.Write(io.Discard, m)
	var bad *memo.Invalid
	if !errors.Is(err, broken) || errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

func TestFileNames(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"Afgørelse.pdf", "Afgørelse.pdf"},
		{`a<b>c:d"e/f\g|h?i*j.pdf`, "a-b-c-d-e-f-g-h-i-j.pdf"},
		{"a\u00a0b\u2003c\u2028d\u3000e\r\n.pdf", "a-b-c-d-e--.pdf"},
		{"👍.pdf", "👍.pdf"},
		{"", "dokument"},
		{"///", "dokument"},
		{"..", "dokument"},
		{" a.pdf ", "a.pdf"},
		{strings.Repeat("ø", 300) + ".pdf", strings.Repeat("ø", 252) + ".pdf"},
		{"a\xffb.pdf", "a-b.pdf"},
	} {
		got := memo.CleanFilename(c.in)
		if got != c.want {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
		if !memo.ValidFilename(got) {
			t.Errorf("%q is still refused", got)
		}
	}
}
