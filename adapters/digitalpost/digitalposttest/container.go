package digitalposttest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/memo"
)

const typeContainer = "application/x-lzma"

// postContainer takes many messages at once: POST memos/ with a .tar.lzma, bare
// or as the part "file" of a form. All get one transmissionId and each a business
// receipt of its own. A container that cannot be read to its end is refused as a
// whole, and nothing of it is taken.
func (s *Server) postContainer(w http.ResponseWriter, r *http.Request, system, kind string) {
	if r.URL.RawQuery != "" {
		refuse(w, http.StatusBadRequest, "sim.container.with.query")
		return
	}
	var body io.Reader = r.Body
	if kind != typeContainer {
		part, err := containerPart(r)
		if err != nil {
			refuse(w, http.StatusBadRequest, "sim.container.part.missing")
			return
		}
		body = part
	}
	sum := sha256.New()
	var all []*incoming
	var ids []string
	defer func() {
		for _, in := range all {
			in.discard()
		}
	}()
	tee := io.TeeReader(body, sum)
	err := memo.ReadContainer(tee, memo.ContainerLimits{}, func(uuid string, message io.Reader) error {
		in, err := s.receive(message, -1, uuid, true)
		if err != nil {
			return err
		}
		if in.memo != nil && !strings.EqualFold(in.memo.Header.UUID, uuid) {
			in.memo, in.files, in.invalid = nil, nil, errors.New("the message is not the one that its name says")
		}
		all, ids = append(all, in), append(ids, uuid)
		return nil
	})
	if err != nil || len(all) == 0 {
		s.cfg.Log.WarnContext(r.Context(), "container rejected", slog.Any("error", err))
		refuse(w, http.StatusBadRequest, "sim.archive.rejected")
		return
	}
	transmission := derived("container", hex.EncodeToString(sum.Sum(nil)))
	s.mu.Lock()
	strange := slices.ContainsFunc(ids, func(uuid string) bool { return s.anothers(strings.ToLower(uuid), system) })
	s.mu.Unlock()
	if strange {
		refuse(w, http.StatusBadRequest, "sim.message.uuid.of.another")
		return
	}
	for i, in := range all {
		in.transmission = transmission
		if _, _, err := s.accept(ids[i], system, in); err != nil {
			refuse(w, http.StatusServiceUnavailable, "sim.unavailable")
			return
		}
	}
	s.dawdle(r)
	if s.dropped() {
		breakOff()
	}
	answer(w, http.StatusCreated, receiptJSON{TransmissionID: transmission, TimeStamp: stamp(s.cfg.Now()), Status: statusReceived})
}

func containerPart(r *http.Request) (io.Reader, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	for {
		part, err := form.NextRawPart()
		if err != nil {
			return nil, err
		}
		if part.FormName() == "file" && part.Header.Get("Content-Type") == typeContainer {
			return part, nil
		}
	}
}
