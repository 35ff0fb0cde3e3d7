package daemon

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var discard = slog.New(slog.DiscardHandler)

func untilStopped(name string, drain time.Duration, stopped *bool) Task {
	return Task{name, func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(drain)
		*stopped = true
		return ctx.Err()
	}}
}

func TestRun(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name      string
		other     func(context.Context) error
		stopAfter time.Duration // 0: never
		want      error
		wantText  string
	}{
		{name: "the end of the context is no failure", stopAfter: time.Hour,
			other: func(ctx context.Context) error { <-ctx.Done(); return nil }},
		{name: "the first failure stops all and is named", want: boom, wantText: "other: boom",
			other: func(context.Context) error { return boom }},
		{name: "a task that ends untold has failed", want: errEnded, wantText: "other: ended",
			other: func(context.Context) error { return nil }},
		{name: "canceled before the stop is a failure", want: context.Canceled,
			other: func(context.Context) error { return context.Canceled }},
		{name: "a failure while draining is told", stopAfter: time.Second, want: boom,
			other: func(ctx context.Context) error { <-ctx.Done(); return boom }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.stopAfter > 0 {
					time.AfterFunc(tt.stopAfter, cancel)
				}
				var drained bool
				err := Run(ctx, discard, untilStopped("sweeper", 20*time.Second, &drained), Task{"other", tt.other})
				if !errors.Is(err, tt.want) {
					t.Fatalf("Run = %v, want %v", err, tt.want)
				}
				if tt.want != nil && !strings.Contains(err.Error(), tt.wantText) {
					t.Errorf("Run = %q, want it to contain %q", err, tt.wantText)
				}
				if !drained {
					t.Error("Run returned before the other task had drained")
				}
			})
		})
	}
}

func TestRunLeavesBehindWhatDoesNotDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		release := make(chan struct{})
		start := time.Now()
		err := Run(ctx, discard, Task{"stuck", func(context.Context) error { <-release; return nil }})
		if err == nil || !strings.Contains(err.Error(), "stuck") {
			t.Errorf("Run = %v, want the stuck task named", err)
		}
		if took := time.Since(start); took != Drain {
			t.Errorf("Run took %s, want %s", took, Drain)
		}
		close(release)
	})
}

func TestQuietLogHasNoAddressAndNoPanicValue(t *testing.T) {
	var out bytes.Buffer
	log := slog.NewLogLogger(quiet{slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})}, slog.LevelWarn)
	log.Print("http: panic serving [::1]:4711: secret \nvalue\ngoroutine 7 [running]:\npanic({0x1, 0x2}, \"secret\")\nmain.f()\n\t/x.go:1")
	log.Print("http: TLS handshake error from 127.0.0.1:4711: tls: client didn't provide a certificate")
	log.Print("http: TLS handshake error from [2001:db8::1]:4711: EOF")
	log.Print("http: something new about 127.0.0.1:4711 and secret")
	text := out.String()
	for _, no := range []string{"4711", "127.0.0.1", "db8", "secret", "::1"} {
		if strings.Contains(text, no) {
			t.Errorf("the log contains %q:\n%s", no, text)
		}
	}
	for _, yes := range []string{"handler panicked", "main.f()", "client didn't provide a certificate", "reason=EOF", "server event"} {
		if !strings.Contains(text, yes) {
			t.Errorf("the log lacks %q:\n%s", yes, text)
		}
	}
	if n := strings.Count(text, "level=ERROR"); n != 1 {
		t.Errorf("%d errors logged, want 1:\n%s", n, text)
	}
}
