package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outside"
)

// blocks returns what stands between ```kind and ```, each block by itself.
func blocks(text, kind string) []string {
	var all []string
	inside := false
	for line := range strings.Lines(text) {
		switch trimmed := strings.TrimRight(line, " \r\n"); {
		case !inside && trimmed == "```"+kind:
			inside = true
			all = append(all, "")
		case inside && trimmed == "```":
			inside = false
		case inside:
			all[len(all)-1] += line
		}
	}
	return all
}

// TestAStrangerWithCurlSendsALetter plays the page from top to bottom: every
// command on it, as it stands there, in one shell.
func TestAStrangerWithCurlSendsALetter(t *testing.T) {
	const what = "that the commands in docs/simulator.md work"
	if _, ok := outside.Program(t, "curl", what); !ok {
		return
	}
	shell, ok := outside.Program(t, "sh", what)
	if !ok {
		return
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "simulator.md"))
	if err != nil {
		t.Fatal(err)
	}
	said := played(t, shell, string(page), "sh")
	wants := []string{
		`"digital_post"`, `"receiptStatus":"RECEIVED"`, "Svar på din henvendelse", `"receiptStatus":"COMPLETED"`,
		`"path":"/Message/MessageHeader"`, "<Result>true</Result>", `"state":"Opdatering fra Post Danmark"`, `"seed":7`, `"name":"ngdp.memos","per_minute":6000`, `"ahead":"0s"`,
	}
	if len(said) != len(wants) {
		t.Fatalf("%d blocks, %d expectations", len(said), len(wants))
	}
	for i, want := range wants {
		if !strings.Contains(said[i], want) {
			t.Errorf("block %d lacks %s:\n%s", i+1, want, said[i])
		}
	}
	var m struct {
		Documents []struct{ Filename string }
	}
	if err := json.Unmarshal([]byte(said[2]), &m); err != nil || len(m.Documents) != 1 || m.Documents[0].Filename != "svar.txt" {
		t.Errorf("the box holds %s, %v", said[2], err)
	}
}

// TestAStrangerWithCurlLogsIn plays the page's service provider: its metadata is handed in, its
// request is signed and its answer opened with tools that everybody has.
func TestAStrangerWithCurlLogsIn(t *testing.T) {
	const what = "that the log-in in docs/simulator.md works"
	for _, name := range []string{"curl", "openssl", "gzip", "base64", "xmlsec1"} {
		if _, ok := outside.Program(t, name, what); !ok {
			return
		}
	}
	shell, ok := outside.Program(t, "sh", what)
	if !ok {
		return
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "simulator.md"))
	if err != nil {
		t.Fatal(err)
	}
	said := played(t, shell, string(page), "sh log-in")
	if len(said) != 2 || !strings.Contains(said[0], `"acs":"https://sp.example.test/acs"`) ||
		!strings.Contains(said[1], "Nancy Ann Berggren") || !strings.Contains(said[1], "nsis/loa") {
		t.Errorf("got %q", said)
	}
}

// played starts the simulator by the page's own command, sends what stands in its blocks of a kind to
// one shell, and returns what each block said.
func played(t *testing.T, shell, page, kind string) []string {
	t.Helper()
	begin := blocks(page, "sh start")
	if len(begin) != 1 || strings.TrimSpace(begin[0]) != "go run ./cmd/simulator serve -dir post" {
		t.Fatalf("the page starts the simulator with %q", begin)
	}
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	var out, errs safe
	ended := make(chan int, 1)
	go func() {
		// The page's own command, on any free ports.
		args := append(strings.Fields(begin[0])[3:], "-pages-port", "0", "-digitalpost-port", "0", "-nemlogin-port", "0", "-kombipost-port", "0", "-delay", "50ms")
		args[2] = filepath.Join(dir, args[2])
		ended <- run(ctx, args, &out, &errs)
	}()
	defer func() {
		stop()
		if code := <-ended; code != exitDone {
			t.Errorf("exit %d: %s", code, errs.String())
		}
	}()
	for end := time.Now().Add(time.Minute); !strings.Contains(out.String(), "print events") && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	var script strings.Builder
	script.WriteString(". post/env\n")
	parts := blocks(page, kind)
	for _, part := range parts {
		script.WriteString(part + "\nprintf '\\n-- block --\\n'\n")
	}
	sh := exec.CommandContext(t.Context(), shell, "-eu")
	sh.Dir, sh.Stdin = dir, strings.NewReader(script.String())
	answers, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, answers)
	}
	said := strings.Split(string(answers), "\n-- block --\n")
	if len(parts) == 0 || len(said) != len(parts)+1 {
		t.Fatalf("%d blocks gave %d answers:\n%s", len(parts), len(said), answers)
	}
	return said[:len(parts)]
}
