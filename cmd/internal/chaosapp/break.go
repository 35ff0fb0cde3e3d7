package chaosapp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"time"

	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// breakAll breaks what the plan says, in an order drawn from the seed, each
// while letters are under way.
func (r *run) breakAll(ctx context.Context) error {
	var plan []func(context.Context) error
	for range r.o.Kills {
		plan = append(plan, r.kill)
	}
	for range r.o.Stops {
		plan = append(plan, r.stopPostgres)
	}
	for range r.o.Wipes {
		plan = append(plan, func(ctx context.Context) error {
			r.ground.Add(1)
			// A Redis that was killed just now is empty already.
			if err := r.intruder.Wipe(ctx); err != nil {
				r.log.WarnContext(ctx, "redis not wiped", slog.Any("error", err))
			}
			return nil
		})
	}
	r.dice.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	for i, one := range plan {
		share := int64(i * r.o.Letters / len(plan))
		if err := until(ctx, r.o.Within, "letters to break things under", func() bool { return r.begun.Load() >= share }); err != nil {
			return err
		}
		if err := pause(ctx, time.Duration(r.dice.IntN(400))*time.Millisecond); err != nil {
			return err
		}
		if err := one(ctx); err != nil {
			return err
		}
		r.broken.Add(1)
	}
	return nil
}

// kill ends one process with SIGKILL and starts it again after a moment.
func (r *run) kill(ctx context.Context) error {
	victims := []*process{r.desk, r.dispatchers[0], r.dispatchers[1], r.dispatchers[0], r.dispatchers[1], r.redis}
	p := victims[r.dice.IntN(len(victims))]
	if p == r.dispatchers[0] || p == r.dispatchers[1] {
		held, err := r.store.HeldJobs(ctx)
		if err == nil {
			go r.watch(ctx, held, time.Now())
		}
	}
	if p == r.redis {
		r.ground.Add(1)
	}
	r.log.InfoContext(ctx, "process killed", slog.String("name", p.name))
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	if err := pause(ctx, time.Duration(r.dice.IntN(500))*time.Millisecond); err != nil {
		return err
	}
	return p.start(ctx)
}

// watch measures how long after a kill the last of the jobs in hand went on.
func (r *run) watch(ctx context.Context, held []queue.Lease, since time.Time) {
	if len(held) == 0 {
		return
	}
	ground := r.ground.Load()
	err := until(ctx, time.Minute, "letters of a dead dispatcher to go on", func() bool {
		now, err := r.store.HeldJobs(ctx)
		if err != nil {
			return false
		}
		still := map[queue.Lease]bool{}
		for _, l := range now {
			l.Attempt = 0
			still[l] = true
		}
		for _, l := range held {
			l.Attempt = 0
			if still[l] {
				return false
			}
		}
		return true
	})
	took := time.Since(since)
	to := &r.alone
	if r.ground.Load() != ground {
		to = &r.disturbed
	}
	if err != nil && ctx.Err() == nil {
		r.log.ErrorContext(ctx, "letters did not go on", slog.Duration("for", took))
	}
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	*to = append(*to, took)
}

// stopPostgres stops the server at once, as a power cut would, and starts it
// again.
func (r *run) stopPostgres(ctx context.Context) error {
	r.log.InfoContext(ctx, "postgres stopped at once")
	r.ground.Add(1)
	if err := r.postgres.signal(syscall.SIGQUIT); err != nil {
		return err
	}
	if err := pause(ctx, time.Duration(r.dice.IntN(300))*time.Millisecond); err != nil {
		return err
	}
	return r.postgres.start(ctx)
}

// forgeOn pushes forged tasks until ctx ends. Redis may be away.
func (r *run) forgeOn(ctx context.Context) {
	for pause(ctx, 50*time.Millisecond) == nil {
		kind, id, payload := forgery(post.NewID())
		if r.intruder.Push(ctx, kind, id, payload) == nil {
			r.forged.Add(1)
		}
	}
}

// forgery is a task about letter that the house did not make.
func forgery(letter string) (kind, id string, payload []byte) {
	mac := base64.StdEncoding.EncodeToString(make([]byte, 32))
	kind, id = string(queue.AdvanceLetter), letter+":"+fmt.Sprint(rand.IntN(1<<30))
	format := []string{
		`{"v":1,"kind":"letter.advance","id":"%s","attempt":1,"mac":"%s"}`,  // wrong MAC
		`{"v":2,"kind":"letter.advance","id":"%s","attempt":1,"mac":"%s"}`,  // unknown version
		`{"v":1,"kind":"letter.send","id":"%s","attempt":1,"mac":"%s"}`,     // unknown kind
		`{"v":1,"kind":"letter.advance","id":"%s","to":"paper","mac":"%s"}`, // more than a name
	}[rand.IntN(4)]
	return kind, id, fmt.Appendf(nil, format, letter, mac)
}

// setFaults turns the dial of the simulated carrier.
func (r *run) setFaults(ctx context.Context, dial string) error {
	_, err := r.ask(ctx, http.MethodPost, "/api/v1/faults", dial)
	return err
}

// ask speaks to the simulators' own API.
func (r *run) ask(ctx context.Context, method, path, body string) ([]byte, error) {
	roots, err := config.ReadPool(r.certs.WebCA)
	if err != nil {
		return nil, err
	}
	c := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "https://"+loopback(r.ports.pages)+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return fetch(c, req)
}

func fetch(c *http.Client, req *http.Request) ([]byte, error) {
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", req.URL.Path, resp.Status)
	}
	return b, err
}
