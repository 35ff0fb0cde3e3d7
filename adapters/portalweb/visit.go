package portalweb

import (
	"errors"
	"net/http"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
)

// A visit is one request of somebody logged in.
type visit struct {
	*Site
	w       http.ResponseWriter
	r       *http.Request
	session login.Session
}

func (v *visit) person() post.Person { return v.session.Person }

func (v *visit) base(title string) base {
	rememberLanguage(v.w, v.r)
	b := v.anonymous(v.r, title)
	b.known(v.session, v.ending(v.session, b.Path))
	b.For = v.Intake.Mark(v.person())
	return b
}

func (v *visit) go303(path string) error {
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// draft returns the person's draft, or an empty one.
func (v *visit) draft() (intake.Draft, error) {
	d, err := v.Intake.Draft(v.r.Context(), v.person())
	if errors.Is(err, post.ErrNotFound) {
		return intake.Draft{}, nil
	}
	return d, err
}

// The pages on the way, in order.
const (
	recipientPath = "/ny/modtager"
	topicPath     = "/ny/emne"
	messagePath   = "/ny/besked"
	uploadPath    = "/ny/filer"
	checkPath     = "/ny/tjek"
)

// firstGap returns the page of the first thing that d lacks, or "" when it is
// complete.
func firstGap(d intake.Draft) string {
	switch err := d.Missing(); {
	case errors.Is(err, post.FaultNoRoad):
		return recipientPath
	case errors.Is(err, post.FaultNoTopic), errors.Is(err, post.FaultNoSubject):
		return topicPath
	case errors.Is(err, post.FaultNoText):
		return messagePath
	}
	return ""
}

// step loads the draft for one of the pages on the way. When something before
// that page is missing, it leads there instead and answers ok=false.
func (v *visit) step(path string) (d intake.Draft, ok bool, err error) {
	d, err = v.draft()
	if err != nil {
		return d, false, err
	}
	order := []string{recipientPath, topicPath, messagePath, uploadPath, checkPath}
	gap := firstGap(d)
	for _, p := range order {
		if p == path {
			return d, true, nil
		}
		if p == gap {
			return d, false, v.go303(gap)
		}
	}
	return d, true, nil
}

// begin leads to the first page that still lacks something.
func (v *visit) begin() error {
	d, err := v.draft()
	if err != nil {
		return err
	}
	if gap := firstGap(d); gap != "" {
		return v.go303(gap)
	}
	return v.go303(checkPath)
}

type discardView struct {
	base
	Draft intake.Draft
}

// discardForm asks once more: what was written is gone for good.
func (v *visit) discardForm() error {
	d, err := v.draft()
	if err != nil {
		return err
	}
	if d.ID == "" {
		return v.go303("/mine")
	}
	v.render(v.w, http.StatusOK, "discard", discardView{v.base("discard.title"), d})
	return nil
}

func (v *visit) discard() error {
	if err := v.parse(); err != nil {
		return err
	}
	if err := v.Intake.Discard(v.r.Context(), v.person()); err != nil {
		return err
	}
	return v.go303("/mine")
}
