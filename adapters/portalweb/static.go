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
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "no-cache")
	switch {
	case name == "checkpoint":
		h.Set("Content-Type", "text/plain; charset=utf-8")
	case strings.HasPrefix(name, "tile/") && !strings.Contains(name, ".p/"):
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	http.ServeContent(w, r, "", info.ModTime(), io.ReadSeeker(f))
	return nil
}
