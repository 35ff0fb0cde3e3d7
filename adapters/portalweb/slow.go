package portalweb

import (
	"io"
	"net/http"
	"time"
)

const (
	// usualBody is what a body may take: 128 KB at 35 kbit/s. A stranger's request
	// whose body never comes holds a connection no longer, and one that is turned
	// away neither.
	usualBody = 30 * time.Second
	// uploadTime lets 75 MB of somebody logged in through a line of 1 Mbit/s.
	uploadTime = 11 * time.Minute
)

// hurry lets r's body take no longer than within; once it is read, nothing hurries
// any more. An upload is left the server's own body, of which a large one is not
// read to its end when it is refused; whoever takes it says how long it may take.
func hurry(w http.ResponseWriter, r *http.Request, within time.Duration) {
	if r.ContentLength == 0 || r.Body == nil {
		return
	}
	if readUntil(w, within) == nil && r.URL.Path != uploadPath {
		r.Body = &hurried{r.Body, w}
	}
}

// readUntil gives what is left of the body so much time from now on. A writer that
// has no connection answers an error.
func readUntil(w http.ResponseWriter, d time.Duration) error {
	return http.NewResponseController(w).SetReadDeadline(time.Now().Add(d))
}

type hurried struct {
	io.ReadCloser
	w http.ResponseWriter
}

func (h *hurried) Read(p []byte) (n int, err error) {
	n, err = h.ReadCloser.Read(p)
	if err == io.EOF { // the connection is read on, for its end; that must not come by the clock
		_ = readUntil(h.w, uploadTime) // the connection may be gone
	}
	return n, err
}
