package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// letterState is what the story reads of a letter.
type letterState struct {
	ID        string `json:"id"`
	Line      int    `json:"line"`
	State     string `json:"state"`
	Channel   string `json:"channel"`
	Code      string `json:"code"`
	MessageID string `json:"message_id"`
	Tracking  string `json:"tracking"`
}

// batchState is what the story reads of a batch.
type batchState struct {
	ID       string         `json:"id"`
	State    string         `json:"state"`
	Lines    int            `json:"lines"`
	Letters  map[string]int `json:"letters"`
	Repeated bool           `json:"repeated"`
}

const batchKey = "afgoerelser-november"

// table writes the 20 decisions: 16 to people with Digital Post, 3 to people
// who are exempt, 1 to somebody of whom the look-up says nothing definite.
func (t *teller) table() (path string, err error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"key", "cpr", "name", "address1", "address2", "title", "document"}}
	add := func(key string) {
		p, _ := persona.By(key)
		n := len(rows)
		address := append(p.Address[:len(p.Address):len(p.Address)], "")
		rows = append(rows, []string{fmt.Sprintf("2026-%04d", 4100+n), p.CPR, p.Name, address[0], address[1],
			"Afgørelse om hjemmehjælp", fmt.Sprintf("decision-%02d.pdf", n%3+1)})
	}
	digital := []string{"nancy", "aisha", "mette", "jens", "tove"}
	for n := range 16 {
		add(digital[n%len(digital)])
	}
	for _, key := range []string{"poul", "viggo", "erna", "ukendt"} {
		add(key)
	}
	if err := w.WriteAll(rows); err != nil {
		return "", err
	}
	for n := 1; n <= 3; n++ {
		name := fmt.Sprintf("decision-%02d.pdf", n)
		content, err := pdf(name)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(t.path(name), content, 0o600); err != nil {
			return "", err
		}
	}
	path = t.path("decisions.csv")
	return path, os.WriteFile(path, b.Bytes(), 0o600)
}

func (t *teller) sendBatch(ctx context.Context) (string, error) {
	path, err := t.table()
	if err != nil {
		return "", err
	}
	var check struct{ Lines, Wrong int }
	if err := t.postctl(ctx, t.cases(), &check, "batch", "check", path, "-documents", t.desk); err != nil {
		return "", err
	}
	if err := errors.Join(expect("lines", check.Lines, 20), expect("wrong lines", check.Wrong, 0)); err != nil {
		return "", err
	}
	var b batchState
	if err := t.postctl(ctx, t.cases(), &b, "batch", "send", path, "-documents", t.desk, "-key", batchKey); err != nil {
		return "", err
	}
	t.batch = b.ID
	if err := t.postctl(ctx, t.cases(), &b, "batch", "show", t.batch); err != nil {
		return "", err
	}
	if err := expect("letters held", b.Letters[string(post.LetterHeld)], 20); err != nil {
		return "", err
	}
	if t.postctl(ctx, t.cases(), nil, "batch", "approve", t.batch) == nil {
		return "", errors.New("the submitter could approve its own batch")
	}
	return "sends a batch of 20 decisions, CSV and PDFs: none wrong, all held; it cannot approve its own batch", nil
}

func (t *teller) approve(ctx context.Context) (string, error) {
	if err := t.release(ctx); err != nil {
		return "", err
	}
	if err := t.spread(ctx); err != nil {
		return "", err
	}
	return "releases it: 16 in Digital Post, 3 on paper because exempt, 1 waits because the look-up is unsure", nil
}

func (t *teller) release(ctx context.Context) error {
	return t.postctl(ctx, t.approver(), nil, "batch", "approve", t.batch)
}

// spread waits until every letter of the batch has gone its way.
func (t *teller) spread(ctx context.Context) error {
	var b batchState
	want := map[post.LetterState]int{post.LetterDelivered: 16, post.LetterPrinting: 3, post.LetterAwaitingLookup: 1}
	err := until(ctx, "16 delivered, 3 printing, 1 waiting", func() (bool, error) {
		err := t.postctl(ctx, t.cases(), &b, "batch", "show", t.batch)
		for s, n := range want {
			if b.Letters[string(s)] != n {
				return false, err
			}
		}
		return true, err
	})
	if err != nil {
		return fmt.Errorf("%w; the counts were %v", err, b.Letters)
	}
	return nil
}

