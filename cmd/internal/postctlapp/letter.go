package postctlapp

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

type letterSend struct {
	Letter   string   `arg:"" help:"JSON file with key, title and recipient; - is stdin."`
	Document []string `required:"" sep:"none" placeholder:"FILE.pdf" help:"A PDF; the first is the main document. May be repeated."`
	Arrive   string   `placeholder:"YYYY-MM-DD" help:"The latest day of arrival."`
	Urgent   bool     `help:"Breach notifications: a lane of their own."`
	// Registered is of paper only.
	Registered bool `help:"By registered post, if it goes on paper."`
}

// Run submits the letter. Its key makes running it again harmless.
func (c *letterSend) Run(r *run) error {
	l, err := r.readLetter(c.Letter)
	if err != nil {
		return err
	}
	if c.Arrive != "" {
		l.ArriveBy = c.Arrive
	}
	l.Urgent, l.Registered = l.Urgent || c.Urgent, l.Registered || c.Registered
	var files []client.File
	l.Documents = nil
	for _, path := range c.Document {
		if _, err := os.Stat(path); err != nil {
			return &ctl.Hint{Err: err, Hint: "check the path; nothing was sent"}
		}
		l.Documents = append(l.Documents, wire.Document{Filename: filepath.Base(path)})
		files = append(files, client.File{Open: func() (io.ReadCloser, error) { return os.Open(path) }})
	}
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	got, err := d.SubmitLetter(r.ctx, l, files)
	if err != nil {
		return err
	}
	return r.Print(got, func(w io.Writer) {
		if got.Repeated {
			fmt.Fprintf(w, "this letter was sent before; nothing changed: %s (%s) %s\n", got.ID, got.Reference, got.State)
			return
		}
		fmt.Fprintf(w, "letter %s (%s) %s\n", got.ID, got.Reference, got.State)
		if got.Timing == "digital-only" {
			fmt.Fprintln(w, "on paper it would come too late: it arrives in time only if the recipient has Digital Post")
		}
		r.Say("next: postctl letter show %s", got.ID)
	})
}

// maxLetterJSON bounds the description of a letter.
const maxLetterJSON = 256 << 10

func (r *run) readLetter(path string) (l wire.Letter, err error) {
	in := r.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return l, &ctl.Hint{Err: err, Hint: "check the path"}
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxLetterJSON))
	if err != nil {
		return l, fmt.Errorf("read letter: %w", err)
	}
	b = bytes.TrimPrefix(b, bom)
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := errors.Join(dec.Decode(&l), wire.Once(b)); err != nil {
		// The cause could quote what was written.
		return l, &ctl.Hint{Err: errors.New("the letter is not JSON of the form described"), Exit: ctl.Failed,
			Hint: `write {"key": …, "title": …, "recipient": {"id_type": "CPR", "id": …, "name": …, "address": […]}} and no other member`}
	}
	return l, nil
}

type letterShow struct {
	ID string `arg:"" help:"Id of the letter, or its reference (SP-...)."`
}

// Run prints the state and the steps.
func (c *letterShow) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	v, err := d.Letter(r.ctx, c.ID)
	if err != nil {
		return err
	}
	steps, err := d.LetterEvents(r.ctx, c.ID)
	if err != nil {
		return err
	}
	out := struct {
		wire.LetterView
		Events []wire.Event `json:"events"`
	}{v, steps.Items}
	return r.Print(out, func(w io.Writer) {
		facts := [][2]string{
			{"letter", v.ID}, {"reference", v.Reference}, {"municipality", v.Tenant}, {"state", v.State},
			{"channel", v.Channel}, {"carrier", v.Carrier}, {"reason", v.Code}, {"message", v.MessageID}, {"tracking", v.Tracking},
			{"in mailbox", ctl.When(v.AvailableAt)}, {"not before", ctl.When(v.NotBefore)}, {"arrive by", v.ArriveBy}, {"in time", v.Timing}, {"posted on", postingDay(v)}, {"on hold", v.Hold}, {"batch", v.Batch}, {"inquiry", v.Inquiry},
		}
		if v.Urgent {
			facts = append(facts, [2]string{"urgent", "yes"})
		}
		if v.Registered {
			facts = append(facts, [2]string{"registered", "yes, on paper"})
		}
		if v.Generation > 1 {
			facts = append(facts, [2]string{"generation", fmt.Sprint(v.Generation)})
		}
		for _, f := range facts {
			if f[1] != "" {
				fmt.Fprintf(w, "%-13s %s\n", f[0], ctl.Line(f[1]))
			}
		}
		fmt.Fprintln(w)
		var rows [][]string
		for _, e := range steps.Items {
			rows = append(rows, []string{ctl.When(e.At), e.Kind, e.Outcome, e.Actor})
		}
		ctl.Table(w, []string{"TIME", "STEP", "OUTCOME", "BY"}, rows)
	})
}

// postingDay says when a letter on paper is expected to be posted.
func postingDay(v wire.LetterView) string {
	switch state := post.LetterState(v.State); {
	case v.PostingDay == "":
		return ""
	case state == post.LetterRouted, state == post.LetterNotTaken:
		return v.PostingDay + " if it is handed over now"
	}
	return v.PostingDay + " as expected; nobody has confirmed it yet"
}

type letterEvidence struct {
	ID  string `arg:"" help:"Id of the letter, or its reference (SP-...)."`
	Out string `required:"" placeholder:"FILE" help:"Where to write it; - is stdout. Nothing is overwritten."`
}

