package chaosapp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// byKombiPost is the tenant whose letters go by KOMBIT's Postkomponent.
func byKombiPost() post.Tenant {
	all := persona.Tenants()
	return all[len(all)-1]
}

// goesByKombi reports whether the letters of run n are of that tenant: every
// third run, in batches and one by one.
func (r *run) goesByKombi(n int) bool { return n%3 == 2 }

// hands are the two who send a run.
type hands struct{ caller, approver *client.Client }

func (r *run) as(n int) hands {
	if r.goesByKombi(n) {
		return hands{r.kombiCaller, r.kombiApprover}
	}
	return hands{r.caller, r.approver}
}

// bendKombi turns the dial of the Postkomponent: statuses come twice and overtake
// each other, and more.
func (r *run) bendKombi(ctx context.Context, more string) error {
	dial := fmt.Sprintf(`{"seed":%d,"endpoints":{%s"push":{"percent":30,"duplicate":true,"reorder":true}}}`, r.o.Seed>>12, more)
	_, err := r.ask(ctx, http.MethodPut, "/api/v1/dial", dial)
	return err
}

// shipments are what the Postkomponent has taken.
type shipments struct {
	r        *run
	accepted int // each once
	paper    map[string]bool
}

func (r *run) kombi(ctx context.Context) (*shipments, error) {
	var counts struct {
		Kombi struct{ Accepted, Differing int } `json:"kombi_post"`
	}
	var print struct {
		Jobs []struct {
			ID   string `json:"job_id"`
			Road string `json:"road"`
		}
	}
	for path, into := range map[string]any{"/api/v1/counts": &counts, "/api/v1/print": &print} {
		b, err := r.ask(ctx, http.MethodGet, path, "")
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			return nil, fmt.Errorf("read what KombiPost took: %w", err)
		}
	}
	s := &shipments{r: r, accepted: counts.Kombi.Accepted, paper: map[string]bool{}}
	for _, j := range print.Jobs {
		if j.Road == "KombiPost" {
			s.paper[strings.ToLower(j.ID)] = true
		}
	}
	if counts.Kombi.Differing > 0 {
		return nil, fmt.Errorf("%d shipments were repeated with other bytes", counts.Kombi.Differing)
	}
	fmt.Fprintf(r.out, "KombiPost took %d letters\n", s.accepted)
	return s, nil
}

// holds reports whether a letter was taken digitally, and on paper.
func (s *shipments) holds(ctx context.Context, id post.LetterID) (digital, paper bool, err error) {
	_, err = s.r.ask(ctx, http.MethodGet, "/api/v1/messages/"+post.DerivedID(id, post.Digital, 1), "")
	digital = err == nil
	if err != nil && strings.HasSuffix(err.Error(), "404 Not Found") {
		err = nil
	}
	return digital, s.paper[post.DerivedID(id, post.Physical, 1)], err
}
