package digitalposttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
)

// postMemo takes one message: POST memos/?memo-message-uuid=.
func (s *Server) postMemo(w http.ResponseWriter, r *http.Request, system string) {
	if s.spend(func(f *Faults) *int { return &f.Unavailable }) {
		refuse(w, http.StatusServiceUnavailable, "sim.unavailable")
		return
	}
	uuid := strings.ToLower(r.URL.Query().Get("memo-message-uuid"))
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == typeContainer || kind == "multipart/form-data" {
		s.postContainer(w, r, system, kind)
		return
	}
	switch {
	case !post.ValidUUID(uuid):
		refuse(w, http.StatusBadRequest, "sim.message.uuid.missing")
		return
	case kind != "application/xml" && kind != "text/xml":
		refuse(w, http.StatusBadRequest, "sim.media.type.not.allowed")
		return
	case r.ContentLength < 0:
		refuse(w, http.StatusBadRequest, "sim.content.length.missing")
		return
	case r.ContentLength > memo.MaxMessage:
		refuse(w, http.StatusBadRequest, "sim.memo.too.large")
		return
	}
	in, err := s.receive(r.Body, r.ContentLength, uuid, s.cfg.Files)
	if err != nil { // the caller broke off, or the disk is full: nothing is taken
		s.cfg.Log.WarnContext(r.Context(), "message not received", slog.String("message", uuid), slog.Any("error", err))
		refuse(w, http.StatusServiceUnavailable, "sim.unavailable")
		return
	}
	defer in.discard()
	if in.memo != nil && !strings.EqualFold(in.memo.Header.UUID, uuid) {
		refuse(w, http.StatusBadRequest, "sim.message.uuid.mismatch")
		return
	}
	msg, fresh, err := s.accept(uuid, system, in)
	if errors.Is(err, errAnothers) {
		refuse(w, http.StatusBadRequest, "sim.message.uuid.of.another")
		return
	}
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "sim.unavailable")
		return
	}
	s.dawdle(r)
	s.reply(w, msg, fresh)
}

// reply gives the technical receipt, or whatever the dial says.
func (s *Server) reply(w http.ResponseWriter, msg *Message, fresh bool) {
	switch {
	case s.dropped():
		breakOff()
	case s.spend(func(f *Faults) *int { return &f.Broken }):
		refuse(w, http.StatusInternalServerError, "sim.broken")
	case !fresh && s.Faults().RejectDuplicates:
		refuse(w, http.StatusBadRequest, "sim.message.uuid.duplicate")
	default:
		answer(w, http.StatusCreated, receiptJSON{
			TransmissionID: msg.Transmission, MessageUUID: msg.UUID, MessageID: msg.MessageID,
			TimeStamp: stamp(msg.ReceivedAt), Status: statusReceived,
		})
	}
}

// incoming is a message that has been received, not yet accepted.
type incoming struct {
	path    string  // temporary file, "" when body has it
	size    counter // of that file
	body    []byte
	pooled  *bytes.Buffer // which body is of, until it is discarded
	sum     string
	memo    *memo.Message // nil when invalid
	files   []Document
	invalid error
	// transmission is that of its container, or "".
	transmission string
}

func (in *incoming) discard() {
	if in.pooled != nil {
		whole.Put(in.pooled)
		in.pooled, in.body = nil, nil
	}
	if in.path != "" {
		_ = os.Remove(in.path) //nolint:gosec // a name of our own making; gone already when it was accepted
	}
}

