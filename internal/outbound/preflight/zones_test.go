package preflight

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"

	"sikkerpost.dk/gateway/internal/outside"
)

// TestZonesAreThoseOfTheSheet compares our zones with the official layout.
func TestZonesAreThoseOfTheSheet(t *testing.T) {
	path, ok := outside.Data(t, "kombipost/derived/fjernprint-a4-zones-mm.csv", "the official zones of a sheet")
	if !ok {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]Zone{
		"sender_return_line": zoneReturnLine, "recipient_field": zoneAddress, "window_slack_zone": zoneSlack,
		"postal_barcode": windowZones[0], "postal_group": windowZones[1], "srm_code": windowZones[2], "cvr_shipment_id_vertical": windowZones[3],
		"omr_code_zone": sheetZones[0], "sdl_code_zone": sheetZones[1],
	}
	for _, row := range rows[1:] {
		z, ok := ours[row[0]]
		if !ok {
			continue // the logo and the data line are not kept free
		}
		delete(ours, row[0])
		for i, have := range []float64{z.Top, z.Left, z.Height, z.Width} {
			if want, err := strconv.ParseFloat(row[1+i], 64); err != nil || want != have {
				t.Errorf("%s: %v, want %s", row[0], have, row[1+i])
			}
		}
	}
	if len(ours) > 0 {
		t.Errorf("the sheet does not know %v", ours)
	}
}

// TestInkIsFoundInItsZoneOnly puts one dot everywhere on a raster and asks which
// zones see it.
func TestInkIsFoundInItsZoneOnly(t *testing.T) {
	const width, height = 595, 842
	for _, z := range append(append([]Zone{}, windowZones...), sheetZones...) {
		for _, at := range []struct {
			x, y float64
			in   bool
		}{
			{z.Left + z.Width/2, z.Top + z.Height/2, true},
			{z.Left + 1, z.Top + 1, true},
			{z.Left + z.Width - 1.2, z.Top + z.Height - 1.2, true},
			{z.Left + z.Width + 1, z.Top + z.Height/2, false},
			{z.Left + z.Width/2, z.Top + z.Height + 1, false},
			{z.Left - 1, z.Top + z.Height/2, false},
			{z.Left + z.Width/2, z.Top - 1, false},
		} {
			x, y := int(at.x*Resolution/25.4), int(at.y*Resolution/25.4)
			if x < 1 || y < 1 || x > width-3 || y > height-3 {
				continue // off the page
			}
			p := Picture{Width: width, Height: height, Gray: make([]byte, width*height)}
			for i := range p.Gray {
				p.Gray[i] = 255
			}
			for dx := range 2 { // 2 × 2 dots: more than dust
				for dy := range 2 {
					p.Gray[(y+dy-1)*width+x+dx-1] = 0
				}
			}
			if got := ink(p, z) > specks; got != at.in {
				t.Errorf("%s sees a dot at %.1f, %.1f mm: %t", z.Name, at.x, at.y, got)
			}
		}
	}
}
