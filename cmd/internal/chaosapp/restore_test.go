package chaosapp

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

// TestADatabaseIsRestoredFromABackupByThePagesSteps lets a house of processes deliver
// letters, takes its database back to a backup, and follows "After a restore" of the
// operations page, on both channels. Each letter of the backup is then once at its
// carrier, and each letter that was lost is found by what its carrier said of it.
func TestADatabaseIsRestoredFromABackupByThePagesSteps(t *testing.T) {
	if !outside.Full() {
		t.Log("LEFT OUT: a database restored from a backup with running programs; SIKKERPOST_FULL=1 asks for it")
		return
	}
	d := &drill{change: newChange(t)}
	d.faults(`{}`)

	// In the backup: letters that have arrived, letters whose receipt has not come, and
	// letters that no carrier has, singly and in a batch that is signed as a whole.
	before := d.singly(0, 5)
	d.await("arrived", before, arrived)
	d.faults(`{"hold_receipts":true}`)
	unheard := d.singly(5, 10)
	d.await("taken", unheard, taken)
	d.stop(syscall.SIGTERM)
	accepted := d.singly(10, 20)
	waiting := d.whole(20, 30)
	backup := d.backup()

	// After it those are handed over too. Of the batch, and of letters that come now, no
	// receipt is fetched any more.
	d.pauseWhole()
	d.faults(`{}`)
	d.start()
	d.await("arrived", slices.Concat(unheard, accepted), arrived)
	d.faults(`{"hold_receipts":true}`)
	d.resumeWhole()
	lost := d.singly(30, 40)
	d.await("taken", slices.Concat(waiting, lost), taken)
	had := d.untilHeld(40)
	d.once(had, slices.Concat(before, unheard, accepted, waiting, lost))

	// The night.
	d.stop(syscall.SIGKILL)
	d.must(d.desk.signal(syscall.SIGKILL))
	d.posted(slices.Concat(waiting, lost))
	d.faults(`{}`)
	offered := d.handOvers()
	d.restore(backup)
	d.refused() // whoever starts a dispatcher too early

	// The page.
	d.newLedger()
	callers := d.withoutCallers()
	d.must(d.desk.start(t.Context()))
	page := d.page()
	d.sh(page[1]) // pauses each channel
	d.start()
	d.untilParked(slices.Concat(waiting, lost))
	d.await("kept back", slices.Concat(accepted, waiting), halted)
	d.sh(page[2]) // what carriers spoke of
	d.namesTheLost(page[3], lost, waiting)
	lists, resumeDigital, changed, resumePaper := d.fourth(page[4])
	d.sh(lists)
	d.keepOnPaper(waiting)
	if now := d.handOvers(); now != offered {
		t.Errorf("%d hand-overs while both channels were paused", now-offered)
	}
	d.sh(resumeDigital)
	d.await("looked up", slices.Concat(accepted, waiting), func(v wire.LetterView) bool {
		return taken(v) || v.State == string(post.LetterRouted) && v.Channel == string(post.Physical)
	})
	if out := d.sh(changed); out != "" {
		t.Errorf("nobody changed between digital and paper, and the page's list has\n%s", out)
	}
	d.sh(resumePaper)
	d.await("taken", slices.Concat(before, unheard, accepted, waiting), taken)
	if now := d.handOvers(); now == offered {
		t.Error("nothing was handed over again: the carriers' own memory is not tried")
	}
	if now := d.held(); !maps.Equal(now, had) {
		t.Errorf("the carriers had %d letters, and have %d", len(had), len(now))
	}
	// What was still said of a letter reaches it; what was said before, and fetched, does not.
	d.await("arrived", slices.Concat(before, waiting), arrived)
	for _, id := range slices.Concat(unheard, accepted) {
		v, err := d.operator.Letter(t.Context(), id)
		d.must(err)
		if v.State == string(post.LetterDelivered) || !taken(v) {
			t.Errorf("letter %s, whose receipt was fetched before the restore, is %s", id, v.State)
		}
	}
	d.must(d.desk.signal(syscall.SIGTERM))
	d.configure("desk.json", map[string]any{"clients": callers})
	d.must(d.desk.start(t.Context()))
	d.sentAgain(lost, had)
	d.provesItself()
}

// drill is a house whose database is taken back.
type drill struct {
	*change
	batch  string
	ledger string // of the new ledger: its folder, and its keys without .key and .pub
	keys   string
}

func taken(v wire.LetterView) bool {
	return v.State == string(post.LetterHandedOver) || arrived(v)
}

func (d *drill) faults(dial string) {
	d.Helper()
	d.must(d.setFaults(d.Context(), dial))
}

// singly sends letters one by one and returns their ids.
func (d *drill) singly(from, to int) []string {
	d.Helper()
	d.send(from, to)
	return d.ids(from, to)
}

