package intake

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// A Draft is what a person has filled in so far.
type Draft struct {
	ID        string
	ExpiresAt time.Time
	Tenant    post.TenantID
	Road      post.Road
	Kind      post.InquiryKind
	Subject   string // written by the person on the Digital Post road only
	Text      string
	Files     []Attachment

	version int64
	owner   []byte
}

// draftBody is the sealed part of a draft.
type draftBody struct {
	Tenant  post.TenantID    `json:"tenant"`
	Road    post.Road        `json:"road"`
	Kind    post.InquiryKind `json:"kind"`
	Subject string           `json:"subject"`
	Text    string           `json:"text"`
	Files   []Attachment     `json:"files"`
}

// partyKey names a party for the keyed index.
func partyKey(p post.Party) string { return p.IDType() + ":" + p.RevealID() }

// writerKey names who writes. An employee of whom the log-in tells no CPR number bears
// the company's; colleagues are told apart by the log-in's own lasting name for each, and by
// their names where it has none.
func writerKey(p post.Person) string {
	who := partyKey(p.Actor)
	switch {
	case p.Actor.IDType() == "CPR":
	case p.Account != "":
		who += ":account:" + string(p.Account)
	default:
		who += ":name:" + p.Actor.Name()
	}
	return who + "|" + partyKey(p.Subject())
}

// owner is the index under which a person's draft is kept. Acting for somebody
// is another owner than acting for oneself: the two drafts never meet.
func (d *Desk) owner(p post.Person) []byte { return seal.Index(d.IndexKey, "", "draft", writerKey(p)) }

// Mark names whom a form was made for, in hidden figures that tell nobody who that is: the
// same for each session of a person who acts for the same one, another for anybody else.
func (d *Desk) Mark(p post.Person) string {
	return hex.EncodeToString(seal.Index(d.IndexKey, "", "form", writerKey(p))[:16])
}

// Draft returns the person's open draft. It answers [post.ErrNotFound] when
// there is none, and removes one that expired or that no key opens any more.
func (d *Desk) Draft(ctx context.Context, p post.Person) (Draft, error) {
	row, err := d.Drafts.OpenDraft(ctx, d.owner(p))
	if err != nil {
		return Draft{}, fmt.Errorf("open draft: %w", err)
	}
	var body draftBody
	plain, err := d.Ring.Open(row.Body)
	if err == nil {
		err = json.Unmarshal(plain, &body)
	}
	if err != nil || !time.Now().Before(row.ExpiresAt) {
		if err := d.drop(ctx, row); err != nil {
			return Draft{}, err
		}
		return Draft{}, fmt.Errorf("draft %s cannot be opened any more: %w", row.ID, post.ErrNotFound)
	}
	return Draft{
		ID: row.ID, ExpiresAt: row.ExpiresAt, version: row.Version, owner: row.Owner,
		Tenant: body.Tenant, Road: body.Road, Kind: body.Kind, Subject: body.Subject, Text: body.Text, Files: body.Files,
	}, nil
}

func (d *Desk) drop(ctx context.Context, row DraftRow) error {
	err := d.Drafts.DropDraft(ctx, row.ID, row.Version)
	if errors.Is(err, post.ErrStale) {
		return nil // somebody else has moved or dropped it; nothing of ours is left
	}
	if err != nil {
		return fmt.Errorf("drop draft %s: %w", row.ID, err)
	}
	d.deleteBlobs(ctx, row.Blobs...)
	return nil
}

// deleteBlobs removes sealed bytes that no record names any more. What it
// cannot remove nobody can read; it is counted in the log.
func (d *Desk) deleteBlobs(ctx context.Context, blobs ...string) {
	ctx = context.WithoutCancel(ctx)
	for _, b := range blobs {
		if err := d.Blobs.Delete(ctx, b); err != nil {
			d.Log.WarnContext(ctx, "blob left behind", slog.String("blob", b), slog.Any("error", err))
		}
	}
}

func (d *Desk) save(ctx context.Context, f *Draft) error {
	body, err := json.Marshal(draftBody{f.Tenant, f.Road, f.Kind, f.Subject, f.Text, f.Files})
	if err != nil {
		return fmt.Errorf("encode draft %s: %w", f.ID, err)
	}
	sealed, err := d.Ring.Small(body)
	if err != nil {
		return fmt.Errorf("seal draft %s: %w", f.ID, err)
	}
	row := DraftRow{ID: f.ID, Owner: f.owner, Version: f.version, ExpiresAt: f.ExpiresAt, Body: sealed}
	for _, a := range f.Files {
		row.Blobs = append(row.Blobs, a.Blob)
	}
	if err := d.Drafts.SaveDraft(ctx, row); err != nil {
		return fmt.Errorf("save draft %s: %w", f.ID, err)
	}
	f.version++
	return nil
}

