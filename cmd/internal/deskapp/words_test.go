package deskapp_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestOneLetterIsOneAndEachStepSaysWhatIsNext reads what postctl tells the two
// people who send a small batch with a canary.
func TestOneLetterIsOneAndEachStepSaysWhatIsNext(t *testing.T) {
	r := newRig(t)
	row := func(key string) string {
		return fmt.Sprintf(`%s;%s;"%s";;;Afgørelse;decision-01.pdf`, key, r.nancy.CPR, r.nancy.Name)
	}
	run := func(who, want string, args ...string) string {
		t.Helper()
		_, out, errs := r.postctl(who, args...)
		if !strings.Contains(out+errs, want) {
			t.Errorf("%s: want %q in:\n%s%s", strings.Join(args, " "), want, out, errs)
		}
		return out
	}
	send := func(table, key string, more ...string) []string {
		return append([]string{"batch", "send", table, "-documents", r.path("pdf"), "-key", key}, more...)
	}
	one := r.table(row("a"))
	id := strings.TrimSuffix(strings.Fields(run("case", ", 1 letter held for approval", send(one, "one", "-canary", "1")...))[1], ",")
	run("case", "another signing policy, canary or urgency", send(one, "one")...)
	run("case", "(it is closed)", "batch", "pause", id)
	run("case", "nothing changed", send(one, "one", "-canary", "1")...)
	run("case", "(waits for approval)", "batch", "watch", id, "-wait", "60ms", "-every", "50ms")
	run("approver", "released", "batch", "approve", id) // nothing would wait behind this canary
	run("case", "1 letter cancelled, 0 could not be", "batch", "stop", id)
	run("case", "(it is stopped)", "batch", "pause", id)

	two := r.table(row("b"), row("c"))
	id = strings.Fields(run("case", ", 2 letters held", send(two, "two", "-canary", "1")...))[1]
	run("approver", "the first letter goes now; the rest waits for: postctl batch continue "+id, "batch", "approve", id)
	shown := run("case", "1 letter waits for the canary's verdict", "batch", "show", id)
	for _, want := range []string{"\nletters          2\n", "\nheld             1\n"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in:\n%s", want, shown)
		}
	}
}
