package portalapp_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"io/fs"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/portalweb"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/inbound/intake/intaketest"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/draft"
)

type nancy struct{}

func (nancy) Session(*http.Request) (login.Session, error) {
	p, _ := persona.By("nancy")
	cpr, err := post.ParseCPR(p.CPR)
	return login.Session{Person: post.Person{Actor: post.NewParty(cpr, "", p.Name)}}, err
}

// TestNoClearByteReachesTheDisk runs the real store, the real blob store and
// the real pages on a directory, temporary files included, and searches it
// while a file is under way and afterwards.
func TestNoClearByteReachesTheDisk(t *testing.T) {
	dir := t.TempDir()
	temp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temp)
	var log bytes.Buffer
	server, store := startSite(t, dir, &log)
	canaries := []string{"CANARY-text", "CANARY-file", "CANARY-name", "6503851236", "650385-1236", "Berggren"}
	search := func(when string) {
		t.Helper()
		searched := 0
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			searched++
			for _, c := range canaries {
				if bytes.Contains(data, []byte(c)) {
					t.Errorf("%s: %s stands in clear in %s", when, c, filepath.Base(path))
				}
			}
			return nil
		})
		if err != nil || searched == 0 {
			t.Fatalf("%s: searched %d files: %v", when, searched, err)
		}
	}
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	form := func(path string, v url.Values) *http.Response {
		t.Helper()
		resp, err := client.PostForm(server.URL+path, v)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: %d", path, resp.StatusCode)
		}
		return resp
	}
	form("/ny/modtager", url.Values{"tenant": {"engdal"}, "road": {"dpo"}})
	form("/ny/emne", url.Values{"kind": {"access"}})
	form("/ny/besked", url.Values{"text": {"CANARY-text"}})
	search("after the message")

	// 6 MB, of which the server has the first half when we look.
	r, w := io.Pipe()
	mw := multipart.NewWriter(w)
	done := make(chan *http.Response, 1)
	go func() {
		req, err := http.NewRequest(http.MethodPost, server.URL+"/ny/filer", r)
		if err == nil {
			req.Header.Set("Content-Type", mw.FormDataContentType())
			if resp, err := client.Do(req); err == nil {
				resp.Body.Close()
				done <- resp
				return
			}
		}
		done <- nil
	}()
	part, err := mw.CreateFormFile("file", "CANARY-name.txt")
	if err != nil {
		t.Fatal(err)
	}
	half := strings.Repeat("CANARY-file ", 3<<20/12)
	if _, err := io.WriteString(part, half); err != nil {
		t.Fatal(err)
	}
	search("while a file is under way")
	if _, err := io.WriteString(part, half); err != nil {
		t.Fatal(err)
	}
	if err := mw.Close(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if resp := <-done; resp == nil || resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("upload: %+v", resp)
	}
	search("after the upload")

	resp, err := client.Get(server.URL + "/ny/tjek")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(page), "CANARY-name.txt") {
		t.Fatalf("the file is not on the page: %v", err)
	}
	_, id, _ := strings.Cut(string(page), `name="draft" value="`)
	receipt := form("/ny/tjek", url.Values{"draft": {id[:36]}}).Header.Get("Location")
	search("after acceptance")
	if again := form("/ny/tjek", url.Values{"draft": {id[:36]}}).Header.Get("Location"); again != receipt {
		t.Errorf("sent twice: %s and %s", receipt, again)
	}
	if err := store.Close(); err != nil { // flushes the write-ahead log
		t.Fatal(err)
	}
	search("after closing")
	for _, c := range canaries {
		if strings.Contains(log.String(), c) {
			t.Errorf("%s is in the log", c)
		}
	}
	for _, d := range []string{temp} {
		if left, err := os.ReadDir(d); err != nil || len(left) > 0 {
			t.Errorf("temporary files were left: %v, %v", left, err)
		}
	}
}

func startSite(t *testing.T, dir string, log io.Writer) (*httptest.Server, *sqlstore.Store) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := sqlstore.Open(t.Context(), "sqlite://"+filepath.Join(dir, "post.db"))
	must(err)
	blobs, err := blobstore.Open(filepath.Join(dir, "blobs"))
	must(err)
	id, err := age.GenerateHybridIdentity()
	must(err)
	to := []age.Recipient{id.Recipient()}
	signing, err := intaketest.NewSigning()
	must(err)
	index := make([]byte, 32)
	rand.Read(index)
	logger := slog.New(slog.NewTextHandler(log, nil))
	desk, err := intake.New(intake.Config{
		Drafts: store, Inquiries: store, Receipts: store, Ledger: store, Blobs: blobs, Ring: draft.NewRing(),
		Tenants: persona.Tenants(), Inboxes: map[post.InboxID][]age.Recipient{"dpo-faelles": to}, Dispatcher: to,
		IndexKey: index, Signing: signing, Scanner: intake.NoScanner{}, Log: logger,
	})
	must(err)
	site, err := portalweb.New(portalweb.Config{
		Intake: desk, Sessions: nancy{}, SAML: http.NotFoundHandler(), LoginPath: "/saml/login", LogoutPath: "/logout",
		Tenants: persona.Tenants(), LedgerDir: dir, Log: logger,
	})
	must(err)
	server := httptest.NewTLSServer(site)
	t.Cleanup(server.Close)
	return server, store
}
