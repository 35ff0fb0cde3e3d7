package chaosapp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/internal/outbound/account"
	"sikkerpost.dk/gateway/internal/post"
)

// atRest are the states in which a letter of this run has come as far as it
// can: the simulated print house goes no further by itself.
var atRest = []post.LetterState{post.LetterDelivered, post.LetterPrinting, post.LetterPosted, post.LetterNeedsPerson, post.LetterCancelled}

// calm stops the faults and waits until every letter has come to rest, or until
// nothing has moved for a minute: what is stranded then is for the judge.
func (r *run) calm(ctx context.Context) error {
	if err := r.setFaults(ctx, `{"duplicate_receipts":true,"reorder_receipts":true,"stray_receipts":3}`); err != nil {
		return err
	}
	if err := r.bendKombi(ctx, ""); err != nil {
		return err
	}
	last, since, all := "", time.Now(), r.o.Letters+len(r.own)
	return until(ctx, r.o.Within, "letters to come to rest", func() bool {
		counts, err := r.store.LetterCounts(ctx, "")
		if err != nil {
			return false
		}
		rest := 0
		for _, c := range counts {
			for _, s := range atRest {
				rest += c.States[s]
			}
		}
		if now := fmt.Sprint(counts); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > settled { // no carrier has more to say of what was stopped in its hand-over
			rest += r.inDoubt(ctx)
		}
		if rest < all && time.Since(since) < time.Minute {
			return false
		}
		if rest < all {
			r.log.ErrorContext(ctx, "letters are stranded", slog.String("counts", last))
		}
		tally, err := r.store.ReceiptTally(ctx)
		return err == nil && (tally.Waiting == 0 || time.Since(since) > time.Minute)
	})
}

// settled is how long nothing moves once each receipt that is on its way has come.
const settled = 5 * time.Second

// inDoubt is how many letters of the stopped batch wait for a carrier's word: their
// hand-over was cut short, and nobody may send them again to find out.
func (r *run) inDoubt(ctx context.Context) int {
	v, err := r.store.BatchView(ctx, "", post.BatchID(r.stopped.batch))
	if err != nil {
		return 0
	}
	return v.Letters[post.LetterOutcomeUnknown]
}

// judge counts what went wrong.
func (r *run) judge(ctx context.Context) (Result, error) {
	res := Result{Letters: len(r.letters), Kills: r.o.Kills, Duplicates: int(r.changed.Load()),
		Pauses: int(r.pauses.Load()), ChannelPauses: int(r.roads.Load()), Stops: int(r.stops.Load()), KeptBack: r.keptBack()}
	var err error
	if res.ForgedExecuted, err = r.forgedExecuted(ctx); err != nil {
		return res, err
	}
	if err := r.ledgerAtRest(ctx); err != nil {
		return res, err
	}
	outside, err := r.outside(ctx, &res)
	if err != nil {
		return res, err
	}
	report, err := r.verify(ctx)
	if err != nil {
		return res, err
	}
	fmt.Fprintf(r.out, "postctl verify: %d letters, %d events, %d hand-overs, %d receipts parked, %d faults\n",
		report.Letters, report.Events, report.HandOvers, report.Receipts.Parked, report.Found)
	for _, f := range report.Faults {
		fmt.Fprintf(r.out, "  %s %s: %s\n", f.Rule, f.ID, f.Detail)
	}
	// What is wrong outside and not named inside went undetected; what is named
	// inside and does not show outside is wrong all the same.
	if outside > 0 && report.Found == 0 {
		res.Undetected += outside
	}
	if outside == 0 && report.Found > 0 {
		return res, fmt.Errorf("postctl verify found %d faults that do not show at the carriers", report.Found)
	}
	missed, err := r.damage(ctx)
	res.Undetected += missed
	return res, err
}

// outside holds what the callers were told against what the carriers hold, and
// nothing else.
func (r *run) outside(ctx context.Context, res *Result) (wrong int, err error) {
	digital, paper, err := r.carriers()
	if err != nil {
		return 0, err
	}
	kombi, err := r.kombi(ctx)
	if err != nil {
		return 0, err
	}
	held := len(digital) + len(paper) + kombi.accepted
	for i := range r.o.Letters {
		id := r.letters[keyOf(i)]
		d := digital[post.DerivedID(post.LetterID(id), post.Digital, 1)]
		p := paper[post.DerivedID(post.LetterID(id), post.Physical, 1)]
		if r.goesByKombi(i / batchLines) {
			kd, kp, err := kombi.holds(ctx, post.LetterID(id))
			switch {
			case err != nil:
				return 0, err
			case (kd || kp) && (d || p): // the same letter by two carriers
				res.Duplicates++
				held -= 2
				continue
			}
			d, p = d || kd, p || kp
		}
		switch {
		case d && p:
			res.BothChannels++
			held -= 2
		case d || p:
			held--
		default:
			res.Lost++
		}
	}
	ofOwn, err := r.judgeStopped(ctx, res, digital, paper)
	if err != nil {
		return 0, err
	}
	held -= ofOwn
	res.Duplicates += held // carriers hold these beside one for each letter
	return res.Lost + res.Duplicates + res.BothChannels, nil
}

