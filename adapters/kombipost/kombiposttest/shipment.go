package kombiposttest

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Namespaces of ForsendelseI.
const (
	spaceFP   = "urn:oio:fjernprint:1.0.0"
	spaceDKAL = "urn:oio:dkal:1.0.0"
	spaceSD   = "urn:oio:sagdok:3.0.0"
	spaceADIR = "urn:oio:adir:dagpenge:2009.07.01"
	spaceITST = "http://rep.oio.dk/itst.dk/xml/schemas/2006/01/17/"
	space03   = "http://rep.oio.dk/ebxml/xml/schemas/dkcc/2003/02/13/"
	space05   = "http://rep.oio.dk/ebxml/xml/schemas/dkcc/2005/03/15/"
	space05b  = "http://rep.oio.dk/ebxml/xml/schemas/dkcc/2005/05/13/"
	space05c  = "http://rep.oio.dk/ebxml/xml/schemas/dkcc/2005/05/19/"
)

// element is one element with its namespace.
type element struct {
	space, name, text string
	scheme            string // attribute of a country
	kids              []*element
}

// readElement reads start and all below it.
func readElement(d *xml.Decoder, start xml.StartElement) (*element, error) {
	n := &element{space: start.Name.Space, name: start.Name.Local}
	for _, a := range start.Attr {
		if a.Name.Local == "scheme" {
			n.scheme = a.Value
		}
	}
	var text strings.Builder
	for {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("read shipment: %w", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			kid, err := readElement(d, e)
			if err != nil {
				return nil, err
			}
			n.kids = append(n.kids, kid)
		case xml.EndElement:
			n.text = text.String()
			return n, nil
		case xml.CharData:
			text.Write(e)
		}
	}
}

// find returns the text of the first element of that name below n.
func (n *element) find(name string) string {
	if n.name == name {
		return strings.TrimSpace(n.text)
	}
	for _, k := range n.kids {
		if v := k.find(name); v != "" {
			return v
		}
	}
	return ""
}

// rule is one place in a sequence.
type rule struct {
	space, name string
	needed      bool
	many        int // at most; 0 is one
	value       func(string) bool
	kids        []rule
}

func pattern(p string) func(string) bool {
	r := regexp.MustCompile("^(?:" + p + ")$")
	return r.MatchString
}

func length(least, most int) func(string) bool {
	return func(s string) bool { n := utf8.RuneCountInString(s); return n >= least && n <= most }
}

func isBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	return err == nil && s != ""
}

