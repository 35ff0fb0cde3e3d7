package memo

import "sikkerpost.dk/gateway/internal/post"

// Check reports the first breach of the schema or of the business rules that
// Digital Post adds to it, without opening any file: at most ten additional
// documents, no empty file, file names of November 2024.
func (m *Message) Check() error {
	if err := m.checkRules(); err != nil {
		return err
	}
	e := &encoder{w: discard{}, dry: true}
	return e.message(m)
}

// CheckRules reports the first breach of the business rules only; [Read] has
// held a message that came in to the schema already.
func (m *Message) CheckRules() error { return m.checkRules() }

func (m *Message) checkRules() error {
	if m.Body == nil {
		return nil
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

type discard struct{}

func (discard) Write(p []byte) (int, error)       { return len(p), nil }
func (discard) WriteString(s string) (int, error) { return len(s), nil }
