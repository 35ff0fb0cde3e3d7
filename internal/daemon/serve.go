package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Limits of every server. A handler that needs others sets them itself with
// [http.ResponseController].
const (
	headerTimeout = 10 * time.Second // a slow header is an attack, not a slow line
	idleTimeout   = 2 * time.Minute
	// bodyTimeout lets 75 MB through a line of 1 Mbit/s, in either direction.
	bodyTimeout = 11 * time.Minute
	headerBytes = 64 << 10
	// drainTimeout leaves the other tasks a moment of [Drain].
	drainTimeout = Drain - 3*time.Second
)

// A Server says what [Serve] needs.
type Server struct {
	Name     string // of the task: "portal https"
	Listener net.Listener
	Handler  http.Handler
	// TLS is required; [config.ServerTLS] makes it. At least TLS 1.2 is forced.
	TLS *tls.Config
	Log *slog.Logger
}

// Serve returns the task that serves HTTPS (HTTP/1.1 and HTTP/2) with sane
// limits. When told to stop it closes the listener at once and lets requests
// under way finish. It names every gap in s.
//
// What net/http itself has to say is logged without the caller's address and
// without the value of a panic, which may hold personal data.
func Serve(s Server) (Task, error) {
	var gaps []error
	need := func(ok bool, field string) {
		if !ok {
			gaps = append(gaps, fmt.Errorf("daemon: %s is required", field))
		}
	}
	need(s.Name != "", "Name")
	need(s.Listener != nil, "Listener")
	need(s.Handler != nil, "Handler")
	need(s.TLS != nil, "TLS")
	need(s.Log != nil, "Log")
	if len(gaps) > 0 {
		return Task{}, errors.Join(gaps...)
	}
	conf := s.TLS.Clone()
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
	server := newServer(s.Handler, s.Log.With(slog.String("server", s.Name)))
	server.TLSConfig = conf
	return Task{Name: s.Name, Run: func(ctx context.Context) error {
		return serve(ctx, server, func() error { return server.ServeTLS(s.Listener, "", "") })
	}}, nil
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      bodyTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(quiet{log.Handler()}, slog.LevelWarn),
	}
}

// serve runs listen until ctx ends, then drains server.
func serve(ctx context.Context, server *http.Server, listen func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- listen() }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	// The caller's context is over; draining needs one that still lives.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return fmt.Errorf("drain requests: %w", errors.Join(err, server.Close()))
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// quiet rewrites what net/http logs into events without addresses and without
// the values of panics.
type quiet struct{ slog.Handler }

// Handle implements [slog.Handler].
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, slog.LevelDebug, "server event", 0)
	switch text := r.Message; {
	case strings.HasPrefix(text, "http: panic serving"):
		out.Level, out.Message = slog.LevelError, "handler panicked"
		if at := strings.LastIndex(text, "\ngoroutine "); at >= 0 {
			out.AddAttrs(slog.String("stack", withoutPanicValue(text[at+1:])))
		}
	case strings.HasPrefix(text, "http: TLS handshake error"):
		out.Message = "handshake refused"
		// "… from ADDRESS: reason"; an IPv6 address ends in "]:port".
		if _, after, ok := strings.Cut(text, " from "); ok {
			if _, reason, ok := strings.Cut(after, ": "); ok {
				out.AddAttrs(slog.String("reason", reason))
			}
		}
	case strings.HasPrefix(text, "http: Accept error"):
		out.Level, out.Message = slog.LevelWarn, "accept failed"
	}
	if !q.Handler.Enabled(ctx, out.Level) {
		return nil
	}
	return q.Handler.Handle(ctx, out)
}

// Enabled implements [slog.Handler]: the level is decided in Handle.
func (quiet) Enabled(context.Context, slog.Level) bool { return true }

// withoutPanicValue drops the lines of a stack that repeat what was panicked with.
func withoutPanicValue(stack string) string {
	var kept []string
	for line := range strings.Lines(stack) {
		if strings.HasPrefix(line, "panic(") {
			line = "panic(…)\n"
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "")
}
