package digitalposttest

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var refused = regexp.MustCompile(`refuse\(w, [^,]+, "([^"]+)"`)

// TestEachRefusalIsASentence finds the codes in the source, so that none is
// left without words, and no words without their code.
func TestEachRefusalIsASentence(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range refused.FindAllSubmatch(text, -1) {
			used[string(m[1])] = true
		}
	}
	for code := range used {
		if r := refusals[code]; !strings.HasSuffix(r.sentence, ".") {
			t.Errorf("%s has no sentence", code)
		}
	}
	for code := range refusals {
		if !used[code] {
			t.Errorf("%s is never said", code)
		}
	}
	if len(used) < 15 {
		t.Errorf("found %d codes; the search is broken", len(used))
	}
	w := httptest.NewRecorder()
	refuse(w, 400, "sim.message.uuid.mismatch")
	for _, want := range []string{`"code":"sim.message.uuid.mismatch"`, `"message":"memo-message-uuid of the query is not`, `"fieldErrors":[{"resource":"request","field":"memo-message-uuid"`} {
		if !bytes.Contains(w.Body.Bytes(), []byte(want)) {
			t.Errorf("without %s: %s", want, w.Body)
		}
	}
}
