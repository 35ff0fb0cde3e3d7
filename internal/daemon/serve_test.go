package daemon_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/daemon"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// start runs task and returns what stops it and yields its error.
func start(t *testing.T, task daemon.Task) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- task.Run(ctx) }()
	t.Cleanup(cancel)
	return func() error { cancel(); return <-ended }
}

func TestServeDrainsRequestsUnderWay(t *testing.T) {
	borrowed := httptest.NewTLSServer(nil) // for its certificate
	defer borrowed.Close()
	conf := &tls.Config{Certificates: borrowed.TLS.Certificates}
	entered, release := make(chan struct{}), make(chan struct{})
	l := listen(t)
	task, err := daemon.Serve(daemon.Server{Name: "test https", Listener: l, TLS: conf, Log: slog.New(slog.DiscardHandler),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			io.WriteString(w, "done")
		})})
	if err != nil {
		t.Fatal(err)
	}
	stop := start(t, task)
	clientConf := &tls.Config{RootCAs: x509.NewCertPool()}
	clientConf.RootCAs.AddCert(borrowed.Certificate())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: clientConf, ForceAttemptHTTP2: true}}
	type answer struct {
		body string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		resp, err := client.Get("https://" + l.Addr().String())
		if err != nil {
			got <- answer{err: err}
			return
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		got <- answer{string(b), err}
	}()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	close(release)
	if a := <-got; a.err != nil || a.body != "done" {
		t.Errorf("request under way at the stop got %q, %v; want it finished", a.body, a.err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run = %v after the drain, want nil", err)
	}
	if c, err := tls.Dial("tcp", l.Addr().String(), clientConf); err == nil {
		c.Close()
		t.Error("a connection was taken after the stop")
	}
}

func TestServeNamesEveryGap(t *testing.T) {
	_, err := daemon.Serve(daemon.Server{})
	for _, field := range []string{"Name", "Listener", "Handler", "TLS", "Log"} {
		if err == nil || !strings.Contains(err.Error(), field+" is required") {
			t.Errorf("Serve = %v, want it to name %s", err, field)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestAdmin(t *testing.T) {
	var down error
	l := listen(t)
	stop := start(t, daemon.AdminOn(l, map[string]func(context.Context) error{
		"database": func(context.Context) error { return nil },
		"redis":    func(context.Context) error { return down },
	}))
	base := "http://" + l.Addr().String()
	if code, body := get(t, base+"/livez"); code != 200 || !strings.Contains(body, "true") {
		t.Errorf("/livez = %d %s", code, body)
	}
	if code, body := get(t, base+"/readyz"); code != 200 || !strings.Contains(body, `"ready":true`) {
		t.Errorf("/readyz with all well = %d %s", code, body)
	}
	down = errors.New("connection refused")
	code, body := get(t, base+"/readyz")
	var answer struct {
		Ready  bool
		Checks map[string]string
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if code != 503 || answer.Ready || answer.Checks["redis"] != "failed" || answer.Checks["database"] != "ok" {
		t.Errorf("/readyz with redis down = %d %s", code, body)
	}
	if strings.Contains(body, "refused") {
		t.Errorf("/readyz tells the reason unasked: %s", body)
	}
	if _, body := get(t, base+"/readyz?verbose"); !strings.Contains(body, "connection refused") {
		t.Errorf("/readyz?verbose = %s, want the reason", body)
	}
	if code, body := get(t, base+"/metrics"); code != 200 || !strings.Contains(body, "post_build_info{") {
		t.Errorf("/metrics = %d, want post_build_info", code)
	}
	if err := daemon.Health(t.Context(), l.Addr().String()); err != nil {
		t.Errorf("Health = %v, want nil", err)
	}
	if err := stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if err := daemon.Health(t.Context(), l.Addr().String()); err == nil {
		t.Error("Health of a stopped program = nil, want an error")
	}
}

type noApp struct{}

func (noApp) URL() string               { return "" }
func (noApp) Run(context.Context) error { return nil }

func TestMainRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "portal.json")
	if err := os.WriteFile(bad, []byte(`{"lisen": ":1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(context.Context, config.Portal, *slog.Logger) (noApp, error) {
		t.Error("opened in spite of a wrong configuration")
		return noApp{}, nil
	}
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"help is no misuse", []string{"-h"}, 0, "exit codes"},
		{"the version needs no configuration", []string{"-config", bad, "-version"}, 0, ""},
		{"help names the further commands", []string{"-h"}, 0, "portal further-command -h"},
		{"an unknown flag", []string{"-nope"}, 2, "usage"},
		{"an unknown word", []string{"-config", bad, "helth"}, 2, "usage"},
		{"a wrong file lists its faults", []string{"-config", bad, "-check"}, 78, `lisen: unknown key`},
		{"a missing file", []string{"-config", bad + "x"}, 78, "POST-0901"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := daemon.Main("portal", tt.args, &stderr, open, "further-command"); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("stderr lacks %q:\n%s", tt.want, stderr.String())
			}
		})
	}
}
