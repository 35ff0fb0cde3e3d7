package memo_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	nsGLN = "https://www.gs1.dk/gs1-standarder/identifikation/gln-global-location-number/"
	nsKLE = "http://kle-online.dk/"
)

// rich returns a message that uses the whole of both versions.
func rich() *memo.Message {
	m := full()
	at := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	grd, own := memo.NamespaceCore, memo.Namespace
	h := &m.Header
	h.Sender.Representative = nil
	h.AdditionalNotification, h.ReplyBy, h.DeliverFrom = "Svar snart", at.Add(500*time.Millisecond), "2026-11-30"
	h.Sender.ContactPoint.Info = []memo.ContactInfo{{Label: "Barnets navn", Value: "Bo"}, {Label: "Skole", Value: "Engdal"}}
	h.Sender.Attention = []memo.Block{
		{Space: own, Name: "AttentionPerson", Kids: []memo.Block{{Space: own, Name: "personID", Value: "9"}}},
		{Space: nsGLN, Name: "GlobalLocationNumber", Kids: []memo.Block{{Space: nsGLN, Name: "globalLocationNumber", Value: "5798000000001"}}},
	}
	h.Recipient.Attention = []memo.Block{{Space: grd, Name: "UnstructuredAddress", Kids: []memo.Block{{Space: grd, Name: "unstructured", Value: "Ny Vej 3, 2690 Engdal"}}}}
	h.Content.Other = []memo.Block{
		{Space: own, Name: "CaseID", Kids: []memo.Block{{Space: own, Name: "caseID", Value: "2026-1"}, {Space: own, Name: "caseSystem", Value: "s"}}},
		{Space: nsKLE, Name: "KLEdata", Kids: []memo.Block{
			{Space: nsKLE, Name: "subjectKey", Value: "00.07.03"}, {Space: nsKLE, Name: "version", Value: "1"}, {Space: nsKLE, Name: "label", Value: "Indsigt & æ"}}},
		{Space: grd, Name: "Address", Kids: []memo.Block{{Space: grd, Name: "zipCode", Value: "2690"},
			{Space: grd, Name: "AddressPoint", Kids: []memo.Block{{Space: grd, Name: "geographicEastingMeasure", Value: "1.5"}}}}},
	}
	h.Forward = &memo.ForwardData{MessageUUID: post.DerivedID("f", post.Digital, 1), OriginalAt: at, OriginalSender: "Region", Comment: "se her"}
	m.Body.Documents[0].Actions = []memo.Action{
		{Label: "Bekræft", Code: "BEKRAEFT", URL: "https://engdal.dk/x?a=1&b=2", Start: at, End: at.Add(time.Hour)},
		{Label: "Tid", Code: "AFTALE", Reservation: &memo.Reservation{UUID: post.DerivedID("r", post.Digital, 1), Abstract: "a", Description: "d",
			Location: "Rådhuset", Start: at, End: at.Add(time.Hour), OrganizerMail: "a@example.dk", OrganizerName: "Bo"}},
		{Label: "Læs", Code: "INFORMATION"},
	}
	return m
}

