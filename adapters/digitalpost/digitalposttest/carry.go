package digitalposttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// Carry takes a message that another carrier brings in the name of an
// authority, as KOMBIT's Postkomponent does, and judges it as any other. No
// sender system is asked to fetch its receipts. A message that was carried
// lives in memory only, as its carrier does; one that is there already stays as
// it is.
func (s *Server) Carry(uuid, road string, cvr post.CVR, xml []byte) Message {
	in := &incoming{body: xml}
	in.memo, in.files, in.invalid = parse(bytes.NewReader(xml))
	sum := sha256.Sum256(xml)
	in.sum = hex.EncodeToString(sum[:])
	uuid = strings.ToLower(uuid)
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.messages[uuid]; ok {
		first.Handed++
		return first.copy()
	}
	m := s.register(uuid, carried+string(cvr), in, s.cfg.Now().UTC())
	m.Road, m.body = road, xml
	delete(s.receipts, m.system)
	return m.copy()
}

// carried begins the system of a message that no sender system sent.
const carried = "carried:"

// owner returns the organization in whose name a system sends.
func (s *Server) owner(system string) post.CVR {
	if cvr, ok := strings.CutPrefix(system, carried); ok {
		return post.CVR(cvr)
	}
	return s.cfg.Systems[system].CVR
}