// print lets each of the three letters on paper end in its own way.
func (t *teller) print(ctx context.Context) (string, error) {
	var tray struct {
		Jobs []printhousetest.Job `json:"jobs"`
	}
	if err := t.simulators(ctx, "/api/v1/print", &tray); err != nil {
		return "", err
	}
	if err := expect("print jobs", len(tray.Jobs), 3); err != nil {
		return "", err
	}
	fates := map[string][]string{"poul": {"posted"}, "viggo": {"posted", "proven"}, "erna": {"posted", "returned?reason=unknown-at-address"}}
	ends := map[string]post.LetterState{"poul": post.LetterPosted, "viggo": post.LetterProven, "erna": post.LetterReturned}
	var shown []string
	for _, key := range []string{"poul", "viggo", "erna"} {
		p, _ := persona.By(key)
		job := jobFor(tray.Jobs, p.Name)
		if job.ID == "" {
			return "", fmt.Errorf("no print job is addressed to %s", p.Name)
		}
		for _, event := range fates[key] {
			if err := t.press(ctx, "/api/v1/print/"+job.ID+"/"+event, "", &job); err != nil {
				return "", err
			}
		}
		l, err := t.byMessage(ctx, job.ID)
		if err != nil {
			return "", err
		}
		if err := t.settled(ctx, l.ID, ends[key]); err != nil {
			return "", err
		}
		if l, err = t.show(ctx, l.ID); err != nil {
			return "", err
		}
		switch key {
		case "poul":
			if l.Tracking == "" || l.Tracking != job.Tracking {
				return "", errors.New("the tracking number is not the print house's")
			}
			shown = append(shown, "posted with a tracking number")
		case "viggo":
			shown = append(shown, "delivered with proof")
		case "erna":
			shown = append(shown, "returned ("+l.Code+")")
		}
	}
	if err := t.simulators(ctx, "/api/v1/counts", &t.before); err != nil {
		return "", err
	}
	return "one letter " + strings.Join(shown, ", one ") + ": each seen with postctl letter show", nil
}

func jobFor(jobs []printhousetest.Job, name string) printhousetest.Job {
	for _, j := range jobs {
		if len(j.Ticket.Address) > 0 && j.Ticket.Address[0] == name {
			return j
		}
	}
	return printhousetest.Job{}
}

func (t *teller) show(ctx context.Context, id string) (l letterState, err error) {
	err = t.postctl(ctx, t.operator(), &l, "letter", "show", id)
	return l, err
}

// settled waits until a letter is in state.
func (t *teller) settled(ctx context.Context, id string, state post.LetterState) error {
	return until(ctx, "letter "+id+" "+string(state), func() (bool, error) {
		l, err := t.show(ctx, id)
		return l.State == string(state), err
	})
}

// byMessage finds the letter of the batch that went out as a message.
func (t *teller) byMessage(ctx context.Context, message string) (letterState, error) {
	var page struct {
		Letters []letterState `json:"items"`
	}
	if err := t.postctl(ctx, t.operator(), &page, "batch", "show", t.batch, "-letters"); err != nil {
		return letterState{}, err
	}
	t.letters = page.Letters
	for _, l := range page.Letters {
		if l.MessageID == message {
			return l, nil
		}
	}
	return letterState{}, fmt.Errorf("no letter of the batch went out as %s", message)
}

// sendAgain sends the same batch a second time.
func (t *teller) sendAgain(ctx context.Context) (string, error) {
	var earlier, later carrierCounts
	if err := t.simulators(ctx, "/api/v1/counts", &earlier); err != nil {
		return "", err
	}
	var was, b batchState
	if err := t.postctl(ctx, t.cases(), &was, "batch", "show", t.batch); err != nil {
		return "", err
	}
	err := t.postctl(ctx, t.cases(), &b, "batch", "send", t.path("decisions.csv"), "-documents", t.desk, "-key", batchKey)
	if err != nil {
		return "", err
	}
	if !b.Repeated || b.ID != t.batch {
		return "", errors.New("the same batch was taken for another")
	}
	var is batchState
	if err := t.postctl(ctx, t.cases(), &is, "batch", "show", t.batch); err != nil {
		return "", err
	}
	if err := t.simulators(ctx, "/api/v1/counts", &later); err != nil {
		return "", err
	}
	if fmt.Sprint(was.Letters) != fmt.Sprint(is.Letters) || earlier.sent() != later.sent() {
		return "", errors.New("the same batch, sent again, changed something")
	}
	return "sends the same batch again: nothing changes, no carrier is handed anything", nil
}

// evidenceName is where the story leaves the evidence of the DPO's answer,
// under the state directory: it holds digests and commitments only.
const evidenceName = "answer.asice"

func (t *teller) verifyOffline(ctx context.Context) (string, error) {
	file := filepath.Join(t.kept, evidenceName)
	if err := t.postctl(ctx, t.operator(), nil, "letter", "evidence", t.reply, "-out", file); err != nil {
		return "", err
	}
	var got struct {
		Letter    string `json:"letter"`
		Documents []struct {
			Standing string `json:"standing"`
		} `json:"documents"`
		Events []struct{} `json:"events"`
	}
	verify := func(document string) error {
		return t.postctl(ctx, as{}, &got, "letter", "verify", file, "-cert", t.s.LetterCertFile, "-document", document)
	}
	if err := verify(t.path("answer.pdf")); err != nil {
		return "", err
	}
	if err := expect("the letter of the evidence", got.Letter, t.reply); err != nil {
		return "", err
	}
	if verify(filepath.Join(t.desk, "decision-01.pdf")) == nil {
		return "", errors.New("another document passes for the letter's")
	}
	return fmt.Sprintf("verifies the answer offline from its evidence file: signature, %d document, %d events; another PDF is refused",
		len(got.Documents), len(got.Events)), nil
}