func as(t *testing.T, m *memo.Message, version string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := memo.WriteAs(&b, m, version); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBothVersionsReadBackTheSame(t *testing.T) {
	for _, version := range []string{memo.Version, memo.Version11} {
		want := rich()
		if version == memo.Version11 {
			want.Header.Sender.IDTypeLabel, want.Header.Recipient.IDTypeLabel = "CVR-nummer", "Andet"
			want.Header.Mandatory, want.Header.Legal = false, false
		} else {
			want.Header.Forward.OriginalRepresentative = "Bo"
			want.Header.Sender.Representative = full().Header.Sender.Representative
		}
		text := as(t, want, version)
		got, err := memo.Read(bytes.NewReader(text), memo.Limits{}, keep)
		if err != nil {
			t.Fatalf("%s: %v\n%s", version, err, text)
		}
		if got.Version != version || !reflect.DeepEqual(got.Header, want.Header) {
			t.Errorf("%s: header differs:\n%+v\n%+v", version, got.Header, want.Header)
		}
		if !reflect.DeepEqual(got.Body.Documents[0].Actions, want.Body.Documents[0].Actions) {
			t.Errorf("%s: actions differ: %+v", version, got.Body.Documents[0].Actions)
		}
		if again := as(t, got, version); !bytes.Equal(again, text) {
			t.Errorf("%s: written again, the message has other bytes", version)
		}
		if n, err := got.Length(version); err != nil || n != int64(len(text)) {
			t.Errorf("%s: length %d of %d, %v", version, n, len(text), err)
		}
	}
}

func TestNothingIsLostInSilenceBetweenVersions(t *testing.T) {
	for _, c := range []struct {
		version, path string
		bend          func(*memo.Message)
	}{
		{memo.Version11, "/Message/MessageHeader/Sender/Representative", func(m *memo.Message) { m.Header.Sender.Representative = full().Header.Sender.Representative }},
		{memo.Version11, "/Message/MessageHeader/ForwardData/originalRepresentative", func(m *memo.Message) { m.Header.Forward.OriginalRepresentative = "x" }},
		{memo.Version, "/Message/MessageHeader/Sender/idTypeLabel", func(m *memo.Message) { m.Header.Sender.IDTypeLabel = "x" }},
		{memo.Version, "/Message/MessageHeader/Recipient/idTypeLabel", func(m *memo.Message) { m.Header.Recipient.IDTypeLabel = "x" }},
	} {
		m := rich()
		c.bend(m)
		var b bytes.Buffer
		var bad *memo.Invalid
		if err := memo.WriteAs(&b, m, c.version); !errors.As(err, &bad) || bad.Code != memo.CodeLoses || bad.Path != c.path || b.Len() > 0 {
			t.Errorf("%s: got %v after %d bytes", c.path, err, b.Len())
		}
	}
	var bad *memo.Invalid
	if err := memo.WriteAs(io.Discard, rich(), "1.0"); !errors.As(err, &bad) || bad.Code != memo.CodeVersion {
		t.Errorf("version 1.0: %v", err)
	}
}

func TestTheWriterRefusesMore(t *testing.T) {
	for _, c := range []struct {
		name, code, path string
		bend             func(*memo.Message)
	}{
		{"an SMS without text", memo.CodeMissing, "/Message/MessageHeader/notification", func(m *memo.Message) { m.Header.Type, m.Header.Notification, m.Body = memo.NemSMS, "", nil }},
		{"an SMS with a body", memo.CodeUnexpected, "/Message/MessageBody", func(m *memo.Message) { m.Header.Type = memo.NemSMS }},
		{"a letter without body", memo.CodeMissing, "/Message/MessageBody", func(m *memo.Message) { m.Body = nil }},
		{"an action over http", memo.CodeURL, "/Message/MessageBody/MainDocument/Action/EntryPoint/url", func(m *memo.Message) { m.Body.Documents[0].Actions[0].URL = "http://engdal.dk" }},
		{"a relative address", memo.CodeURL, "/Message/MessageBody/MainDocument/Action/EntryPoint/url", func(m *memo.Message) { m.Body.Documents[0].Actions[0].URL = "/selvbetjening" }},
		{"a reservation and an address", memo.CodeUnexpected, "/Message/MessageBody/MainDocument/Action", func(m *memo.Message) { m.Body.Documents[0].Actions[1].URL = "https://engdal.dk" }},
		{"an action of a technical document", memo.CodeUnexpected, "/Message/MessageBody/TechnicalDocument", func(m *memo.Message) { m.Body.Documents[2].Actions = m.Body.Documents[0].Actions[2:] }},
		{"three contact infos", memo.CodeUnexpected, "/Message/MessageHeader/Sender/ContactPoint", func(m *memo.Message) {
			m.Header.Sender.ContactPoint.Info = append(m.Header.Sender.ContactPoint.Info, memo.ContactInfo{Label: "a", Value: "b"})
		}},
		{"blocks out of order", memo.CodeUnexpected, "/Message/MessageHeader/ContentData", func(m *memo.Message) {
			o := m.Header.Content.Other
			o[0], o[2] = o[2], o[0]
		}},
		{"a block of no schema", memo.CodeUnexpected, "/Message/MessageHeader/Sender/AttentionData", func(m *memo.Message) { m.Header.Sender.Attention[0].Name = "Fax" }},
		{"a value where kids belong", memo.CodeUnexpected, "/Message/MessageHeader/ContentData/CaseID", func(m *memo.Message) {
			m.Header.Content.Other[0] = memo.Block{Space: memo.Namespace, Name: "CaseID", Value: "x"}
		}},
		{"a number that is too large", memo.CodeValue, "/Message/MessageHeader/Sender/AttentionData/GlobalLocationNumber/globalLocationNumber", func(m *memo.Message) {
			m.Header.Sender.Attention[1].Kids[0].Value = "99999999999999"
		}},
		{"a date that is none", memo.CodeValue, "/Message/MessageHeader/doNotDeliverUntilDate", func(m *memo.Message) { m.Header.DeliverFrom = "2026-02-30" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := rich()
			c.bend(m)
			var b bytes.Buffer
			var bad *memo.Invalid
			if err := memo.Write(&b, m); !errors.As(err, &bad) || bad.Code != c.code || bad.Path != c.path || b.Len() > 0 {
				t.Errorf("got %v after %d bytes, want %s at %s", err, b.Len(), c.code, c.path)
			}
		})
	}
}

func TestBothVersionsHoldToTheirSchema(t *testing.T) {
	data, tool := official(t), xmllint(t)
	if data == "" || tool == "" {
		return
	}
	for version, folder := range map[string]string{memo.Version: "1.2/xsd-derived", memo.Version11: "1.1/xsd"} {
		schema := filepath.Join(data, filepath.FromSlash(folder), "MeMo_core.xsd")
		sms := rich()
		sms.Header.Type, sms.Body = memo.NemSMS, nil
		for name, m := range map[string]*memo.Message{"everything": rich(), "an SMS": sms} {
			if out, err := validate(tool, schema, as(t, m, version)); err != nil {
				t.Errorf("%s, %s: %v\n%s", version, name, err, out)
			}
		}
	}
}

func TestPublicSamplesRoundTrip(t *testing.T) {
	data, tool := official(t), xmllint(t)
	if data == "" {
		return
	}
	samples, err := filepath.Glob(filepath.Join(data, "1.[12]", "samples", "*.xml"))
	if err != nil || len(samples) < 5 {
		t.Fatalf("found %d samples, %v", len(samples), err)
	}
	for _, path := range samples {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		first, err := memo.Read(bytes.NewReader(text), memo.Limits{}, keep)
		if err != nil {
			t.Fatal(err)
		}
		written := as(t, first, first.Version)
		second, err := memo.Read(bytes.NewReader(written), memo.Limits{}, keep)
		if err != nil || !reflect.DeepEqual(first.Header, second.Header) || !bytes.Equal(as(t, second, second.Version), written) {
			t.Errorf("%s does not round-trip: %v", filepath.Base(path), err)
		}
		if had, has := leaves(t, text), leaves(t, written); !reflect.DeepEqual(had, has) {
			t.Errorf("%s: something is lost, added or moved:\n%v\n%v", filepath.Base(path), had, has)
		}
		if tool == "" {
			continue
		}
		folder := map[string]string{"1.2": "1.2/xsd-derived", "1.1": "1.1/xsd"}[first.Version]
		if out, err := validate(tool, filepath.Join(data, filepath.FromSlash(folder), "MeMo_core.xsd"), written); err != nil {
			t.Errorf("%s: %v\n%s", filepath.Base(path), err, out)
		}
	}
}

// leaves lists every value of a message with its name and namespace, in order.
// A boolean that is false says what its absence says.
func leaves(t *testing.T, text []byte) []string {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(text))
	var out []string
	var name, value string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name, value = e.Name.Space+" "+e.Name.Local, ""
		case xml.CharData:
			value += string(e)
		case xml.EndElement:
			if name == e.Name.Space+" "+e.Name.Local && value != "false" {
				if e.Name.Local == "content" {
					value = strings.Join(strings.Fields(value), "")
				}
				out = append(out, name+"="+value)
			}
			name = ""
		}
	}
}
