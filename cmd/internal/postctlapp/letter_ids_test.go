package postctlapp

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/post"
)

// TestTheIDsOfALettersHandOversNeedNoDesk: those that carriers were given, letter by letter.
func TestTheIDsOfALettersHandOversNeedNoDesk(t *testing.T) {
	a, b := post.LetterID(post.NewID()), post.LetterID(post.NewID())
	ids := func(stdin string, args ...string) (string, int) {
		var out, errs bytes.Buffer
		code := Run(t.Context(), append([]string{"letter", "ids"}, args...), strings.NewReader(stdin), &out, &errs)
		return out.String(), code
	}
	got, code := ids("", string(a), strings.ToUpper(string(b)))
	if code != 0 || strings.Count(got, "\n") != 12 {
		t.Fatalf("exit code %d:\n%s", code, got)
	}
	for _, want := range []string{
		post.DerivedID(a, post.Digital, 1) + " " + string(a) + " digital 1\n",
		post.DerivedID(a, post.Physical, 1) + " " + string(a) + " physical 1\n",
		post.DerivedID(b, post.Digital, 2) + " " + string(b) + " digital 2\n",
		post.DerivedID(b, post.Physical, 3) + " " + string(b) + " physical 3\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if piped, code := ids(string(a)+"\n\n"+string(b)+"\r\n", "-"); code != 0 || piped != got {
		t.Errorf("from standard input, exit code %d:\n%s", code, piped)
	}
	var all struct{ Items []handedID }
	if out, code := ids("", "-json", "-times", "1", string(a)); code != 0 || json.Unmarshal([]byte(out), &all) != nil || len(all.Items) != 2 || all.Items[1].Letter != a {
		t.Errorf("as JSON, exit code %d: %s", code, out)
	}
	for _, wrong := range [][]string{{"SP-7K3Q-92MD"}, {string(a), "x"}, {"-times", "0", string(a)}, {"-times", "51", string(a)}} {
		if out, code := ids("", wrong...); code != int(ctl.Misused) || out != "" {
			t.Errorf("%q: exit code %d, %q", wrong, code, out)
		}
	}
}
