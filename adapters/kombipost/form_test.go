package kombipost_test

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

// cut returns the element of that name with its prefix, whole.
func cut(t *testing.T, form []byte, name string) []byte {
	t.Helper()
	closing := "</" + strings.TrimSpace(name) + ">"
	start, end := bytes.Index(form, []byte("<"+name)), bytes.Index(form, []byte(closing))
	if start < 0 || end < 0 {
		t.Fatalf("no %s in the form", name)
	}
	return form[start : end+len(closing)]
}

func validate(tool, schema string, doc []byte) ([]byte, error) {
	cmd := exec.Command(tool, "--noout", "--nonet", "--huge", "--schema", schema, "-")
	cmd.Stdin = bytes.NewReader(doc)
	return cmd.CombinedOutput()
}

func (w *world) letterTo(name string, lines ...string) dispatch.Job {
	j := w.Job(post.Physical, w.Registered)
	j.Recipient.Name, j.Recipient.Address = name, lines
	return j
}

// everyPaper are settings that use each element of the shipment.
func everyPaper() kombipost.Paper {
	return kombipost.Paper{
		ShipmentType: 7, Unit: "Borgerservice & jura", User: "sikkerpost", Account: "4711", Receipts: "Kun fejl", Sides: "Duplex", Color: "SH",
		Envelope: "C5", Category: "Rekommanderet med modtagerbevis", Allocation: 3, StampRecipient: true, StampDate: true, Returns: true, Moves: true, Batches: true,
	}
}

const batchID = "0b1e2f3a-0000-7000-8000-00000000000b"

func ofBatch(j dispatch.Job) dispatch.Job {
	j.Batch = batchID
	return j
}

// TestALetterNamesItsBatchWhereThePrintHouseWantsIt: nobody else's letters change.
func TestALetterNamesItsBatchWhereThePrintHouseWantsIt(t *testing.T) {
	w := newWorld(t, nil)
	c := w.config()
	s := c.Systems["engdal"]
	s.Paper.Batches = true
	c.Systems["engdal"] = s
	wants := w.connect(t, c)
	for _, one := range []struct {
		client *kombipost.Client
		job    dispatch.Job
		named  bool
	}{
		{wants, ofBatch(w.Job(post.Physical, w.Registered)), true},
		{wants, w.Job(post.Physical, w.Registered), false},
		{w.client, ofBatch(w.Job(post.Physical, w.Registered)), false},
	} {
		form := suite.Rendered(t, one.client, one.job)
		if bytes.Contains(form, []byte("<fp:MasseForsendelseIdentifikator>"+batchID+"<")) != one.named || bytes.Contains(form, []byte("MasseForsendelse")) != one.named {
			t.Errorf("batch %q: %.800s", one.job.Batch, form)
		}
		if o := w.send(t, one.client, one.job); o.Verdict != dispatch.Taken {
			t.Errorf("batch %q: %+v", one.job.Batch, o)
		}
	}
}

func TestEmittedShipmentsHoldToTheSchema(t *testing.T) {
	tool, ok := outside.Program(t, "xmllint", "the check of shipments against the schema")
	data, here := outside.Data(t, "kombipost/derived/merged-xsd/ns01.xsd", "the check of shipments against the schema")
	message, there := outside.Data(t, "memo/1.2/xsd-derived/MeMo_core.xsd", "the check of MeMo against the schema")
	if !ok || !here || !there {
		return
	}
	w := newWorld(t, nil)
	c := w.config()
	s := c.Systems["engdal"]
	s.Paper = everyPaper()
	c.Systems["engdal"] = s
	company := w.letterTo("Bech Tagdækning ApS", "Industrivej 9", "2780 Lyngsø")
	company.Recipient.IDType, company.Recipient.ID = "CVR", "11223491"
	strange := w.letterTo("Nancy <Ann> & Berggren", "Kirsebærvej 4", "2690 Engdal")
	strange.Label = "Afgørelse <om> æbler & \"pærer\""
	strange.Documents[1].Label = `a<b>c:d"e/f\g|h?i*j.`
	automatic := w.Job(post.Digital, w.Registered)
	for name, client := range map[string]*kombipost.Client{"least": w.client, "everything": w.connect(t, c)} {
		for _, one := range []struct {
			name string
			via  dispatch.Channel
			job  dispatch.Job
		}{
			{"of a batch", client, ofBatch(w.Job(post.Physical, w.Registered))},
			{"structural", client, w.letterTo("Poul Ravn Holmgaard", "c/o Ravn", "Møllestien 12B, 1. tv", "Engdal Mark", "2690 Engdal")},
			{"free lines", client, w.letterTo("Poul", "Møllestien 1012, 1. dør 1004B", "2690 Engdal")},
			{"abroad", client, w.letterTo("Test Person", "Storgatan 1", "211 34 Malmö", "Sverige")},
			{"a company", client, company},
			{"characters of XML", client, strange},
			{"both ways", client.Via(kombipost.Automatic), automatic},
		} {
			form := suite.Rendered(t, one.via, one.job)
			if out, err := validate(tool, data, cut(t, form, "fp:ForsendelseI ")); err != nil {
				t.Errorf("%s, %s: %v\n%s", name, one.name, err, out)
			}
		}
	}
	sms := w.Job(post.Digital, w.Registered)
	sms.Documents, sms.Label = nil, "Husk din tid i morgen"
	for choice, j := range map[kombipost.Choice]dispatch.Job{kombipost.DigitalPost: automatic, kombipost.Automatic: automatic, kombipost.SMS: sms} {
		if out, err := validate(tool, message, cut(t, suite.Rendered(t, w.client.Via(choice), j), "memo:Message")); err != nil {
			t.Errorf("MeMo by %s: %v\n%s", choice, err, out)
		}
	}
	form := suite.Rendered(t, w.client.Via(kombipost.Automatic), automatic)
	broken := bytes.Replace(cut(t, form, "fp:ForsendelseI "), []byte("<dkcc05:StreetName>"), []byte("<fp:StreetName>"), 1)
	if _, err := validate(tool, data, broken); err == nil {
		t.Error("the schema check lets a wrong namespace pass: it proves nothing")
	}
}

