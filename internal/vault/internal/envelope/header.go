package envelope

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// A Sealing is a header and what its one payload is sealed with.
type Sealing struct {
	Header        []byte
	fileKey, salt []byte // nil when the payload was begun
}

// Begin draws a file key and wraps it to recipients. The header of several is
// age's own work, with age's rules about who may stand beside whom.
func Begin(recipients ...age.Recipient) (*Sealing, error) {
	if len(recipients) == 1 {
		return begin(recipients[0])
	}
	var s Sealing
	watched := make([]age.Recipient, len(recipients))
	for i, r := range recipients {
		watched[i] = &wrapping{r, &s.fileKey}
	}
	// What age writes before it returns is the header and the salt of the
	// payload. Its own writer is left unused, so the payload's key is ours alone.
	var start bytes.Buffer
	if _, err := age.Encrypt(&start, watched...); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	n := start.Len() - saltLen
	if n < 1 || n > maxHeader || len(s.fileKey) != fileKeySize || start.Bytes()[n-1] != '\n' {
		return nil, errors.New("seal: header not understood")
	}
	s.Header, s.salt = start.Bytes()[:n:n], start.Bytes()[n:]
	return &s, nil
}

// begin is Begin for one recipient, byte for byte as age does it. Age draws a second
// key from the file key, for its own writer, and writes the header twice: a third of
// what a value cost.
func begin(r age.Recipient) (*Sealing, error) {
	random := make([]byte, fileKeySize+saltLen)
	rand.Read(random)
	s := &Sealing{fileKey: random[:fileKeySize:fileKeySize], salt: random[fileKeySize:]}
	stanzas, err := r.Wrap(s.fileKey)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	h := append(make([]byte, 0, 320), intro...)
	for _, z := range stanzas {
		if h = appendStanza(h, z); h == nil {
			return nil, errors.New("seal: stanza cannot be written")
		}
	}
	h = append(h, footer...)
	mac := headerMAC(s.fileKey, h)
	h = base64.RawStdEncoding.AppendEncode(append(h, ' '), mac[:])
	if s.Header = append(h, '\n'); len(stanzas) == 0 || len(s.Header) > maxHeader {
		return nil, errors.New("seal: header cannot be written")
	}
	return s, nil
}

// appendStanza returns nil when age would not read it.
func appendStanza(h []byte, s *age.Stanza) []byte {
	h = append(h, arrow[:len(arrow)-1]...)
	for _, word := range append([]string{s.Type}, s.Args...) {
		if !printable([]byte(word)) {
			return nil
		}
		h = append(append(h, ' '), word...)
	}
	const whole = columns / 4 * 3 // bytes of a full line
	body := s.Body
	for ; len(body) >= whole; body = body[whole:] {
		h = base64.RawStdEncoding.AppendEncode(append(h, '\n'), body[:whole])
	}
	return append(base64.RawStdEncoding.AppendEncode(append(h, '\n'), body), '\n')
}

// headerMAC is the MAC of a header that is written up to it.
func headerMAC(fileKey, signed []byte) [sha256.Size]byte {
	key := derive(fileKey, nil, "header")
	return mac256(key[:], signed)
}

// use returns what a payload is sealed with, once: two payloads under the same
// key and nonces would give each other away.
func (s *Sealing) use() (fileKey, salt []byte, err error) {
	fileKey, salt = s.fileKey, s.salt
	if fileKey == nil {
		return nil, nil, errors.New("seal: a header has one payload")
	}
	s.fileKey, s.salt = nil, nil
	return fileKey, salt, nil
}

// Payload begins the payload, apart from the header.
func (s *Sealing) Payload(dst io.Writer) (*Writer, error) {
	fileKey, salt, err := s.use()
	if err != nil {
		return nil, err
	}
	return newWriter(fileKey, salt, dst)
}

// Whole returns header and payload of text.
func (s *Sealing) Whole(text []byte) ([]byte, error) {
	fileKey, salt, err := s.use()
	if err != nil {
		return nil, err
	}
	chunks := len(text)/chunkLen + 1
	whole := make([]byte, 0, len(s.Header)+saltLen+len(text)+chunks*tagLen)
	return sealAll(append(whole, s.Header...), fileKey, salt, text)
}

// wrapping is a recipient that notes the file key that it wraps.
type wrapping struct {
	age.Recipient
	fileKey *[]byte
}

