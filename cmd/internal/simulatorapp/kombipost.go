package simulatorapp

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/internal/chaosdial"
	"sikkerpost.dk/gateway/internal/post"
)

// KombiPost configures the simulated Postkomponent: token service,
// AccessTokenService, KombiPostAfsend, PostForespoerg and Beskedfordeler. It is
// served when it has a certificate.
type KombiPost struct {
	Certificate tls.Certificate // of its server
	ClientCAs   *x509.CertPool  // who may connect
	// Agreements says which certificate may send for which authority; nil gives
	// each tenant to the certificate of its Digital Post system.
	Agreements []kombiposttest.Agreement
	// TokenLife is how long access tokens live; one hour when zero.
	TokenLife time.Duration
	// Callback is where Beskedfordeler pushes statuses; "" keeps them waiting.
	// [App.SetCallback] changes it.
	Callback string
	// Client is what Beskedfordeler shows there, CallbackCAs whom it trusts.
	Client      tls.Certificate
	CallbackCAs *x509.CertPool
}

// roadKombi names the carrier of what came through the Postkomponent.
const roadKombi = "KombiPost"

// kombiSide is the simulated Postkomponent as far as this package adds to it.
type kombiSide struct {
	server *kombiposttest.Server

	mu sync.Mutex // one reports at a time
}

func (a *App) openKombiPost(ctx context.Context) error {
	c := a.cfg.KombiPost
	if len(c.Certificate.Certificate) == 0 {
		return nil
	}
	config := kombiposttest.Config{
		Agreements: c.Agreements, TokenLife: c.TokenLife, Log: a.log, Now: a.clock.now, Taken: a.taken,
		Dir: filepath.Join(a.cfg.Dir, "kombipost"), Keep: a.cfg.Keep,
	}
	if config.Agreements == nil {
		for _, t := range a.cfg.Tenants {
			if s, ok := a.cfg.DigitalPost.Systems[t.ID]; ok && s.Fingerprint != "" {
				config.Agreements = append(config.Agreements, kombiposttest.Agreement{CVR: t.CVR, Fingerprint: s.Fingerprint})
			}
		}
	}
	for _, p := range a.cfg.Personas {
		for _, id := range numbers(p) {
			there := p.Registration == "REGISTERED"
			config.Parties = append(config.Parties, kombiposttest.Party{ID: id, Digital: there, SMS: there})
		}
	}
	for _, t := range a.cfg.Tenants {
		config.Parties = append(config.Parties, kombiposttest.Party{ID: string(t.CVR), Digital: true})
	}
	server, err := kombiposttest.New(config)
	if err != nil {
		return err
	}
	a.kombi = &kombiSide{server: server}
	a.carryAgain()
	if c.Callback != "" {
		a.SetCallback(c.Callback)
	}
	a.kombiURL, err = a.listen(ctx, "kombipost", a.cfg.KombiPostPort, kombiposttest.TLS(c.Certificate, c.ClientCAs),
		a.wired(server, kombiEndpoint, refusesKombi))
	return err
}

// KombiPostURL returns the address of the token service and of the services
// alike, or "" when there are none.
func (a *App) KombiPostURL() string { return a.kombiURL }

// Kombi returns the simulated Postkomponent, for stories that run in-process;
// nil when it is not served.
func (a *App) Kombi() *kombiposttest.Server {
	if a.kombi == nil {
		return nil
	}
	return a.kombi.server
}

// SetCallback sets where statuses are pushed from now on; "" keeps them.
func (a *App) SetCallback(url string) {
	c := a.cfg.KombiPost
	settings := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.CallbackCAs}
	if len(c.Client.Certificate) > 0 {
		settings.Certificates = []tls.Certificate{c.Client}
	}
	a.kombi.server.SetCallback(kombiposttest.Callback{URL: url, Client: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &pusher{app: a, held: map[[32]byte]bool{}, below: &http.Transport{TLSClientConfig: settings, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}},
	}})
	a.callback.Store(url != "")
}

// taken puts what KombiPostAfsend took where its recipient finds it.
func (a *App) taken(s kombiposttest.Shipment) {
	if s.Paper || s.Memo == nil {
		if s.Handed == 1 {
			a.feed.add(Event{Kind: "print", Endpoint: "print", Subject: s.ID, Says: "to be printed through " + roadKombi})
		}
		return
	}
	if s.Handed == 1 {
		a.post.Carry(s.ID, roadKombi, s.CVR, s.Memo)
	}
	a.announceDue(s.ID)
}

