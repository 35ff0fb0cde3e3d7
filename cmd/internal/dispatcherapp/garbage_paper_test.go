package dispatcherapp

import (
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// printRoads are the two ways to a print house's receipts: a folder of this
// machine, and one behind SFTP. Each gives the configuration and the folder as
// the print house sees it.
func printRoads(t *testing.T) map[string]func(t *testing.T) (printhouse.Config, string) {
	t.Helper()
	return map[string]func(t *testing.T) (printhouse.Config, string){
		"a folder": func(t *testing.T) (printhouse.Config, string) {
			t.Helper()
			dir := t.TempDir()
			return printhouse.Config{Out: filepath.Join(dir, "jobs"), Events: filepath.Join(dir, "events")}, filepath.Join(dir, "events")
		},
		"SFTP": func(t *testing.T) (printhouse.Config, string) {
			t.Helper()
			dir := t.TempDir()
			_, private, err := ed25519.GenerateKey(nil)
			if err != nil {
				t.Fatal(err)
			}
			key, err := ssh.NewSignerFromSigner(private)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range []string{"jobs", "events"} {
				if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			door, err := printhousetest.OpenDoor(printhousetest.DoorConfig{Root: dir, Client: key.PublicKey(), Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = door.Close() })
			return printhouse.Config{Out: "/jobs", Events: "/events", SFTP: &printhouse.SFTP{Address: door.Address(), User: "engdal",
				HostKeys: []ssh.PublicKey{door.HostKey()}, Key: key, Timeout: time.Minute}}, filepath.Join(dir, "events")
		},
	}
}

func TestGarbageFromAPrintHouseMovesNothing(t *testing.T) {
	t.Parallel()
	for name, open := range printRoads(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, log, now := newHouse(t), &told{}, time.Now()
			h.dir.answer = reach(dispatch.Unreachable, "EXEMPT")
			id, job := h.handedOver("k1")
			key, err := age.GenerateX25519Identity()
			if err != nil {
				t.Fatal(err)
			}
			cfg, folder := open(t)
			cfg.Recipients, cfg.Log, cfg.Now = []age.Recipient{key.Recipient()}, log.logger(), func() time.Time { return now }
			house, err := printhouse.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = house.Close() })
			m := h.matching(log.logger(), house)
			step := func() {
				t.Helper()
				for range 2 { // what cannot be read must have stood still for a minute
					if err := m.Step(t.Context()); err != nil {
						t.Fatal(err)
					}
					now = now.Add(2 * time.Minute)
				}
			}
			write := func(name, text string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			event := func(event, job, kind string) string {
				return fmt.Sprintf(`{"event_id":%q,"job_id":%q,"kind":%q,"at":"2026-11-22T09:00:00Z"}`, event, job, kind)
			}
			stranger := post.NewID()
			for _, c := range []struct{ file, text, kept, told string }{
				{"no-json.json", "%PDF-1.4", "%PDF", "reason=unreadable"},
				{"empty.json", "", "", "reason=unreadable"},
				{"half.json", event("half", job, "posted")[:50], `"half"`, "reason=unreadable"},
				{"other-name.json", event("e9", job, "posted"), "e9", "reason=unreadable"},
				{"kind.json", event("kind", job, "lost"), "lost", "reason=unreadable"},
				{"digital.json", event("digital", job, "delivered"), "delivered", "reason=unreadable"},
				{"no-job.json", event("no-job", "../../etc/passwd", "posted"), "passwd", "reason=unreadable"},
				{"old.json", strings.Replace(event("old", job, "posted"), "2026", "0001", 1), "0001", "reason=unreadable"},
				{"deep.json", strings.Repeat("[", 60_000), "[[[", "reason=unreadable"},
				{"l\xe6nge\x01.json", event("x", job, "posted"), "posted", "reason=unreadable"},
				{"stranger.json", event("stranger", stranger, "posted"), stranger, "reason=unknown-hand-over"},
				{"e1.json", event("e1", job, "lost"), "lost", "reason=unreadable"}, // a good one follows under this name
			} {
				before := len(h.parkedRaw())
				write(c.file, c.text)
				step()
				h.want(id, post.LetterHandedOver)
				if fresh := h.parkedRaw()[before:]; len(fresh) != 1 || !strings.Contains(fresh[0], c.kept) {
					t.Errorf("%q: kept %.200q", c.file, fresh)
				}
				if !strings.Contains(log.String(), c.told) {
					t.Errorf("%q: nobody is told", c.file)
				}
			}
			// 1 GB without a byte on the disk; a folder, a link and a name of no event are passed over.
			before := len(h.parkedRaw())
			write("huge.json", "")
			if err := os.Truncate(filepath.Join(folder, "huge.json"), 1<<30); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(folder, "folder.json"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("/dev/zero", filepath.Join(folder, "link.json")); err != nil {
				t.Fatal(err)
			}
			step()
			if fresh := h.parkedRaw()[before:]; len(fresh) != 1 || len(fresh[0]) > 64<<10 {
				t.Errorf("of what is huge: %d receipts", len(fresh))
			}
			before = len(h.parkedRaw())
			write("e1.json", event("e1", job, "delivered-proven"))
			step()
			h.want(id, post.LetterProven)
			write("e2.json", event("e2", job, "returned"))
			step()
			h.want(id, post.LetterProven)
			if fresh := h.parkedRaw()[before:]; len(fresh) != 1 || !strings.Contains(log.String(), "contradicts") {
				t.Errorf("a contradiction: kept %q", fresh)
			}
			if strings.Contains(log.String(), "l\xe6nge") || strings.Contains(log.String(), "nge") {
				t.Error("the print house's file name is in the log")
			}
			h.conserved()
		})
	}
}
