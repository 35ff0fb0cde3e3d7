package simulatorapp

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

func TestAMessageSaysToWhomItGoes(t *testing.T) {
	s := start(t)
	j, form := letter(t, "nancy", s.post, post.Digital)
	if o := s.post.HandOver(t.Context(), j, form); o.Verdict != dispatch.Taken {
		t.Fatalf("got %+v", o)
	}
	for path, want := range map[string]string{
		"/messages":               "Engdal Kommune to Nancy Ann Berggren",
		"/message/" + j.MessageID: `<dt>To</dt><dd><a href="/en/box/nancy">Nancy Ann Berggren</a></dd>`,
	} {
		if _, text := s.get(t, path); !strings.Contains(text, want) {
			t.Errorf("%s without %q", path, want)
		}
	}
}

func TestTheRecipientIsReadFromWhateverCameIn(t *testing.T) {
	for name, c := range map[string]struct{ xml, id, label string }{
		"as it should be":   {`<m:Message><m:Sender><m:label>S</m:label></m:Sender><m:Recipient><m:recipientID> 1 </m:recipientID><m:label>R</m:label></m:Recipient><m:recipientID>9</m:recipientID></m:Message>`, "1", "R"},
		"a label deeper in": {`<Recipient><recipientID>1</recipientID><AttentionData><label>other</label></AttentionData></Recipient>`, "1", ""},
		"cut off":           {`<Message><Recipient><recipientID>12`, "12", ""},
		"no XML":            {`{"to": 1}`, "", ""},
		"none":              {`<Message><Sender></Sender></Message>`, "", ""},
		"too many ends":     {`</a></b><Recipient/>`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if id, label := recipientOf(strings.NewReader(c.xml)); id != c.id || label != c.label {
				t.Errorf("got %q %q", id, label)
			}
		})
	}
}

func TestATextIsReadWhereItLies(t *testing.T) {
	s := start(t)
	j, _ := letter(t, "nancy", s.post, post.Digital)
	text := `<?xml version="1.0" encoding="UTF-8"?><memo:Message xmlns:memo="https://DigitalPost.dk/MeMo-1" memoVersion="1.2"><memo:MessageHeader>` +
		`<memo:messageType>DIGITALPOST</memo:messageType><memo:messageUUID>` + j.MessageID + `</memo:messageUUID><memo:label>Svar</memo:label>` +
		`<memo:Sender><memo:senderID>29000011</memo:senderID><memo:idType>CVR</memo:idType><memo:label>Engdal Kommune</memo:label></memo:Sender>` +
		`<memo:Recipient><memo:recipientID>` + j.Recipient.ID + `</memo:recipientID><memo:idType>CPR</memo:idType></memo:Recipient></memo:MessageHeader>` +
		`<memo:MessageBody><memo:createdDateTime>2026-11-22T10:00:00Z</memo:createdDateTime><memo:MainDocument><memo:File>` +
		`<memo:encodingFormat>text/plain</memo:encodingFormat><memo:filename>svar.txt</memo:filename><memo:language>da</memo:language>` +
		`<memo:content>S8OmcmUgPE5hbmN5Pg==</memo:content></memo:File></memo:MainDocument></memo:MessageBody></memo:Message>`
	if m := s.app.post.Carry(j.MessageID, roadKombi, "29000011", []byte(text)); m.Status != "COMPLETED" {
		t.Fatalf("got %+v", m)
	}
	if _, page := s.get(t, "/message/"+j.MessageID); !strings.Contains(page, "Kære &lt;Nancy&gt;") {
		t.Errorf("the text is not on the page: %s", page)
	}
}
