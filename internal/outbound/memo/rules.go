package memo

import (
	"net/url"

	"sikkerpost.dk/gateway/internal/post"
)

// Check reports the first breach of MeMo 1.2 or of the business rules that
// Digital Post adds to it, without opening any file: a NemSMS has a text and no
// body, all others have a body; at most ten additional documents, no empty file,
// file names and action addresses of November 2024.
func (m *Message) Check() error { return m.CheckAs(Version) }

// CheckAs does the same for a version.
func (m *Message) CheckAs(version string) error {
	_, err := m.Length(version)
	return err
}

// Length returns the exact size in bytes of m as [WriteAs] writes it, without
// opening any file; what may not be written has no length.
func (m *Message) Length(version string) (int64, error) {
	if schemas[version] == nil {
		return 0, &Invalid{Code: CodeVersion, Path: "/Message", Note: "there is 1.1 and 1.2"}
	}
	if err := m.checkRules(); err != nil {
		return 0, err
	}
	if bad := m.loses(version); bad != nil {
		return 0, bad
	}
	n := &discard{}
	e := &encoder{w: n, dry: true, version: version}
	if err := e.message(m); err != nil {
		return 0, err
	}
	return n.written + e.skipped, nil
}

// loses reports what of m has no place in a version.
func (m *Message) loses(version string) *Invalid {
	h := &m.Header
	bad := func(path string) *Invalid {
		return &Invalid{Code: CodeLoses, Path: "/Message/MessageHeader/" + path, Note: "version " + version + " has no place for it"}
	}
	switch {
	case version == Version11 && h.Sender.Representative != nil:
		return bad("Sender/Representative")
	case version == Version11 && h.Forward != nil && h.Forward.OriginalRepresentative != "":
		return bad("ForwardData/originalRepresentative")
	case version == Version && h.Sender.IDTypeLabel != "":
		return bad("Sender/idTypeLabel")
	case version == Version && h.Recipient.IDTypeLabel != "":
		return bad("Recipient/idTypeLabel")
	}
	return nil
}

// CheckRules reports the first breach of the business rules only; [Read] has
// held a message that came in to the schema already.
func (m *Message) CheckRules() error { return m.checkRules() }

func (m *Message) checkRules() error {
	sms := m.Header.Type == NemSMS
	switch {
	case sms && m.Header.Notification == "":
		return &Invalid{Code: CodeMissing, Path: "/Message/MessageHeader/notification", Note: "a NemSMS without text"}
	case sms && m.Body != nil:
		return &Invalid{Code: CodeUnexpected, Path: "/Message/MessageBody", Note: "a NemSMS has no body"}
	case sms:
		return nil
	case m.Body == nil:
		return &Invalid{Code: CodeMissing, Path: "/Message/MessageBody", Note: "only a NemSMS has no body"}
	}
	additional := 0
	for _, d := range m.Body.Documents {
		path := "/Message/MessageBody/" + string(d.Kind)
		if d.Kind == Additional {
			additional++
		}
		if additional > post.MaxAdditionalDocuments {
			return &Invalid{Code: CodeDocuments, Path: path, Note: "at most 10 additional documents"}
		}
		for _, a := range d.Actions {
			if a.URL != "" && !validURL(a.URL) {
				return &Invalid{Code: CodeURL, Path: path + "/Action/EntryPoint/url", Note: "expected an absolute https address"}
			}
		}
		for _, f := range d.Files {
			if !ValidFilename(f.Filename) {
				return &Invalid{Code: CodeFilename, Path: path + "/File/filename", Note: "a character that Digital Post refuses"}
			}
			if f.Size <= 0 {
				return &Invalid{Code: CodeEmptyFile, Path: path + "/File/content", Note: "a file without bytes"}
			}
		}
	}
	return nil
}

// EncodedSize returns the size of the files of m once encoded, in bytes: what
// makes up nearly all of a message.
func (m *Message) EncodedSize() int64 {
	var n int64
	if m.Body == nil {
		return 0
	}
	for _, d := range m.Body.Documents {
		for _, f := range d.Files {
			n += (f.Size + 2) / 3 * 4
		}
	}
	return n
}

// validURL reports whether Digital Post takes u in an action since November
// 2024.
func validURL(u string) bool {
	p, err := url.Parse(u)
	return err == nil && p.Scheme == "https" && p.Host != "" && p.User == nil
}

// discard counts what it throws away.
type discard struct{ written int64 }

func (d *discard) Write(p []byte) (int, error) {
	d.written += int64(len(p))
	return len(p), nil
}

func (d *discard) WriteString(s string) (int, error) {
	d.written += int64(len(s))
	return len(s), nil
}