// Run writes the evidence file.
func (c *letterEvidence) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	body, err := d.Evidence(r.ctx, c.ID)
	if err != nil {
		return err
	}
	defer body.Close()
	if c.Out == "-" {
		_, err := io.Copy(r.Stdout, body)
		return err
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("%w: evidence of letter %s: %w", client.ErrUnreachable, c.ID, err)
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &ctl.Hint{Err: err, Hint: "choose a name that is free"}
	}
	_, err = f.Write(b)
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		os.Remove(c.Out) //nolint:errcheck // the failure before matters more
		return err
	}
	return r.Print(map[string]any{"id": c.ID, "file": c.Out, "size": len(b)}, func(w io.Writer) {
		fmt.Fprintf(w, "%s (%d bytes)\n", c.Out, len(b))
		r.Say("next: postctl letter verify %s -cert FILE -document FILE.pdf", c.Out)
	})
}

type letterVerify struct {
	File     string   `arg:"" help:"Evidence file."`
	Cert     []string `sep:"none" placeholder:"FILE" help:"Certificate (PEM) that letters are signed with. May be repeated."`
	Document []string `sep:"none" placeholder:"FILE" help:"A document of the letter. May be repeated."`
}

// Run checks the evidence with the certificates given; it asks nobody.
func (c *letterVerify) Run(r *run) error {
	if len(c.Cert) == 0 {
		return &ctl.Hint{Err: errors.New("a signature is worth as much as the certificate it is checked with"),
			Hint: "give -cert FILE with the signing certificate that the municipality has published", Exit: ctl.Misused}
	}
	var certs []*x509.Certificate
	for _, path := range c.Cert {
		some, err := readCerts(path)
		if err != nil {
			return &ctl.Hint{Err: err, Hint: "give a PEM file with certificates", Exit: ctl.BadConfig}
		}
		certs = append(certs, some...)
	}
	f, err := os.Open(c.File)
	if err != nil {
		return &ctl.Hint{Err: err, Hint: "check the path"}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var docs []io.Reader
	for _, path := range c.Document {
		d, err := os.Open(path)
		if err != nil {
			return &ctl.Hint{Err: err, Hint: "check the path"}
		}
		defer d.Close()
		docs = append(docs, d)
	}
	got, err := verify.File(f, info.Size(), certs, docs...)
	if err != nil {
		return notProven(c.File, err)
	}
	return printResult(r, got)
}

// notProven keeps what verify found and adds our code.
func notProven(file string, err error) error {
	if xmldsig.Reason(err) == "sig-key-unknown" {
		return &ctl.Hint{Err: post.FaultEvidence.At("%s: none of the certificates given has signed it", filepath.Base(file)),
			Hint: "give -cert the certificate that signs the municipality's letters itself, not that of who issued it; if that one fails as well, treat the letter as not proven"}
	}
	if errors.Is(err, verify.ErrOtherDocument) {
		return &ctl.Hint{Err: post.FaultEvidence.At("%s: %s", filepath.Base(file), err), Hint: "give -document the very file that was sent; what differs in one byte is another document, and is not vouched for"}
	}
	if errors.Is(err, post.FaultEvidence) {
		return err
	}
	return post.FaultEvidence.At("%s: %s", filepath.Base(file), strings.TrimSpace(err.Error()))
}

func readCerts(path string) ([]*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return certs, nil
}

// printResult says what is proven and what is not.
func printResult(r *run, got verify.Result) error {
	m := got.Manifest
	type document struct {
		SHA256   string `json:"sha256"`
		Size     int64  `json:"size"`
		Standing string `json:"standing"`
	}
	type event struct {
		At   string `json:"at"`
		Kind string `json:"kind"`
		Leaf string `json:"leaf"`
	}
	out := struct {
		Letter    string     `json:"letter"`
		Reference string     `json:"reference"`
		Tenant    string     `json:"tenant"`
		CVR       string     `json:"cvr"`
		SignedAt  string     `json:"signed_at"`
		Policy    string     `json:"policy"`          // letter or batch
		Batch     string     `json:"batch,omitempty"` // whose root was signed
		Documents []document `json:"documents"`
		Events    []event    `json:"events"`
	}{Letter: string(m.Letter), Reference: m.Reference, Tenant: string(m.Tenant), CVR: string(m.CVR), SignedAt: m.SignedAt.Format(time.RFC3339), Policy: "letter"}
	covers := "this letter alone"
	if b := got.Root; b != nil {
		out.Policy, out.Batch = "batch", string(b.Batch)
		covers = fmt.Sprintf("batch %s of %d letters, this one among them", b.Batch, b.Size)
	}
	for i, d := range m.Documents {
		out.Documents = append(out.Documents, document{hex.EncodeToString(d.SHA256[:]), d.Size, string(got.Documents[i])})
	}
	for _, e := range got.Events {
		out.Events = append(out.Events, event{e.Event.At.Format(time.RFC3339), e.Event.Kind, hex.EncodeToString(e.Leaf)})
	}
	return r.Print(out, func(w io.Writer) {
		fmt.Fprintf(w, "signature     valid, by a certificate that you gave; it covers %s\n", covers)
		fmt.Fprintf(w, "letter        %s\nreference     %s\nmunicipality  %s (CVR %s)\nsigned        %s, by the signer's own clock\n",
			out.Letter, out.Reference, out.Tenant, out.CVR, ctl.When(m.SignedAt))
		for i, d := range out.Documents {
			fmt.Fprintf(w, "document %-4d sha256 %s, %d bytes: %s\n", i+1, d.SHA256, d.Size, d.Standing)
		}
		fmt.Fprintf(w, "events        %d, each to be looked up in the ledger\n", len(out.Events))
	})
}
