package intake_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/inbound/intake/intaketest"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/draft"
)

// room is a desk with everything around it in memory.
type room struct {
	*intake.Desk
	store      *intaketest.Store
	blobs      *intaketest.Blobs
	config     intake.Config
	dpo        age.Identity
	dispatcher age.Identity
}

func newRoom(t *testing.T, change ...func(*intake.Config)) room {
	t.Helper()
	hybrid := func() *age.HybridIdentity {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	dpo, dispatcher := hybrid(), hybrid()
	signing, err := intaketest.NewSigning()
	if err != nil {
		t.Fatal(err)
	}
	index := make([]byte, 32)
	rand.Read(index)
	r := room{store: intaketest.NewStore(), blobs: intaketest.NewBlobs(), dpo: dpo, dispatcher: dispatcher}
	r.config = intake.Config{
		Drafts: r.store, Inquiries: r.store, Receipts: r.store, Ledger: r.store, Blobs: r.blobs, Ring: draft.NewRing(),
		Tenants: persona.Tenants(), Inboxes: map[post.InboxID][]age.Recipient{"dpo-faelles": {dpo.Recipient()}},
		Dispatcher: []age.Recipient{dispatcher.Recipient()}, IndexKey: index, Signing: signing,
		Scanner: intake.NoScanner{}, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&r.config)
	}
	if r.Desk, err = intake.New(r.config); err != nil {
		t.Fatal(err)
	}
	return r
}

func person(t *testing.T, key string) post.Person {
	t.Helper()
	p, ok := persona.By(key)
	if !ok {
		t.Fatalf("no persona %s", key)
	}
	cpr, err := post.ParseCPR(p.CPR)
	if err != nil {
		t.Fatal(err)
	}
	return post.Person{Actor: post.NewParty(cpr, "", p.Name)}
}

// filled returns a person with a complete draft on a road.
func (r room) filled(t *testing.T, key string, road post.Road) (post.Person, intake.Draft) {
	t.Helper()
	p := person(t, key)
	r.must(t)(r.SetRecipient(t.Context(), p, "engdal", road))
	r.must(t)(r.SetTopic(t.Context(), p, post.Access, "Om min sag"))
	return p, r.must(t)(r.SetText(t.Context(), p, canary))
}

func (room) must(t *testing.T) func(intake.Draft, error) intake.Draft {
	return func(d intake.Draft, err error) intake.Draft {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
}

const canary = "Jeg vil se mine oplysninger. CANARY-7f3a"

func TestNoReceiptIsGivenUnlessTheLogVouchesForItsKey(t *testing.T) {
	good := newRoom(t).config
	other, err := intaketest.NewSigning()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*intake.Signing){
		"no certificate":               func(s *intake.Signing) { s.Cert = nil },
		"a certificate of another log": func(s *intake.Signing) { s.Cert = other.Cert },
		"another log":                  func(s *intake.Signing) { s.LogKeys = other.LogKeys },
		"a certificate of another key": func(s *intake.Signing) { s.VKey = other.VKey },
		"a damaged key":                func(s *intake.Signing) { s.VKey += "x" },
	} {
		c := good
		change(&c.Signing)
		if _, err := intake.New(c); err == nil {
			t.Errorf("with %s it starts", name)
		}
	}
}

func TestNewNamesEveryGap(t *testing.T) {
	_, err := intake.New(intake.Config{Tenants: persona.Tenants()})
	for _, gap := range []string{"Drafts", "Inquiries", "Receipts", "Ledger", "Blobs", "Ring", "Dispatcher", "IndexKey",
		"Signing", "Scanner", "Log", "dpo-faelles of tenant engdal"} {
		if err == nil || !strings.Contains(err.Error(), gap) {
			t.Errorf("gap %s is not named in %v", gap, err)
		}
	}
}

