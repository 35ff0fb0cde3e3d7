package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMisuseIsToldApartFromFailure(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want int
		says string
	}{
		{"no command", nil, exitMisuse, "serve"},
		{"another command", []string{"fly"}, exitMisuse, "serve"},
		{"no directory", []string{"serve"}, exitMisuse, "-dir"},
		{"an unknown flag", []string{"serve", "-wings"}, exitMisuse, "-wings"},
		{"a host beyond this machine", []string{"serve", "-dir", t.TempDir(), "-listen-host", "0.0.0.0"}, exitFailed, "POST-7201"},
		{"a callback's authority that is none", []string{"serve", "-dir", t.TempDir(), "-status-ca", "main.go"}, exitFailed, "no certificate"},
		{"help", []string{"serve", "-h"}, exitDone, "-listen-host"},
		{"help on all of it", []string{"-help"}, exitDone, "attack"},
		{"help on all of it, in short", []string{"-h"}, exitDone, "chaos"},
		{"help on all of it, with two dashes", []string{"--help"}, exitDone, "serve"},
	} {
		var out, errs bytes.Buffer
		if got := run(t.Context(), c.args, &out, &errs); got != c.want || !strings.Contains(errs.String(), c.says) {
			t.Errorf("%s: %d, %s", c.name, got, errs.String())
		}
	}
}

// safe is a buffer that two goroutines share.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestServeSaysWhereEverythingIsAndStopsOnDemand(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	var out, errs safe
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "-dir", dir, "-pages-port", "0", "-digitalpost-port", "0", "-nemlogin-port", "0", "-kombipost-port", "0"}, &out, &errs)
	}()
	for end := time.Now().Add(time.Minute); !strings.Contains(out.String(), "print events") && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	if code := <-ended; code != exitDone {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		where := line[strings.LastIndexByte(line, ' ')+1:]
		if strings.HasPrefix(where, "https://127.0.0.1:") {
			continue
		}
		if _, err := os.Stat(where); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "tokens", "engdal")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("token: %v %v", info, err)
	}
}