// whole sends a batch that is signed as a whole.
func (d *drill) whole(from, to int) []string {
	d.Helper()
	id, err := d.submit(d.Context(), hands{d.caller, d.approver}, wire.BatchOpen{Key: "restored", Policy: string(post.SignBatch)}, from, to, decision)
	d.must(err)
	d.must(d.readBatch(d.Context(), d.caller, id, from, d.change.letters))
	d.batch = id
	return d.ids(from, to)
}

func (d *drill) pauseWhole() {
	d.Helper()
	_, err := d.operator.PauseBatch(d.Context(), d.batch)
	d.must(err)
}

func (d *drill) resumeWhole() {
	d.Helper()
	_, err := d.operator.ResumeBatch(d.Context(), d.batch)
	d.must(err)
}

func (d *drill) ids(from, to int) (ids []string) {
	for i := from; i < to; i++ {
		ids = append(ids, d.change.letters[keyOf(i)])
	}
	return ids
}

// await waits until each of those letters is so.
func (d *drill) await(what string, ids []string, so func(wire.LetterView) bool) {
	d.Helper()
	var last string
	err := until(d.Context(), time.Minute, "letters to be "+what, func() bool {
		for _, id := range ids {
			v, err := d.operator.Letter(d.Context(), id)
			d.must(err)
			last = id + " is " + v.State + " (" + v.Code + ")"
			if !so(v) {
				return false
			}
		}
		return true
	})
	if err != nil {
		d.Fatalf("%v; %s", err, last)
	}
}

func (d *drill) stop(s syscall.Signal) {
	d.Helper()
	for _, p := range d.dispatchers {
		d.must(p.signal(s))
	}
}

func (d *drill) start() {
	d.Helper()
	for _, p := range d.dispatchers {
		d.must(p.start(d.Context()))
	}
}

// held are the messages and jobs that the carriers have, by id and channel.
func (d *drill) held() map[string]post.Channel {
	d.Helper()
	digital, paper, err := d.carriers()
	d.must(err)
	all := map[string]post.Channel{}
	for id := range digital {
		all[id] = post.Digital
	}
	for id := range paper {
		all[id] = post.Physical
	}
	if len(all) != len(digital)+len(paper) {
		d.Error("two carriers have a message of one id")
	}
	return all
}

// untilHeld waits until the carriers have so many: the print house opens what lies in
// its folder in its own time.
func (d *drill) untilHeld(n int) (all map[string]post.Channel) {
	d.Helper()
	if err := until(d.Context(), time.Minute, "carriers to have all letters", func() bool { all = d.held(); return len(all) >= n }); err != nil {
		d.Fatalf("%v: they have %d of %d", err, len(all), n)
	}
	return all
}

// on is the channel on which a carrier has the letter, "" when none has.
func on(held map[string]post.Channel, letter string) (found post.Channel, times int) {
	for generation := range 3 {
		for _, c := range []post.Channel{post.Digital, post.Physical} {
			if held[post.DerivedID(post.LetterID(letter), c, generation+1)] == c {
				found, times = c, times+1
			}
		}
	}
	return found, times
}

// once wants each of those letters once, none besides, and some on each channel.
func (d *drill) once(held map[string]post.Channel, letters []string) {
	d.Helper()
	by := map[post.Channel]int{}
	for _, id := range letters {
		c, times := on(held, id)
		if by[c]++; times != 1 {
			d.Errorf("letter %s is %d times at carriers", id, times)
		}
	}
	if len(held) != len(letters) || by[post.Digital] < 5 || by[post.Physical] < 5 {
		d.Errorf("carriers have %d of %d letters: %v", len(held), len(letters), by)
	}
}

// handOvers counts what carriers were offered, repeated or not.
func (d *drill) handOvers() int {
	d.Helper()
	b, err := d.ask(d.Context(), http.MethodGet, "/api/v1/counts", "")
	d.must(err)
	var n struct {
		Digital struct{ Accepted, Duplicates int } `json:"digital_post"`
		Jobs    int                                `json:"print_jobs"`
	}
	d.must(json.Unmarshal(b, &n))
	return n.Digital.Accepted + n.Digital.Duplicates + n.Jobs
}

// posted lets the print house say of those that are on paper that the post has them.
func (d *drill) posted(letters []string) {
	d.Helper()
	held := d.held()
	for _, id := range letters {
		if c, _ := on(held, id); c == post.Physical {
			_, err := d.ask(d.Context(), http.MethodPost, "/api/v1/print/"+post.DerivedID(post.LetterID(id), c, 1)+"/posted", "")
			d.must(err)
		}
	}
}

