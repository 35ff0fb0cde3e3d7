package portalweb

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

//go:embed static/app.css
var style []byte

// stylePath changes with the content, so that it may be kept for ever.
var stylePath = fmt.Sprintf("/static/app.%.6x.css", sha256.Sum256(style))

func (s *Site) staticFile(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Path != stylePath {
		return post.ErrNotFound
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(style))
	return nil
}

// ledgerFile serves the public log (C2SP tlog-tiles): anybody may read it, from
// any site. A full tile never changes; a checkpoint and a partial tile do.
func (s *Site) ledgerFile(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("file")
	if !fs.ValidPath(name) || strings.Contains(name, "/.") || strings.HasPrefix(name, ".") {
		return post.ErrNotFound
	}
	f, err := os.OpenInRoot(s.LedgerDir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return post.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("open ledger file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open ledger file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return post.ErrNotFound
	}
	h := public(w)
	h.Set("Content-Type", "application/octet-stream")
	switch {
	case name == "checkpoint":
		h.Set("Content-Type", "text/plain; charset=utf-8")
	case strings.HasPrefix(name, "tile/") && !strings.Contains(name, ".p/"):
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", info.ModTime(), io.ReadSeeker(f))
	return nil
}

// receiptKey serves what the log's key says of the key that signs receipts: the
// second thing, after the log's key, that a check without us needs.
func (s *Site) receiptKey(w http.ResponseWriter, r *http.Request) error {
	public(w).Set("Content-Type", "text/plain; charset=utf-8")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.Intake.Signing.Cert))
	return nil
}

// public lets any site read the answer; its keeper asks each time whether it
// changed.
func public(w http.ResponseWriter) http.Header {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	return h
}
