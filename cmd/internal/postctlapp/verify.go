package postctlapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/outbound/account"
	"sikkerpost.dk/gateway/internal/post"
)

type verifyAll struct {
	Database    string        `required:"" env:"SIKKERPOST_DATABASE" placeholder:"URL" help:"Database; a role that may only select is enough."`
	Blobs       string        `placeholder:"DIR" help:"Folder of sealed bytes; without it no document is read."`
	Ledger      string        `placeholder:"DIR" help:"Published ledger; its checkpoint is what the rows are held against."`
	LedgerKey   string        `placeholder:"FILE" help:"Public key of the ledger's checkpoints."`
	DigitalPost string        `placeholder:"DIR" help:"What a simulated Digital Post holds."`
	PrintHouse  string        `placeholder:"DIR" help:"What a simulated print house has printed."`
	Late        time.Duration `default:"1h" help:"How long a receipt may wait to be matched."`
}

// Run goes through the books, prints what does not add up, and exits with
// [ctl.NeedsPerson] when anything does not; with [ctl.BadConfig] when a file given
// is not what it is said to be, a key that did not sign the checkpoint among them.
func (c *verifyAll) Run(r *run) (err error) {
	cfg := account.Config{Late: c.Late, Carriers: map[post.Channel]account.Carrier{}}
	if (c.Ledger == "") != (c.LedgerKey == "") {
		return &ctl.Hint{Err: errors.New("a ledger is checked with the key that signs its checkpoints"), Hint: "give both -ledger and -ledger-key", Exit: ctl.Misused}
	}
	db, err := sqlstore.OpenReader(r.ctx, c.Database)
	if err != nil {
		exit := ctl.Unreachable
		if !strings.HasPrefix(c.Database, "sqlite://") && !strings.HasPrefix(c.Database, "postgres") || errors.Is(err, fs.ErrNotExist) { // the address is wrong; asking again is in vain
			exit = ctl.BadConfig
		}
		return &ctl.Hint{Err: err, Hint: "check the address and the role; postctl and the programs must be of one version", Exit: exit}
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	cfg.Books = db
	if c.Blobs != "" {
		// Opening the store would make a missing folder, and then all is gone.
		if _, err := os.Stat(c.Blobs); err != nil {
			return &ctl.Hint{Err: err, Hint: "check the path given with -blobs", Exit: ctl.BadConfig}
		}
		blobs, err := blobstore.Open(c.Blobs)
		if err != nil {
			return err
		}
		cfg.Blobs, cfg.Shelf = blobs, blobs
	}
	if c.DigitalPost != "" {
		cfg.Carriers[post.Digital] = folder{c.DigitalPost, ".xml"}
	}
	if c.PrintHouse != "" {
		cfg.Carriers[post.Physical] = folder{c.PrintHouse, ""}
	}
	if c.Ledger != "" {
		if cfg.Audit, err = c.audit(db); err != nil {
			return err
		}
	}
	started := time.Now()
	report, err := account.Check(r.ctx, cfg)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if err := r.Print(report, func(w io.Writer) { printReport(w, report, time.Since(started)) }); err != nil {
		return err
	}
	if c.Blobs == "" {
		r.Say("not looked at: sealed bytes; give -blobs DIR")
	}
	if c.Ledger == "" {
		r.Say("not looked at: whether ledger rows are those that were published; give -ledger DIR and -ledger-key FILE")
	}
	if report.Found > 0 {
		return &ctl.Hint{Err: fmt.Errorf("%s not add up", doNot(report.Found)), Exit: ctl.NeedsPerson,
			Hint: "stop the dispatchers, keep everything as it is, and look at each; postctl letter explain ID tells how a letter came to be where it is"}
	}
	return nil
}

// folder is a simulated carrier: one entry for each message that it holds.
type folder struct{ dir, suffix string }

// Held implements [account.Carrier].
func (f folder) Held(context.Context) (map[string]int, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	held := map[string]int{}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), f.suffix)
		if ok && post.ValidUUID(id) {
			held[id]++
		}
	}
	return held, nil
}

func doNot(n int) string {
	if n == 1 {
		return "1 thing does"
	}
	return ctl.Count(n, "thing") + " do"
}

func printReport(w io.Writer, r *account.Report, took time.Duration) {
	fmt.Fprintf(w, "letters       %d, %d events, %d hand-overs, %d documents read\n", r.Letters, r.Events, r.HandOvers, r.Blobs)
	var states []string
	for s := range r.States {
		states = append(states, s)
	}
	slices.Sort(states)
	for _, s := range states {
		fmt.Fprintf(w, "  %-18s %d\n", s, r.States[s])
	}
	if p := r.Paper; p.Taken > 0 {
		fmt.Fprintf(w, "on paper      %d taken = %d waiting + %d printing + %d posted + %d proven + %d presumed + %d returned + %d rejected + %d recalled\n",
			p.Taken, p.Waiting, p.Printing, p.Posted, p.Proven, p.Presumed, p.Returned, p.Rejected, p.Recalled)
	}
	fmt.Fprintf(w, "receipts      %d applied, %d noted, %d parked for a person, %d closed by one, %d waiting\n", r.Receipts.Applied, r.Receipts.Noted, r.Receipts.Parked, r.Receipts.Closed, r.Receipts.Waiting)
	for _, rest := range r.Rests {
		fmt.Fprintf(w, "%-13s %s\n", rest.Carrier, rest.Says)
	}
	if r.Loose > 0 {
		fmt.Fprintf(w, "loose bytes   %d sealed objects that nothing names yet; they are swept a day later\n", r.Loose)
	}
	if r.Ledger != nil {
		fmt.Fprintf(w, "ledger        %d entries hash to the published checkpoint, %d bodies compared, %d erased\n", r.Ledger.Size, r.Ledger.Bodies, r.Ledger.Erased)
	}
	fmt.Fprintf(w, "for a person  %s\n", ctl.Count(r.NeedPerson, "letter"))
	if r.Found == 0 {
		fmt.Fprintf(w, "everything adds up (%s)\n", took.Round(time.Millisecond))
		return
	}
	var rows [][]string
	for _, f := range r.Faults {
		rows = append(rows, []string{f.Rule, f.ID, f.Detail})
	}
	ctl.Table(w, []string{"RULE", "ID", "WHAT"}, rows)
}