// backup copies the database while desk runs, as the page says.
func (d *drill) backup() string {
	d.Helper()
	to := d.path("backup.db")
	db, err := sql.Open("sqlite", "file:"+d.path("sikkerpost.db"))
	d.must(err)
	defer db.Close()
	_, err = db.ExecContext(d.Context(), `VACUUM INTO ?`, to)
	d.must(err)
	return to
}

// restore puts it where the database was.
func (d *drill) restore(backup string) {
	d.Helper()
	d.must(d.store.Close())
	for _, log := range []string{"-wal", "-shm"} {
		if err := os.Remove(d.path("sikkerpost.db" + log)); !errors.Is(err, fs.ErrNotExist) {
			d.must(err)
		}
	}
	b, err := os.ReadFile(backup)
	d.must(err)
	d.must(os.WriteFile(d.path("sikkerpost.db"), b, 0o600))
	d.store, err = sqlstore.OpenReader(d.Context(), d.database)
	d.must(err)
}

// refused wants a dispatcher that ends at once and says why and what to do.
func (d *drill) refused() {
	d.Helper()
	had, offered := d.held(), d.handOvers()
	p := d.dispatchers[0]
	if err := p.once(d.Context()); !errors.Is(err, errEarly) {
		d.Fatalf("a dispatcher started on the restored database: %v", err)
	}
	p.cmd = nil // it is gone
	b, err := os.ReadFile(p.log)
	d.must(err)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, post.FaultDatabaseOlder.Code) || !strings.Contains(last, "After a restore") {
		d.Errorf("it says: %s", last)
	}
	if !maps.Equal(had, d.held()) || d.handOvers() != offered {
		d.Error("it handed something over")
	}
}

// withoutCallers lets nobody but operators and approvers speak to desk, and returns all
// who may else.
func (d *drill) withoutCallers() any {
	d.Helper()
	b, err := os.ReadFile(d.path("desk.json"))
	d.must(err)
	var all struct{ Clients []map[string]any }
	d.must(json.Unmarshal(b, &all))
	few := slices.DeleteFunc(slices.Clone(all.Clients), func(c map[string]any) bool { return c["role"] != "operator" && c["role"] != "approver" })
	d.configure("desk.json", map[string]any{"clients": few})
	return all.Clients
}

// keepOnPaper decides for paper where the page's list has a letter that the print house
// spoke of: its recipient may have come to Digital Post since.
func (d *drill) keepOnPaper(letters []string) {
	d.Helper()
	b, err := os.ReadFile(d.path("gone-out"))
	d.must(err)
	some := 0
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if !slices.Contains(letters, f[1]) {
			d.Errorf("a letter of which no carrier spoke is in the list: %s", line)
		}
		if f[2] == string(post.Physical) {
			_, err := d.approver.Decide(d.Context(), f[1], "print")
			d.must(err)
			some++
		}
	}
	if lines := strings.Count(string(b), "\n"); lines != len(letters) || some == 0 {
		d.Errorf("the list has %d of %d letters, %d on paper", lines, len(letters), some)
	}
}

// newLedger makes a key and names the new folder, and the former key, to the dispatchers.
func (d *drill) newLedger() {
	d.Helper()
	d.ledger, d.keys = d.path("ledger-2"), d.path("checkpoint-2")
	d.must(os.Mkdir(d.ledger, 0o755))
	out, err := exec.CommandContext(d.Context(), d.path("bin", "dispatcher"), "make-ledger-key", "-origin", "post.example.dk/ledger/2", "-out", d.keys).CombinedOutput()
	if err != nil {
		d.Fatalf("%v: %s", err, out)
	}
	for n := range d.dispatchers {
		d.configure(fmt.Sprintf("dispatcher-%d.json", n+1), map[string]any{"ledger_dir": d.ledger, "checkpoint_key_file": d.keys + ".key", "earlier_checkpoint_keys_file": d.certs.Checkpoint.Verifier})
	}
}