// WrapWithLabels implements age.RecipientWithLabels as age treats a recipient
// with and without.
func (w *wrapping) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	*w.fileKey = fileKey
	if l, ok := w.Recipient.(age.RecipientWithLabels); ok {
		return l.WrapWithLabels(fileKey)
	}
	s, err := w.Recipient.Wrap(fileKey)
	return s, nil, err
}

// cut returns the header that sealed begins with, which is in the one form in
// which age writes it.
func cut(sealed []byte) (header []byte, err error) {
	if p, ok := single(sealed); ok {
		return sealed[:len(sealed)-len(p.rest)], nil
	}
	header, err = age.ExtractHeader(bytes.NewReader(sealed[:min(len(sealed), maxHeader+1)]))
	if err != nil || len(header) > maxHeader || !bytes.HasPrefix(sealed, header) {
		return nil, ErrSealed
	}
	return sealed[:len(header)], nil
}

// fileKey opens header, which is nothing but a header. Errors are those of ids.
func fileKey(header []byte, ids []age.Identity) ([]byte, error) {
	if len(ids) == 0 {
		return nil, ErrSealed
	}
	if s, ok := single(header); ok && len(s.rest) == 0 {
		return s.fileKey(ids)
	}
	canonical, err := cut(header)
	if err != nil || len(canonical) != len(header) {
		return nil, ErrSealed
	}
	return age.DecryptHeader(header, ids...)
}

// A plain header has one stanza with a body of one line: what a [Key] writes.
// It is by far the most common, so it is read without age's general parser.
type plain struct {
	stanza *age.Stanza
	signed []byte // the header up to its MAC
	mac    []byte
	rest   []byte // after the header
}

const (
	intro   = "age-encryption.org/v1\n"
	arrow   = "-> "
	footer  = "---"
	columns = 64 // a body's last line is shorter
	maxArgs = 8
)

// single reads a plain header. Whatever it does not know to be one exactly as
// age would write it is not ok, and is for age's parser to judge.
func single(sealed []byte) (p plain, ok bool) {
	rest, ok := bytes.CutPrefix(sealed, []byte(intro+arrow))
	if !ok {
		return p, false
	}
	args, rest, ok := bytes.Cut(rest[:min(len(rest), 1<<10)], []byte("\n"))
	if !ok {
		return p, false
	}
	body, rest, ok := bytes.Cut(rest, []byte("\n"))
	if !ok || len(body) >= columns || !bytes.HasPrefix(rest, []byte(footer+" ")) {
		return p, false
	}
	rest = rest[len(footer)+1:]
	macLen := base64.RawStdEncoding.EncodedLen(sha256.Size)
	if len(rest) <= macLen || rest[macLen] != '\n' {
		return p, false
	}
	p.stanza = &age.Stanza{}
	words := bytes.Split(args, []byte(" "))
	if len(words) > maxArgs {
		return p, false
	}
	for i, word := range words {
		if !printable(word) {
			return p, false
		}
		if i == 0 {
			p.stanza.Type = string(word)
		} else {
			p.stanza.Args = append(p.stanza.Args, string(word))
		}
	}
	if p.stanza.Body, ok = decode(body); !ok {
		return p, false
	}
	if p.mac, ok = decode(rest[:macLen]); !ok || len(p.mac) != sha256.Size {
		return p, false
	}
	end := len(intro) + len(arrow) + len(args) + 1 + len(body) + 1 + len(footer)
	p.signed, p.rest = sealed[:end], sealed[end+1+macLen+1:]
	return p, true
}

func printable(word []byte) bool {
	for _, c := range word {
		if c < 33 || c > 126 {
			return false
		}
	}
	return len(word) > 0
}

// decode reads strict base64 without line breaks.
func decode(text []byte) ([]byte, bool) {
	if bytes.IndexByte(text, '\r') >= 0 || bytes.IndexByte(text, '\n') >= 0 {
		return nil, false
	}
	b, err := strict.AppendDecode(nil, text)
	return b, err == nil
}

// strict is made once: each is a copy of the whole alphabet.
var strict = base64.RawStdEncoding.Strict()

// fileKey opens p with the first of ids that can, and checks the header's MAC.
func (p *plain) fileKey(ids []age.Identity) ([]byte, error) {
	for _, id := range ids {
		key, err := id.Unwrap([]*age.Stanza{p.stanza})
		if errors.Is(err, age.ErrIncorrectIdentity) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if mac := headerMAC(key, p.signed); !hmac.Equal(mac[:], p.mac) {
			return nil, ErrSealed
		}
		return key, nil
	}
	return nil, ErrSealed
}
