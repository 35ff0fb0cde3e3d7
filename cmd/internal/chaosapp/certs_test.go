package chaosapp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

// TestANewCertificateForLettersByThePagesSteps starts desk and two dispatchers as
// processes and changes the certificate of letters as the operations page says, one
// dispatcher after the other, while letters that were signed with the former one wait
// halted, are unclear, and come anew. Then it does so in the wrong order.
func TestANewCertificateForLettersByThePagesSteps(t *testing.T) {
	if !outside.Full() {
		t.Log("LEFT OUT: a new certificate for letters with running programs; SIKKERPOST_FULL=1 asks for it")
		return
	}
	c := newChange(t)
	former, next := c.certs.LetterP256, c.certs.LetterRSA
	both := c.bothIn("both.pem", former.Cert, next.Cert)

	// Letters that are under way: signed with the former certificate, and halted.
	c.halt()
	c.send(0, 10)
	c.sendWhole(10, 22)
	c.untilAll("signed and halted", halted)

	// Step 1: each now takes what the others sign.
	for n := range c.dispatchers {
		c.restart(n, map[string]any{"other_letter_cert_file": both})
	}
	// Step 2, one after the other. Between them one signs with each certificate, and
	// each hands over what the other has signed.
	signsNext := map[string]any{"letter_cert_file": next.Cert, "letter_key_file": next.Key}
	c.restart(0, signsNext)
	c.resume(post.Digital)
	c.send(22, 30)
	c.sendWhole(30, 36)
	c.restart(1, signsNext)
	c.send(36, 42)
	c.resume(post.Physical)
	c.untilAll("delivered or printed", arrived)
	c.accounted()
	byFormer, byNext := c.evidence(both, former.Cert, next.Cert)
	t.Logf("%d letters: %d signed with the former certificate, %d with the next one", len(c.letters), byFormer, byNext)
	if byFormer < 22 || byNext < 6 || byFormer+byNext != len(c.letters) {
		t.Errorf("of %d letters %d prove by the former certificate alone, %d by the next one", len(c.letters), byFormer, byNext)
	}

	// The wrong order: the key is replaced first, and nobody was told of the other.
	c.halt()
	c.send(42, 50)
	c.untilAll("halted once more", func(v wire.LetterView) bool { return arrived(v) || halted(v) })
	for n := range c.dispatchers {
		c.restart(n, map[string]any{"letter_cert_file": former.Cert, "letter_key_file": former.Key, "other_letter_cert_file": nil})
	}
	c.resume(post.Digital)
	c.resume(post.Physical)
	c.untilAll("kept back for their signer", func(v wire.LetterView) bool {
		return arrived(v) || v.Code == "signer-unknown"
	})
	c.saysWhatToDo()
	for n := range c.dispatchers {
		c.restart(n, map[string]any{"other_letter_cert_file": both})
	}
	c.untilAll("delivered or printed all the same", arrived)
	c.accounted()
	c.evidence(both, former.Cert, next.Cert)
}

// halted is true of a letter that was signed and waits for the end of a pause.
func halted(v wire.LetterView) bool {
	return v.Code == "paused" && (v.State == string(post.LetterAwaitingLookup) || v.State == string(post.LetterRouted))
}

func arrived(v wire.LetterView) bool {
	return v.State == string(post.LetterDelivered) || v.State == string(post.LetterPrinting) || v.State == string(post.LetterPosted)
}

// change is a house whose certificate of letters is changed.
type change struct {
	*run
	*testing.T
}

func newChange(t *testing.T) *change {
	t.Helper()
	source, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	r := &run{o: Options{SQLite: true, Source: source, Within: 4 * time.Minute, Seed: 1}, log: slog.New(slog.DiscardHandler), out: t.Output(), dir: t.TempDir(),
		dice: rand.New(rand.NewPCG(1, 1)), letters: map[string]string{}, own: map[string]string{}}
	t.Cleanup(r.stopAll)
	if err := r.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &change{r, t}
}

func (c *change) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// bothIn writes certificates into one file, one after the other.
func (c *change) bothIn(name string, certs ...string) string {
	c.Helper()
	var all []byte
	for _, path := range certs {
		b, err := os.ReadFile(path)
		c.must(err)
		all = append(all, b...)
	}
	c.must(os.WriteFile(c.path(name), all, 0o600))
	return c.path(name)
}

// restart changes the configuration of a dispatcher, stops it as an operator does and
// starts it.
func (c *change) restart(n int, changes map[string]any) {
	c.Helper()
	c.configure(fmt.Sprintf("dispatcher-%d.json", n+1), changes)
	c.must(c.dispatchers[n].signal(syscall.SIGTERM))
	c.must(c.dispatchers[n].start(c.Context()))
}

// configure changes the configuration of a program (nil takes a key out).
func (c *change) configure(name string, changes map[string]any) {
	c.Helper()
	file := c.path(name)
	b, err := os.ReadFile(file)
	c.must(err)
	var all map[string]any
	c.must(json.Unmarshal(b, &all))
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	b, err = json.Marshal(all)
	c.must(err)
	c.must(os.WriteFile(file, b, 0o600))
}

func (c *change) halt() {
	c.Helper()
	for _, ch := range []post.Channel{post.Digital, post.Physical} {
		c.must(c.insist(c.Context(), "", func(ctx context.Context) error {
			_, err := c.operator.PauseChannel(ctx, wire.PauseSet{Channel: string(ch)})
			return err
		}))
	}
}