// tries is how often a change of a draft is repeated when two browser tabs
// collide.
const tries = 5

// change applies f to the person's draft and stores it. Without a draft it
// starts one when start is set, else it answers [post.FaultDraftGone].
func (d *Desk) change(ctx context.Context, p post.Person, start bool, f func(*Draft) error) (Draft, error) {
	for try := 1; ; try++ {
		draft, err := d.Draft(ctx, p)
		if errors.Is(err, post.ErrNotFound) {
			if !start {
				return Draft{}, post.FaultDraftGone
			}
			draft, err = Draft{ID: post.NewID(), ExpiresAt: time.Now().Add(DraftLife), owner: d.owner(p)}, nil
		}
		if err != nil {
			return Draft{}, err
		}
		if err := f(&draft); err != nil {
			return draft, err
		}
		err = d.save(ctx, &draft)
		if errors.Is(err, post.ErrStale) && try < tries {
			continue
		}
		return draft, err
	}
}

// SetRecipient records whom the person writes to; it starts a draft when there
// is none. Changing the road clears a topic that does not fit it.
func (d *Desk) SetRecipient(ctx context.Context, p post.Person, tenant post.TenantID, road post.Road) (Draft, error) {
	if _, ok := d.tenants[tenant]; !ok {
		return Draft{}, post.FaultTenant
	}
	if road != post.ToDPO && road != post.ToDigitalPost {
		return Draft{}, post.FaultNoRoad
	}
	return d.change(ctx, p, true, func(f *Draft) error {
		if f.Road != road {
			f.Kind, f.Subject = "", ""
		}
		if road == post.ToDigitalPost {
			f.Kind = post.Mail
		}
		f.Tenant, f.Road = tenant, road
		return nil
	})
}

// SetTopic records what it is about: a kind on the road to a DPO, a subject in
// the person's words on the Digital Post road.
func (d *Desk) SetTopic(ctx context.Context, p post.Person, kind post.InquiryKind, subject string) (Draft, error) {
	return d.change(ctx, p, false, func(f *Draft) error {
		switch f.Road {
		case post.ToDPO:
			if !known(kind) {
				return post.FaultNoTopic
			}
			f.Kind = kind
		case post.ToDigitalPost:
			subject = oneLine(subject)
			if subject == "" {
				return post.FaultNoSubject
			}
			if utf8.RuneCountInString(subject) > d.Limits.Subject {
				return post.FaultSubjectTooLong
			}
			f.Subject = subject
		default:
			return post.FaultNoRoad
		}
		return nil
	})
}

// SetText records the message.
func (d *Desk) SetText(ctx context.Context, p post.Person, text string) (Draft, error) {
	text = plainText(text)
	return d.change(ctx, p, false, func(f *Draft) error {
		switch {
		case strings.TrimSpace(text) == "":
			return post.FaultNoText
		case utf8.RuneCountInString(text) > d.Limits.Text:
			return post.FaultTextTooLong
		}
		f.Text = text
		return nil
	})
}

// Discard removes the person's draft and its attachments.
func (d *Desk) Discard(ctx context.Context, p post.Person) error {
	row, err := d.Drafts.OpenDraft(ctx, d.owner(p))
	if errors.Is(err, post.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open draft: %w", err)
	}
	return d.drop(ctx, row)
}

// Missing names what f still lacks, in the order of the pages.
func (f Draft) Missing() error {
	switch {
	case f.Tenant == "" || f.Road == "":
		return post.FaultNoRoad
	case f.Kind == "":
		return post.FaultNoTopic
	case f.Road == post.ToDigitalPost && f.Subject == "":
		return post.FaultNoSubject
	case strings.TrimSpace(f.Text) == "":
		return post.FaultNoText
	}
	return nil
}

func known(kind post.InquiryKind) bool {
	for _, k := range post.InquiryKinds() {
		if k == kind {
			return true
		}
	}
	return false
}

// plainText drops what no keyboard types, and writes line ends as \n; browsers
// send \r\n, which would count twice.
func plainText(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "\uFFFD")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

func oneLine(s string) string { return strings.Join(strings.Fields(plainText(s)), " ") }