func TestAttachmentRules(t *testing.T) {
	text := []byte("Kære kommune,\r\nher er mine papirer.\n")
	script := "<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
	tests := []struct {
		name string
		file string
		data []byte
		want error
	}{
		{"a real PDF is taken", "brev.pdf", realPDF(t), nil},
		{"a small PDF is taken", "brev.PDF", makePDF(""), nil},
		{"a PDF with an object stream is taken", "a.pdf", inObjectStream("", "<< /Type /Metadataish >>"), nil},
		{"a PNG is taken", "skærm.png", makePNG(t, 4, 4), nil},
		{"a JPEG is taken, whichever way it is written", "foto.JPEG", makeJPEG(t), nil},
		{"plain text in UTF-8 is taken", "note.txt", text, nil},

		{"an empty file is refused", "a.pdf", nil, post.FaultFileEmpty},
		{"a type that is not on the list is refused", "a.docx", makeZIP(t), post.FaultFileType},
		{"a file without extension is refused", "brev", realPDF(t), post.FaultFileType},
		{"a program called PDF is refused", "a.pdf", []byte("MZ\x90\x00 program"), post.FaultFileType},
		{"a PNG called PDF is refused", "a.pdf", makePNG(t, 1, 1), post.FaultFileMismatch},
		{"a PDF called JPG is refused", "a.jpg", realPDF(t), post.FaultFileMismatch},
		{"a PDF whose header is not at the first byte is refused", "a.pdf", join([]byte("\n\n"), realPDF(t)), post.FaultFileType},
		{"HTML called text is refused", "a.txt", []byte("<html><script>x</script>"), post.FaultFileType},
		{"text that is not UTF-8 is refused", "a.txt", []byte("\xc6\xd8\xc5 i en gammel tegntabel"), post.FaultFileBroken},
		{"text with control characters is refused", "a.txt", []byte("hej" + strings.Repeat(" ", 600) + "\x1b[2J"), post.FaultFileBroken},
		{"a PDF cut in the middle is refused", "a.pdf", realPDF(t)[:600], post.FaultFileBroken},
		{"a PDF of noise is refused", "a.pdf", []byte("%PDF-1.7\nnoise noise noise\n%%EOF\n"), post.FaultFileBroken},
		{"a cut PNG is refused", "a.png", makePNG(t, 40, 40)[:60], post.FaultFileBroken},
		{"a PNG without pixels is refused", "a.png", []byte("\x89PNG\r\n\x1a\n"), post.FaultFileBroken},

		{"a PDF that asks for a password is refused", "a.pdf", lockedPDF(t, "secret", "owner"), post.FaultFileLocked},
		{"an encrypted PDF that opens without a password is refused", "a.pdf", lockedPDF(t, "", "owner"), post.FaultFileLocked},

		{"a PDF that runs JavaScript when opened is refused", "a.pdf",
			makePDF("/OpenAction 5 0 R", script), post.FaultFileActive},
		{"JavaScript that nothing points to is refused", "a.pdf", makePDF("", script), post.FaultFileActive},
		{"JavaScript in a compressed object is refused", "a.pdf",
			inObjectStream("/OpenAction 5 0 R", script), post.FaultFileActive},
		{"a disguised name is refused", "a.pdf",
			makePDF("/OpenAction 5 0 R", "<< /S /J#61vaScript /J#53 (1) >>"), post.FaultFileActive},
		{"a PDF that starts a program is refused", "a.pdf",
			makePDF("/OpenAction 5 0 R", "<< /S /Launch /F (cmd.exe) >>"), post.FaultFileActive},
		{"a PDF that sends a form is refused", "a.pdf",
			makePDF("/OpenAction << /S /SubmitForm /F (https://example.org/) >>"), post.FaultFileActive},
		{"a PDF with a file inside is refused", "a.pdf",
			makePDF("/Names << /EmbeddedFiles << /Names [(x) 5 0 R] >> >>",
				"<< /Type /Filespec /F (x.exe) /EF << /F 6 0 R >> >>", "<< /Type /EmbeddedFile /Length 1 >>\nstream\nx\nendstream"),
			post.FaultFileActive},
		{"a PDF with an XFA form is refused", "a.pdf",
			makePDF("/AcroForm << /Fields [] /XFA [] >>"), post.FaultFileActive},

		{"a picture with too many pixels is refused", "a.png", hugePNG(t), post.FaultFilePixels},
		{"a PDF that is also an archive is refused", "a.pdf", join(realPDF(t), makeZIP(t)), post.FaultFileTwoInOne},
		{"a JPEG that is also an archive is refused", "a.jpg", join(makeJPEG(t), makeZIP(t)), post.FaultFileTwoInOne},
		{"a PNG with something behind it is refused", "a.png", join(makePNG(t, 1, 1), []byte("more")), post.FaultFileTwoInOne},
		{"a PDF with something behind it is refused", "a.pdf", join(realPDF(t), []byte("<script>")), post.FaultFileTwoInOne},
		{"the test virus is refused", "a.txt", []byte(eicar), post.FaultMalware},
		{"more than 10 MB is refused", "a.txt", bytes.Repeat([]byte("0123456789abcdef"), 10<<16+1), post.FaultFilesTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRoom(t)
			p, _ := r.filled(t, "nancy", post.ToDPO)
			a, err := r.Attach(t.Context(), p, test.file, bytes.NewReader(test.data))
			if !errors.Is(err, test.want) || (test.want == nil) != (err == nil) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			d, err := r.Draft(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if test.want != nil {
				if len(d.Files) != 0 || len(r.blobs.Names()) != 0 {
					t.Error("something of a refused file was kept")
				}
				return
			}
			if len(d.Files) != 1 || d.Files[0].ID != a.ID || a.Size != int64(len(test.data)) || a.Scan != intake.NotScanned {
				t.Errorf("kept %+v", d.Files)
			}
		})
	}
}