func (c *change) resume(ch post.Channel) {
	c.Helper()
	c.must(c.insist(c.Context(), "", func(ctx context.Context) error {
		_, err := c.operator.ResumeChannel(ctx, wire.PauseSet{Channel: string(ch)})
		return err
	}))
}

// send submits letters one by one.
func (c *change) send(from, to int) {
	c.Helper()
	for i := from; i < to; i++ {
		c.must(c.sendOne(c.Context(), c.caller, i))
	}
}

// sendWhole sends a batch that is signed as a whole.
func (c *change) sendWhole(from, to int) {
	c.Helper()
	hands := hands{c.caller, c.approver}
	id, err := c.submit(c.Context(), hands, wire.BatchOpen{Key: fmt.Sprintf("certs-%d", from), Policy: string(post.SignBatch)}, from, to, decision)
	c.must(err)
	c.must(c.readBatch(c.Context(), c.caller, id, from, c.letters))
}

// untilAll waits until each letter is so; one that came to a person ends the wait.
func (c *change) untilAll(what string, so func(wire.LetterView) bool) {
	c.Helper()
	var last string
	err := until(c.Context(), time.Minute, "letters to be "+what, func() bool {
		for _, id := range c.letters {
			v, err := c.operator.Letter(c.Context(), id)
			c.must(err)
			last = id + " is " + v.State + " (" + v.Code + ")"
			if v.State == string(post.LetterNeedsPerson) {
				c.Fatalf("letter %s, which no person can do anything about", last)
			}
			if !so(v) {
				return false
			}
		}
		return true
	})
	if err != nil {
		c.Fatalf("%v; %s", err, last)
	}
}

// accounted holds the letters against what the carriers hold: each once.
func (c *change) accounted() {
	c.Helper()
	c.must(c.ledgerAtRest(c.Context()))
	digital, paper, err := c.carriers()
	c.must(err)
	for _, id := range c.letters {
		d, p := digital[post.DerivedID(post.LetterID(id), post.Digital, 1)], paper[post.DerivedID(post.LetterID(id), post.Physical, 1)]
		if d == p {
			c.Errorf("letter %s: at Digital Post %t, at the print house %t", id, d, p)
		}
	}
	if held := len(digital) + len(paper); held != len(c.letters) {
		c.Errorf("the carriers hold %d of %d letters", held, len(c.letters))
	}
	report, err := c.verify(c.Context())
	c.must(err)
	if report.Found != 0 {
		c.Errorf("postctl verify finds %+v", report.Faults)
	}
}

// postctl runs it as an operator does.
func (c *change) postctl(args ...string) (string, error) {
	cmd := exec.CommandContext(c.Context(), c.path("bin", "postctl"), args...)
	cmd.Env = c.asOperator()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// asOperator is the environment of an operator's shell.
func (c *change) asOperator() []string {
	return append(os.Environ(), "SIKKERPOST_URL=https://"+loopback(c.ports.desk), "SIKKERPOST_CERT="+c.hers.Cert, "SIKKERPOST_KEY="+c.hers.Key, "SIKKERPOST_CA="+c.certs.WebCA)
}

// evidence fetches that of each letter and checks it offline by both certificates, with
// the document, and counts which of them proves it alone.
func (c *change) evidence(both, former, next string) (byFormer, byNext int) {
	c.Helper()
	dir := c.TempDir()
	for i := range len(c.letters) {
		id := c.letters[keyOf(i)]
		file, document := filepath.Join(dir, id+".asice"), filepath.Join(dir, id+".pdf")
		c.must(os.WriteFile(document, decision(i), 0o600))
		if out, err := c.postctl("letter", "evidence", id, "-out", file); err != nil {
			c.Fatalf("evidence of letter %s: %v\n%s", id, err, out)
		}
		if out, err := c.postctl("letter", "verify", file, "-cert", both, "-document", document); err != nil {
			c.Errorf("evidence of letter %s: %v\n%s", id, err, out)
		}
		if _, err := c.postctl("letter", "verify", file, "-cert", former); err == nil {
			byFormer++
		}
		if _, err := c.postctl("letter", "verify", file, "-cert", next); err == nil {
			byNext++
		}
	}
	return byFormer, byNext
}

// saysWhatToDo wants one clear line of each place where an operator looks.
func (c *change) saysWhatToDo() {
	c.Helper()
	const cure = "other_letter_cert_file of each dispatcher"
	said := ""
	for n := range c.dispatchers { // either may have had all of them
		b, err := os.ReadFile(c.dispatchers[n].log)
		c.must(err)
		for line := range bytes.Lines(b) {
			if bytes.Contains(line, []byte(cure)) {
				said = string(line)
			}
		}
	}
	if !strings.Contains(said, "certificate that is not among those known here") {
		c.Errorf("no dispatcher's log says why and what to do: %q", said)
	}
	for _, id := range c.letters {
		v, err := c.operator.Letter(c.Context(), id)
		c.must(err)
		if arrived(v) {
			continue
		}
		out, err := c.postctl("letter", "explain", id)
		if c.must(err); !strings.Contains(out, cure) {
			c.Errorf("postctl letter explain says nothing of it:\n%s", out)
		}
		c.Logf("%s", out)
		return
	}
	c.Error("no letter waits")
}
