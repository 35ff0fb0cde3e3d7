package kombipost

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"sikkerpost.dk/gateway/internal/post"
)

// Bounds of KontaktOplysning, in characters.
const (
	maxName   = 130
	maxStreet = 40
	maxTown   = 34
	maxSuite  = 4
	maxLine   = 34
	maxLines  = 6
)

var (
	// A Danish postal line: four digits and a town.
	postLine = regexp.MustCompile(`^(?:DK-)?([0-9]{4}) +(\S.*)$`)
	// Street and number: letters in lower case and numbers from 1000 do not
	// fit StreetBuildingIdentifier, and make free lines.
	streetLine = regexp.MustCompile(`^(\S.*?) ([1-9][0-9]{0,2}) ?([A-Z]?)(?:, *(\S.*))?$`)
	// Floor and door as FloorIdentifier and SuiteIdentifier have them.
	floorDoor = regexp.MustCompile(`^([1-9][0-9]?|KL|ST|kl|st|[kK][2-9])\.?(?: +(\S+))?$`)
	coLine    = regexp.MustCompile(`^[cC]/[oO] +(\S.*)$`)
)

// An address is KontaktOplysning: structural, or in free lines when Lines is
// set. Nothing of what was given is left out of it but the town of a Danish
// address, which follows from its post code and has no element.
type address struct {
	name                 string
	co, street, building string
	floor, suite, town   string
	postCode             string
	lines                []string
	country              string // ISO 3166-1 alpha-2
}

// addressOf reads the lines of a recipient: structurally if they fit, else as
// free lines, else it refuses. It never cuts.
func addressOf(r post.PartyRecord) (address, error) {
	var lines []string
	for _, l := range r.Address {
		if l = strings.Join(strings.Fields(l), " "); l != "" {
			lines = append(lines, l)
		}
	}
	name := strings.Join(strings.Fields(r.Name), " ")
	if name == "" || len(lines) < 2 { // one line is "protected" or "unknown", not an address
		return address{}, post.FaultNoAddress
	}
	if utf8.RuneCountInString(name) > maxName {
		return address{}, post.FaultAddressForm.At("the name is longer than %d characters", maxName)
	}
	a := address{name: name, country: "DK"}
	if code, ok := countries[strings.ToLower(lines[len(lines)-1])]; ok {
		a.country, lines = code, lines[:len(lines)-1]
	}
	last := postLine.FindStringSubmatch(lines[len(lines)-1])
	if a.country == "DK" && last == nil {
		return address{}, post.FaultAddressForm.At("the last line is neither a Danish post code nor a known country")
	}
	if a.country == "DK" {
		a.postCode = last[1]
		if a.structural(lines[:len(lines)-1]) {
			return a, nil
		}
	}
	return a.free(lines)
}

// structural fills in the structural form from the lines above the postal one,
// and reports whether they fit it to the last character.
func (a *address) structural(lines []string) bool {
	var s address
	if len(lines) > 0 {
		if m := coLine.FindStringSubmatch(lines[0]); m != nil {
			s.co, lines = m[1], lines[1:]
		}
	}
	if len(lines) == 0 || len(lines) > 2 {
		return false
	}
	m := streetLine.FindStringSubmatch(lines[0])
	if m == nil || longer(m[1], maxStreet) || longer(s.co, maxName) {
		return false
	}
	s.street, s.building = m[1], m[2]+m[3]
	if m[4] != "" {
		f := floorDoor.FindStringSubmatch(m[4])
		if f == nil || longer(f[2], maxSuite) {
			return false
		}
		s.floor, s.suite = f[1], f[2]
	}
	if len(lines) == 2 {
		// A town has no number; a second street or a post box would have one.
		if longer(lines[1], maxTown) || strings.ContainsAny(lines[1], "0123456789,/") {
			return false
		}
		s.town = lines[1]
	}
	a.co, a.street, a.building, a.floor, a.suite, a.town = s.co, s.street, s.building, s.floor, s.suite, s.town
	return true
}

// free returns a with its lines as they are.
func (a address) free(lines []string) (address, error) {
	if len(lines) > maxLines {
		return address{}, post.FaultAddressForm.At("more than %d lines", maxLines)
	}
	for i, l := range lines {
		if longer(l, maxLine) {
			return address{}, post.FaultAddressForm.At("line %d is longer than %d characters", i+1, maxLine)
		}
	}
	a.lines = lines
	return a, nil
}

func longer(s string, limit int) bool { return utf8.RuneCountInString(s) > limit }

// countries are the names, in Danish and in the country's own or English
// spelling, that an address may end with. What is not listed is refused: a wrong
// country code sends the letter round the world.
var countries = map[string]string{
	"dk": "DK", "danmark": "DK", "denmark": "DK", "se": "SE", "sverige": "SE", "sweden": "SE",
	"no": "NO", "norge": "NO", "norway": "NO", "de": "DE", "tyskland": "DE", "deutschland": "DE", "germany": "DE",
	"fi": "FI", "finland": "FI", "suomi": "FI", "is": "IS", "island": "IS", "iceland": "IS",
	"gl": "GL", "grønland": "GL", "greenland": "GL", "kalaallit nunaat": "GL",
	"fo": "FO", "færøerne": "FO", "faroe islands": "FO", "føroyar": "FO",
	"nl": "NL", "holland": "NL", "nederlandene": "NL", "netherlands": "NL", "be": "BE", "belgien": "BE", "belgium": "BE",
	"lu": "LU", "luxembourg": "LU", "fr": "FR", "frankrig": "FR", "france": "FR", "es": "ES", "spanien": "ES", "spain": "ES",
	"pt": "PT", "portugal": "PT", "it": "IT", "italien": "IT", "italy": "IT", "gr": "GR", "grækenland": "GR", "greece": "GR",
	"ch": "CH", "schweiz": "CH", "switzerland": "CH", "at": "AT", "østrig": "AT", "austria": "AT",
	"pl": "PL", "polen": "PL", "poland": "PL", "cz": "CZ", "tjekkiet": "CZ", "czechia": "CZ", "hu": "HU", "ungarn": "HU", "hungary": "HU",
	"ee": "EE", "estland": "EE", "estonia": "EE", "lv": "LV", "letland": "LV", "latvia": "LV", "lt": "LT", "litauen": "LT", "lithuania": "LT",
	"ie": "IE", "irland": "IE", "ireland": "IE", "gb": "GB", "storbritannien": "GB", "united kingdom": "GB", "england": "GB",
	"us": "US", "usa": "US", "united states": "US", "ca": "CA", "canada": "CA", "au": "AU", "australia": "AU",
	"nz": "NZ", "new zealand": "NZ", "th": "TH", "thailand": "TH", "tr": "TR", "tyrkiet": "TR",
}
