package portalweb

import (
	"errors"
	"log/slog"
	"net/http"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/post"
)

type recipientView struct {
	base
	Tenants []post.Tenant
	Tenant  post.TenantID
	Road    post.Road
	Draft   intake.Draft
}

func (v *visit) recipientForm() error {
	d, err := v.draft()
	if err != nil {
		return err
	}
	return v.showRecipient(d, http.StatusOK)
}

func (v *visit) showRecipient(d intake.Draft, status int, wrong ...problem) error {
	view := recipientView{base: v.base("recipient.short"), Tenants: v.Config.Tenants, Tenant: d.Tenant, Road: d.Road, Draft: d}
	view.at(1, v.tenants[d.Tenant])
	if view.Tenant == "" && len(v.Config.Tenants) == 1 {
		view.Tenant = v.Config.Tenants[0].ID
	}
	for _, p := range wrong {
		view.wrong(p.Field, p.Text)
	}
	v.render(v.w, status, "recipient", view)
	return nil
}

func (v *visit) recipient() error {
	if err := v.parse(); err != nil {
		return err
	}
	tenant, road := post.TenantID(v.r.PostFormValue("tenant")), post.Road(v.r.PostFormValue("road"))
	b := v.base("")
	var wrong []problem
	if _, ok := v.tenants[tenant]; !ok {
		wrong = append(wrong, problem{"tenant", b.text("recipient.tenant.wrong")})
	}
	if road != post.ToDPO && road != post.ToDigitalPost {
		wrong = append(wrong, problem{"road-dpo", b.text("recipient.road.wrong")})
	}
	if len(wrong) > 0 {
		return v.showRecipient(intake.Draft{Tenant: tenant, Road: road}, http.StatusUnprocessableEntity, wrong...)
	}
	if _, err := v.Intake.SetRecipient(v.r.Context(), v.person(), tenant, road); err != nil {
		return err
	}
	return v.go303(topicPath)
}

// parse reads a form; what cannot be read is the sender's fault. A form that was made
// for somebody else is refused: in another tab somebody else has logged in since, or
// this one acts for another, and what is written here is not theirs.
func (v *visit) parse() error {
	err := v.r.ParseForm()
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return post.FaultBadForm.Because(err)
	}
	if err != nil {
		return err
	}
	return v.madeFor(v.r.PostFormValue(madeFor), v.person())
}

// madeFor is the hidden field by which a form says whom it was made for.
const madeFor = "for"

// madeFor refuses a form that was made for another than p. What other sites send is
// refused elsewhere; a form without the field was made by no page of today's.
func (v *visit) madeFor(mark string, p post.Person) error {
	if mark != "" && mark != v.Intake.Mark(p) {
		return post.FaultOtherWriter
	}
	return nil
}

type topicView struct {
	base
	Draft   intake.Draft
	Kinds   []post.InquiryKind
	Kind    post.InquiryKind
	Subject string
	Mail    bool
}

func (v *visit) topicForm() error {
	d, ok, err := v.step(topicPath)
	if !ok {
		return err
	}
	return v.showTopic(d, d.Kind, d.Subject, nil)
}

func (v *visit) showTopic(d intake.Draft, kind post.InquiryKind, subject string, f *post.Fault) error {
	view := topicView{
		base: v.base("topic.short"), Draft: d, Kinds: post.InquiryKinds(), Kind: kind, Subject: subject,
		Mail: d.Road == post.ToDigitalPost,
	}
	view.at(2, v.tenants[d.Tenant])
	status := http.StatusOK
	if f != nil {
		status = f.Status
		field := "subject"
		if !view.Mail {
			field = "kind-" + string(view.Kinds[0])
		}
		view.wrong(field, view.sentence(f))
	}
	v.render(v.w, status, "topic", view)
	return nil
}

func (v *visit) topic() error {
	if err := v.parse(); err != nil {
		return err
	}
	kind, subject := post.InquiryKind(v.r.PostFormValue("kind")), v.r.PostFormValue("subject")
	d, err := v.Intake.SetTopic(v.r.Context(), v.person(), kind, subject)
	for _, f := range []*post.Fault{post.FaultNoTopic, post.FaultNoSubject, post.FaultSubjectTooLong} {
		if errors.Is(err, f) {
			return v.showTopic(d, kind, subject, f)
		}
	}
	if errors.Is(err, post.FaultNoRoad) {
		return v.go303(recipientPath)
	}
	if err != nil {
		return err
	}
	return v.go303(messagePath)
}

type messageView struct {
	base
	Draft intake.Draft
	Text  string
	Mail  bool
}

func (v *visit) messageForm() error {
	d, ok, err := v.step(messagePath)
	if !ok {
		return err
	}
	return v.showMessage(d, d.Text, nil)
}

func (v *visit) showMessage(d intake.Draft, text string, f *post.Fault) error {
	view := messageView{base: v.base("message.short"), Draft: d, Text: text, Mail: d.Road == post.ToDigitalPost}
	view.at(3, v.tenants[d.Tenant])
	status := http.StatusOK
	if f != nil {
		status = f.Status
		view.wrong("text", view.sentence(f))
	}
	v.render(v.w, status, "message", view)
	return nil
}

func (v *visit) message() error {
	if err := v.parse(); err != nil {
		return err
	}
	text := v.r.PostFormValue("text")
	d, err := v.Intake.SetText(v.r.Context(), v.person(), text)
	for _, f := range []*post.Fault{post.FaultNoText, post.FaultTextTooLong} {
		if errors.Is(err, f) {
			return v.showMessage(d, text, f)
		}
	}
	if err != nil {
		return err
	}
	return v.go303(uploadPath)
}

type checkView struct {
	base
	Draft  intake.Draft
	Tenant post.Tenant
	Mail   bool
}

func (v *visit) checkForm() error {
	d, ok, err := v.step(checkPath)
	if !ok {
		return err
	}
	view := checkView{base: v.base("check.short"), Draft: d, Tenant: v.tenants[d.Tenant], Mail: d.Road == post.ToDigitalPost}
	view.at(5, view.Tenant)
	v.render(v.w, http.StatusOK, "check", view)
	return nil
}

// send takes the draft that the form names. Sent twice, it shows the same
// receipt.
func (v *visit) send() error {
	if err := v.parse(); err != nil {
		return err
	}
	id := v.r.PostFormValue("draft")
	if !post.ValidUUID(id) {
		return post.FaultBadForm.At("draft")
	}
	b := v.base("")
	d, err := v.draft()
	if err != nil {
		return err
	}
	q, err := v.Intake.Accept(v.r.Context(), v.person(), id, b.text("kind."+string(d.Kind)), b.Lang)
	for _, f := range []*post.Fault{post.FaultNoRoad, post.FaultNoTopic, post.FaultNoSubject, post.FaultNoText} {
		if errors.Is(err, f) {
			return v.begin()
		}
	}
	if err != nil {
		return err
	}
	v.Log.InfoContext(v.r.Context(), "inquiry accepted", slog.String("inquiry", string(q.ID)), slog.String("tenant", string(q.Tenant)),
		slog.String("kind", string(q.Kind)), slog.String("road", string(q.Road)), slog.Int("attachments", q.Attachments))
	return v.go303("/kvittering/" + q.Reference)
}