// pushing delivers statuses until ctx ends: at once, and more and more rarely
// while none is taken.
func (a *App) pushing(ctx context.Context) {
	const usual, rarest = 200 * time.Millisecond, 30 * time.Second
	wait := usual
	for {
		before := wait
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if !a.callback.Load() || len(a.kombi.server.Queued()) == 0 {
			wait = usual
			continue
		}
		taken, err := a.kombi.server.Step(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "statuses not delivered", slog.Any("error", err))
		}
		wait = usual
		if taken == 0 { // nobody is there, or takes what it is given
			wait = min(2*before, rarest)
		}
	}
}

// pusher carries statuses to the callback, bent by the dial.
type pusher struct {
	app   *App
	below *http.Transport

	mu   sync.Mutex
	held map[[32]byte]bool // what was held back once is not held again
}

// holds reports whether a delivery is to wait for a later round.
func (p *pusher) holds(r *http.Request) bool {
	body, err := r.GetBody()
	if err != nil {
		return false
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, body); err != nil {
		return false
	}
	key := [32]byte(hash.Sum(nil))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[key] {
		return false
	}
	if len(p.held) > keepEvents {
		clear(p.held)
	}
	p.held[key] = true
	return true
}

// RoundTrip implements http.RoundTripper.
func (p *pusher) RoundTrip(r *http.Request) (*http.Response, error) {
	f := p.app.dial.Draw("push")
	begun := time.Now()
	e := Event{Kind: "push", Endpoint: "push", Method: r.Method, Path: r.URL.Path, Bent: f.Words()}
	answer, err := p.push(r, f)
	if answer != nil {
		e.Status = answer.StatusCode
	}
	if err != nil {
		e.Says = err.Error()
	}
	e.TookMS = float64(time.Since(begun).Microseconds()) / 1000
	p.app.feed.add(e)
	return answer, err
}

func (p *pusher) push(r *http.Request, f chaosdial.Fate) (*http.Response, error) {
	if !f.Wait(r.Context()) {
		return nil, r.Context().Err()
	}
	if f.Status > 0 {
		return &http.Response{
			StatusCode: f.Status, Status: http.StatusText(f.Status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Body: http.NoBody, Header: http.Header{}, Request: r,
		}, nil
	}
	if f.Reorder && p.holds(r) {
		return nil, errors.New("deliver status: held back by the dial, so that the next one overtakes it")
	}
	answer, err := p.below.RoundTrip(r)
	if err == nil && f.Duplicate && r.GetBody != nil {
		if again, bodyErr := r.GetBody(); bodyErr == nil {
			second := r.Clone(r.Context())
			second.Body = again
			_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)) // what counts is the second answer
			_ = answer.Body.Close()
			answer, err = p.below.RoundTrip(second)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("deliver status: %w", err)
	}
	if f.Drop {
		_ = answer.Body.Close()
		return nil, errors.New("deliver status: the answer was dropped by the dial")
	}
	return answer, nil
}

// paperSteps are what a person may report of paper that KombiPost took, by the
// last part of a path.
var paperSteps = map[string]kombiposttest.Status{
	"returned": {Event: kombipost.Update, Type: "1"}, // the codes of Opdatering are not known to us
	"recalled": {Event: kombipost.Recalled},
	"failed":   {Event: kombipost.Failed, Code: "1000"},
}

// reportPaper makes the next thing happen to a shipment on paper.
func (k *kombiSide) report(id, step string) error {
	st, ok := paperSteps[step]
	if !ok {
		return post.ErrNotFound
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if s, ok := k.server.Shipment(id); ok && slices.Contains(s.Steps, st.Event) {
		return post.ErrStale
	}
	return k.server.Report(id, st)
}

// history lists what was reported of a shipment on paper.
func history(s kombiposttest.Shipment) []string {
	return append([]string{kombipost.Created, kombipost.ReceivedPrint, kombipost.ReadyToPrint, kombipost.Printing, kombipost.HandedToPost}, s.Steps...)
}

// carryAgain puts into the mailboxes what KombiPost took before the last stop
// and Digital Post does not know: a kill may come between the two.
func (a *App) carryAgain() {
	for _, s := range a.kombi.server.Shipments() {
		if s.Paper || a.post.Known(s.ID) {
			continue
		}
		if whole, ok := a.kombi.server.Shipment(s.ID); ok && whole.Memo != nil {
			a.post.CarryAt(whole.At, whole.ID, roadKombi, whole.CVR, whole.Memo)
		}
	}
}

// shipment returns a shipment on paper.
func (k *kombiSide) shipment(id string) (kombiposttest.Shipment, bool) {
	s, ok := k.server.Shipment(strings.ToLower(id))
	return s, ok && s.Paper
}
