package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"sikkerpost.dk/gateway/cmd/internal/inboxctlapp"
	"sikkerpost.dk/gateway/cmd/internal/postctlapp"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/testdata"
)

// A teller plays the story from outside: a browser, the two command-line
// programs and the simulators' pages are all it touches. Of the programs it
// knows what the state file says and nothing else.
type teller struct {
	s     state // all that it is told
	roots *x509.CertPool
	kept  string // where the evidence is left
	desk  string // a fresh directory of the teller's own, removed at the end
	nancy *browser

	reference string // of Nancy's inquiry
	digest    string // of its content, as her receipt states it
	reply     string // id of the letter that answers it
	answered  string // the message in her mailbox that carries it
	mailed    string // the message that she writes from there
	batch     string
	letters   []letterState // of the batch
	before    carrierCounts // when the batch had settled
}

// A scene is one step of the story: who acts, and a function that does it and
// says what was checked. A check that does not hold is an error.
type scene struct {
	who  string
	play func(*teller, context.Context) (string, error)
}

var scenes = []scene{
	{"citizen", (*teller).logIn},
	{"citizen", (*teller).ask},
	{"anybody", (*teller).checkReceipt},
	{"dpo tool", (*teller).openInquiry},
	{"dpo tool", (*teller).answer},
	{"citizen", (*teller).receiveAnswer},
	{"citizen", (*teller).mailToDPO},
	{"dpo tool", (*teller).answerMail},
	{"citizen", (*teller).findThread},
	{"case system", (*teller).sendBatch},
	{"approver", (*teller).approve},
	{"print house", (*teller).print},
	{"citizen", (*teller).writeToMunicipality},
	{"case system", (*teller).sendAgain},
	{"anybody", (*teller).verifyOffline},
	{"anybody", (*teller).checkLedger},
	{"operator", (*teller).count},
}

// storyTime bounds the story; it takes a few seconds on an idle machine.
const storyTime = 5 * time.Minute

// story plays every scene and prints a line for each.
func (h *house) story(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, storyTime)
	defer cancel()
	dir, err := os.MkdirTemp("", "sikkerpost-story-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := h.stateNow()
	if err != nil {
		return err
	}
	t, err := newTeller(s, h.opts.dir, dir)
	if err != nil {
		return err
	}
	if err := t.freshHouse(ctx); err != nil {
		return err
	}
	for i, s := range scenes {
		said, err := s.play(t, ctx)
		if err != nil {
			fmt.Fprintf(out, "%2d  %-11s  NOT AS PROMISED\n", i+1, s.who)
			return fmt.Errorf("story, step %d (%s): %w", i+1, s.who, err)
		}
		fmt.Fprintf(out, "%2d  %-11s  %s\n", i+1, s.who, said)
	}
	fmt.Fprintln(out, "all as promised")
	return nil
}

// newTeller returns a teller of a run, with a directory of its own.
func newTeller(s state, kept, desk string) (*teller, error) {
	t := &teller{s: s, kept: kept, desk: desk}
	var err error
	if t.roots, err = config.ReadPool(s.CAFile); err != nil {
		return nil, err
	}
	t.nancy, err = newBrowser(t.roots)
	return t, err
}

// freshHouse refuses a house in which something was sent before: the story
// counts what it finds.
func (t *teller) freshHouse(ctx context.Context) error {
	var c carrierCounts
	if err := t.simulators(ctx, "/api/v1/counts", &c); err != nil {
		return err
	}
	if c.sent() != (carrierCounts{}).sent() {
		return errors.New("the story wants a fresh start, and letters were sent from this state directory before; give another -dir")
	}
	return nil
}

// client returns an HTTP client that trusts the house.
func (t *teller) client() *http.Client { return trusting(t.roots) }

// path names a file of the teller's own.
func (t *teller) path(name string) string { return filepath.Join(t.desk, name) }

// pdf returns one of the documents of the story.
func pdf(name string) ([]byte, error) { return testdata.FS.ReadFile("pdf/" + name) }

// As whom a command-line program runs.
type as struct{ cert, key string }

func (t *teller) tool() as     { return as{t.s.ToolCertFile, t.s.ToolKeyFile} }
func (t *teller) cases() as    { return as{t.s.CaseCertFile, t.s.CaseKeyFile} }
func (t *teller) approver() as { return as{t.s.ApproverCertFile, t.s.ApproverKeyFile} }
func (t *teller) operator() as { return as{t.s.OperatorCertFile, t.s.OperatorKeyFile} }

// inboxctl runs the DPO's own tool and reads its JSON answer into v.
func (t *teller) inboxctl(ctx context.Context, v any, args ...string) error {
	w := t.tool()
	args = append([]string{"--json", "--url", t.s.DeskURL, "--cert", w.cert, "--key", w.key, "--ca", t.s.CAFile, "--state", t.path("inboxctl.json")}, args...)
	var out, talk bytes.Buffer
	return answerOf("inboxctl", inboxctlapp.Run(ctx, args, nil, &out, &talk), &out, &talk, v)
}

// postctl runs the operator's and case system's program as w.
func (t *teller) postctl(ctx context.Context, w as, v any, args ...string) error {
	args = append([]string{"--json", "--url", t.s.DeskURL, "--client-cert", w.cert, "--client-key", w.key, "--ca", t.s.CAFile}, args...)
	var out, talk bytes.Buffer
	return answerOf("postctl", postctlapp.Run(ctx, args, nil, &out, &talk), &out, &talk, v)
}

func answerOf(program string, code int, out, talk *bytes.Buffer, v any) error {
	if code != 0 {
		return fmt.Errorf("%s ended with %d: %s", program, code, bytes.TrimSpace(talk.Bytes()))
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(out.Bytes(), v); err != nil {
		return fmt.Errorf("%s answered no JSON: %w", program, err)
	}
	return nil
}

// simulators reads a JSON answer of the simulators' API.
func (t *teller) simulators(ctx context.Context, path string, v any) error {
	c := t.client()
	defer c.CloseIdleConnections()
	b, err := get(ctx, c, t.s.SimulatorURL+path)
	if err != nil {
		return fmt.Errorf("simulator %w", err)
	}
	return json.Unmarshal(b, v)
}

// until repeats check until it answers true; what is the promise that is not
// kept when time runs out.
func until(ctx context.Context, what string, check func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		ok, err := check()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New("never happened: " + what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// expect answers an error unless got equals want.
func expect[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s is %v, want %v", what, got, want)
	}
	return nil
}
