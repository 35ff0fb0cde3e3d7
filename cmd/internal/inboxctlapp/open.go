package inboxctlapp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// maxHeader bounds the age header: dozens of recipients.
const maxHeader = 1 << 20

type openCmd struct {
	Ref      string `arg:"" help:"Reference or id of the inquiry."`
	Identity string `required:"" placeholder:"FILE" help:"Your age identity; only you may be able to read the file."`
	Out      string `placeholder:"DIR" help:"Directory for the attachments; made when it is missing."`
}

// opened is what open prints.
type opened struct {
	ID          string            `json:"id"`
	Reference   string            `json:"reference"`
	Tenant      string            `json:"tenant"`
	Kind        string            `json:"kind"`
	Language    string            `json:"language"`
	Subject     string            `json:"subject"`
	Text        string            `json:"text"`
	Person      post.PersonRecord `json:"person"`
	Digest      string            `json:"digest"`
	Attachments []saved           `json:"attachments"`
}

type saved struct {
	Name      string `json:"name"` // as the person named it
	MediaType string `json:"media_type"`
	Size      int64  `json:"size"`
	Path      string `json:"path,omitempty"` // where it was written
	temp      string
}

// Run downloads, opens, checks, and only then prints and names files.
func (c *openCmd) Run(r *run) error {
	ids, err := unseal.ReadIdentitiesFile(c.Identity)
	if err != nil {
		return &ctl.Hint{Err: err, Hint: "give the file that holds your age identity, readable by you alone", Exit: ctl.BadConfig}
	}
	q, err := r.desk.Inquiry(r.ctx, c.Ref)
	if err != nil {
		return err
	}
	h, err := r.state.get(q.ID)
	if err != nil {
		return err
	}
	if h, err = r.leased(h, true); err != nil {
		return err
	}
	sealed, err := r.desk.Content(r.ctx, q.ID, h.Token)
	if err != nil {
		return err
	}
	defer sealed.Body.Close()
	if sealed.HeaderLength > maxHeader {
		return fmt.Errorf("open %s: the header is larger than any real one", q.Reference)
	}
	header := make([]byte, sealed.HeaderLength)
	if _, err := io.ReadFull(sealed.Body, header); err != nil {
		return fmt.Errorf("download %s: %w", q.Reference, err)
	}
	clear, err := unseal.Payload(header, sealed.Body, ids...)
	if err != nil {
		return fmt.Errorf("open %s: %w", q.Reference, err)
	}
	p, err := unseal.Unpack(clear, seal.Facts{V: seal.Version, Kind: "inquiry", Tenant: q.Tenant, Object: q.ID})
	if err != nil {
		return fmt.Errorf("open %s: %w", q.Reference, err)
	}
	out, err := c.keep(p, q)
	if err != nil {
		return fmt.Errorf("open %s: %w", q.Reference, err)
	}
	h.Digest = out.Digest
	if err := r.state.put(h); err != nil {
		return err
	}
	return r.Print(out, func(w io.Writer) { out.print(w, r) })
}

// keep reads the whole package. Attachments get their names last; on failure
// none is left.
func (c *openCmd) keep(p *unseal.Package, q wire.Inquiry) (o opened, err error) {
	var files []saved
	defer func() {
		for _, f := range files {
			if f.temp != "" {
				os.Remove(f.temp) //nolint:errcheck // gone once it is renamed
			}
		}
	}()
	if c.Out != "" {
		if err := os.MkdirAll(c.Out, 0o700); err != nil {
			return opened{}, err
		}
	}
	for {
		part, r, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return opened{}, err
		}
		f := saved{Name: part.Name, MediaType: part.MediaType, Size: part.Size}
		if c.Out != "" {
			if f.temp, err = spill(c.Out, r); err != nil {
				return opened{}, err
			}
		}
		files = append(files, f)
	}
	if err := c.asked(p.Message.Reference, q); err != nil {
		return opened{}, err
	}
	for i := range files {
		if files[i].temp == "" {
			continue
		}
		if files[i].Path, err = place(files[i].temp, c.Out, files[i].Name); err != nil {
			return opened{}, err
		}
	}
	digest := p.Digest()
	m := p.Message
	return opened{
		ID: q.ID, Reference: q.Reference, Tenant: q.Tenant, Kind: string(m.Kind), Language: m.Language,
		Subject: m.Subject, Text: m.Text, Person: m.Person, Digest: hex.EncodeToString(digest[:]), Attachments: files,
	}, nil
}

