package postctlapp

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/post"
)

// The rules below are those that a table can be held to without desk. Desk
// applies them again, and more: it parses every PDF. They are not taken from
// outbound/letter, which links what opens seals, and postctl must not.

// maxDocument is what one document may hold (bytes), as desk has it.
const maxDocument = 25 << 20

func checkKey(s string) error {
	if n := utf8.RuneCountInString(s); n < 1 || n > 200 || !printable(s) {
		return post.FaultLetterKey
	}
	return nil
}

func checkTitle(s string) error {
	if n := utf8.RuneCountInString(s); n < 1 || n > 256 || strings.TrimSpace(s) == "" || !printable(s) {
		return post.FaultLetterTitle
	}
	return nil
}

func checkRecipient(p wire.Party) error {
	if _, err := (post.PartyRecord{IDType: p.IDType, ID: p.ID}).Party(); err != nil {
		return err
	}
	bad := len(p.Address) > 7 || utf8.RuneCountInString(p.Name) > 200 || !printable(p.Name)
	for _, l := range p.Address {
		bad = bad || utf8.RuneCountInString(l) > 100 || !printable(l)
	}
	if bad {
		return post.FaultAddressLines
	}
	return nil
}

func checkName(s string) error {
	n := utf8.RuneCountInString(s)
	if n < 1 || n > 255 || !printable(s) || strings.ContainsAny(s, `/\`) || s == "." || s == ".." {
		return post.FaultDocumentName
	}
	return nil
}

func checkLanguage(s string) error {
	if s != "" && (len(s) != 2 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") != "") {
		return post.FaultDocumentType
	}
	return nil
}

// readPDF reads a document and looks at its two ends.
func readPDF(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, post.FaultNotPDF.Because(err)
	}
	if len(b) > maxDocument {
		return nil, post.FaultDocumentSize
	}
	end := b[max(0, len(b)-1024):]
	if !bytes.HasPrefix(b, []byte("%PDF-")) || !bytes.Contains(end, []byte("%%EOF")) {
		return nil, post.FaultNotPDF
	}
	return b, nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
