package portalweb

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"time"
)

// icon is the sign of the site in a browser's tabs: an envelope. Every browser
// asks for it; without it each visit leaves a refusal in the log.
var icon = drawIcon()

// drawIcon draws 32 by 32 points in the colors --deep and --paper of the style.
func drawIcon() []byte {
	const size = 32
	img := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{
		color.RGBA{}, color.RGBA{0x0d, 0x4f, 0x5c, 0xff}, color.RGBA{0xff, 0xff, 0xff, 0xff},
	})
	for y := 6; y < 26; y++ {
		for x := 2; x < 30; x++ {
			img.SetColorIndex(x, y, 1)
		}
	}
	for x := 2; x < 30; x++ { // the flap: down to the middle, and up again
		y := 8 + min(x-2, 29-x)*10/13
		img.SetColorIndex(x, y, 2)
		img.SetColorIndex(x, y+1, 2)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic("portalweb: encode icon: " + err.Error()) // a buffer takes everything
	}
	return b.Bytes()
}

func (s *Site) favicon(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(icon))
	return nil
}
