package portalweb_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/portalweb"
)

// TestAStrangersBodyThatNeverComesHoldsNoConnection: whatever path it is for,
// taken or turned away, announced or in chunks.
func TestAStrangersBodyThatNeverComesHoldsNoConnection(t *testing.T) {
	one := portalweb.Door{Each: portalweb.Rate{PerMinute: 1, Burst: 1}, All: portalweb.Rate{PerMinute: 1, Burst: 1}}
	for name, limits := range map[string]portalweb.Limits{
		"taken":       {Body: 50 * time.Millisecond},
		"turned away": {Body: 50 * time.Millisecond, Login: one, Answer: one, Page: one},
	} {
		c := newTown(t, func(p *portalweb.Config) { p.Limits = limits })
		if name == "turned away" {
			for _, path := range []string{"/saml/acs", "/"} { // the only ones that are let in
				r, err := c.Client().Get(c.URL + path)
				if err != nil {
					t.Fatal(err)
				}
				r.Body.Close()
			}
		}
		for _, path := range []string{"/saml/acs", "/saml/slo", "/tjek-kvittering", "/ny/filer", "/nowhere"} {
			for _, length := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked"} {
				t.Run(name+" "+path+" "+length, func(t *testing.T) {
					conn, err := tls.Dial("tcp", c.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the test's own server
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: portal.example\r\nContent-Type: application/x-www-form-urlencoded\r\n%s\r\n\r\n", path, length)
					if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
						t.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, conn); err != nil {
						t.Errorf("the connection is still held: %v", err)
					}
				})
			}
		}
	}
}

// TestAnUploadOfSomebodyLoggedInMayTakeItsTime: it is slower than a stranger's
// body may be.
func TestAnUploadOfSomebodyLoggedInMayTakeItsTime(t *testing.T) {
	c := newTown(t, func(p *portalweb.Config) { p.Limits.Body = 50 * time.Millisecond })
	who := c.citizen(t, "nancy", "da")
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.WriteField("next", "1"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	in, out := io.Pipe()
	go func() {
		half := form.Len() / 2
		_, _ = out.Write(form.Bytes()[:half])
		time.Sleep(90 * time.Millisecond)
		_, _ = out.Write(form.Bytes()[half:])
		out.Close()
	}()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+"/ny/filer", in)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	got, err := who.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusOK {
		t.Errorf("answered %d", got.StatusCode)
	}
}
