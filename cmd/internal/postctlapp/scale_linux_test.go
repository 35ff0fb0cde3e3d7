package postctlapp_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/testdata"
)

// A month-end of 100,000 letters is checked and planned line by line, in no more
// than 256 MB; a person's laptop may have little more.
func TestAMonthEndIsReadIn256MB(t *testing.T) {
	t.Parallel()
	const letters, documents = 100_000, 300
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "pdf"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range documents {
		if err := os.WriteFile(filepath.Join(dir, "pdf", fmt.Sprintf("%d.pdf", i)), testdata.Page(fmt.Sprintf("%d\n", i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	nancy, _ := persona.By("nancy")
	f, err := os.Create(filepath.Join(dir, "t.csv"))
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "key,id,name,address1,address2,title,document,arrive_by")
	for i := range letters {
		fmt.Fprintf(w, "sag-2026-%06d,%s,%s,Havnegade 7,2760 Fjordby,Afgørelse om hjemmehjælp,%d.pdf,2026-12-28\n", i, nancy.CPR, nancy.Name, i%documents)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// The test's own program, under the name by which it is postctl.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	postctl := filepath.Join(dir, "postctl")
	if err := os.Symlink(self, postctl); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(postctl, "batch", "plan", filepath.Join(dir, "t.csv"), "-documents", filepath.Join(dir, "pdf"), "-offline", "-now", "2026-11-23", "-each")
	if out, err := cmd.Output(); err != nil || bytes.Count(out, []byte("digital or paper")) != letters {
		t.Fatalf("%d lines planned, %v", bytes.Count(out, []byte("digital or paper")), err)
	}
	used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("the system does not say what a process used")
	}
	mb := used.Maxrss >> 10
	t.Logf("%d MB resident at most", mb)
	if mb > 256 {
		t.Errorf("postctl took %d MB for %d letters, want at most 256", mb, letters)
	}
}
