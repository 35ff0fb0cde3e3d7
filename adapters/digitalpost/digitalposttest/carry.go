package digitalposttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// Carry takes a message that another carrier brings in the name of an
// authority, as KOMBIT's Postkomponent does, and judges it as any other. No
// sender system is asked to fetch its receipts. One that is there already stays
// as it is. One that cannot be kept is in the mailbox until the next start, and
// the log says so: its carrier has it.
func (s *Server) Carry(uuid, road string, cvr post.CVR, xml []byte) Message {
	return s.CarryAt(s.cfg.Now().UTC(), uuid, road, cvr, xml)
}

// CarryAt is [Server.Carry] of a message that came at another time.
func (s *Server) CarryAt(at time.Time, uuid, road string, cvr post.CVR, xml []byte) Message {
	in := &incoming{body: bytes.Clone(xml)}
	in.memo, in.files, in.invalid = parse(bytes.NewReader(xml))
	sum := sha256.Sum256(xml)
	in.sum = hex.EncodeToString(sum[:])
	uuid = strings.ToLower(uuid)
	taking := s.takes(uuid)
	taking.Lock()
	defer taking.Unlock()
	s.mu.Lock()
	if first, ok := s.messages[uuid]; ok {
		defer s.mu.Unlock()
		first.Handed++
		return first.copy()
	}
	s.mu.Unlock()
	m := s.judged(uuid, carried+string(cvr), in, at)
	m.Road = road
	// What a viewer wrote and is refused is its writer's again. Files are for who
	// counts what came to Digital Post itself.
	if road == viewer && m.Status == statusCompleted || road != viewer && !s.cfg.Files {
		if err := s.keep(m, in); err != nil {
			s.cfg.Log.Error("message not kept", slog.String("message", uuid), slog.Any("error", err))
		}
	}
	defer s.prune()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.register(m, in)
	if s.cfg.Dir == "" || m.at.Segment == 0 && !m.file {
		m.body = in.body
	}
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
