package simulatorapp

import (
	"bytes"
	"encoding/xml"
	"io"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
)

// An addressee is to whom a message says that it goes: a name, and the mailbox
// when it is one of ours; Number when it is
// not.
type addressee struct{ Name, Number, Box string }

// maxHeader bounds what is read of a message to learn its recipient, who
// stands before every document.
const maxHeader = 64 << 10

// addressee reads the recipient of a message, refused ones too. The zero value
// means that it names none.
func (a *App) addressee(uuid string) addressee {
	x, err := a.post.XML(uuid)
	if err != nil {
		return addressee{}
	}
	defer x.Close()
	id, label := recipientOf(io.LimitReader(x, maxHeader))
	if id == "" {
		return addressee{Name: label}
	}
	for _, p := range a.cfg.Personas {
		if slices.Contains(numbers(p), id) {
			return addressee{p.Name, "", "/box/" + p.Key}
		}
	}
	for _, t := range a.cfg.Tenants {
		if string(t.CVR) == id {
			return addressee{t.Name, "", "/authority/" + id}
		}
	}
	return addressee{Name: label, Number: id}
}

// in writes an addressee in a language; Number is there of who is nobody here.
func (t addressee) in(l tongue) string {
	if t.Number == "" {
		return t.Name
	}
	return strings.TrimSpace(l.say("%s (nobody here)", strings.TrimSpace(t.Name+" "+t.Number)))
}

// recipientOf finds recipientID and label of the first Recipient, and reads no
// further. What cannot be read is "".
func recipientOf(r io.Reader) (id, label string) {
	d := xml.NewDecoder(r)
	inside, at := 0, ""
	for {
		t, err := d.Token()
		if err != nil {
			return strings.TrimSpace(id), strings.TrimSpace(label)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if inside > 0 || t.Name.Local == "Recipient" {
				inside++
				at = t.Name.Local
			}
		case xml.CharData:
			switch {
			case inside == 2 && at == "recipientID":
				id += string(t)
			case inside == 2 && at == "label":
				label += string(t)
			}
		case xml.EndElement:
			at = ""
			if inside--; inside == 0 {
				return strings.TrimSpace(id), strings.TrimSpace(label)
			}
			inside = max(inside, 0)
		}
	}
}

// maxText bounds a text that is shown on the page of its message.
const maxText = 64 << 10

// texts returns the documents that are plain text, by their place, to be read
// where they lie. Longer ones and other kinds are a link.
func (a *App) texts(m digitalposttest.Message) map[int]string {
	all := map[int]string{}
	for i, d := range m.Documents {
		if d.MediaType != "text/plain" || d.Size > maxText {
			continue
		}
		var b bytes.Buffer
		if err := a.post.File(m.UUID, i, &b); err == nil {
			all[i] = strings.ToValidUTF8(b.String(), "\ufffd")
		}
	}
	return all
}
