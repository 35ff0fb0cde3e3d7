package clamd_test

import (
	"bytes"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/clamd"
	"sikkerpost.dk/gateway/adapters/clamd/clamdtest"
	"sikkerpost.dk/gateway/internal/inbound/intake"
)

func start(t *testing.T, s *clamdtest.Server) *clamd.Client {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c, err := clamd.New(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestScan(t *testing.T) {
	tests := []struct {
		name    string
		server  *clamdtest.Server
		body    string
		want    intake.Verdict
		wantErr string
	}{
		{name: "a clean file is clean", body: "hello", want: intake.Clean},
		{name: "a file larger than a chunk is seen whole", body: strings.Repeat("x", 200<<10) + "evil", want: intake.Infected},
		{name: "a find is infected", body: "some evil here", want: intake.Infected},
		{name: "an empty file is clean", body: "", want: intake.Clean},
		{name: "beyond the daemon's limit nothing is known", server: &clamdtest.Server{Limit: 100 << 10},
			body: strings.Repeat("x", 8<<20), wantErr: "clamd"},
		{name: "an answer that only looks clean is not clean", server: &clamdtest.Server{Answer: "stream: OK (probably)"},
			body: "x", wantErr: "answered"},
		{name: "an error of the daemon is an error", server: &clamdtest.Server{Answer: "stream: Can't allocate memory ERROR"},
			body: "x", wantErr: "answered"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.server == nil {
				test.server = &clamdtest.Server{}
			}
			test.server.Markers = map[string]string{"evil": "Test.Evil.UNOFFICIAL"}
			c := start(t, test.server)
			got, err := c.Scan(t.Context(), strings.NewReader(test.body))
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("got %q, %v; want an error with %q", got, err, test.wantErr)
				}
				return
			}
			if err != nil || got != test.want {
				t.Fatalf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestPing(t *testing.T) {
	c := start(t, &clamdtest.Server{})
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAbsentDaemonIsAnError(t *testing.T) {
	s := &clamdtest.Server{}
	c := start(t, s)
	s.Close()
	if v, err := c.Scan(t.Context(), bytes.NewReader(nil)); err == nil {
		t.Fatalf("got %q from nobody", v)
	}
}

func TestNewRefusesOtherAddresses(t *testing.T) {
	for _, a := range []string{"", "clamd.ctl", "http://x", "tcp://host", "unix://"} {
		if _, err := clamd.New(a); err == nil {
			t.Errorf("%q was taken", a)
		}
	}
}
