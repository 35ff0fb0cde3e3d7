package portalweb_test

import (
	"image/png"
	"net/http"
	"strings"
	"testing"
)

func TestABrowserFindsTheIconThatItAsksFor(t *testing.T) {
	town := newTown(t)
	resp, err := town.Client().Get(town.URL + "/favicon.ico")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	img, err := png.Decode(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "image/png" || img.Bounds().Dx() != 32 {
		t.Errorf("%d %q %v", resp.StatusCode, resp.Header.Get("Content-Type"), err)
	}
	if !strings.Contains(resp.Header.Get("Cache-Control"), "max-age") || len(resp.Cookies()) > 0 {
		t.Errorf("it is asked for again and again, or sets something: %v", resp.Header)
	}
	if log := town.log.String(); strings.Contains(log, "POST-0002") || strings.Contains(log, "favicon") {
		t.Errorf("it is on the log: %s", log)
	}
}
