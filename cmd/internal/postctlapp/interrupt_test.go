package postctlapp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/cmd/internal/postctlapp"
)

// breaker breaks a command off when it says a word.
type breaker struct {
	bytes.Buffer
	at  string
	off context.CancelFunc
}

func (b *breaker) Write(p []byte) (int, error) {
	if b.at != "" && bytes.Contains(p, []byte(b.at)) {
		b.off()
	}
	return b.Buffer.Write(p)
}

// A sending that was broken off, be it among the lines, among the documents or at
// the end, says what it leaves; the same command goes on, and each line is one letter.
func TestASendingThatIsBrokenOffGoesOnWhereItStopped(t *testing.T) {
	t.Setenv("POST_PROGRESS_EVERY", "1ns") // each step is said
	b, p := newBureau(t), newPile(t, 1_100, 70)
	postctl := func(as, at string, args ...string) (code int, out, errs string) {
		ctx, off := context.WithCancel(t.Context())
		defer off()
		var stdout bytes.Buffer
		stderr := &breaker{at: at, off: off}
		code = postctlapp.Run(ctx, append(append([]string{"batch"}, args...), b.as(as)...), strings.NewReader(""), &stdout, stderr)
		return code, stdout.String(), stderr.String()
	}
	send := []string{"send", p.csv, "-documents", p.pdf, "-key", "november"}
	for _, at := range []string{"1000/1100  lines", "70  documents"} {
		code, out, errs := postctl("case", at, send...)
		if code != 130 || out != "" || !strings.Contains(errs, "may not be complete, and nothing of it goes out; the same command goes on where it stopped") ||
			!strings.HasSuffix(errs, "postctl: interrupted\n") {
			t.Fatalf("broken off at %q: exit %d, %s\n%s", at, code, out, errs)
		}
	}
	code, out, errs := postctl("case", "", append(send, "-json")...)
	var sent struct {
		ID, State string
		Lines     int
		Letters   map[string]int
	}
	if code != 0 || json.Unmarshal([]byte(out), &sent) != nil || sent.State != "closed" || sent.Lines != p.lines || sent.Letters["held"] != p.lines {
		t.Fatalf("sent again: exit %d, %s\n%s", code, out, errs)
	}
	if code, out, errs := postctl("case", "", send...); code != 0 || !strings.Contains(out, "nothing changed") {
		t.Errorf("sent once more: exit %d, %s\n%s", code, out, errs)
	}
	_, out, _ = postctl("case", "", "report", sent.ID)
	if n := strings.Count(out, ",held,"); n != p.lines {
		t.Errorf("%d letters of %d lines", n, p.lines)
	}
	// Letters in one state, which somebody looks for among many.
	if code, out, errs := postctl("case", "", "show", sent.ID, "-state", "needs-person"); code != 0 || strings.Count(out, "\n") != 1 {
		t.Errorf("exit %d, %s\n%s", code, out, errs)
	}
	if code, out, errs := postctl("case", "", "show", sent.ID, "-state", "held"); code != 0 || strings.Count(out, " held ") != p.lines {
		t.Errorf("exit %d, %d letters\n%s", code, strings.Count(out, " held "), errs)
	}
	if code, _, errs := postctl("case", "", "show", sent.ID, "-state", "lost"); code != 2 || !strings.Contains(errs, "is no state of a letter") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
