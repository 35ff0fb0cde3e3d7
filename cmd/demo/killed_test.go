package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// A child is the demo as a process of its own, which can be killed.
type child struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
	log *bytes.Buffer
	s   state
}

// start starts the demo on the state directory and waits for its state file.
func (c *child) start() {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "state.json")
	c.log = &bytes.Buffer{}
	c.cmd = exec.Command("demo", "-dir", c.dir, "-state", file)
	c.cmd.Stderr = c.log
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(file)
		if err == nil && json.Unmarshal(text, &c.s) == nil {
			return
		}
		if !errors.Is(err, fs.ErrNotExist) || time.Now().After(deadline) {
			c.kill()
			c.t.Fatalf("the demo did not come up: %v\n%s", err, c.log)
		}
	}
}

// kill ends the process as a power cut does.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // gone already
	_ = c.cmd.Wait()
}

// again starts a new process in the place of the old one, and tells the teller
// where it is now. Nancy has to log in anew: her session's key was in memory.
func (c *child) again(tell *teller) {
	c.t.Helper()
	c.start()
	next, err := newTeller(c.s, tell.kept, tell.desk)
	if err != nil {
		c.t.Fatal(err)
	}
	tell.s, tell.roots, tell.nancy = next.s, next.roots, next.nancy
}

// TestTheStoryGoesOnAfterEachKill cuts the power with an inquiry just accepted,
// with a reply just taken, and with a batch half sent, and each time starts a
// new process on what the old one left. Nothing is lost and nobody gets
// anything twice.
func TestTheStoryGoesOnAfterEachKill(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*storyTime)
	defer cancel()
	c := &child{t: t, dir: stateDir(t)}
	c.start()
	t.Cleanup(func() { c.kill() })
	tell, err := newTeller(c.s, t.TempDir(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	play := func(scenes ...func(*teller, context.Context) (string, error)) {
		t.Helper()
		for _, scene := range scenes {
			said, err := scene(tell, ctx)
			if err != nil {
				t.Fatalf("%v\nthe demo said:\n%s", err, c.log)
			}
			t.Log(said)
		}
	}
	cut := func() {
		t.Helper()
		c.kill()
		c.again(tell)
	}

	play((*teller).logIn, (*teller).ask)
	cut()
	play((*teller).openInquiry, (*teller).answer)
	cut()
	play((*teller).receiveAnswer, (*teller).mailToDPO)
	cut()
	play((*teller).answerMail, (*teller).findThread, (*teller).sendBatch)
	if err := errors.Join(tell.slow(ctx), tell.release(ctx), tell.halfway(ctx)); err != nil {
		t.Fatal(err)
	}
	cut()
	if err := tell.spread(ctx); err != nil {
		t.Fatalf("%v\nthe demo said:\n%s", err, c.log)
	}
	play((*teller).print, (*teller).logIn, (*teller).writeToMunicipality, (*teller).sendAgain,
		(*teller).verifyOffline, (*teller).checkReceipt)

	// Ctrl-C is an ordinary end. What is counted then is counted by carriers
	// that have forgotten how often they were asked, not what they hold.
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C the demo ended with %v\n%s", err, c.log)
	}
	c.again(tell)
	play((*teller).checkLedger, (*teller).count)
}

// slow makes Digital Post take its time, so that a batch can be interrupted on
// any machine. The dial is forgotten with the process.
func (t *teller) slow(ctx context.Context) error {
	return t.press(ctx, "/api/v1/faults", `{"delay_ms": 700, "hold_receipts": true}`, &struct{}{})
}

// halfway waits until Digital Post has taken some letters of the batch and not
// yet all; receipts are held back, so none is delivered.
func (t *teller) halfway(ctx context.Context) error {
	return until(ctx, "Digital Post takes a letter of the batch", func() (bool, error) {
		var b batchState
		err := t.postctl(ctx, t.cases(), &b, "batch", "show", t.batch)
		n := b.Letters[string(post.LetterHandedOver)]
		if n == 16 {
			return false, errors.New("the batch was through before it could be interrupted")
		}
		return n > 0, err
	})
}
