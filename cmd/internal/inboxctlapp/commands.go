package inboxctlapp

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/post"
)

type listCmd struct {
	Only   []string `help:"Only these states; waiting and leased when absent." enum:"waiting,leased,acknowledged,rejected,answered,closed,purged"`
	Tenant string   `help:"Only this municipality."`
	Limit  int      `default:"1000" help:"At most this many."`
}

// Run lists the inbox.
func (c *listCmd) Run(r *run) error {
	all := wire.Inquiries{Items: []wire.Inquiry{}}
	f := client.Filter{States: c.Only, Tenant: c.Tenant}
	for len(all.Items) < c.Limit {
		f.Limit = min(500, c.Limit-len(all.Items))
		page, err := r.desk.Inquiries(r.ctx, f)
		if err != nil {
			return err
		}
		all.Items = append(all.Items, page.Items...)
		all.Next = page.Next
		if f.After = page.Next; f.After == "" {
			break
		}
	}
	return r.Print(all, func(w io.Writer) {
		if len(all.Items) == 0 {
			fmt.Fprintln(w, "no inquiries")
			return
		}
		var rows [][]string
		for _, q := range all.Items {
			due := ""
			if q.DueAt != nil {
				due = ctl.When(*q.DueAt)
			}
			rows = append(rows, []string{due, q.Tenant, q.Kind, q.Reference, q.State, strconv.Itoa(q.Attachments)})
		}
		ctl.Table(w, []string{"DUE", "MUNICIPALITY", "TOPIC", "REFERENCE", "STATE", "FILES"}, rows)
		if all.Next != "" {
			r.Say("there is more: give a higher -limit")
		}
	})
}

type leaseCmd struct {
	Ref string `arg:"" help:"Reference or id of the inquiry."`
}

// Run leases an inquiry, or extends the lease that is held.
func (c *leaseCmd) Run(r *run) error {
	q, err := r.desk.Inquiry(r.ctx, c.Ref)
	if err != nil {
		return err
	}
	h, err := r.state.get(q.ID)
	if err != nil {
		return err
	}
	h, err = r.leased(h, true)
	if err != nil {
		return err
	}
	out := map[string]any{"id": q.ID, "reference": q.Reference, "until": h.Until}
	return r.Print(out, func(w io.Writer) {
		fmt.Fprintf(w, "%s is yours until %s\n", q.Reference, ctl.When(h.Until))
		r.Say("next: inboxctl open %s -identity FILE", q.Reference)
	})
}

// leased returns h with a lease that stands: the one held, extended when
// extend says so, or a new one. It is remembered before it is used.
func (r *run) leased(h held, extend bool) (held, error) {
	if h.valid() && !extend {
		return h, nil
	}
	var l wire.Lease
	var err error
	over := &client.Problem{}
	if h.valid() {
		l, err = r.desk.Extend(r.ctx, h.ID, h.Token)
	}
	if !h.valid() || errors.As(err, &over) && over.Code == post.FaultLeaseOver.Code {
		l, err = r.desk.Lease(r.ctx, h.ID)
	}
	if err != nil {
		return held{}, err
	}
	h.Token, h.Until = l.Token, l.Until
	return h, r.state.put(h)
}

type ackCmd struct {
	Ref    string `arg:"" help:"Reference or id of the inquiry."`
	Reject string `placeholder:"REASON" help:"Reject instead: not-for-us, not-understood, duplicate, unreadable or abuse."`
}

// Run acknowledges with the digest that open computed.
func (c *ackCmd) Run(r *run) error {
	q, err := r.desk.Inquiry(r.ctx, c.Ref)
	if err != nil {
		return err
	}
	h, err := r.state.get(q.ID)
	if err != nil {
		return err
	}
	if h.Digest == "" {
		return &ctl.Hint{
			Err:  fmt.Errorf("%s has not been opened here", q.Reference),
			Hint: "acknowledging vouches for what was read: run inboxctl open " + q.Reference + " -identity FILE",
		}
	}
	a := wire.Acknowledge{Digest: h.Digest, Outcome: wire.Accept}
	if c.Reject != "" {
		a.Outcome, a.Reason = wire.Reject, c.Reject
	}
	// A settled inquiry is asked again under the same token: the same
	// settlement gets its answer, another a refusal.
	if q.State == string(post.InquiryWaiting) || !h.valid() && q.State == string(post.InquiryLeased) {
		h.Token = ""
		if h, err = r.leased(h, false); err != nil {
			return err
		}
	}
	a.LeaseToken = h.Token
	done, err := r.desk.Acknowledge(r.ctx, q.ID, a)
	if err != nil {
		return err
	}
	return r.Print(done, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s\n", done.Reference, done.State)
		if done.State == string(post.InquiryAcknowledged) {
			r.Say("next: inboxctl reply %s -title TITLE -file FILE.pdf", done.Reference)
		}
	})
}

type replyCmd struct {
	Ref   string   `arg:"" help:"Reference or id of the inquiry."`
	Title string   `required:"" help:"What the person sees in the mailbox."`
	File  []string `required:"" sep:"none" placeholder:"FILE.pdf" help:"A PDF; the first is the main document. May be repeated."`
}

// Run submits a reply. Its Idempotency-Key is made of what it says, so running
// it again after a failure never sends a second letter.
func (c *replyCmd) Run(r *run) error {
	q, err := r.desk.Inquiry(r.ctx, c.Ref)
	if err != nil {
		return err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%q\n", q.ID, c.Title)
	reply := wire.Reply{Title: c.Title}
	var files []client.File
	for _, path := range c.File {
		digest, err := fileDigest(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %s\n", filepath.Base(path), digest)
		reply.Documents = append(reply.Documents, wire.Document{Filename: filepath.Base(path)})
		files = append(files, client.File{Open: func() (io.ReadCloser, error) { return os.Open(path) }})
	}
	ctx := client.WithKey(r.ctx, "reply-"+hex.EncodeToString(sum.Sum(nil)[:20]))
	got, err := r.desk.Reply(ctx, q.ID, reply, files)
	if err != nil {
		return err
	}
	return r.Print(got, func(w io.Writer) {
		if got.Repeated {
			fmt.Fprintf(w, "this reply was sent before; nothing changed: letter %s (%s) %s\n", got.ID, got.Reference, got.State)
			return
		}
		fmt.Fprintf(w, "letter %s (%s) %s\n", got.ID, got.Reference, got.State)
	})
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", &ctl.Hint{Err: err, Hint: "check the path", Exit: ctl.Failed}
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
