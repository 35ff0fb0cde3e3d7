package configfile_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/cmd/internal/configfile"
	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

func TestTheProgramReadsWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	certs, err := devcerts.Make(filepath.Join(dir, "certs"), devcerts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("token"), 0o600); err != nil {
		t.Fatal(err)
	}
	written := config.Dispatcher{
		Common: config.Common{Database: "sqlite://" + filepath.Join(dir, "db"), Blobs: dir, Redis: "127.0.0.1:1", Admin: "127.0.0.1:2",
			Tenants:      persona.Tenants(),
			Inboxes:      []config.Inbox{{ID: persona.Tenants()[0].Inbox, Name: "DPO", RecipientsFile: certs.DPO.Recipients}},
			IndexKeyFile: certs.IndexKey, TaskKeyFile: certs.TaskKey, DispatcherRecipientFile: certs.Dispatcher.Recipients},
		IdentityFile: certs.Dispatcher.Identity, LetterCertFile: certs.LetterP256.Cert, LetterKeyFile: certs.LetterP256.Key,
		CheckpointKeyFile: certs.Checkpoint.Signer, LedgerDir: dir,
		DigitalPost: config.DigitalPost{BaseURL: "https://127.0.0.1:3/", Systems: map[post.TenantID]config.System{},
			TLS: config.TLS{CertFile: certs.CarrierClient.Cert, KeyFile: certs.CarrierClient.Key, CAFile: certs.CarrierCA}},
		PrintHouse: config.PrintHouse{Out: filepath.Join(dir, "jobs"), Events: filepath.Join(dir, "events"), RecipientFile: certs.PrintHouse.Recipients},
		Backoff:    200 * time.Millisecond,
	}
	for _, p := range written.Tenants {
		written.DigitalPost.Systems[p.ID] = config.System{ID: "system", TokenFile: token}
	}
	path := filepath.Join(dir, "dispatcher.json")
	if err := configfile.Write(path, written); err != nil {
		t.Fatal(err)
	}
	read, err := config.Load[config.Dispatcher](path)
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]any{{read.Backoff, written.Backoff}, {read.Database, written.Database}, {read.DigitalPost, written.DigitalPost},
		{read.PrintHouse.Out, written.PrintHouse.Out}, {len(read.Tenants), len(written.Tenants)}, {read.Tenants[1].ID, written.Tenants[1].ID}} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("read %+v, written %+v", pair[0], pair[1])
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), `"sweep"`) {
		t.Error("what is at its default is written")
	}
}
