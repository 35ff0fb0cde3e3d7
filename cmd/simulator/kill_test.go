package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// asProgram makes this test the simulator itself.
const asProgram = "SIMULATOR_TEST_ARGS"

func TestMain(m *testing.M) {
	if args, ok := os.LookupEnv(asProgram); ok {
		os.Exit(run(context.Background(), strings.Split(args, "\n"), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// process is a simulator of its own.
type process struct {
	cmd *exec.Cmd
	out safe
	env map[string]string // as in its file env
	web *http.Client      // shows the client certificate
}

func startProcess(t *testing.T, dir string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), os.Args[0]), env: map[string]string{}}
	args := []string{"serve", "-dir", dir, "-pages-port", "0", "-digitalpost-port", "0", "-nemlogin-port", "0", "-kombipost-port", "0", "-delay", "10ms"}
	p.cmd.Env = append(os.Environ(), asProgram+"="+strings.Join(args, "\n"))
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	for end := time.Now().Add(time.Minute); !strings.Contains(p.out.String(), "print events"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not started: %s", p.out.String())
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		p.env[name] = strings.Trim(value, "'")
	}
	pair, err := tls.LoadX509KeyPair(p.env["SIM_CERT"], p.env["SIM_KEY"])
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(p.env["SIM_CA"])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	p.web = &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}},
		MaxIdleConnsPerHost: 8,
	}}
	t.Cleanup(p.web.CloseIdleConnections)
	return p
}

// kill ends the process as a loss of it would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // it was killed
	if p.cmd.ProcessState.Success() {
		t.Fatal("it ended by itself")
	}
}

func (p *process) hand(id string, body []byte) (int, string) {
	r, err := http.NewRequest(http.MethodPost, p.env["SIM_DIGITALPOST"]+"/memos/?memo-message-uuid="+id, bytes.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	r.SetBasicAuth(p.env["SIM_SYSTEM"], p.env["SIM_TOKEN"])
	r.Header.Set("Content-Type", "application/xml")
	return p.do(r)
}

func (p *process) do(r *http.Request) (int, string) {
	answer, err := p.web.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(text)
}

func (p *process) get(path string) (int, string) {
	r, err := http.NewRequest(http.MethodGet, p.env["SIM_PAGES"]+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	return p.do(r)
}

// letterOf returns the page's letter under an id of its own.
func letterOf(t *testing.T) func() (string, []byte) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "simulator.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "<<'XML'\n")
	text, _, there := strings.Cut(rest, "\nXML\n")
	if !ok || !there {
		t.Fatal("the page has no letter")
	}
	return func() (string, []byte) {
		id := post.DerivedID(post.LetterID(post.NewID()), post.Digital, 1)
		return id, []byte(strings.ReplaceAll(text, "8c2ea15d-61fb-4ba9-9366-42f8b194c114", id))
	}
}

// TestAKilledProcessLosesAndDoublesNothing kills a real process with SIGKILL while
// many hand over, three times: what was answered is there with its bytes, what was
// not is there whole or not at all, and handing all of it over again gives each
// letter once and the receipts of before.
func TestAKilledProcessLosesAndDoublesNothing(t *testing.T) {
	dir, fresh := t.TempDir(), letterOf(t)
	type handed struct {
		body   []byte
		answer string // "" when there was none
	}
	var mu sync.Mutex
	all := map[string]handed{}
	for range 3 {
		p := startProcess(t, dir)
		var senders sync.WaitGroup
		enough := make(chan struct{})
		taken := 0
		for range 4 {
			senders.Go(func() {
				for {
					id, body := fresh()
					status, text := p.hand(id, body)
					mu.Lock()
					if status != http.StatusCreated {
						all[id] = handed{body: body}
						mu.Unlock()
						return // it is dead
					}
					all[id] = handed{body, text}
					if taken++; taken == 60 {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		select {
		case <-enough:
		case <-time.After(time.Minute):
			t.Fatalf("no 60 letters were taken: %s", p.out.String())
		}
		p.kill(t) // the senders are in the middle of it
		senders.Wait()
	}
	p := startProcess(t, dir)
	unanswered := 0
	for id, h := range all {
		status, text := p.get("/api/v1/messages/" + id + "/xml")
		switch {
		case status == http.StatusOK && text != string(h.body):
			t.Fatalf("%s is there by half: %d of %d bytes", id, len(text), len(h.body))
		case status != http.StatusOK && h.answer != "":
			t.Fatalf("%s was answered and is lost: %d %s", id, status, text)
		}
		status, again := p.hand(id, h.body)
		if status != http.StatusCreated || h.answer != "" && again != h.answer {
			t.Fatalf("handed over again: %d %s, first %s", status, again, h.answer)
		}
		if h.answer == "" {
			unanswered++
		}
	}
	var counts struct {
		Post struct{ Accepted, Differing int } `json:"digital_post"`
	}
	_, text := p.get("/api/v1/counts")
	if err := json.Unmarshal([]byte(text), &counts); err != nil || counts.Post.Accepted != len(all) || counts.Post.Differing != 0 {
		t.Errorf("%d letters, counted %s %v", len(all), text, err)
	}
	if unanswered == 0 {
		t.Error("no kill came in the middle of a hand-over")
	}
	receipts := map[string]int{}
	for end := time.Now().Add(time.Minute); len(receipts) < len(all) && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		clear(receipts)
		for page := 0; page*1000 < len(all)+1000; page++ {
			r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/receipts-bulk/?size=1000&page=%d", p.env["SIM_DIGITALPOST"], page), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.SetBasicAuth(p.env["SIM_SYSTEM"], p.env["SIM_TOKEN"])
			var got struct {
				Receipts []struct {
					UUID   string `json:"messageUUID"`
					Status string `json:"receiptStatus"`
				}
			}
			if _, text := p.do(r); json.Unmarshal([]byte(text), &got) != nil {
				t.Fatal(text)
			}
			for _, one := range got.Receipts {
				if one.Status == "COMPLETED" {
					receipts[one.UUID]++
				}
			}
		}
	}
	for id := range all {
		if receipts[id] != 1 {
			t.Errorf("%s has %d receipts", id, receipts[id])
		}
	}
	t.Logf("%d letters, %d of them killed in the middle", len(all), unanswered)
}
