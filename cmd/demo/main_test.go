package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/cmd/internal/devcerts"
)

// made is a set of certificates that tests copy, since new RSA keys take long.
// It lies in madeIn, which TestMain removes.
var (
	made = sync.OnceValue(func() (err error) {
		if madeIn, err = os.MkdirTemp("", "sikkerpost-demo-certs-"); err == nil {
			_, err = devcerts.Make(madeIn, devcerts.Options{})
		}
		return err
	})
	madeIn string
)

// stateDir returns a fresh state directory with nothing in it but certificates.
func stateDir(t *testing.T) string {
	t.Helper()
	if err := made(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certs := filepath.Join(dir, "certs")
	if err := errors.Join(os.CopyFS(certs, os.DirFS(madeIn)), ownersOnly(certs)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ownersOnly gives files back to their owner alone; [os.CopyFS] does not.
func ownersOnly(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	})
}

func TestWrongUseIsRefusedAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, says string
		code       int
		args       []string
	}{
		{"every interface", "POST-7201", exitFailed, []string{"-listen-host", "0.0.0.0"}},
		{"a name instead of an address", "POST-7201", exitFailed, []string{"-listen-host", "localhost"}},
		{"a word that is no flag", "not a flag", exitMisuse, []string{"story"}},
		{"an unknown flag", "flag provided but not defined", exitMisuse, []string{"-x"}},
		{"a file as state directory", "not a directory", exitFailed, []string{"-dir", file}},
		{"an unknown kind of database", "neither sqlite:// nor postgres://", exitFailed, []string{"-database", "mysql://x"}},
		{"a state file where nobody can write", "write state", exitFailed, []string{"-state", filepath.Join(file, "x")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var out, log bytes.Buffer
			if code := run(ctx, append([]string{"-dir", stateDir(t)}, c.args...), &out, &log); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if !strings.Contains(log.String(), c.says) || out.Len() > 0 {
				t.Errorf("it says %q and prints %q", &log, &out)
			}
		})
	}
}

// TestTheStoryWantsAFreshStart plays on a house that has sent something before,
// over IPv6 for a change.
func TestTheStoryWantsAFreshStart(t *testing.T) {
	host := "::1"
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Logf("LEFT OUT, because this machine has no IPv6: listening on ::1")
		host = "127.0.0.1"
	} else {
		l.Close()
	}
	dir := stateDir(t)
	memo := filepath.Join(dir, "simulator", "digitalpost", "019a8000-0000-7000-8000-000000000001.xml")
	if err := os.MkdirAll(filepath.Dir(memo), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(memo, []byte("<x/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	code := run(t.Context(), []string{"-dir", dir, "-listen-host", host, "-story"}, &out, &log)
	if code != exitFailed || !strings.Contains(log.String(), "wants a fresh start") || out.Len() > 0 {
		t.Errorf("exit %d, printed %q, said %q", code, &out, &log)
	}
}
