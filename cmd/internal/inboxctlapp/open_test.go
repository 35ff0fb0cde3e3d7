package inboxctlapp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// FuzzHarmless: whatever a person calls a file, it lands in the directory that
// the DPO named, under a name that no program takes for more than a name.
func FuzzHarmless(f *testing.F) {
	for _, s := range []string{"a.pdf", "../../.bashrc", "/etc/passwd", `C:\x\y.exe`, "", "...", "-rf", "a\x00b", "\u202efdp.exe", strings.Repeat("å", 300) + ".pdf", "x\ny"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := harmless(name)
		if got == "" || len([]rune(got)) > 120 || filepath.Base(got) != got || strings.ContainsAny(got, `/\:*?"<>|$`+"`") ||
			got[0] == '.' || got[0] == '-' || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q became %q", name, got)
		}
	})
}

func TestAnExistingFileIsNeverOverwritten(t *testing.T) {
	dir := t.TempDir()
	for i, want := range []string{"a.pdf", "a-2.pdf", "a-3.pdf"} {
		temp, err := spill(dir, strings.NewReader(want))
		if err != nil {
			t.Fatal(err)
		}
		path, err := place(temp, dir, "a.pdf")
		os.Remove(temp)
		if err != nil || filepath.Base(path) != want {
			t.Errorf("file %d: %s, %v", i, path, err)
		}
		if b, _ := os.ReadFile(path); string(b) != want {
			t.Errorf("%s holds %q", path, b)
		}
	}
}
