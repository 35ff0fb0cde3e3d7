package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/alicebob/miniredis/v2"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/vault/unseal"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// seen is what came and went while the story was played.
type seen struct {
	redis bytes.Buffer
	jobs  map[string][]byte // print jobs, by name
}

// watch looks many times a second into the server and into the folder of print
// jobs. The answer ends that and returns all that was ever there.
func watch(t *testing.T, redis *miniredis.Miniredis, jobs string) func() *seen {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	s, done := &seen{jobs: map[string][]byte{}}, make(chan struct{})
	go func() {
		defer close(done)
		last := ""
		for ctx.Err() == nil {
			if now := everything(redis); now != last {
				s.redis.WriteString(now)
				last = now
			}
			paths, _ := filepath.Glob(filepath.Join(jobs, "*.job.age"))
			for _, path := range paths {
				if text, err := os.ReadFile(path); err == nil && s.jobs[filepath.Base(path)] == nil {
					s.jobs[filepath.Base(path)] = text
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return func() *seen { stop(); <-done; return s }
}

// everything is what a server holds, in full; its own Dump cuts values short.
func everything(redis *miniredis.Miniredis) string {
	var b strings.Builder
	for _, key := range redis.Keys() {
		fmt.Fprintln(&b, key)
		switch redis.Type(key) {
		case "hash":
			fields, _ := redis.HKeys(key) // gone meanwhile, as may be all below
			for _, f := range fields {
				fmt.Fprintln(&b, f, redis.HGet(key, f))
			}
		case "string":
			v, _ := redis.Get(key)
			fmt.Fprintln(&b, v)
		case "list":
			v, _ := redis.List(key)
			fmt.Fprintln(&b, v)
		case "set":
			v, _ := redis.Members(key)
			fmt.Fprintln(&b, v)
		case "zset":
			v, _ := redis.SortedSet(key)
			fmt.Fprintln(&b, v)
		}
	}
	return b.String()
}

// payload is the JSON of a task.
var payload = regexp.MustCompile(`\{"v":[^{}]*\}`)

// onlyIDs checks that every task that was ever in Redis says what it is, which
// id it is about and how often the bell rang, and nothing else.
func onlyIDs(t *testing.T, dump []byte) {
	tasks := payload.FindAll(dump, -1)
	if len(tasks) == 0 {
		t.Fatal("no task was ever seen in Redis: this proves nothing")
	}
	for _, text := range tasks {
		var members map[string]any
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatalf("a task is no JSON: %s", text)
		}
		for name := range members {
			if !slices.Contains([]string{"v", "kind", "id", "attempt", "mac"}, name) {
				t.Fatalf("a task tells %q: %s", name, text)
			}
		}
	}
}

// printJobs tries every identity of the installation on every job that ever lay
// in the print house's folder.
func printJobs(t *testing.T, dir string, jobs map[string][]byte) {
	if len(jobs) == 0 {
		t.Fatal("no print job was ever seen: this proves nothing")
	}
	keys, err := filepath.Glob(filepath.Join(dir, "certs", "age", "*.identity"))
	if err != nil || len(keys) < 3 {
		t.Fatalf("%d identities: %v", len(keys), err)
	}
	for name, text := range jobs {
		for _, key := range keys {
			ids, err := unseal.ReadIdentitiesFile(key)
			if err != nil {
				t.Fatal(err)
			}
			_, err = age.Decrypt(bytes.NewReader(text), ids...)
			if theirs := filepath.Base(key) == "printhouse.identity"; theirs != (err == nil) {
				t.Errorf("%s with %s: %v", name, filepath.Base(key), err)
			}
		}
	}
}

// noCPR searches the state directory and texts for each CPR number of the
// story. Only the simulators' own part may hold them; it must, or the search
// would prove nothing.
func noCPR(t *testing.T, dir string, texts map[string][]byte) {
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
	for name, text := range texts {
		if len(text) == 0 {
			t.Errorf("%s is empty: the search proves nothing", name)
		}
		clean(name, text)
	}
	simulator, others := 0, 0
	walk(t, dir, func(name string, b []byte) {
		clean("the file name "+name, []byte(name))
		if strings.HasPrefix(name, "simulator"+string(filepath.Separator)) {
			if bytes.Contains(b, []byte(needles["nancy"][0])) {
				simulator++
			}
			return
		}
		others++
		clean(name, b)
	})
	if simulator == 0 {
		t.Error("the simulators hold no CPR number: the search proves nothing")
	}
	if others < 20 {
		t.Errorf("only %d files lie outside the simulators' part: the search looked in the wrong place", others)
	}
}

func walk(t *testing.T, dir string, f func(name string, b []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		f(name, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
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

func validMemos(t *testing.T, dir string) {
	const what = "the check of every MeMo against the schema of MeMo 1.2"
	schemas, ok := outside.Data(t, "memo/1.2/xsd-derived", what)
	if !ok {
		return
	}
	xmllint, ok := outside.Program(t, "xmllint", what)
	if !ok {
		return
	}
	memos, err := filepath.Glob(filepath.Join(dir, "simulator", "digitalpost", "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(memos) != 20 {
		t.Fatalf("Digital Post kept %d messages, want 20", len(memos))
	}
	args := append([]string{"--noout", "--nonet", "--schema", filepath.Join(schemas, "MeMo_core.xsd")}, memos...)
	if out, err := exec.Command(xmllint, args...).CombinedOutput(); err != nil {
		t.Errorf("xmllint: %v\n%s", err, out)
	}
}

// secondOpinion lets xmlsec1 verify the signature in an evidence file, both of
// its references, and refuse it once a digit of the signed letter is changed.
func secondOpinion(t *testing.T, dir string) {
	xmlsec, ok := outside.Program(t, "xmlsec1", "a second opinion on the signature of a letter")
	if !ok {
		return
	}
	z, err := zip.OpenReader(filepath.Join(dir, evidenceName))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := t.TempDir()
	if err := os.CopyFS(files, z); err != nil {
		t.Fatal(err)
	}
	accepts := func() error {
		cmd := exec.Command(xmlsec, "--verify", "--id-attr:Id", xmldsig.NamespaceXAdES+":SignedProperties",
			"--trusted-pem", filepath.Join(dir, "certs", "letters", "ca.pem"), filepath.Join("META-INF", "signatures-letter.xml"))
		cmd.Dir = files // where the signature finds the letter
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("xmlsec1 said: %s", bytes.TrimSpace(out))
		}
		if err == nil && !bytes.Contains(out, []byte("(ok/all): 2/2")) {
			t.Errorf("xmlsec1 did not check two references: %s", out)
		}
		return err
	}
	if accepts() != nil {
		t.Error("xmlsec1 refuses what we signed")
	}
	path := filepath.Join(files, verify.NameLetter)
	letter, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(letter, []byte("SP-"), []byte("SQ-"), 1)
	if err := os.WriteFile(path, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(changed, letter) || accepts() == nil {
		t.Error("xmlsec1 accepts a letter that was changed")
	}
}

func TestTheStoryHoldsOnARealRedis(t *testing.T) {
	t.Parallel()
	server, ok := outside.Program(t, "redis-server", "the story on a real Redis")
	if !ok {
		return
	}
	address := startRedisServer(t, server)
	var out, log bytes.Buffer
	if code := run(context.Background(), []string{"-redis", address, "-story"}, &out, &log); code != exitDone {
		t.Fatalf("the story ended with %d:\n%s\n%s", code, out.String(), log.String())
	}
}

// startRedisServer starts a real server on a free port; it ends with the test.
func startRedisServer(t *testing.T, program string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	_, port, _ := strings.Cut(address, ":")
	ctx, stop := context.WithCancel(context.Background())
	server := exec.CommandContext(ctx, program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = server.Wait() })
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return address
		}
	}
	t.Fatal("redis-server did not start")
	return ""
}
