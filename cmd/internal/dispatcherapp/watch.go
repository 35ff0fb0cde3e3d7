package dispatcherapp

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/internal/daemon"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/trace"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// What the watch shows. Each dispatcher shows the same: take the greatest.
var (
	waitingLetters = number("sikkerpost_letters_waiting", "Letters that wait for somebody to decide.", "state")
	oldestLetter   = number("sikkerpost_letters_waiting_oldest_seconds", "For how long the first of them has waited.", "state")
	timedLetters   = number("sikkerpost_letters_at_risk", "Letters whose latest day of arrival is in danger.", "timing")
	stalledLetters = number("sikkerpost_letters_stalled", "Letters that have been at work for more than a day and that nobody keeps back; counted every ten minutes.", "state")
	repeatedTasks  = promauto.NewCounter(prometheus.CounterOpts{
		Name: "sikkerpost_tasks_repeated_total", Help: "Tasks that ran again under their own id after they had ended: somebody put them back.",
	})
)

func number(name, help, word string) numbers {
	return numbers{promauto.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"tenant", word})}
}

// numbers is a gauge by tenant and one more word.
type numbers struct{ *prometheus.GaugeVec }

// Set implements [letter.Gauge].
func (n numbers) Set(tenant post.TenantID, word string, v float64) {
	n.WithLabelValues(string(tenant), word).Set(v)
}

// Reset implements [letter.Gauge].
func (n numbers) Reset() { n.GaugeVec.Reset() }

// rememberedTasks is how many task ids are remembered, to notice a replay.
const rememberedTasks = 8192

// noticed is run, with replayed tasks counted and reported.
func (a *App) noticed(run queue.Runner) queue.Runner {
	return queue.Repeats(run, rememberedTasks, func(r queue.Ring) {
		repeatedTasks.Inc()
		a.log.Warn("task repeated", slog.String("kind", string(r.Kind)), slog.String("id", r.ID), slog.Int64("attempt", r.Attempt))
	})
}

// upkeep is what the dispatcher looks after besides the letters' own steps.
func (a *App) upkeep(advancer *dispatch.Advancer, blobs *blobstore.Store, tenants []post.Tenant) ([]daemon.Task, error) {
	keeper, err := a.keeper(blobs, tenants)
	if err != nil {
		return nil, err
	}
	watch, err := letter.NewWatch(letter.WatchConfig{Groups: a.store, Tenants: tenants, Log: a.log,
		Waiting: waitingLetters, Oldest: oldestLetter, Timing: timedLetters, Stalled: stalledLetters})
	if err != nil {
		return nil, err
	}
	return []daemon.Task{
		{Name: "retention", Run: keeper.Run},
		{Name: "answers", Run: a.loop(time.Hour, "kept answers not forgotten", func(ctx context.Context) error {
			return errors.Join(a.store.ForgetAnswers(ctx, time.Now().Add(-keepAnswers)), a.store.ForgetTraces(ctx, time.Now().Add(-trace.Kept)))
		})},
		{Name: "receipt watch", Run: a.loop(time.Minute, "parked receipts not counted", (&parkedWatch{count: a.store.ParkedReceipts, log: a.log}).step)},
		{Name: "step watch", Run: a.loop(30*time.Second, "steps not watched", (&stepWatch{failing: advancer.Failing, silent: advancer.Gate.Silences, log: a.log, now: time.Now}).step)},
		{Name: "letter watch", Run: a.loop(time.Minute, "letters not watched", watch.Step)},
	}, nil
}