// asked refuses content that does not bear the reference under which it was asked for, sealed
// by whoever took it in. Desk could give another inquiry's, or its database be changed, and
// the reply to one person would tell what the other wrote.
func (c *openCmd) asked(sealed string, q wire.Inquiry) error {
	ref, named := post.ParseReference(c.Ref)
	if sealed != q.Reference || named && ref != sealed || !named && !strings.EqualFold(c.Ref, q.ID) {
		return &ctl.Hint{
			Err:  errors.New("the content is not that of the inquiry asked for"),
			Hint: "do not answer it; tell whoever runs desk that its database or desk itself was changed",
		}
	}
	return nil
}

// spill writes r to a file without a name of its own yet, for the user only.
func spill(dir string, r io.Reader) (string, error) {
	f, err := os.CreateTemp(dir, ".inboxctl-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, r)
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		os.Remove(f.Name()) //nolint:errcheck // the failure before matters more
		return "", err
	}
	return f.Name(), nil
}

// place gives a file the name that the person gave it, made harmless. An
// existing file is never overwritten: a number is added.
func place(temp, dir, name string) (string, error) {
	safe := harmless(name)
	ext := filepath.Ext(safe)
	stem := strings.TrimSuffix(safe, ext)
	for n := 1; n < 1000; n++ {
		path := filepath.Join(dir, safe)
		if n > 1 {
			path = filepath.Join(dir, fmt.Sprintf("%s-%d%s", stem, n, ext))
		}
		err := os.Link(temp, path) // fails when path exists
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		return path, nil
	}
	return "", fmt.Errorf("no free name left in %s", dir)
}

// harmless returns a plain file name: no path, no control character, no
// leading dot or dash, nothing that a shell or Windows reads as more than a name.
func harmless(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), !unicode.IsPrint(r):
			return -1
		case strings.ContainsRune(`/\:*?"<>|$`+"`", r):
			return '_'
		}
		return r
	}, name)
	name = strings.TrimLeft(strings.TrimRight(name, ". "), ".- ")
	if r := []rune(name); len(r) > 120 {
		ext := filepath.Ext(name)
		if len(ext) > 10 {
			ext = ""
		}
		name = string(r[:120-len(ext)]) + ext
	}
	if name == "" {
		return "attachment"
	}
	return name
}

func (o opened) print(w io.Writer, r *run) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "reference     %s\nmunicipality  %s\ntopic         %s\n", o.Reference, o.Tenant, o.Kind)
	subject := o.Person.Subject()
	fmt.Fprintf(&b, "from          %s, %s %s\n", ctl.Line(subject.Name), subject.IDType, subject.ID)
	if o.Person.OnBehalfOf != nil {
		a := o.Person.Actor
		fmt.Fprintf(&b, "written by    %s, %s %s\n", ctl.Line(a.Name), a.IDType, a.ID)
	}
	fmt.Fprintf(&b, "subject       %s\n", ctl.Line(o.Subject))
	for _, f := range o.Attachments {
		where := "not written; give -out DIR"
		if f.Path != "" {
			where = f.Path
		}
		fmt.Fprintf(&b, "attachment    %s (%d bytes): %s\n", ctl.Line(f.Name), f.Size, where)
	}
	fmt.Fprintf(&b, "digest        %s\n\n%s\n", o.Digest, ctl.Clean(o.Text))
	w.Write(b.Bytes()) //nolint:errcheck // stdout is gone when this fails
	r.Say("next: inboxctl ack %s", o.Reference)
}
