package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/textproto"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// A browser is a person's browser without JavaScript: it keeps cookies, follows
// redirects, fills in the forms that it is shown and says truthfully where each
// request comes from, so that the portal's cross-site rules are exercised.
type browser struct {
	http *http.Client
	page *page
}

// A page is what the browser shows.
type page struct {
	url    *url.URL
	status int
	root   *html.Node
}

func newBrowser(ca *x509.CertPool) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := trusting(ca)
	c.Jar = jar
	return &browser{http: c}, nil
}

// open shows the page at address, which may be relative to the one shown.
func (b *browser) open(ctx context.Context, address string) error {
	u, err := b.resolve(address)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	return b.show(req)
}

func (b *browser) resolve(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if b.page != nil {
		u = b.page.url.ResolveReference(u)
	}
	if !u.IsAbs() {
		return nil, errors.New("browser: no page is shown that " + address + " could be relative to")
	}
	return u, nil
}

func (b *browser) show(req *http.Request) error {
	req.Header.Set("Accept-Language", "en")
	req.Header.Set("Accept", "text/html")
	site := "none"
	if b.page != nil {
		site = "cross-site"
		if b.page.url.Host == req.URL.Host {
			site = "same-origin"
		}
		if req.Method == http.MethodPost {
			req.Header.Set("Origin", b.page.url.Scheme+"://"+b.page.url.Host)
		}
	}
	req.Header.Set("Sec-Fetch-Site", site)
	resp, err := b.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", req.Method, req.URL.Redacted(), err)
	}
	defer resp.Body.Close()
	root, err := html.Parse(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return fmt.Errorf("read %s: %w", resp.Request.URL.Redacted(), err)
	}
	b.page = &page{url: resp.Request.URL, status: resp.StatusCode, root: root}
	if resp.StatusCode >= 400 {
		return fmt.Errorf("%s %s: %s: %s", req.Method, resp.Request.URL.Path, resp.Status, b.page.heading())
	}
	return nil
}

// An upload is a file put into a form.
type upload struct {
	field, name, mediaType string
	content                []byte
}

// submit fills in the form whose action is action, or else contains it, and
// sends it. Values
// replace what the form holds; a submit button is pressed by giving its name.
func (b *browser) submit(ctx context.Context, action string, values map[string]string, files ...upload) error {
	f := b.page.form(action)
	if f == nil {
		return fmt.Errorf("browser: the page %s has no form for %s", b.page.url.Path, action)
	}
	fields := f.fields()
	for k, v := range values {
		fields.Set(k, v)
	}
	to, err := b.resolve(f.action)
	if err != nil {
		return err
	}
	if f.method == http.MethodGet {
		to.RawQuery = fields.Encode()
		return b.open(ctx, to.String())
	}
	body, kind := strings.NewReader(fields.Encode()), "application/x-www-form-urlencoded"
	if f.multipart {
		text, boundary, err := encodeMultipart(fields, files)
		if err != nil {
			return err
		}
		body, kind = strings.NewReader(text), boundary
	} else if len(files) > 0 {
		return fmt.Errorf("browser: the form for %s takes no files", action)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	return b.show(req)
}

func encodeMultipart(fields url.Values, files []upload) (body, contentType string, err error) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for k, vs := range fields {
		for _, v := range vs {
			err = errors.Join(err, w.WriteField(k, v))
		}
	}
	for _, f := range files {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", multipart.FileContentDisposition(f.field, f.name))
		h.Set("Content-Type", f.mediaType)
		part, e := w.CreatePart(h)
		if e != nil {
			return "", "", e
		}
		_, e = part.Write(f.content)
		err = errors.Join(err, e)
	}
	err = errors.Join(err, w.Close())
	return buf.String(), w.FormDataContentType(), err
}

// A form as the page shows it.
type form struct {
	node      *html.Node
	action    string
	method    string
	multipart bool
}

func (p *page) form(action string) *form {
	var found *form
	for n := range p.root.Descendants() {
		exact := attr(n, "action") == action
		if n.Type != html.ElementNode || n.Data != "form" || !exact && (found != nil || !strings.Contains(attr(n, "action"), action)) {
			continue
		}
		f := &form{node: n, action: attr(n, "action"), method: http.MethodGet}
		if strings.EqualFold(attr(n, "method"), "post") {
			f.method = http.MethodPost
		}
		f.multipart = attr(n, "enctype") == "multipart/form-data"
		if exact {
			return f
		}
		found = f
	}
	return found
}

// fields returns what the form would send untouched.
func (f *form) fields() url.Values {
	v := url.Values{}
	for n := range f.node.Descendants() {
		name := attr(n, "name")
		if n.Type != html.ElementNode || name == "" {
			continue
		}
		switch n.Data {
		case "input":
			switch attr(n, "type") {
			case "submit", "button", "file", "image":
			case "radio", "checkbox":
				if hasAttr(n, "checked") {
					v.Add(name, attr(n, "value"))
				}
			default:
				v.Add(name, attr(n, "value"))
			}
		case "textarea":
			v.Add(name, text(n))
		case "select":
			for o := range n.Descendants() {
				if o.Data == "option" && hasAttr(o, "selected") {
					v.Add(name, attr(o, "value"))
				}
			}
		}
	}
	return v
}

// heading returns the text of the page's main heading.
func (p *page) heading() string {
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "h1" {
			return strings.Join(strings.Fields(text(n)), " ")
		}
	}
	return ""
}

// text returns everything that the page says.
func (p *page) text() string { return strings.Join(strings.Fields(text(p.root)), " ") }

// link returns the address of the first link that contains part.
func (p *page) link(part string) string {
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "a" && strings.Contains(attr(n, "href"), part) {
			return attr(n, "href")
		}
	}
	return ""
}

func text(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := range n.ChildNodes() {
		b.WriteString(text(c))
		b.WriteByte(' ')
	}
	return b.String()
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}
