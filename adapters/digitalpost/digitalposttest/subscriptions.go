package digitalposttest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// subscribedJSON is ContactSubscription. Nothing is ever sent to its address:
// the form of that notification is not known to us.
type subscribedJSON struct {
	ID         string           `json:"id"`
	Version    int64            `json:"version"`
	Operations []string         `json:"subscriptionOperations"`
	Contacts   []subscribedOnly `json:"singleContactSubscriptions"`
	NotifyURL  string           `json:"notificationUrl"`
}

// subscribedOnly is SingleContactSubscription.
type subscribedOnly struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
	Contact string `json:"contactId"`
}

// subscribeJSON is ContactSubscriptionCommand.
type subscribeJSON struct {
	Operations []string `json:"subscriptionOperations"`
	Contacts   []string `json:"singleContactSubscriptions"`
	NotifyURL  string   `json:"notificationUrl"`
}

// readSubscription returns what a command asks for, or false. What NgDP itself
// refuses is not known; this refuses what cannot be meant.
func readSubscription(r *http.Request) (subscribedJSON, bool) {
	var got subscribeJSON
	if json.NewDecoder(io.LimitReader(r.Body, maxCriteria)).Decode(&got) != nil {
		return subscribedJSON{}, false
	}
	target, err := url.Parse(got.NotifyURL)
	if err != nil || target.Scheme != "https" || target.Host == "" {
		return subscribedJSON{}, false
	}
	s := subscribedJSON{Version: 1, Operations: append([]string{}, got.Operations...), Contacts: []subscribedOnly{}, NotifyURL: got.NotifyURL}
	for _, o := range got.Operations {
		if !slices.Contains([]string{"ALL_CITIZENS", "NEW_CITIZENS", "ALL_COMPANIES", "NEW_COMPANIES"}, o) {
			return subscribedJSON{}, false
		}
	}
	for _, id := range got.Contacts {
		if !post.ValidUUID(id) {
			return subscribedJSON{}, false
		}
		s.Contacts = append(s.Contacts, subscribedOnly{ID: post.NewID(), Version: 1, Contact: strings.ToLower(id)})
	}
	return s, true
}

// listSubscriptions answers GET contacts/subscriptions/ with a plain list.
func (s *Server) listSubscriptions(w http.ResponseWriter, _ *http.Request, system string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer(w, http.StatusOK, append([]subscribedJSON{}, s.subscriptions[system]...))
}

func (s *Server) postSubscription(w http.ResponseWriter, r *http.Request, system string) {
	made, ok := readSubscription(r)
	if !ok {
		refuse(w, http.StatusBadRequest, "sim.subscription.invalid")
		return
	}
	made.ID = post.NewID()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscriptions[system] = append(s.subscriptions[system], made)
	if spend(&s.faults.DropReplies) {
		breakOff()
	}
	answer(w, http.StatusOK, made)
}

func (s *Server) putSubscription(w http.ResponseWriter, r *http.Request, system string) {
	changed, ok := readSubscription(r)
	if !ok {
		refuse(w, http.StatusBadRequest, "sim.subscription.invalid")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.subscribed(w, r, system)
	if !ok {
		return
	}
	old := &s.subscriptions[system][i]
	changed.ID, changed.Version = old.ID, old.Version+1
	*old = changed
	answer(w, http.StatusOK, changed)
}

func (s *Server) deleteSubscription(w http.ResponseWriter, r *http.Request, system string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.subscribed(w, r, system)
	if !ok {
		return
	}
	s.subscriptions[system] = slices.Delete(s.subscriptions[system], i, i+1)
	w.WriteHeader(http.StatusNoContent)
}

// subscribed finds the subscription that a change names, in the version that its
// If-Match names, or refuses. The caller holds mu.
func (s *Server) subscribed(w http.ResponseWriter, r *http.Request, system string) (int, bool) {
	i := slices.IndexFunc(s.subscriptions[system], func(x subscribedJSON) bool { return strings.EqualFold(x.ID, r.PathValue("id")) })
	if i < 0 {
		refuse(w, http.StatusNotFound, "sim.subscription.unknown")
		return 0, false
	}
	version := strconv.FormatInt(s.subscriptions[system][i].Version, 10)
	if !s.faults.BareVersions {
		version = `"` + version + `"`
	}
	if r.Header.Get("If-Match") != version {
		refuse(w, http.StatusPreconditionFailed, "sim.version.changed")
		return 0, false
	}
	return i, true
}
