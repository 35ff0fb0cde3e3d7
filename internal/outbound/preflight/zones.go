package preflight

import "sikkerpost.dk/gateway/internal/post"

// A Zone is a rectangle of the page, in mm from the top left corner.
type Zone struct {
	Name                     string
	Top, Left, Height, Width float64
}

// The zones of a window envelope, by the sheet "A4 layout" of 2013-10-16 that
// print houses hand to Danish authorities.
var (
	zoneReturnLine = Zone{"sender line", 37, 21, 4, 71}
	zoneAddress    = Zone{"address field", 41, 21, 21, 59}
	zoneSlack      = Zone{"envelope slack", 0, 0, 89, 115}

	// windowZones are read by machines through the window.
	windowZones = []Zone{
		{"postal bar code", 25, 19, 10, 79},
		{"postal group", 48, 80, 4, 12},
		{"SRM code", 52, 80, 12, 12},
		{"shipment id", 37, 92, 25, 4},
	}
	// sheetZones are read by the machine that folds, on every sheet.
	sheetZones = []Zone{
		{"OMR codes", 0, 0, 180, 17},
		{"SDL codes", 176, 203, 100, 7},
	}
)

const (
	pageWidth, pageHeight = 210.0, 297.0
	// white is the gray from which paper counts as blank.
	white = 245
	// soft is how much of a zone's edge does not count: half a dot and more of
	// smoothing lies there.
	soft = 0.5
	// specks is how many dots of dust a zone may have.
	specks = 2
)

// zonesOf returns what must be white on a page. first is the page that lies
// behind the window, unless a cover sheet does.
func zonesOf(r Rules, first bool) []Zone {
	m := float64(r.Margin)
	zones := []Zone{
		{"top margin", 0, 0, m, pageWidth}, {"bottom margin", pageHeight - m, 0, m, pageWidth},
		{"left margin", 0, 0, pageHeight, m}, {"right margin", 0, pageWidth - m, pageHeight, m},
	}
	zones = append(zones, sheetZones...)
	if !first || r.Window == Cover {
		return zones
	}
	zones = append(zones, windowZones...)
	if r.Window == Overprint {
		zones = append(zones, zoneReturnLine, zoneAddress)
	}
	return zones
}

// look compares a page with the zones that must be white.
func look(p Picture, page int, zones []Zone, found *findings) {
	if p.Width <= 0 || p.Height <= 0 || len(p.Gray) != p.Width*p.Height {
		found.at(post.FaultNotPrintable, page, "it cannot be shown")
		return
	}
	for _, z := range zones {
		if ink(p, z) > specks {
			found.at(post.FaultPaperZone, page, z.Name)
		}
	}
}

// ink counts the dots of a zone that are not white. A zone at the edge of the
// page is soft only inside.
func ink(p Picture, z Zone) int {
	perMM := Resolution / 25.4
	inner := func(at, edge float64, sign float64) int {
		if at <= 0 || at >= edge {
			return int(at * perMM)
		}
		return int((at+sign*soft)*perMM + 0.5)
	}
	top, bottom := inner(z.Top, pageHeight, 1), inner(z.Top+z.Height, pageHeight, -1)
	left, right := inner(z.Left, pageWidth, 1), inner(z.Left+z.Width, pageWidth, -1)
	n := 0
	for y := max(top, 0); y < min(bottom, p.Height); y++ {
		for _, gray := range p.Gray[y*p.Width+min(left, p.Width) : y*p.Width+min(max(left, right), p.Width)] {
			if gray < white {
				n++
			}
		}
	}
	return n
}
