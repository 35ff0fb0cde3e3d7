package mailroom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"sikkerpost.dk/gateway/internal/post"
)

// Digital Post deactivates a recipient system that could not receive anything
// for [Deactivation]; from warnAfter on without contact it is reported, and
// every reportEvery again.
const (
	Deactivation = 7 * 24 * time.Hour
	warnAfter    = 24 * time.Hour
	reportEvery  = time.Hour
	// unreadAfter is from when on mail that waits to be read is reported.
	unreadAfter = 15 * time.Minute
)

var (
	parkedMail = promauto.NewGauge(prometheus.GaugeOpts{
		Name: "sikkerpost_mail_parked", Help: "Messages that a person must deal with.",
	})
	oldestMail = promauto.NewGaugeVec(prometheus.GaugeOpts{
		Name: "sikkerpost_mail_oldest_seconds", Help: "Age of the oldest message that waits: parked for a person, or unread for us. 0: none.",
	}, []string{"state"})
	lastContact = promauto.NewGaugeVec(prometheus.GaugeOpts{
		Name: "sikkerpost_mail_contact_timestamp_seconds", Help: "When a tenant's recipient system last answered.",
	}, []string{"carrier", "tenant"})
)

// Run fetches, answers and takes mail until ctx ends: it asks every so often,
// and is woken by what comes in. Each tenant's system is asked in turns of its own:
// one that is slow or silent keeps nobody else's mail waiting, and nothing from being
// read that is here. Parked messages are tried once more at the start:
// a contact point may have been added. A failed round is reported and repeated.
func (r *Room) Run(ctx context.Context, every time.Duration) error {
	if _, _, err := r.Desk.ParkedMail(ctx, true); err != nil && ctx.Err() == nil {
		r.Log.ErrorContext(ctx, "parked mail not tried again", slog.Any("error", err))
	}
	began := r.Now()
	var reported time.Time
	report := func(ctx context.Context) error {
		now := r.Now()
		if now.Sub(reported) < reportEvery {
			return nil
		}
		reported = now
		return r.Report(ctx, began)
	}
	var all sync.WaitGroup
	asking := make(chan struct{}, askedAtOnce)
	for _, s := range r.Sources {
		for _, t := range r.Tenants {
			if r.serves(s, t.ID) {
				all.Go(func() { r.turns(ctx, every, asking, s, t.ID) })
			}
		}
	}
	r.rounds(ctx, every, r.wake, r.Step, r.measure, report)
	all.Wait()
	return nil
}

// rounds takes the steps every so often, and when woken, until ctx ends.
func (r *Room) rounds(ctx context.Context, every time.Duration, wake <-chan struct{}, steps ...func(context.Context) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		for _, step := range steps {
			if err := step(ctx); err != nil && ctx.Err() == nil {
				r.Log.ErrorContext(ctx, "mail round failed", slog.Any("error", err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-wake:
		}
	}
}

// measure sets the metrics of what waits.
func (r *Room) measure(ctx context.Context) error {
	n, since, err := r.Desk.ParkedMail(ctx, false)
	if err != nil {
		return fmt.Errorf("count parked mail: %w", err)
	}
	unread, err := r.Desk.UnreadMail(ctx)
	if err != nil {
		return fmt.Errorf("find unread mail: %w", err)
	}
	age := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return max(0, r.Now().Sub(t).Seconds())
	}
	if n == 0 {
		since = time.Time{}
	}
	parkedMail.Set(float64(n))
	oldestMail.WithLabelValues("parked").Set(age(since))
	oldestMail.WithLabelValues("unread").Set(age(unread))
	return nil
}

// Report says what a person must see to: parked messages, messages that we
// cannot read now, and recipient systems that Digital Post will deactivate. A system that has never answered counts
// from began.
func (r *Room) Report(ctx context.Context, began time.Time) error {
	n, since, err := r.Desk.ParkedMail(ctx, false)
	if err != nil {
		return fmt.Errorf("count parked mail: %w", err)
	}
	if n > 0 {
		r.Log.ErrorContext(ctx, "parked mail waits for a person", slog.Int("messages", n), slog.Time("since", since))
	}
	unread, err := r.Desk.UnreadMail(ctx)
	if err != nil {
		return fmt.Errorf("find unread mail: %w", err)
	}
	if !unread.IsZero() && r.Now().Sub(unread) >= unreadAfter {
		r.Log.ErrorContext(ctx, "mail waits unread", slog.Time("since", unread))
	}
	var failed []error
	for _, s := range r.Sources {
		for _, t := range r.Tenants {
			if err := r.watch(ctx, s, t.ID, began); err != nil {
				failed = append(failed, err)
			}
		}
	}
	return errors.Join(failed...)
}

// watchPushed reports a system to which nothing was pushed for a long time. That
// is no failure yet: it may be that nobody wrote, and Digital Post deactivates
// for pushes that fail, not for those that it has no reason to make. One to which
// nothing was ever pushed is perhaps not registered for it at all.
func (r *Room) watchPushed(ctx context.Context, carrier string, tenant post.TenantID, last time.Time) {
	silent := r.Now().Sub(last)
	if last.IsZero() || silent < Deactivation/2 {
		return
	}
	r.Log.WarnContext(ctx, "nothing pushed to recipient system", slog.String("carrier", carrier), slog.String("tenant", string(tenant)),
		slog.Duration("silent", silent.Truncate(time.Minute)))
}

// serves reports whether tenant may have a system at s.
func (r *Room) serves(s Source, tenant post.TenantID) bool {
	served, ok := s.(interface{ Serves(post.TenantID) bool })
	return !ok || served.Serves(tenant)
}

// watch reports a recipient system that is on its way to being deactivated.
func (r *Room) watch(ctx context.Context, s Source, tenant post.TenantID, began time.Time) error {
	if !r.serves(s, tenant) {
		return nil
	}
	last, err := r.Shelf.MailContact(ctx, s.Carrier(), tenant, time.Time{})
	if err != nil {
		return fmt.Errorf("find last contact of %s: %w", tenant, err)
	}
	if !last.IsZero() {
		lastContact.WithLabelValues(s.Carrier(), string(tenant)).Set(float64(last.Unix()))
	}
	if pulls, ok := s.(interface{ Pulls(post.TenantID) bool }); ok && !pulls.Pulls(tenant) {
		r.watchPushed(ctx, s.Carrier(), tenant, last)
		return nil
	}
	if last.IsZero() {
		last = began
	}
	silent := r.Now().Sub(last)
	if silent < warnAfter {
		return nil
	}
	level := slog.LevelWarn
	if silent >= Deactivation/2 {
		level = slog.LevelError
	}
	r.Log.Log(ctx, level, "recipient system without contact", slog.String("carrier", s.Carrier()), slog.String("tenant", string(tenant)),
		slog.Duration("silent", silent.Truncate(time.Minute)), slog.Time("deactivated", last.Add(Deactivation)))
	return nil
}
