package dispatcherapp

import (
	"context"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/daemon"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// traceEvery is how long an operator's question may lie: somebody waits for it.
const traceEvery = time.Second

// said returns the tasks about what carriers say besides the receipts that are
// fetched: KombiPost's statuses, and receipts that an operator lets be read again.
func (a *App) said(cfg config.Dispatcher, k keys, by carriers, every time.Duration) ([]daemon.Task, error) {
	statuses, err := a.statuses(cfg, k, by.kombi)
	if err != nil {
		return nil, err
	}
	reread, err := a.rereader(cfg, k, by)
	if err != nil {
		return nil, err
	}
	return append(statuses,
		daemon.Task{Name: "receipts read again", Run: a.loop(every, "receipts not read again", reread.Step)},
		daemon.Task{Name: "letters traced", Run: a.loop(traceEvery, "letters not traced", a.tracer(by).Step)},
		daemon.Task{Name: "batches looked up", Run: a.loop(traceEvery, "batch not looked up", a.lookUps(cfg, k, by).Step)}), nil
}

// rereader reads receipts again: only here can their own form be opened.
func (a *App) rereader(cfg config.Dispatcher, k keys, by carriers) (*track.Rereader, error) {
	var readers []track.Reader
	if by.digital != nil {
		readers = append(readers, by.digital)
	}
	if by.house != nil {
		readers = append(readers, by.house)
	}
	if by.kombi != nil {
		r, err := kombipost.NewRereader(a.statusConfig(cfg, by.kombi, kombipost.InboxOf(a.store, a.sealer(k))))
		if err != nil {
			return nil, err
		}
		readers = append(readers, r)
	}
	opener := unseal.Opener{k.identity}
	return &track.Rereader{Unread: a.store, Readers: readers, Log: a.log,
		Open: func(_ context.Context, sealed []byte) ([]byte, error) { return opener.Small(sealed) }}, nil
}
