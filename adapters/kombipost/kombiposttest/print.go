package kombiposttest

import (
	"encoding/base64"
	"strings"
)

// Print is what a shipment says about paper.
type Print struct {
	Title     string
	Sender    string
	Address   []string // name first
	Documents []PrintDocument
}

// PrintDocument is one document to print; Content is as it came, decoded.
type PrintDocument struct {
	Name, Format string
	Content      []byte
}

// printOf reads a shipment that the rules have let through.
func printOf(s *element) *Print {
	p := &Print{Title: s.find("TitelTekst"), Sender: s.find("EnhedTekst"), Documents: []PrintDocument{
		{"main", s.find("FilformatNavn"), bytesOf(s.find("MeddelelseIndholdData"))},
	}}
	if to := s.child("ModtagerAdresse"); to != nil {
		p.Address = addressOf(to)
	}
	if all := s.child("BilagSamling"); all != nil {
		for _, k := range all.kids {
			p.Documents = append(p.Documents, PrintDocument{k.find("BilagNavn"), k.find("FilformatNavn"), bytesOf(k.find("VedhaeftningIndholdData"))})
		}
	}
	return p
}

// child returns the first element of that name below n.
func (n *element) child(name string) *element {
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
		if below := k.child(name); below != nil {
			return below
		}
	}
	return nil
}

// addressOf writes an address of either form as it stands in a window.
func addressOf(to *element) []string {
	joined := func(names ...string) string {
		var parts []string
		for _, name := range names {
			if v := to.find(name); v != "" {
				parts = append(parts, v)
			}
		}
		return strings.Join(parts, " ")
	}
	var lines []string
	for _, line := range []string{
		joined("PersonName"), joined("CoNavn"),
		joined("StreetName", "StreetBuildingIdentifier", "FloorIdentifier", "SuiteIdentifier"),
		joined("MailDeliverySublocationIdentifier"),
		joined("PostalAddressFirstLineText"), joined("PostalAddressSecondLineText"), joined("PostalAddressThirdLineText"),
		joined("PostalAddressFourthLineText"), joined("PostalAddressFifthLineText"), joined("PostalAddressSixthLineText"),
		joined("PostOfficeBoxIdentifier"), joined("PostCodeIdentifier", "DistrictSubdivisionIdentifier"),
	} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func bytesOf(text string) []byte {
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil { // the rules let nothing else through
		return nil
	}
	return b
}