func entries(dir, suffix string) (map[string]bool, error) {
	all, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	held := map[string]bool{}
	for _, e := range all {
		if id, ok := strings.CutSuffix(e.Name(), suffix); ok && post.ValidUUID(id) {
			held[id] = true
		}
	}
	return held, nil
}

// verify runs postctl verify as an operator does.
func (r *run) verify(ctx context.Context) (*account.Report, error) {
	cmd := exec.CommandContext(ctx, r.path("bin", "postctl"), "verify", "--json", "--database", r.database, "--blobs", r.path("blobs"),
		"--ledger", r.path("ledger"), "--ledger-key", r.certs.Checkpoint.Verifier,
		"--digital-post", r.path("simulator", "digitalpost"), "--print-house", r.path("simulator", "printhouse"))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 3) {
		return nil, fmt.Errorf("postctl verify: %w: %s", err, errs.String())
	}
	var report account.Report
	if err := json.Unmarshal(out, &report); err != nil {
		return nil, fmt.Errorf("postctl verify: %w", err)
	}
	if (err == nil) != (report.Found == 0) {
		return nil, errors.New("postctl verify: exit code and report disagree")
	}
	return &report, nil
}

// forgedPushes is how many tasks are forged and replayed when all is quiet.
const forgedPushes = 40

// forgedExecuted pushes forged and replayed tasks while nothing else happens:
// each must be counted as refused, and no letter may move.
func (r *run) forgedExecuted(ctx context.Context) (int, error) {
	before, err := r.refused(ctx)
	if err != nil {
		return 0, err
	}
	standing, err := r.standing(ctx)
	if err != nil {
		return 0, err
	}
	pushed := 0
	done, err := r.intruder.Done(forgedPushes / 2)
	if err != nil {
		done = nil // Redis was emptied after the last letter
	}
	for _, t := range done {
		if err := r.intruder.Push(ctx, t.Kind, post.NewID()+":1", t.Payload); err != nil {
			return 0, err
		}
		pushed++
	}
	for _, id := range r.letters {
		if pushed == forgedPushes {
			break
		}
		kind, task, payload := forgery(id)
		if err := r.intruder.Push(ctx, kind, task, payload); err != nil {
			return 0, err
		}
		pushed++
	}
	refused := 0
	err = until(ctx, 30*time.Second, "forged tasks to be refused", func() bool {
		now, err := r.refused(ctx)
		refused = now - before
		return err == nil && refused >= pushed
	})
	if err != nil {
		r.log.ErrorContext(ctx, "forged tasks not all refused", slog.Int("refused", refused), slog.Int("pushed", pushed))
	}
	after, err := r.standing(ctx)
	if err != nil {
		return 0, err
	}
	executed := max(pushed-refused, 0)
	for id, s := range after {
		if standing[id] != s {
			executed++
		}
	}
	fmt.Fprintf(r.out, "%d tasks forged or replayed in the quiet (%d replayed): %d refused and counted\n", pushed, len(done), refused)
	return executed, nil
}

// standing is the version of every letter.
func (r *run) standing(ctx context.Context) (map[post.LetterID]int64, error) {
	all := map[post.LetterID]int64{}
	return all, r.eachDossier(ctx, func(some []account.Dossier) {
		for _, d := range some {
			all[d.ID] = d.Version
		}
	})
}

// eachDossier goes through all that the house knows of its letters.
func (r *run) eachDossier(ctx context.Context, do func([]account.Dossier)) error {
	for after := post.LetterID(""); ; {
		some, err := r.store.Dossiers(ctx, after, 500)
		if err != nil {
			return err
		}
		do(some)
		if len(some) < 500 {
			return nil
		}
		after = some[len(some)-1].ID
	}
}

// refused sums the dispatchers' own count of refused tasks.
func (r *run) refused(ctx context.Context) (int, error) {
	sum := 0
	for _, d := range r.dispatchers {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.address+"/metrics", nil)
		if err != nil {
			return 0, err
		}
		b, err := fetch(http.DefaultClient, req)
		if err != nil {
			return 0, fmt.Errorf("read metrics of %s: %w", d.name, err)
		}
		for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), "sikkerpost_tasks_refused_total{"); ok {
				_, value, _ := strings.Cut(rest, "} ")
				n, err := strconv.ParseFloat(value, 64)
				if err != nil {
					return 0, fmt.Errorf("read metrics of %s: %w", d.name, err)
				}
				sum += int(n)
			}
		}
	}
	return sum, nil
}

