package postctlapp_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/testdata"
)

// A pile is a table of so many lines and its documents.
type pile struct {
	dir, csv, pdf string
	lines         int
}

func newPile(t *testing.T, lines, documents int) pile {
	t.Helper()
	p := pile{dir: t.TempDir(), lines: lines}
	p.csv, p.pdf = filepath.Join(p.dir, "t.csv"), filepath.Join(p.dir, "pdf")
	must(t, os.Mkdir(p.pdf, 0o700))
	for i := range documents {
		must(t, os.WriteFile(filepath.Join(p.pdf, fmt.Sprintf("%d.pdf", i)), testdata.Page(fmt.Sprintf("%d\n", i)), 0o600))
	}
	nancy, _ := persona.By("nancy")
	f, err := os.Create(p.csv)
	must(t, err)
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "key,id,name,address1,address2,title,document,arrive_by")
	for i := range lines {
		fmt.Fprintf(w, "sag-%d-%06d,%s,%s,Havnegade 7,2760 Fjordby,Afgørelse om hjemmehjælp,%d.pdf,\n", lines, i, nancy.CPR, nancy.Name, i%documents)
	}
	must(t, w.Flush())
	must(t, f.Close())
	return p
}

// measured runs postctl in a process of its own and returns what it printed, and
// its greatest resident size in kB, as [noteHighWater] has it.
func measured(t *testing.T, program string, exit int, args ...string) (out string, kb int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "high-water")
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), highWater+"="+path)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != exit {
		t.Fatalf("postctl %s %s: exit %d, want %d: %.2000s", args[0], args[1], got, exit, stderr.String())
	}
	b, err := os.ReadFile(path)
	must(t, err)
	kb, err = strconv.Atoi(string(b))
	must(t, err)
	return stdout.String(), kb
}

// asPostctl returns a path under which the test's own program is postctl.
func asPostctl(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	postctl := filepath.Join(t.TempDir(), "postctl")
	must(t, os.Symlink(self, postctl))
	return postctl
}

// commands runs through the life of a batch with a desk, and returns the greatest
// resident size of each command in kB.
func (p pile) commands(t *testing.T, postctl string, b *bureau) map[string]int {
	t.Helper()
	took := map[string]int{}
	run := func(name string, exit int, as string, args ...string) string {
		t.Helper()
		out, kb := measured(t, postctl, exit, append(append([]string{"batch"}, args...), b.as(as)...)...)
		took[name] = kb
		return out
	}
	many := func(name, out, word string) {
		t.Helper()
		if n := strings.Count(out, word); n != p.lines {
			t.Errorf("%s speaks of %d of %d lines", name, n, p.lines)
		}
	}
	table := []string{p.csv, "-documents", p.pdf}
	run("check", 0, "case", append([]string{"check"}, table...)...)
	many("a check without documents", run("check, all wrong", 3, "case", "check", p.csv, "-documents", b.dir), "POST-4304")
	run("plan", 0, "case", append([]string{"plan"}, table...)...)
	many("the plan", run("plan -each", 0, "case", append([]string{"plan", "-each"}, table...)...), "digital or paper")
	many("the plan in JSON", run("plan -each -json", 0, "case", append([]string{"plan", "-each", "-json"}, table...)...), `"line":`)
	key := fmt.Sprintf("k-%d", p.lines)
	out := run("send", 0, "case", append([]string{"send", "-json", "-key", key}, table...)...)
	var sent struct{ ID, State string }
	must(t, json.Unmarshal([]byte(out), &sent))
	if sent.State != "closed" {
		t.Errorf("sent: %s", out)
	}
	if out := run("send again", 0, "case", append([]string{"send", "-key", key}, table...)...); !strings.Contains(out, "nothing changed") {
		t.Errorf("sent again: %s", out)
	}
	run("approve", 0, "approver", "approve", sent.ID)
	run("pause", 0, "approver", "pause", sent.ID)
	run("resume", 0, "approver", "resume", sent.ID)
	run("watch", 7, "case", "watch", sent.ID, "-wait", "50ms")
	run("show", 0, "case", "show", sent.ID)
	many("show", run("show -letters", 0, "case", "show", "-letters", sent.ID), " SP-")
	many("show in JSON", run("show -letters -json", 0, "case", "show", "-letters", "-json", sent.ID), `"reference":"SP-`)
	many("the report", run("report", 0, "case", "report", sent.ID), ",SP-")
	return took
}

// What postctl takes does not grow with the batch: between 2,000 and 20,000 lines at
// most 200 bytes of memory for each, everything counted that the system counts, and
// garbage too. Lines that are kept take 600 and more.
func TestMemoryIsFlatInTheBatch(t *testing.T) {
	t.Setenv("GOGC", "20") // garbage of so few lines would hide what is kept of them
	postctl := asPostctl(t)
	few, many := newPile(t, 2_000, 20), newPile(t, 20_000, 200)
	for _, args := range [][]string{{"check"}, {"plan", "-each", "-offline"}} {
		took := map[int]int{}
		for _, p := range []pile{few, many} {
			_, took[p.lines] = measured(t, postctl, 0, append(append([]string{"batch"}, args...), p.csv, "-documents", p.pdf)...)
		}
		grown := (took[many.lines] - took[few.lines]) << 10 / (many.lines - few.lines)
		t.Logf("%v: %d kB for %d lines, %d kB for %d: %d bytes a line", args, took[few.lines], few.lines, took[many.lines], many.lines, grown)
		if grown > 200 {
			t.Errorf("%v takes %d bytes for each line, want at most 200", args, grown)
		}
	}
}

// A month-end of 100,000 letters takes no more than 256 MB in any command, of
// which a person's laptop may have little more, and hardly more than 10,000 do.
func TestAMonthEndTakesNoMoreThanABatchOfTenThousand(t *testing.T) {
	if os.Getenv("SIKKERPOST_FULL") != "1" {
		t.Log("LEFT OUT without SIKKERPOST_FULL=1: the whole life of a batch of 100,000 lines")
		return
	}
	postctl := asPostctl(t)
	b := newBureau(t)
	few := newPile(t, 10_000, 300).commands(t, postctl, b)
	many := newPile(t, 100_000, 300).commands(t, postctl, b)
	for name, kb := range many {
		t.Logf("%-20s %6d kB for 10,000 lines, %6d kB for 100,000", name, few[name], kb)
		if kb > 256<<10 {
			t.Errorf("%s takes %d kB, want at most 256 MB", name, kb)
		}
		if times := float64(kb) / float64(few[name]); times > 1.4 {
			t.Errorf("%s takes %d kB for 100,000 lines, and %d kB for 10,000: %.2f times as much, want at most 1.4", name, kb, few[name], times)
		}
	}
}
