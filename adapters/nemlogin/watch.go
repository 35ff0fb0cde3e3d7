package nemlogin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

var (
	daysLeft = promauto.NewGaugeVec(prometheus.GaugeOpts{
		Name: "sikkerpost_saml_days_left", Help: "Days until the last certificate of this kind, or the provider's metadata, expires; negative when it has.",
	}, []string{"what"})
	metadataRefused = promauto.NewGauge(prometheus.GaugeOpts{
		Name: "sikkerpost_idp_metadata_refused", Help: "1 while the file of the provider's metadata holds something that we do not use.",
	})
)

// watchEvery is how often the file is looked at.
const watchEvery = time.Minute

// alarmDays are the days before an end at which an alarm goes out; from the last
// on, each day.
var alarmDays = []int{60, 30, 7}

// Watcher takes new metadata of the provider from its file while the portal
// serves, and alarms before certificates expire: NemLog-in changes its key about
// every third year, and whoever misses it is without log-in.
//
// It refuses a file that does not parse, that is for another entity, has
// expired, or has no certificate in common with what is trusted now: a roll-over
// adds the new one first, so anything else is an exchange of trust, which an
// operator makes by a restart. On refusal the old metadata stays in use.
type Watcher struct {
	sp    *SP
	file  string
	seen  [sha256.Size]byte
	stage map[string]int
	day   map[string]time.Time
}

// NewWatcher returns a watcher of file, which sp was loaded from.
func NewWatcher(sp *SP, file string) *Watcher {
	return &Watcher{sp: sp, file: file, stage: map[string]int{}, day: map[string]time.Time{}}
}

// Run steps every minute until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		w.Step(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Step looks at the file and at the clock once.
func (w *Watcher) Step(ctx context.Context) {
	log := w.sp.c.Log
	changed, err := w.reload()
	switch {
	case err != nil:
		metadataRefused.Set(1)
		if changed { // told once for each content
			log.ErrorContext(ctx, "provider metadata refused", slog.Any("error", err))
		}
	case changed:
		metadataRefused.Set(0)
		log.InfoContext(ctx, "provider metadata in use", slog.Any("certificates", fingerprints(w.sp.idp.Load().Certs)))
	}
	w.alarm(ctx)
}

// reload reads the file; changed tells that its content is new to w.
func (w *Watcher) reload() (changed bool, err error) {
	data, err := readSmall(w.file)
	sum := sha256.Sum256(data)
	if err != nil {
		sum = sha256.Sum256([]byte(err.Error()))
	}
	changed, w.seen = sum != w.seen, sum
	if err != nil {
		return changed, fmt.Errorf("read provider metadata: %w", err)
	}
	idp, err := ParseIDP(data)
	if err != nil {
		return changed, err
	}
	now, old := w.sp.c.Now(), w.sp.idp.Load()
	if idp.stale(now) {
		return changed, errors.New("provider metadata has expired")
	}
	if !overlap(idp.Certs, old.Certs) {
		return changed, errors.New("provider metadata has no certificate in common with the one in use; restart to trust it")
	}
	if changed {
		err = w.sp.Trust(idp)
	} else if idp.EntityID != old.EntityID {
		err = errors.New("provider metadata has another entity id")
	}
	return changed, err
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxMetadata+1)) // one byte more is refused as too large
}

func overlap(a, b []*x509.Certificate) bool {
	for _, x := range a {
		for _, y := range b {
			if bytes.Equal(x.Raw, y.Raw) {
				return true
			}
		}
	}
	return false
}

func fingerprints(certs []*x509.Certificate) (all []string) {
	for _, c := range certs {
		all = append(all, fmt.Sprintf("%x", sha256.Sum256(c.Raw)))
	}
	return all
}

// ends returns when each thing that log-in needs comes to its end.
func (sp *SP) ends() map[string]time.Time {
	idp := sp.idp.Load()
	ends := map[string]time.Time{"signing-certificate": sp.c.SigningCert.NotAfter}
	if !idp.ValidUntil.IsZero() {
		ends["idp-metadata"] = idp.ValidUntil
	}
	for _, c := range idp.Certs { // one that is good is enough
		if c.NotAfter.After(ends["idp-certificate"]) {
			ends["idp-certificate"] = c.NotAfter
		}
	}
	for _, d := range sp.c.Decryption { // NemLog-in may use any that we publish
		if at, ok := ends["encryption-certificate"]; !d.Hidden && (!ok || d.Cert.NotAfter.Before(at)) {
			ends["encryption-certificate"] = d.Cert.NotAfter
		}
	}
	return ends
}

// alarm tells what comes to an end: at 60, 30 and 7 days, and from then on every
// day.
func (w *Watcher) alarm(ctx context.Context) {
	now := w.sp.c.Now()
	for what, end := range w.sp.ends() {
		left := end.Sub(now).Hours() / 24
		daysLeft.WithLabelValues(what).Set(left)
		stage := 0
		for _, days := range alarmDays {
			if left <= float64(days) {
				stage++
			}
		}
		daily := stage == len(alarmDays) && now.Sub(w.day[what]) >= 24*time.Hour
		if stage > w.stage[what] || daily {
			level := slog.LevelWarn
			if stage == len(alarmDays) {
				level = slog.LevelError
			}
			w.sp.c.Log.Log(ctx, level, "log-in comes to an end", slog.String("what", what), slog.Int("days", int(left)), slog.Time("at", end))
			w.day[what] = now
		}
		w.stage[what] = stage
	}
}