func TestTheSyntheticShipmentsAreTakenBySimulatorAndSchemaAlike(t *testing.T) {
	folder, ok := outside.Data(t, "kombipost/derived", "the check of the simulator against samples")
	if !ok {
		return
	}
	samples, err := filepath.Glob(filepath.Join(folder, "ForsendelseI.*.xml"))
	if err != nil || len(samples) < 2 {
		t.Fatalf("found %d samples, %v", len(samples), err)
	}
	w := newWorld(t, nil)
	for _, path := range samples {
		if code := w.postRaw(t, wrapped(t, path)); code != "" {
			t.Errorf("%s: %s", filepath.Base(path), code)
		}
	}
	bent := bytes.Replace(wrapped(t, samples[0]), []byte("<fp:DokumentParametre>"), []byte("<sd:DokumentParametre>"), 1)
	bent = bytes.Replace(bent, []byte("</fp:DokumentParametre>"), []byte("</sd:DokumentParametre>"), 1)
	if code := w.postRaw(t, bent); !strings.HasPrefix(code, "sim.shipment.invalid") {
		t.Errorf("the simulator takes a wrong namespace: %q", code)
	}
}

func TestAddresses(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct {
		name  string
		lines []string
		want  []string // elements, in order; nil is a refusal
		fault error
	}{
		{"street and number", []string{"Kirsebærvej 4", "2690 Engdal"}, []string{"StreetName>Kirsebærvej<", "BuildingIdentifier>4<", "PostCodeIdentifier>2690<", ">DK<"}, nil},
		{"floor and door", []string{"Møllestien 12, 1. tv", "2690 Engdal"}, []string{"StreetName>Møllestien<", "BuildingIdentifier>12<", "FloorIdentifier>1<", "SuiteIdentifier>tv<"}, nil},
		{"ground floor and a letter", []string{"Ny Vej 3A, st. 12", "2690 Engdal"}, []string{"StreetName>Ny Vej<", "BuildingIdentifier>3A<", "FloorIdentifier>st<", "SuiteIdentifier>12<"}, nil},
		{"care of and town", []string{"c/o Anna Ravn", "Ny Vej 3", "Lille By", "2690 Engdal", "Danmark"}, []string{"CoNavn>Anna Ravn<", "StreetName>Ny Vej<", "SubdivisionIdentifier>Lille By<", ">DK<"}, nil},
		{"a door code that is too long", []string{"Ny Vej 3, 1. 1004B", "2690 Engdal"}, []string{"FirstLineText>Ny Vej 3, 1. 1004B<", "SecondLineText>2690 Engdal<", "PostCodeIdentifier>2690<"}, nil},
		{"a number of four digits", []string{"Ny Vej 1003", "2690 Engdal"}, []string{"FirstLineText>Ny Vej 1003<"}, nil},
		{"a small letter", []string{"Ny Vej 3b", "2690 Engdal"}, []string{"FirstLineText>Ny Vej 3b<"}, nil},
		{"a post box", []string{"Postboks 12, Byen", "2690 Engdal"}, []string{"FirstLineText>Postboks 12, Byen<"}, nil},
		{"abroad", []string{"Storgatan 1", "211 34 Malmö", "Sverige"}, []string{"FirstLineText>Storgatan 1<", "SecondLineText>211 34 Malmö<", ">SE<"}, nil},
		{"Norway has four digits too", []string{"Gata 1", "0150 Oslo", "Norge"}, []string{"SecondLineText>0150 Oslo<", ">NO<"}, nil},
		{"no country and no Danish post code", []string{"Storgatan 1", "211 34 Malmö"}, nil, post.FaultAddressForm},
		{"a country that is not listed", []string{"Main Street 1", "Ruritania"}, nil, post.FaultAddressForm},
		{"a line of 35 characters that fits no structure", []string{strings.Repeat("å", 35), "2690 Engdal"}, nil, post.FaultAddressForm},
		{"seven lines", []string{"a", "b", "c", "d", "e", "f", "2690 Engdal"}, nil, post.FaultAddressForm},
		{"protected", []string{"Adressebeskyttet"}, nil, post.FaultNoAddress},
		{"none", nil, nil, post.FaultNoAddress},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := w.letterTo("Test Person", c.lines...)
			var b bytes.Buffer
			err := w.client.Render(t.Context(), j, &b)
			if c.want == nil {
				if !errors.Is(err, c.fault) || !errors.Is(err, post.ErrPermanent) || b.Len() > 0 {
					t.Fatalf("got %v after %d bytes", err, b.Len())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			rest := b.String()
			for _, part := range c.want {
				_, after, found := strings.Cut(rest, part)
				if !found {
					t.Fatalf("%s is not there, or not in its place:\n%s", part, b.String())
				}
				rest = after
			}
		})
	}
}

