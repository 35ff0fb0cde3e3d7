package kombipost

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the letter's date is a Danish calendar date wherever we run
	"unicode/utf8"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// Paper says how a tenant's letters are printed and posted. The zero value asks
// for nothing: the print house's agreement with the municipality decides.
type Paper struct {
	// ShipmentType is ForsendelseTypeIdentifikator, agreed with the print
	// house; 0 leaves it out.
	ShipmentType int
	Unit         string // EnhedTekst
	User         string // BrugerNavn; "sikkerpost" when empty
	Account      string // KonteringsGruppeTekst, for billing
	Receipts     string // KvitteringsTypeKode: Alle, Ingen or Kun fejl; Alle when empty
	Sides        string // Simplex or Duplex
	Color        string // SH or Farve
	Envelope     string // C4, C5 or MA
	Category     string // PostKategoriKode, e.g. Prioritaire
	Allocation   int    // AllokeringsIdentifikator; 0 leaves it out
	// StampRecipient and StampDate have the print house put the address and
	// the date on the page; our own letters carry both already.
	StampRecipient, StampDate bool
	// Returns has the print house take returned letters in; Moves asks for
	// news of changed addresses. Both come back as "Opdatering" events.
	Returns, Moves bool
	// Batches names a letter's batch (MasseForsendelseIdentifikator), so that the
	// print house can keep its letters together.
	Batches bool
}

// check holds p to the enumerations of the schema.
func (p Paper) check() error {
	var gaps []error
	for _, c := range []struct {
		field, value string
		of           []string
	}{
		{"Receipts", p.Receipts, []string{"Alle", "Ingen", "Kun fejl"}},
		{"Sides", p.Sides, []string{"Simplex", "Duplex"}},
		{"Color", p.Color, []string{"SH", "Farve"}},
		{"Envelope", p.Envelope, []string{"C4", "C5", "MA"}},
		{"Category", p.Category, append([]string{"Prioritaire", "Economique", "Bulk"}, registered...)},
	} {
		if c.value != "" && !slices.Contains(c.of, c.value) {
			gaps = append(gaps, fmt.Errorf("%s is none of %s", c.field, strings.Join(c.of, ", ")))
		}
	}
	if p.ShipmentType < 0 || p.Allocation < 0 {
		gaps = append(gaps, errors.New("ShipmentType and Allocation are not negative"))
	}
	for field, value := range map[string]string{"Unit": p.Unit, "User": p.User, "Account": p.Account} {
		if longer(value, 2000) {
			gaps = append(gaps, fmt.Errorf("%s is longer than 2000 characters", field))
		}
	}
	return errors.Join(gaps...)
}

// registered are the categories of registered post, the plain one first.
var registered = []string{"Rekommanderet", "Rekommanderet med modtagerbevis", "Forkyndelse"}

// of returns the settings of one letter: a registered one goes at least by plain
// registered post.
func (p Paper) of(j dispatch.Job) Paper {
	if j.Registered && !slices.Contains(registered, p.Category) {
		p.Category = registered[0]
	}
	return p
}

// Namespaces of ForsendelseI, by the prefix that stands for them. Mixing them
// up is the commonest mistake of all who write it.
var shipmentSpaces = []struct{ prefix, uri string }{
	{"fp", "urn:oio:fjernprint:1.0.0"},
	{"dkal", "urn:oio:dkal:1.0.0"},
	{"sd", "urn:oio:sagdok:3.0.0"},
	{"adir", "urn:oio:adir:dagpenge:2009.07.01"},
	{"itst", "http://rep.oio.dk/itst.dk/xml/schemas/2006/01/17/"},
	{"dkcc03", "http://rep.oio.dk/ebxml/xml/schemas/dkcc/2003/02/13/"},
	{"dkcc05", "http://rep.oio.dk/ebxml/xml/schemas/dkcc/2005/03/15/"},
	{"dkcc05c", "http://rep.oio.dk/ebxml/xml/schemas/dkcc/2005/05/19/"},
}

var danish = func() *time.Location {
	l, err := time.LoadLocation("Europe/Copenhagen")
	if err != nil {
		panic(err) // tzdata is linked in
	}
	return l
}()

// writeShipment writes ForsendelseI of the fjernprint schema, its elements in
// the order of the schema. j has passed checkPaper.
func writeShipment(x *xmlOut, j dispatch.Job, p Paper) error {
	to, err := addressOf(j.Recipient)
	if err != nil {
		return permanently(j, err)
	}
	var spaces strings.Builder
	for _, s := range shipmentSpaces {
		spaces.WriteString(" xmlns:" + s.prefix + `="` + s.uri + `"`)
	}
	x.put("<fp:ForsendelseI" + spaces.String() + ">")
	x.leaf("fp:AfsendelseIdentifikator", j.MessageID)
	x.number("fp:ForsendelseTypeIdentifikator", p.ShipmentType)
	x.within("fp:ForsendelseModtager", func() { writeRecipient(x, j.Recipient, to) })
	x.leaf("dkal:FilformatNavn", "PDF")
	x.content("dkal:MeddelelseIndholdData", j.Documents[0])
	x.within("fp:TransaktionsParametreI", func() {
		x.leaf("fp:TransaktionsDatoTid", j.CreatedAt.UTC().Format("2006-01-02T15:04:05Z"))
		if p.Batches {
			x.maybe("fp:MasseForsendelseIdentifikator", string(j.Batch))
		}
		x.leaf("fp:KvitteringsTypeKode", orElse(p.Receipts, "Alle"))
	})
	x.within("fp:DokumentParametre", func() {
		x.leaf("sd:TitelTekst", j.Label)
		x.leaf("sd:UUIDIdentifikator", j.MessageID)
		x.leaf("sd:BrevDato", j.CreatedAt.In(danish).Format(time.DateOnly))
	})
	writeParameters(x, p.of(j))
	if len(j.Documents) > 1 {
		x.within("fp:BilagSamling", func() { writeEnclosures(x, j.Documents[1:]) })
	}
	x.put("</fp:ForsendelseI>")
	return x.err
}

