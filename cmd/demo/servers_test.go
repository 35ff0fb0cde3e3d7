package main

import (
	"bytes"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/outside"
)

// TestTheStoryPlaysOnRealServers plays it on PostgreSQL and redis-server, as an
// installation on more than one machine has them.
func TestTheStoryPlaysOnRealServers(t *testing.T) {
	address, ok := suite.Server(t, "the story on PostgreSQL")
	if !ok {
		return
	}
	tool, ok := outside.Program(t, "redis-server", "the story on a real Redis")
	if !ok {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	redis := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(redis)
	server := exec.Command(tool, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", redis); err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("redis-server does not listen")
		}
	}
	var out, talk bytes.Buffer
	if code := run(t.Context(), []string{"-story", "-dir", t.TempDir(), "-redis", redis, "-database", suite.Schema(t, address)}, &out, &talk); code != exitDone {
		t.Fatalf("exit %d\n%s%s", code, out.String(), talk.String())
	}
	if !strings.Contains(out.String(), "all as promised") {
		t.Error(out.String())
	}
}