var (
	boolean  = pattern("true|false|1|0")
	positive = pattern("0*[1-9][0-9]*")
	anything = length(0, 1<<20)
	address  = []rule{
		{space: spaceITST, name: "PersonName", needed: true, value: length(1, 130)},
		{space: spaceFP, name: "CoNavn", value: length(1, 130)},
		{space: space05, name: "StreetName", value: length(1, 40)},
		{space: space03, name: "StreetBuildingIdentifier", value: pattern("[1-9][0-9]{0,2}[A-Z]?")},
		{space: space03, name: "FloorIdentifier", value: pattern("[1-9][0-9]?|KL|ST|kl|st|[kK][2-9]")},
		{space: space03, name: "SuiteIdentifier", value: length(1, 4)},
		{space: space03, name: "MailDeliverySublocationIdentifier", value: length(1, 34)},
		{space: space05c, name: "PostalAddressFirstLineText", value: length(1, 34)},
		{space: space05c, name: "PostalAddressSecondLineText", value: length(1, 34)},
		{space: space05c, name: "PostalAddressThirdLineText", value: length(1, 34)},
		{space: space05c, name: "PostalAddressFourthLineText", value: length(1, 34)},
		{space: space05c, name: "PostalAddressFifthLineText", value: length(1, 34)},
		{space: space05c, name: "PostalAddressSixthLineText", value: length(1, 34)},
		{space: space05, name: "PostCodeIdentifier", value: pattern("[0-9]{4}")},
		{space: space05, name: "DistrictSubdivisionIdentifier", value: length(1, 34)},
		{space: space05b, name: "PostOfficeBoxIdentifier", value: pattern("[1-9][0-9]{0,3}")},
		{space: space03, name: "CountryIdentificationCode", needed: true, value: pattern("[A-Z]{2,3}|[0-9]{3,4}")},
	}
	// shipmentRules are ForsendelseI as the fjernprint schema has it.
	shipmentRules = []rule{
		{space: spaceFP, name: "AfsendelseIdentifikator", needed: true, value: length(1, 38)},
		{space: spaceFP, name: "ForsendelseTypeIdentifikator", value: positive},
		{space: spaceFP, name: "ForsendelseModtager", kids: []rule{
			{space: spaceDKAL, name: "AfsendelseModtager", kids: []rule{
				{space: spaceADIR, name: "CPRnummerIdentifikator", value: pattern("0000000000")}, // paper never carries it
				{space: spaceADIR, name: "CVRnummerIdentifikator", value: pattern("[0-9]{8}")},
			}},
			{space: spaceFP, name: "ModtagerAdresse", kids: address},
		}},
		{space: spaceDKAL, name: "FilformatNavn", needed: true, value: length(0, 10)},
		{space: spaceDKAL, name: "MeddelelseIndholdData", needed: true, value: isBase64},
		{space: spaceFP, name: "TransaktionsParametreI", kids: []rule{
			{space: spaceFP, name: "TransaktionsDatoTid", value: pattern(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?`)},
			{space: spaceFP, name: "MasseForsendelseIdentifikator", value: length(1, 38)},
			{space: spaceFP, name: "KvitteringsTypeKode", value: pattern("Alle|Ingen|Kun fejl")},
			{space: spaceFP, name: "KvitteringsEmail", value: anything},
		}},
		{space: spaceFP, name: "DokumentParametre", needed: true, kids: []rule{
			{space: spaceSD, name: "TitelTekst", value: anything},
			{space: spaceSD, name: "UUIDIdentifikator", value: anything},
			{space: spaceSD, name: "BrevDato", value: pattern(`\d{4}-\d\d-\d\d(Z|[+-]\d\d:\d\d)?`)},
		}},
		{space: spaceFP, name: "KanalUafhaengigeParametreI", kids: []rule{
			{space: spaceFP, name: "EnhedTekst", value: length(0, 2000)},
			{space: spaceFP, name: "BrugerNavn", needed: true, value: length(1, 2000)},
			{space: spaceFP, name: "KonteringsGruppeTekst", value: length(0, 2000)},
			{space: spaceFP, name: "PaatrykAfsenderAdresseIndikator", value: boolean},
			{space: spaceFP, name: "PaatrykModtagerAdresseIndikator", value: boolean},
			{space: spaceFP, name: "PaatrykBrevdatoIndikator", value: boolean},
			{space: spaceFP, name: "KanalKode", value: pattern("Digital Post|Fysisk Post")},
			{space: spaceFP, name: "HasteBrevIndikator", value: boolean},
		}},
		{space: spaceFP, name: "PrintParametre", kids: []rule{
			{space: spaceFP, name: "SimplexDuplexKode", value: pattern("Simplex|Duplex")},
			{space: spaceFP, name: "FarveSHKode", value: pattern("SH|Farve")},
			{space: spaceFP, name: "KuvertTypeKode", value: pattern("C4|C5|MA")},
		}},
		{space: spaceFP, name: "PostParametre", kids: []rule{
			{space: spaceFP, name: "PostKategoriKode", value: pattern("Prioritaire|Economique|Bulk|Rekommanderet|Rekommanderet med modtagerbevis|Forkyndelse")},
			{space: spaceFP, name: "AllokeringsIdentifikator", value: positive},
			{space: spaceFP, name: "ReturposthaandteringHosLeverandoerIndikator", value: boolean},
			{space: spaceFP, name: "InformationVedAdresseAendringIndikator", value: boolean},
			{space: spaceFP, name: "SideKvantitet", value: pattern("[0-9]+")},
		}},
		{space: spaceFP, name: "BilagSamling", kids: []rule{
			{space: spaceFP, name: "Bilag", needed: true, many: 100, kids: []rule{
				{space: spaceFP, name: "BilagNavn", needed: true, value: length(0, 300)},
				{space: spaceDKAL, name: "FilformatNavn", needed: true, value: length(0, 10)},
				{space: spaceFP, name: "BilagSorteringsIndeksIdentifikator", needed: true, value: anything},
				{space: spaceDKAL, name: "VedhaeftningIndholdData", needed: true, value: isBase64},
			}},
		}},
	}
)

// checkShipment returns the path of the first breach, dotted, or "".
func checkShipment(n *element) string {
	if n.space != spaceFP {
		return ".ForsendelseI"
	}
	return follow(n, shipmentRules)
}

func follow(n *element, rules []rule) string {
	at, count := 0, 0
	for _, k := range n.kids {
		for at < len(rules) && (rules[at].name != k.name || rules[at].space != k.space) {
			if rules[at].needed && count == 0 {
				return "." + rules[at].name
			}
			at, count = at+1, 0
		}
		if at == len(rules) {
			return "." + k.name
		}
		if count++; count > max(1, rules[at].many) {
			return "." + k.name
		}
		if path := checkOne(k, rules[at]); path != "" {
			return "." + k.name + path
		}
	}
	for ; at < len(rules); at, count = at+1, 0 {
		if rules[at].needed && count == 0 {
			return "." + rules[at].name
		}
	}
	return oneForm(n)
}

func checkOne(k *element, r rule) string {
	if r.kids != nil {
		return follow(k, r.kids)
	}
	if len(k.kids) > 0 || r.value != nil && !r.value(k.text) || k.name == "CountryIdentificationCode" && k.scheme == "" {
		return ".value"
	}
	return ""
}

// oneForm holds an address to one of its two forms.
func oneForm(n *element) string {
	if n.name != "ModtagerAdresse" {
		return ""
	}
	structural := n.find("StreetName") != "" && n.find("StreetBuildingIdentifier") != "" && n.find("PostCodeIdentifier") != ""
	lines := n.find("PostalAddressFirstLineText") != ""
	if structural == lines {
		return ".form"
	}
	return ""
}