// ledgerAtRest waits until the published checkpoint covers every event; the
// right of a killed integrator has to lapse first.
func (r *run) ledgerAtRest(ctx context.Context) error {
	return until(ctx, 2*time.Minute, "the ledger to be published", func() bool {
		waiting, err := r.store.UnplacedEvents(ctx)
		if err != nil || waiting > 0 {
			return false
		}
		size, _, err := r.store.LedgerState(ctx)
		text, err2 := os.ReadFile(r.path("ledger", "checkpoint"))
		return err == nil && err2 == nil && strings.Contains(string(text), fmt.Sprintf("\n%d\n", size))
	})
}

// damage does known harm, one by one, and counts what postctl verify does not
// report.
func (r *run) damage(ctx context.Context) (missed int, err error) {
	for _, p := range []*process{r.desk, r.dispatchers[0], r.dispatchers[1]} {
		if err := p.signal(9); err != nil {
			return 0, err
		}
	}
	blobs, err := blobstore.Open(r.path("blobs"))
	if err != nil {
		return 0, err
	}
	documents, err := r.documents(ctx)
	if err != nil {
		return 0, err
	}
	messages, err := files(r.path("simulator", "digitalpost"))
	if err != nil {
		return 0, err
	}
	if len(documents) < 2 || len(messages) < 2 {
		return 0, errors.New("too few letters to damage")
	}
	for _, harm := range []struct {
		what, rule string
		do         func() error
	}{
		{"a sealed document removed", "blob", func() error { return blobs.Delete(ctx, documents[0]) }},
		{"a byte of a sealed document changed", "blob", func() error { return r.change(ctx, blobs, documents[1]) }},
		{"a message gone from the carrier", "lost", func() error { return os.Remove(messages[0]) }},
		{"a message at the carrier that we never sent", "carrier", func() error {
			return os.WriteFile(filepath.Join(filepath.Dir(messages[1]), post.NewID()+".xml"), []byte("<x/>"), 0o600)
		}},
		{"a changed checkpoint", "ledger", func() error { return flipRoot(r.path("ledger", "checkpoint")) }},
	} {
		before, err := r.verify(ctx)
		if err != nil {
			return missed, err
		}
		if err := harm.do(); err != nil {
			return missed, err
		}
		after, err := r.verify(ctx)
		if err != nil {
			return missed, err
		}
		if after.Found <= before.Found || !slices.ContainsFunc(after.Faults, func(f account.Fault) bool { return f.Rule == harm.rule }) {
			fmt.Fprintf(r.out, "NOT DETECTED: %s\n", harm.what)
			missed++
		}
	}
	return missed, nil
}

// documents names some sealed documents of letters.
func (r *run) documents(ctx context.Context) (named []string, err error) {
	some, err := r.store.Dossiers(ctx, "", 10)
	for _, d := range some {
		if name := d.Documents[0].Name; !slices.Contains(named, name) {
			named = append(named, name)
		}
	}
	return named, err
}

// change turns a bit of a sealed document over, where it lies.
func (r *run) change(ctx context.Context, blobs *blobstore.Store, name string) error {
	rc, err := blobs.Get(ctx, name)
	if err != nil {
		return err
	}
	defer rc.Close()
	sealed, err := io.ReadAll(rc)
	if err != nil {
		return err
	}
	return filepath.WalkDir(r.path("blobs"), func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		at := bytes.Index(b, sealed)
		if at < 0 {
			return nil
		}
		b[at+len(sealed)/2] ^= 1
		return os.WriteFile(path, b, 0o600)
	})
}

// files lists the messages below dir.
func files(dir string) (all []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && post.ValidUUID(strings.TrimSuffix(e.Name(), ".xml")) {
			all = append(all, path)
		}
		return err
	})
	return all, err
}

// flipRoot changes the root hash of a checkpoint, its third line.
func flipRoot(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := bytes.SplitN(b, []byte("\n"), 4)
	if len(lines) < 4 || len(lines[2]) < 2 {
		return errors.New("the checkpoint has no root hash")
	}
	if at := &lines[2][1]; *at == 'A' {
		*at = 'B'
	} else {
		*at = 'A'
	}
	b = bytes.Join(lines, []byte("\n"))
	return os.WriteFile(path, b, 0o600)
}
