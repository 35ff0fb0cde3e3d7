package portalweb

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/post"
)

type filesView struct {
	base
	Draft    intake.Draft
	Used     int64
	MaxFiles int
	MaxBytes int64
}

func (v *visit) filesForm() error {
	d, ok, err := v.step(uploadPath)
	if !ok {
		return err
	}
	return v.showFiles(d, http.StatusOK, nil)
}

func (v *visit) showFiles(d intake.Draft, status int, wrong []problem) error {
	view := filesView{
		base: v.base("files.short"), Draft: d, Used: d.Size(),
		MaxFiles: v.Intake.Limits.Files, MaxBytes: v.Intake.Limits.Bytes,
	}
	view.at(4, v.tenants[d.Tenant])
	for _, p := range wrong {
		view.wrong(p.Field, p.Text)
	}
	v.render(v.w, status, "files", view)
	return nil
}

// files takes what the form holds, file by file as it streams in; nothing is
// spooled to disk. Files that pass stay, whatever becomes of the others.
func (v *visit) files() error {
	limit := v.Intake.Limits.Bytes + uploadSlack
	if v.r.ContentLength > limit {
		// Refused on its own word, before the first byte is read.
		v.w.Header().Set("Connection", "close")
		return post.FaultRequestTooLarge
	}
	_ = readUntil(v.w, uploadTime) // where it fails, nothing hurries
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, limit)
	parts, err := v.r.MultipartReader()
	if err != nil {
		return post.FaultBadForm.Because(err)
	}
	b := v.base("")
	var wrong []problem
	status, next := http.StatusOK, false
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return broken(err)
		}
		if n > maxParts {
			return post.FaultTooManyFiles
		}
		if part.FormName() == madeFor { // the form's first field: nothing was taken before it
			mark, err := io.ReadAll(io.LimitReader(part, 64))
			if err != nil {
				return broken(err)
			}
			if err := v.madeFor(string(mark), v.person()); err != nil {
				return err
			}
		}
		if part.FormName() == "next" {
			next = true
		}
		if part.FormName() != "file" || part.FileName() == "" {
			continue
		}
		f, err := v.takeFile(v.r.Context(), part)
		if err != nil {
			return err
		}
		if f != nil {
			status = max(status, f.Status)
			wrong = append(wrong, problem{"file", b.text("files.refused", "name", shown(part), "why", b.sentence(f), "cure", b.cure(f))})
		}
	}
	if len(wrong) > 0 {
		d, err := v.draft()
		if err != nil {
			return err
		}
		return v.showFiles(d, status, wrong)
	}
	if next {
		return v.go303(checkPath)
	}
	return v.go303(uploadPath)
}

// maxParts bounds the parts of one upload: ten files, and room to say that an
// eleventh is too many.
const maxParts = 24

// takeFile answers with the fault that the person can cure, or with an error
// that ends the request.
func (v *visit) takeFile(ctx context.Context, part *multipart.Part) (*post.Fault, error) {
	_, err := v.Intake.Attach(ctx, v.person(), part.FileName(), part)
	var f *post.Fault
	switch {
	case err == nil:
		return nil, nil
	case errors.Is(err, post.FaultDraftGone):
		return nil, err
	case errors.As(err, &f) && f.Status < http.StatusInternalServerError || errors.Is(err, post.FaultScannerDown):
		return f, nil
	}
	return nil, broken(err)
}

// broken tells a broken or too large upload from a failure of ours.
func broken(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, multipart.ErrMessageTooLarge), errors.Is(err, io.EOF):
		return post.FaultUpload.Because(err)
	}
	return err
}

// shown is the name as an error message repeats it.
func shown(part *multipart.Part) string {
	if name, err := intake.CleanName(part.FileName()); err == nil {
		return name
	}
	return "?"
}

func (v *visit) removeFile() error {
	if err := v.parse(); err != nil {
		return err
	}
	if err := v.Intake.Detach(v.r.Context(), v.person(), v.r.PostFormValue("file")); err != nil {
		return err
	}
	return v.go303(uploadPath)
}