func TestLargeFileIsNotReadToItsEnd(t *testing.T) {
	r := newRoom(t)
	p, _ := r.filled(t, "nancy", post.ToDPO)
	endless := &counting{r: neverEnding('a')}
	if _, err := r.Attach(t.Context(), p, "a.txt", endless); !errors.Is(err, post.FaultFilesTooLarge) {
		t.Fatal(err)
	}
	if endless.n > 11<<20 {
		t.Errorf("read %d bytes of a file that was too large after 10 MB", endless.n)
	}
	endless = &counting{r: neverEnding(0)}
	if _, err := r.Attach(t.Context(), p, "a.pdf", endless); !errors.Is(err, post.FaultFileType) {
		t.Fatal(err)
	}
	if endless.n > 4096 {
		t.Errorf("read %d bytes of a file whose first bytes were wrong", endless.n)
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestFileNames(t *testing.T) {
	tests := []struct {
		name, in, out string
	}{
		{"a plain name stays", "brev fra kommunen.pdf", "brev fra kommunen.pdf"},
		{"Danish letters stay", "ærø øl å.pdf", "ærø øl å.pdf"},
		{"a path is cut", "/etc/passwd.pdf", "passwd.pdf"},
		{"a Windows path is cut", `C:\Users\x\brev.pdf`, "brev.pdf"},
		{"climbing is cut", "../../brev.pdf", "brev.pdf"},
		{"space around is cut", "  brev.pdf ", "brev.pdf"},
		{"a line end is refused", "a\nb.pdf", ""},
		{"a null byte is refused", "a\x00.pdf", ""},
		{"a direction override is refused", "cod\u202efdp.exe.pdf", ""},
		{"an invisible character is refused", "a\u200b.pdf", ""},
		{"no name is refused", "", ""},
		{"only an extension is refused", ".pdf", ""},
		{"only dots are refused", "...pdf", ""},
		{"bytes that are not UTF-8 are refused", "\xff\xfe.pdf", ""},
		{"121 characters are refused", words(117) + ".pdf", ""},
		{"120 characters are taken", words(116) + ".pdf", words(116) + ".pdf"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := intake.CleanName(test.in)
			if got != test.out || (test.out == "") != errors.Is(err, post.FaultFileName) {
				t.Errorf("got %q, %v; want %q", got, err, test.out)
			}
		})
	}
}

// TestColleaguesWithoutCPRNumbersHaveDraftsOfTheirOwn: the log-in need not tell an employee's CPR number,
// and then all employees bear the company's.
func TestColleaguesWithoutCPRNumbersHaveDraftsOfTheirOwn(t *testing.T) {
	r := newRoom(t)
	company := post.NewParty(post.CPR{}, "11223491", "Bech Tagdækning ApS")
	employee := func(name string) post.Person {
		return post.Person{Actor: post.NewParty(post.CPR{}, "11223491", name), OnBehalfOf: &company}
	}
	ann, bo, other := employee("Ann Bech"), employee("Bo Bech"), employee("Ann Bech")
	other.Account = "https://data.gov.dk/model/core/eid/professional/uuid/0b1e2f3a-0000-4000-8000-000000000001"
	another := other
	another.Account = "https://data.gov.dk/model/core/eid/professional/uuid/0b1e2f3a-0000-4000-8000-000000000002"
	if r.Mark(other) == r.Mark(another) || r.Mark(other) == r.Mark(ann) {
		t.Error("two of one name are one")
	}
	for _, p := range []post.Person{ann, bo} {
		if _, err := r.SetRecipient(t.Context(), p, persona.Tenants()[0].ID, post.ToDPO); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.SetText(t.Context(), ann, "kun for mig"); err != nil {
		t.Fatal(err)
	}
	hers, err := r.Draft(t.Context(), ann)
	if err != nil || hers.Text != "kun for mig" {
		t.Fatalf("%q, %v", hers.Text, err)
	}
	if his, err := r.Draft(t.Context(), bo); err != nil || his.Text != "" || his.ID == hers.ID {
		t.Errorf("a colleague reads %q, %v", his.Text, err)
	}
	if r.Mark(ann) == r.Mark(bo) || r.Mark(ann) != r.Mark(employee("Ann Bech")) {
		t.Error("a form does not tell them apart")
	}
	if err := r.Discard(t.Context(), bo); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Draft(t.Context(), ann); err != nil {
		t.Errorf("a colleague deleted it: %v", err)
	}
}

func TestElevenFilesAreOneTooMany(t *testing.T) {
	r := newRoom(t)
	p, _ := r.filled(t, "nancy", post.ToDPO)
	for range 10 {
		if _, err := r.Attach(t.Context(), p, "note.txt", strings.NewReader("hej")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Attach(t.Context(), p, "note.txt", strings.NewReader("hej")); !errors.Is(err, post.FaultTooManyFiles) {
		t.Fatal(err)
	}
	d, err := r.Draft(t.Context(), p)
	if err != nil || len(d.Files) != 10 || d.Files[9].Name != "note (10).txt" {
		t.Fatalf("%v, %+v", err, d.Files)
	}
	if err := r.Detach(t.Context(), p, d.Files[0].ID); err != nil {
		t.Fatal(err)
	}
	if len(r.blobs.Names()) != 9 {
		t.Errorf("%d blobs are kept for 9 files", len(r.blobs.Names()))
	}
}

func TestSizeCountsAllFilesTogether(t *testing.T) {
	r := newRoom(t)
	p, _ := r.filled(t, "nancy", post.ToDPO)
	half := strings.Repeat("a", 5<<20)
	for range 2 {
		if _, err := r.Attach(t.Context(), p, "a.txt", strings.NewReader(half)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Attach(t.Context(), p, "a.txt", strings.NewReader("x")); !errors.Is(err, post.FaultFilesTooLarge) {
		t.Fatal(err)
	}
}

func TestScannerThatDoesNotAnswerMeansNotTaken(t *testing.T) {
	for name, s := range map[string]intake.Scanner{
		"failure":        scanner{err: errors.New("no answer")},
		"unknown answer": scanner{verdict: "probably fine"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t, func(c *intake.Config) { c.Scanner = s })
			p, _ := r.filled(t, "nancy", post.ToDPO)
			if _, err := r.Attach(t.Context(), p, "a.txt", strings.NewReader("hej")); !errors.Is(err, post.FaultScannerDown) {
				t.Fatal(err)
			}
			if len(r.blobs.Names()) != 0 {
				t.Error("an unscanned file was kept")
			}
		})
	}
}

type scanner struct {
	verdict intake.Verdict
	err     error
}

func (s scanner) Scan(_ context.Context, r io.Reader) (intake.Verdict, error) {
	_, _ = io.Copy(io.Discard, r)
	return s.verdict, s.err
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"a.pdf", "../x.png", "a\u202eb.txt", `C:\x.pdf`, "\xff.pdf", " . .pdf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := intake.CleanName(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(name, "/\\\x00\r\n") || name == "" {
			t.Fatalf("%q became %q", s, name)
		}
		if again, err := intake.CleanName(name); err != nil || again != name {
			t.Fatalf("%q became %q, then %q, %v", s, name, again, err)
		}
	})
}

func FuzzAttachment(f *testing.F) {
	f.Add("a.pdf", makePDF("/OpenAction << /S /GoTo /D [3 0 R /Fit] >>"))
	f.Add("a.pdf", inObjectStream("", "<< >>"))
	f.Add("a.png", makePNG(f, 2, 2))
	f.Add("a.jpg", makeJPEG(f))
	f.Add("a.txt", []byte("hej"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		r := newRoom(t)
		p, _ := r.filled(t, "nancy", post.ToDPO)
		_, err := r.Attach(t.Context(), p, name, bytes.NewReader(data))
		var fault *post.Fault
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("a refusal without a code: %v", err)
		}
	})
}