// say runs postctl and wants it to work.
func (d *drill) say(args ...string) string {
	d.Helper()
	out, err := d.postctl(args...)
	if err != nil {
		d.Fatalf("postctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// parked are the messages of which a carrier spoke and this house knows no hand-over.
func (d *drill) parked() map[string]bool {
	d.Helper()
	var all wire.ParkedReceipts
	d.must(json.Unmarshal([]byte(d.say("receipts", "parked", "-code", "unknown-hand-over", "-limit", "0", "-json")), &all))
	messages := map[string]bool{}
	for _, p := range all.Items {
		messages[p.MessageID] = true
	}
	return messages
}

// untilParked waits until receipts of each of those letters lie there.
func (d *drill) untilParked(letters []string) {
	d.Helper()
	held := d.held()
	var missing string
	if err := until(d.Context(), time.Minute, "receipts to be parked", func() bool {
		parked := d.parked()
		for _, id := range letters {
			c, _ := on(held, id)
			if missing = post.DerivedID(post.LetterID(id), c, 1); !parked[missing] {
				return false
			}
		}
		return true
	}); err != nil {
		d.Fatalf("%v: none of %s", err, missing)
	}
}

// namesTheLost gives the page's command the ids that callers were told since the backup,
// and wants each letter that a carrier has, known to no database, to be found.
func (d *drill) namesTheLost(command string, lost, waiting []string) {
	d.Helper()
	unsent := post.NewID() // a caller's mistake
	d.must(os.WriteFile(d.path("sent-since"), []byte(strings.Join(slices.Concat(lost, waiting, []string{unsent}), "\n")+"\n"), 0o600))
	var found []string
	for line := range strings.Lines(d.sh(command)) {
		found = append(found, strings.Fields(line)[1])
	}
	if want := slices.Concat(lost, waiting); !slices.Equal(found, want) {
		d.Errorf("of %d letters that carriers spoke of %d are found", len(want), len(found))
	}
	for _, id := range lost {
		if out, err := d.postctl("letter", "show", id); err == nil {
			d.Errorf("the restored database knows a letter that came after it:\n%s", out)
		}
	}
}

// page returns the commands of "After a restore", block by block.
func (d *drill) page() (blocks []string) {
	d.Helper()
	b, err := os.ReadFile("../../../docs/operations.md")
	d.must(err)
	_, section, _ := strings.Cut(string(b), "\n## After a restore\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for i, part := range strings.Split(section, "```") {
		if i%2 == 1 {
			blocks = append(blocks, strings.TrimPrefix(part, "sh\n"))
		}
	}
	if len(blocks) != 5 {
		d.Fatalf("the page has %d blocks of commands", len(blocks))
	}
	return blocks
}

// fourth splits the last block at the commands that resume a channel.
func (d *drill) fourth(block string) (lists, resumeDigital, changed, resumePaper string) {
	d.Helper()
	const digital, paper = "postctl channel resume digital\n", "postctl channel resume physical\n"
	lists, rest, ok := strings.Cut(block, digital)
	changed, _, ok2 := strings.Cut(rest, paper)
	if !ok || !ok2 {
		d.Fatal("the page does not resume both channels")
	}
	return lists, digital, changed, paper
}

// sh runs commands of the page where the house's files are. A last grep may find nothing.
func (d *drill) sh(script string) string {
	d.Helper()
	cmd := exec.CommandContext(d.Context(), "sh", "-c", script)
	cmd.Dir, cmd.Env = d.dir, append(d.asOperator(), "PATH="+d.path("bin")+":"+os.Getenv("PATH"))
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) || strings.Contains(errs.String(), "postctl:") {
		d.Fatalf("%s: %v\n%s", script, err, errs.String())
	}
	return string(out)
}

// sentAgain shows why callers are told before they send again: the business key of a lost
// letter is known to nobody, the letter gets another id, and the recipient has it twice.
func (d *drill) sentAgain(lost []string, had map[string]post.Channel) {
	d.Helper()
	key := ""
	for k, id := range d.change.letters {
		if id == lost[0] {
			key = k
		}
	}
	var n int
	_, err := fmt.Sscanf(key, "chaos-%06d", &n)
	d.must(err)
	again := d.singly(n, n+1)
	if again[0] == lost[0] {
		d.Fatal("the letter has its former id: then the page may promise more")
	}
	d.await("taken", again, taken)
	held := d.untilHeld(len(had) + 1)
	_, first := on(held, lost[0])
	if _, second := on(held, again[0]); first != 1 || second != 1 || len(held) != len(had)+1 {
		d.Errorf("carriers have the lost letter %d times and the one sent again %d times", first, second)
	}
}

// provesItself wants the new ledger to cover all, and postctl verify to find nothing.
func (d *drill) provesItself() {
	d.Helper()
	d.must(until(d.Context(), time.Minute, "the new ledger to be published", func() bool {
		events, err := d.store.UnplacedEvents(d.Context())
		size, _, err2 := d.store.LedgerState(d.Context())
		text, err3 := os.ReadFile(d.ledger + "/checkpoint")
		return errors.Join(err, err2, err3) == nil && events == 0 && strings.Contains(string(text), fmt.Sprintf("post.example.dk/ledger/2\n%d\n", size))
	}))
	out := d.say("verify", "-database", d.database, "-blobs", d.path("blobs"), "-ledger", d.ledger, "-ledger-key", d.keys+".pub")
	d.Logf("%s", out)
	// The old folder says what was lost, and is no ledger of this database.
	if out, err := d.postctl("verify", "-database", d.database, "-blobs", d.path("blobs"), "-ledger", d.path("ledger"), "-ledger-key", d.certs.Checkpoint.Verifier); err == nil {
		d.Errorf("verify takes the old folder for this database's:\n%s", out)
	}
}
