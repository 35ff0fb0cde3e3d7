package memo_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/outside"
)

// official returns the folder of public MeMo schemas and samples, which are
// not part of this project, or "" with a word about what is left out.
func official(t *testing.T) string {
	t.Helper()
	path, _ := outside.Data(t, "memo", "everything that is compared with the official MeMo schemas and samples")
	return path
}

func xmllint(t *testing.T) string {
	t.Helper()
	path, _ := outside.Program(t, "xmllint", "the check of each message against the schema")
	return path
}

func TestEmittedMessagesHoldToTheSchema(t *testing.T) {
	data, tool := official(t), xmllint(t)
	if data == "" || tool == "" {
		return
	}
	schema := filepath.Join(data, "1.2", "xsd-derived", "MeMo_core.xsd")
	least := full()
	least.Header = memo.Header{Type: memo.DigitalPost, UUID: least.Header.UUID, Label: "T",
		Sender: memo.Party{ID: "29000011", IDType: "CVR", Label: "K"}, Recipient: memo.Party{ID: "6503851236", IDType: "CPR"}}
	least.Body.Documents = least.Body.Documents[:1]
	sms := full()
	sms.Header.Type, sms.Body = memo.NemSMS, nil
	for name, m := range map[string]*memo.Message{"everything": full(), "the least": least, "an SMS": sms} {
		t.Run(name, func(t *testing.T) {
			if out, err := validate(tool, schema, written(t, m)); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	broken := bytes.Replace(written(t, full()), []byte("<memo:label>"), []byte("<memo:wrong/><memo:label>"), 1)
	if _, err := validate(tool, schema, broken); err == nil {
		t.Error("the schema check lets a broken message pass: it proves nothing")
	}
}

func validate(tool, schema string, message []byte) ([]byte, error) {
	cmd := exec.Command(tool, "--noout", "--nonet", "--huge", "--schema", schema, "-")
	cmd.Stdin = bytes.NewReader(message)
	return cmd.CombinedOutput()
}

func TestPublicSamplesRead(t *testing.T) {
	data := official(t)
	if data == "" {
		return
	}
	samples, err := filepath.Glob(filepath.Join(data, "1.[12]", "samples", "*.xml"))
	if err != nil || len(samples) < 5 {
		t.Fatalf("found %d samples, %v", len(samples), err)
	}
	for _, path := range samples {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(path)))+"/"+filepath.Base(path), func(t *testing.T) {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			m, err := memo.Read(f, memo.Limits{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if m.Header.Sender.ID == "" || m.Header.Recipient.ID == "" || m.Header.Label == "" {
				t.Errorf("header is not whole: %+v", m.Header)
			}
			if m.Body != nil && (m.Body.Created.IsZero() || m.Body.Documents[0].Files[0].Size == 0) {
				t.Error("body is not whole")
			}
		})
	}
}

// TestOurTableAgreesWithTheSchema bends a message in many ways and asks both.
func TestOurTableAgreesWithTheSchema(t *testing.T) {
	data, tool := official(t), xmllint(t)
	if data == "" || tool == "" {
		return
	}
	schema := filepath.Join(data, "1.2", "xsd-derived", "MeMo_core.xsd")
	whole := written(t, full())
	for _, c := range []struct{ old, new string }{
		{"<memo:messageType>DIGITALPOST<", "<memo:messageType>FAX<"},
		{"<memo:reply>true<", "<memo:reply>1<"},
		{"<memo:reply>true<", "<memo:reply>yes<"},
		{"<memo:reply>true<", "<memo:reply> true <"},
		{"<memo:mandatory>true</memo:mandatory>", ""},
		{"<memo:label>", "<memo:label xml:lang=\"da\">"},
		{"<memo:language>da<", "<memo:language>d1<"},
		{"T09:30:00Z", "T09:30:00.123Z"},
		{"T09:30:00Z", "T09:30:00"},
		{"T09:30:00Z", "T9:30:00Z"},
		{"2026-11-22T", "2026-02-30T"},
		{"<memo:messageUUID>", "<memo:messageUUID> "},
		{"<memo:Recipient>", "<memo:ContentData/><memo:Recipient>"},
		{"</memo:Representative>", "</memo:Representative><memo:ContactPoint><memo:contactPointID>x</memo:contactPointID></memo:ContactPoint>"},
		{"<memo:ContactPoint>", "<memo:AttentionData><grd:EID><grd:eID>x</grd:eID></grd:EID></memo:AttentionData><memo:ContactPoint>"},
		{"<memo:ContactPoint>", "<memo:AttentionData><grd:EID><memo:eID>x</memo:eID></grd:EID></memo:AttentionData><memo:ContactPoint>"},
		{"<memo:ContactPoint>", "<memo:AttentionData><grd:ProductionUnit><grd:productionUnitNumber>99999999999</grd:productionUnitNumber></grd:ProductionUnit></memo:AttentionData><memo:ContactPoint>"},
		{"</memo:MainDocument>", "<memo:Action><memo:label>a</memo:label><memo:actionCode>b</memo:actionCode><memo:EntryPoint><memo:url>https://a.dk</memo:url></memo:EntryPoint></memo:Action></memo:MainDocument>"},
		{"</memo:MainDocument>", "<memo:Action><memo:label>a</memo:label><memo:actionCode>b</memo:actionCode><memo:EntryPoint><memo:url>https://a.dk</memo:url></memo:EntryPoint><memo:EntryPoint><memo:url>https://a.dk</memo:url></memo:EntryPoint></memo:Action></memo:MainDocument>"},
		{"</memo:TechnicalDocument>", "<memo:Action><memo:label>a</memo:label><memo:actionCode>b</memo:actionCode></memo:Action></memo:TechnicalDocument>"},
		{"</memo:ContentData>", "<grd:CPRdata><grd:cprNumber>1</grd:cprNumber></grd:CPRdata></memo:ContentData>"},
		{"<memo:AdditionalContentData>", "<memo:CaseID><memo:caseID>1</memo:caseID><memo:caseSystem>2</memo:caseSystem></memo:CaseID><memo:AdditionalContentData>"},
		{"<memo:ReplyData>", "<memo:ForwardData><memo:messageUUID>8C2EA15D-61FB-4BA9-9366-42F8B194C114</memo:messageUUID><memo:originalMessageDateTime>2026-01-01T00:00:00Z</memo:originalMessageDateTime><memo:originalSender>x</memo:originalSender></memo:ForwardData><memo:ReplyData>"},
	} {
		bent := bytes.Replace(whole, []byte(c.old), []byte(c.new), 1)
		if bytes.Equal(bent, whole) {
			t.Errorf("nothing bent: %s", c.old)
			continue
		}
		_, theirs := validate(tool, schema, bent)
		_, ours := memo.Read(bytes.NewReader(bent), memo.Limits{}, func(memo.Document, *memo.File, io.Reader) error { return nil })
		if (theirs == nil) != (ours == nil) {
			t.Errorf("%s → %s: schema says %v, we say %v", c.old, c.new, theirs, ours)
		}
	}
}
