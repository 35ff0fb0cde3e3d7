package portalweb

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

type receiptView struct {
	base
	Inquiry intake.Inquiry
	Tenant  post.Tenant
	Copy    *intake.Copy // nil once it expired
	Chars   int
	InLog   bool
	Mail    bool
	Breach  bool
	Until   time.Time // until when the copy can be fetched
}

func (v *visit) receipt() error {
	q, signed, copied, err := v.Intake.Receipt(v.r.Context(), v.person(), v.r.PathValue("ref"))
	if err != nil {
		return err
	}
	r, err := v.Intake.Signed(v.r.Context(), q, signed)
	if err != nil {
		return err
	}
	view := receiptView{
		base: v.base("receipt.short"), Inquiry: q, Tenant: v.tenants[q.Tenant], Copy: copied, InLog: r.Proof != nil,
		Mail: q.Road == post.ToDigitalPost, Breach: q.Kind == post.Breach, Until: q.AcceptedAt.Add(intake.CopyLife),
	}
	view.Authority = view.Tenant.Name
	if copied != nil {
		view.Chars = len([]rune(copied.Text))
	}
	v.render(v.w, http.StatusOK, "receipt", view)
	return nil
}

func (v *visit) statement() error {
	q, signed, _, err := v.Intake.Receipt(v.r.Context(), v.person(), v.r.PathValue("ref"))
	if err != nil {
		return err
	}
	r, err := v.Intake.Signed(v.r.Context(), q, signed)
	if err != nil {
		return err
	}
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode receipt %s: %w", q.Reference, err)
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+q.Reference+`.json"`)
	_, _ = v.w.Write(append(body, '\n')) // the browser may have gone
	return nil
}

// copyFile gives the person what was sent, as plain text, while there still is
// a copy.
func (v *visit) copyFile() error {
	q, _, copied, err := v.Intake.Receipt(v.r.Context(), v.person(), v.r.PathValue("ref"))
	if err != nil {
		return err
	}
	if copied == nil {
		return post.ErrNotFound
	}
	b := v.base("")
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s\n%s %s (%s)\n%s %s\n\n%s\n", b.text("receipt.reference"), q.Reference,
		b.text("receipt.received"), date(b.Lang, q.AcceptedAt)+" "+clock(b.Lang, q.AcceptedAt), utc(q.AcceptedAt),
		b.text("receipt.subject"), copied.Subject, copied.Text)
	for _, f := range copied.Files {
		fmt.Fprintf(&out, "\n%s, %d B, SHA-256 %x", f.Name, f.Size, f.SHA256)
	}
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+q.Reference+`.txt"`)
	_, _ = v.w.Write([]byte(out.String() + "\n")) // the browser may have gone
	return nil
}

type mineView struct {
	base
	Inquiries []intake.Inquiry
	Draft     *intake.Draft
	Names     map[post.TenantID]string
}

func (v *visit) overview() error {
	all, err := v.Intake.Mine(v.r.Context(), v.person())
	if err != nil {
		return err
	}
	d, err := v.draft()
	if err != nil {
		return err
	}
	view := mineView{base: v.base("mine.title"), Inquiries: all, Names: map[post.TenantID]string{}}
	for id, t := range v.tenants {
		view.Names[id] = t.Name
	}
	if d.ID != "" {
		view.Draft = &d
	}
	v.render(v.w, http.StatusOK, "mine", view)
	return nil
}

type startView struct {
	base
	Tenants    []post.Tenant
	CompanyURL string // log-in for a company
}

func (s *Site) start(w http.ResponseWriter, r *http.Request) error {
	rememberLanguage(w, r)
	s.render(w, http.StatusOK, "start", startView{s.base(r, "start.title"), s.Config.Tenants, s.loginURL("/ny") + "&type=Professional"})
	return nil
}

type loggedOffView struct {
	base
	Partial bool // other services may still know the person
}

func (s *Site) loggedOff(w http.ResponseWriter, r *http.Request) error {
	rememberLanguage(w, r)
	s.render(w, http.StatusOK, "loggedoff",
		loggedOffView{s.anonymous(r, "loggedoff.title"), r.URL.Query().Get("partial") == "1"})
	return nil
}

type genuineView struct {
	base
	Checked   bool
	Place     intake.Place
	Statement ledger.Statement
	Tenant    string
}

func (s *Site) checkReceiptForm(w http.ResponseWriter, r *http.Request) error {
	rememberLanguage(w, r)
	s.render(w, http.StatusOK, "genuine", genuineView{base: s.base(r, "genuine.title")})
	return nil
}

// checkReceipt answers whether a receipt is genuine. It needs no log-in: a
// statement names nobody.
func (s *Site) checkReceipt(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	view := genuineView{base: s.base(r, "genuine.title")}
	pasted := r.PostFormValue("statement")
	if strings.TrimSpace(pasted) == "" {
		view.wrong("statement", view.text("genuine.empty"))
		s.render(w, http.StatusUnprocessableEntity, "genuine", view)
		return nil
	}
	statement, place, err := s.Intake.CheckStatement(r.Context(), pasted)
	if errors.Is(err, post.FaultStatement) {
		view.wrong("statement", view.sentence(post.FaultStatement)+" "+view.cure(post.FaultStatement))
		s.render(w, http.StatusUnprocessableEntity, "genuine", view)
		return nil
	}
	if err != nil {
		return err
	}
	view.Checked, view.Place, view.Statement = true, place, statement
	view.Tenant = s.tenants[statement.Tenant].Name
	s.render(w, http.StatusOK, "genuine", view)
	return nil
}