// parse reads a message and digests its files.
func parse(r io.Reader) (*memo.Message, []Document, error) {
	files := []Document{}
	m, err := memo.Read(r, memo.Limits{}, func(d memo.Document, f *memo.File, content io.Reader) error {
		hash := sha256.New()
		n, err := io.Copy(hash, content)
		if err != nil {
			return fmt.Errorf("digest file: %w", err)
		}
		files = append(files, Document{
			Kind: string(d.Kind), Label: d.Label, Filename: f.Filename, MediaType: f.MediaType,
			Size: n, SHA256: hex.EncodeToString(hash.Sum(nil)),
		})
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return m, files, nil
}

// accept takes charge of a message once, and of its repetitions never. It is
// written before it is filed: nobody waits for the disk of another.
func (s *Server) accept(uuid, system string, in *incoming) (*Message, bool, error) {
	taking := s.takes(uuid)
	taking.Lock()
	defer taking.Unlock()
	first, err := s.again(uuid, system, in)
	if first != nil || err != nil {
		return first, false, err
	}
	msg := s.judged(uuid, system, in, s.cfg.Now().UTC())
	if err := s.keep(msg, in); err != nil {
		return nil, false, err
	}
	defer s.prune()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.register(msg, in)
	s.cfg.Log.Info("message accepted", slog.String("message", uuid), slog.String("system", system), slog.String("outcome", string(msg.Status)))
	return msg, true, nil
}

// takes returns the lock of whoever takes this UUID.
func (s *Server) takes(uuid string) *sync.Mutex {
	h := fnv.New32a()
	_, _ = io.WriteString(h, uuid) // a hash does not fail
	return &s.taking[h.Sum32()%uint32(len(s.taking))]
}

// errAnothers says that another organization's message has that UUID.
var errAnothers = errors.New("digitalposttest: the UUID is another organization's")

// again counts a repetition of a message that is known, and returns that. Who
// takes another's UUID is not told what the other was.
func (s *Server) again(uuid, system string, in *incoming) (*Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.messages[uuid]
	switch {
	case first == nil:
		return nil, nil //nolint:nilnil // it is none
	case s.anothers(uuid, system):
		return nil, errAnothers
	}
	s.repeated(first, in)
	return first, nil
}

// anothers reports whether another organization's message has that UUID. The
// caller holds mu.
func (s *Server) anothers(uuid, system string) bool {
	first := s.messages[uuid]
	return first != nil && s.owner(first.system) != s.owner(system)
}

func (s *Server) repeated(first *Message, in *incoming) {
	s.stats.Duplicates++
	first.Handed++
	if first.SHA256 != in.sum {
		s.stats.Differing++
	}
}

// judged makes the message of what came in, with its outcome.
func (s *Server) judged(uuid, system string, in *incoming, at time.Time) *Message {
	msg := newMessage(uuid, in.memo, at)
	msg.system, msg.SHA256, msg.Handed, msg.Due = system, in.sum, 1, s.due(in.memo, at)
	msg.Documents = append(msg.Documents, in.files...)
	s.decide(msg, in.memo, in.invalid)
	if in.transmission != "" {
		msg.Transmission = in.transmission
		msg.Events = append([]Event{{msg.ReceivedAt, "MEMO_MASS_SEND_RECEIVED"}, {msg.ReceivedAt, "MEMO_EXTRACTED"}}, msg.Events...)
	}
	return msg
}

// register files a message and its business receipt. The caller holds mu, or
// is New.
func (s *Server) register(msg *Message, in *incoming) {
	if s.cfg.Dir == "" {
		msg.body = in.body
		if old := len(s.order) - keepBodies; old >= 0 {
			s.order[old].body = nil
		}
	}
	s.messages[msg.UUID] = msg
	s.order = append(s.order, msg)
	s.stats.Accepted++
	s.businessReceipt(msg)
	s.deliver(msg)
	s.announce()
}

func (s *Server) file(uuid string) string { return filepath.Join(s.cfg.Dir, uuid+".xml") }

// reload registers again the files in the directory that the log does not know,
// oldest first.
func (s *Server) reload() error {
	paths, err := filepath.Glob(filepath.Join(s.cfg.Dir, "*.xml"))
	if err != nil {
		return fmt.Errorf("reload messages: %w", err)
	}
	for _, path := range byAge(paths) {
		uuid := strings.TrimSuffix(filepath.Base(path), ".xml")
		if s.messages[uuid] != nil {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("reload message %s: %w", uuid, err)
		}
		info, err := f.Stat()
		if err != nil {
			return errors.Join(fmt.Errorf("reload message %s: %w", uuid, err), f.Close())
		}
		in := &incoming{}
		hash := sha256.New()
		tee := io.TeeReader(f, hash)
		in.memo, in.files, in.invalid = parse(tee)
		_, err = io.Copy(io.Discard, tee)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("reload message %s: %w", uuid, err)
		}
		in.sum = hex.EncodeToString(hash.Sum(nil))
		msg := s.judged(uuid, s.systemOf(in.memo), in, info.ModTime().UTC())
		msg.file, msg.size = true, info.Size()
		if err := s.keep(msg, in); err != nil { // from now on the log knows it
			return err
		}
		s.register(msg, in)
	}
	return nil
}

// systemOf finds the system that sent a message which lies in the directory.
func (s *Server) systemOf(m *memo.Message) string {
	for id, system := range s.cfg.Systems {
		if m != nil && ownedBy(m, string(system.CVR)) {
			return id
		}
	}
	if m != nil { // written in a viewer
		return carried + m.Header.Sender.ID
	}
	return ""
}
