package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"sikkerpost.dk/gateway/internal/persona"
)

// TestNoCPRNumberStandsInClear plays the whole story with every event logged
// and then searches the state directory, the log and a dump of Redis for each
// CPR number of the story. Only the simulators' own part may hold them; it must,
// or the search would prove nothing.
func TestNoCPRNumberStandsInClear(t *testing.T) {
	if testing.Short() {
		t.Log("LEFT OUT with -short: the search for CPR numbers after a whole story")
		return
	}
	dir, redis := t.TempDir(), miniredis.RunT(t)
	var out, log bytes.Buffer
	code := run(context.Background(), []string{"-dir", dir, "-redis", redis.Addr(), "-story", "-v"}, &out, &log)
	if code != exitDone {
		t.Fatalf("the story ended with %d:\n%s\n%s", code, out.String(), log.String())
	}
	needles := cprNeedles()
	clean := func(where string, b []byte) {
		for key, forms := range needles {
			for _, f := range forms {
				if bytes.Contains(b, []byte(f)) {
					t.Errorf("the CPR number of %s stands in clear in %s", key, where)
				}
			}
		}
	}
	clean("the log", log.Bytes())
	clean("the transcript", out.Bytes())
	clean("Redis", []byte(redis.Dump()))
	if log.Len() == 0 || redis.Dump() == "" {
		t.Error("the log or Redis is empty: the search proves nothing")
	}

	simulator, others := 0, 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		clean("the file name "+name, []byte(name))
		if strings.HasPrefix(name, "simulator"+string(filepath.Separator)) {
			if bytes.Contains(b, []byte(needles["nancy"][0])) {
				simulator++
			}
			return nil
		}
		others++
		clean(name, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if simulator == 0 {
		t.Error("the simulators hold no CPR number: the search proves nothing")
	}
	if others < 20 {
		t.Errorf("only %d files lie outside the simulators' part: the search looked in the wrong place", others)
	}
}

// cprNeedles returns the ways in which a number may be written, by persona.
func cprNeedles() map[string][]string {
	n := map[string][]string{}
	for _, p := range persona.All() {
		if p.CPR != "" {
			n[p.Key] = []string{p.CPR, p.CPR[:6] + "-" + p.CPR[6:]}
		}
	}
	return n
}
