package deskapp_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/deskapp"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/testdata"
)

var scale = flag.Int("scale", 3000, "lines of the batch that desk's memory is measured with; 100000 for the record")

// childConfig names the configuration of a desk in a process of its own, whose
// memory is nobody else's.
const childConfig = "SIKKERPOST_SCALE_DESK"

func TestMain(m *testing.M) {
	if path := os.Getenv(childConfig); path != "" {
		os.Exit(serveDesk(path))
	}
	os.Exit(m.Run())
}

func serveDesk(path string) int {
	deskapp.Pace()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var cfg config.Desk
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	app, err := deskapp.New(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(app.URL())
	if err := app.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// child starts desk in a process of its own and returns a reader of its
// greatest resident size so far, in MB.
func (r *rig) child() (highWater func() int) {
	t := r.t
	t.Helper()
	b, err := json.Marshal(r.cfg)
	must(t, err)
	must(t, os.WriteFile(r.path("desk.json"), b, 0o600))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childConfig+"="+r.path("desk.json"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	r.url = strings.TrimSpace(line)
	return func() int {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		must(t, err)
		_, rest, _ := strings.Cut(string(b), "VmHWM:")
		kb, err := strconv.Atoi(strings.Fields(rest)[0])
		must(t, err)
		return kb / 1024
	}
}

// bigPDF is a valid PDF of about size bytes.
func bigPDF(n, size int) []byte {
	return testdata.Page(fmt.Sprintf("%d\n", n) + strings.Repeat("% text\n", size/7))
}

// TestDeskMemoryDoesNotGrowWithTheBatch takes a whole batch through a desk in a
// process of its own: lines in parts, documents of 20 MB four at a time, small
// ones many at a time, close, approve. Whatever -scale says, it stays within 256 MB resident.
func TestDeskMemoryDoesNotGrowWithTheBatch(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Log("LEFT OUT, because /proc is not here: the memory of desk")
		return
	}
	r := newRig(t)
	ctx, n := t.Context(), *scale
	highWater := r.child()
	cs, approver := r.client("case"), r.client("approver")
	var docs [][]byte
	for i := range 4 {
		docs = append(docs, bigPDF(i, 20<<20))
	}
	var sums []string
	for _, d := range docs {
		sums = append(sums, sumOf(d))
	}
	var small []client.Document // that go many in a request
	for i := range 400 {
		small = append(small, document(bigPDF(i, 100<<10)))
		sums = append(sums, small[i].SHA256)
	}
	step := func(name string, from time.Time, count int) {
		took := time.Since(from)
		t.Logf("%-9s %7d in %6.1f s, %8.0f a second; desk at most %d MB resident", name, count, took.Seconds(), float64(count)/took.Seconds(), highWater())
	}
	b, err := cs.OpenBatch(ctx, wire.BatchOpen{Key: "month-end", Announced: n, Policy: "batch"})
	must(t, err)
	start := time.Now()
	for first := 0; first < n; first += 1000 {
		lines := make([]wire.BatchLine, 0, 1000)
		for i := first; i < min(first+1000, n); i++ {
			lines = append(lines, wire.BatchLine{Key: fmt.Sprintf("sag-%d", i), Title: "Afgørelse om hjemmehjælp", Document: "afgoerelse.pdf", SHA256: sums[i%len(sums)],
				Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}})
		}
		_, err := cs.PutLines(ctx, b.ID, first/1000+1, lines)
		must(t, err)
	}
	step("lines", start, n)
	start = time.Now()
	var wg sync.WaitGroup
	for i, d := range docs {
		wg.Go(func() {
			if err := cs.PutDocument(ctx, b.ID, sums[i], int64(len(d)), io.NopCloser(bytes.NewReader(d))); err != nil {
				t.Errorf("document %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	step("documents", start, len(docs))
	start = time.Now()
	must(t, cs.Upload(ctx, b.ID, small, func(client.Document, wire.DocumentPut) {}))
	step("many", start, len(small))
	start = time.Now()
	for b.State != "closed" {
		b, err = cs.CloseBatch(ctx, b.ID)
		must(t, err)
	}
	step("closed", start, n)
	if b, err = approver.ApproveBatch(ctx, b.ID); err != nil || b.State != "approved" || b.Letters["held"] != n {
		t.Fatalf("approve: %s %v, %v", b.State, b.Letters, err)
	}
	if mb := highWater(); mb > 256 {
		t.Errorf("desk took %d MB for %d lines, want at most 256", mb, n)
	}
}
