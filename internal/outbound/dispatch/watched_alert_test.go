package dispatch

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// refusing is a connection on which the other side's alert about our certificate
// comes instead of the answer to the nth request.
type refusing struct {
	net.Conn
	after int // answers that come before
	alert chan struct{}
}

func (c *refusing) Read(p []byte) (int, error) {
	if c.after == 0 {
		<-c.alert
		return 0, &net.OpError{Op: "remote error", Err: errors.New("tls: revoked certificate")}
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.after--
	}
	return n, err
}

// TestAnAlertProvesNothingOnAConnectionThatWasLetIn: at the first shaking of hands
// nobody has read the form; later it may have been read, whatever is said then.
func TestAnAlertProvesNothingOnAConnectionThatWasLetIn(t *testing.T) {
	for name, c := range map[string]struct {
		before  int // requests that the connection has carried
		expect  bool
		traced  bool
		want    Verdict
		answers int
	}{
		"a new connection":                        {0, false, true, NotTaken, 0},
		"one that carried a letter":               {1, false, true, Unknown, 1},
		"a new one whose server asked for more":   {0, true, true, Unknown, 1},
		"one of which nobody knows whether it is": {0, false, false, Unknown, 0},
	} {
		ours, theirs := net.Pipe()
		conn := &refusing{Conn: ours, after: c.answers, alert: make(chan struct{})}
		go serve(theirs, c.before, c.expect, conn.alert)
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
		client := &http.Client{Transport: transport}
		hand := func() (*Watched, error) {
			w := Watch(io.NopCloser(strings.NewReader("form")))
			ctx := t.Context()
			if c.traced {
				ctx = w.Trace(ctx)
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://carrier.invalid/", w)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = 4
			if c.expect {
				req.Header.Set("Expect", "100-continue")
				transport.ExpectContinueTimeout = 1 << 40
			}
			answer, err := client.Do(req)
			if err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
			return w, err
		}
		for range c.before {
			if _, err := hand(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		w, err := hand()
		if got, code := w.Verdict(err, 4); err == nil || got != c.want || code != CodeForbidden {
			t.Errorf("%s: %s %s, %v", name, got, code, err)
		}
		ours.Close()
		theirs.Close()
	}
}

// serve answers some requests, reads the form of one more and lets the alert come.
func serve(c net.Conn, answers int, expect bool, alert chan struct{}) {
	defer close(alert)
	r := bufio.NewReader(c)
	for n := 0; ; n++ {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if expect {
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		_, _ = io.ReadAll(req.Body)
		if n == answers {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}
}