func TestRenderRefusesForGood(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct {
		name string
		want error
		bend func(*dispatch.Job)
	}{
		{"no name", post.FaultNoAddress, func(j *dispatch.Job) { j.Recipient.Name = " " }},
		{"a name of 131 characters", post.FaultAddressForm, func(j *dispatch.Job) { j.Recipient.Name = strings.Repeat("ø", 131) }},
		{"text instead of PDF", post.FaultNotPrintable, func(j *dispatch.Job) { j.Documents[0].MediaType = "text/plain" }},
		{"something else called PDF", post.FaultNotPrintable, func(j *dispatch.Job) { j.Documents[0] = suite.Document("a.pdf", []byte("hello")) }},
		{"no document", post.FaultNotPrintable, func(j *dispatch.Job) { j.Documents = nil }},
		{"more than goes on paper", post.FaultPaperTooLarge, func(j *dispatch.Job) { j.Documents[0].Size = kombipost.PaperLimit }},
		{"a control character in the title", post.FaultShipment, func(j *dispatch.Job) { j.Label = "a\x01b" }},
		{"no title", post.FaultShipment, func(j *dispatch.Job) { j.Label = "" }},
	} {
		j := w.Job(post.Physical, w.Registered)
		c.bend(&j)
		err := w.client.Render(t.Context(), j, io.Discard)
		if !errors.Is(err, c.want) || !errors.Is(err, post.ErrPermanent) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	j := w.Job(post.Digital, w.Registered)
	j.Label = strings.Repeat("x", 257)
	if err := w.client.Render(t.Context(), j, io.Discard); !errors.Is(err, post.FaultMemoInvalid) || !errors.Is(err, post.ErrPermanent) {
		t.Errorf("a long title: %v", err)
	}
	j.Label, j.Documents[0].Size = "x", 75_000_000
	if err := w.client.Render(t.Context(), j, io.Discard); !errors.Is(err, post.FaultMemoTooLarge) {
		t.Errorf("a large document: %v", err)
	}
	for _, channel := range []post.Channel{post.Digital, post.Physical} {
		j := w.Job(channel, w.Registered)
		j.Documents[0].Open = func() (io.ReadCloser, error) { return nil, io.ErrUnexpectedEOF }
		if err := w.client.Render(t.Context(), j, io.Discard); err == nil || errors.Is(err, post.ErrPermanent) {
			t.Errorf("%s: a store that is away is not for good: %v", channel, err)
		}
	}
}

func TestPaperNeverCarriesACPRNumber(t *testing.T) {
	w := newWorld(t, nil)
	form := suite.Rendered(t, w.client, w.Job(post.Physical, w.Registered))
	if bytes.Contains(form, []byte(w.Registered.ID)) || !bytes.Contains(form, []byte("<adir:CPRnummerIdentifikator>0000000000<")) {
		t.Error("the shipment names the person by number")
	}
}

// TestARegisteredLetterGoesAtLeastByPlainRegisteredPost: whatever else the
// agreement says, and only a letter that asks for it.
func TestARegisteredLetterGoesAtLeastByPlainRegisteredPost(t *testing.T) {
	for _, c := range []struct {
		agreed     string
		registered bool
		want       string // "" is no category
	}{
		{"", false, ""},
		{"Economique", false, "Economique"},
		{"", true, "Rekommanderet"},
		{"Economique", true, "Rekommanderet"},
		{"Rekommanderet med modtagerbevis", true, "Rekommanderet med modtagerbevis"},
		{"Forkyndelse", true, "Forkyndelse"},
	} {
		w := newWorld(t, nil)
		cfg := w.config()
		s := cfg.Systems["engdal"]
		s.Paper.Category = c.agreed
		cfg.Systems["engdal"] = s
		j := w.Job(post.Physical, w.Registered)
		j.Registered = c.registered
		form := string(suite.Rendered(t, w.connect(t, cfg), j))
		got := ""
		if _, after, found := strings.Cut(form, "<fp:PostKategoriKode>"); found {
			got, _, _ = strings.Cut(after, "</")
		}
		if got != c.want {
			t.Errorf("agreed %q, registered %t: %q, want %q", c.agreed, c.registered, got, c.want)
		}
	}
}