// checkPaper refuses what cannot be printed, before the first byte.
func (c *Client) checkPaper(j dispatch.Job) error {
	var size int64
	for i, d := range j.Documents {
		if d.MediaType != "application/pdf" || d.Size <= 0 {
			return permanently(j, post.FaultNotPrintable.At("document %d", i+1))
		}
		size += d.Size
	}
	switch {
	case len(j.Documents) == 0:
		return permanently(j, post.FaultNotPrintable.At("there is no document"))
	case len(j.Documents) > 101:
		return permanently(j, post.FaultShipment.At("more than 100 enclosures"))
	case size > c.cfg.PaperLimit:
		return permanently(j, post.FaultPaperTooLarge.At("%d bytes", size))
	case !printable(j.Label) || j.Label == "":
		return permanently(j, post.FaultShipment.At("title"))
	}
	if !printable(j.Recipient.Name) || !printable(strings.Join(j.Recipient.Address, "")) {
		return permanently(j, post.FaultShipment.At("recipient"))
	}
	return nil
}

func writeRecipient(x *xmlOut, r post.PartyRecord, a address) {
	x.within("dkal:AfsendelseModtager", func() {
		if strings.EqualFold(r.IDType, "CVR") {
			x.leaf("adir:CVRnummerIdentifikator", r.ID)
			return
		}
		// Feltbeskrivelse p. 7: paper to a person never carries the number.
		x.leaf("adir:CPRnummerIdentifikator", "0000000000")
	})
	x.within("fp:ModtagerAdresse", func() {
		x.leaf("itst:PersonName", a.name)
		if len(a.lines) > 0 {
			for i, line := range a.lines {
				x.leaf("dkcc05c:PostalAddress"+ordinals[i]+"LineText", line)
			}
			x.maybe("dkcc05:PostCodeIdentifier", a.postCode)
		} else {
			x.maybe("fp:CoNavn", a.co)
			x.leaf("dkcc05:StreetName", a.street)
			x.leaf("dkcc03:StreetBuildingIdentifier", a.building)
			x.maybe("dkcc03:FloorIdentifier", a.floor)
			x.maybe("dkcc03:SuiteIdentifier", a.suite)
			x.leaf("dkcc05:PostCodeIdentifier", a.postCode)
			x.maybe("dkcc05:DistrictSubdivisionIdentifier", a.town)
		}
		x.put(`<dkcc03:CountryIdentificationCode scheme="iso3166-alpha2">` + a.country + `</dkcc03:CountryIdentificationCode>`)
	})
}

var ordinals = [maxLines]string{"First", "Second", "Third", "Fourth", "Fifth", "Sixth"}

func writeParameters(x *xmlOut, p Paper) {
	x.within("fp:KanalUafhaengigeParametreI", func() {
		x.maybe("fp:EnhedTekst", p.Unit)
		x.leaf("fp:BrugerNavn", orElse(p.User, "sikkerpost"))
		x.maybe("fp:KonteringsGruppeTekst", p.Account)
		x.leaf("fp:PaatrykModtagerAdresseIndikator", strconv.FormatBool(p.StampRecipient))
		x.leaf("fp:PaatrykBrevdatoIndikator", strconv.FormatBool(p.StampDate))
		x.leaf("fp:KanalKode", "Fysisk Post")
	})
	if p.Sides+p.Color+p.Envelope != "" {
		x.within("fp:PrintParametre", func() {
			x.maybe("fp:SimplexDuplexKode", p.Sides)
			x.maybe("fp:FarveSHKode", p.Color)
			x.maybe("fp:KuvertTypeKode", p.Envelope)
		})
	}
	x.within("fp:PostParametre", func() {
		x.maybe("fp:PostKategoriKode", p.Category)
		x.number("fp:AllokeringsIdentifikator", p.Allocation)
		x.leaf("fp:ReturposthaandteringHosLeverandoerIndikator", strconv.FormatBool(p.Returns))
		x.leaf("fp:InformationVedAdresseAendringIndikator", strconv.FormatBool(p.Moves))
	})
}

func writeEnclosures(x *xmlOut, all []dispatch.Document) {
	for i, d := range all {
		x.within("fp:Bilag", func() {
			x.leaf("fp:BilagNavn", enclosureName(d, i+1))
			x.leaf("dkal:FilformatNavn", "PDF")
			x.number("fp:BilagSorteringsIndeksIdentifikator", i+1)
			x.content("dkal:VedhaeftningIndholdData", d)
		})
	}
}

// enclosureName names an enclosure as the Postkomponent takes it: at most 300
// characters, no trailing dot, nothing special. It is a label, so what does not
// fit becomes a dash; it names no document to anybody but a reader of the bundle.
func enclosureName(d dispatch.Document, n int) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"/\|?*`, r) || r < ' ' || !printable(string(r)) {
			return '-'
		}
		return r
	}, strings.ToValidUTF8(orElse(d.Label, d.Filename), "-"))
	if runes := []rune(name); len(runes) > 300 {
		name = string(runes[:300])
	}
	if name = strings.Trim(name, " ."); name == "" {
		return "Bilag " + strconv.Itoa(n)
	}
	return name
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// printable reports whether XML 1.0 can carry s (section 2.2).
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}
