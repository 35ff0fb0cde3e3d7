package deskapp

import (
	"context"
	"errors"
	"log/slog"

	"sikkerpost.dk/gateway/internal/config"
)

// App is desk, listening.
type App struct{ url string }

// New opens everything that desk needs and listens.
func New(ctx context.Context, cfg config.Desk, log *slog.Logger) (*App, error) {
	return nil, errors.New("desk: not assembled yet")
}

// URL is where clients reach desk.
func (a *App) URL() string { return a.url }

// Run serves until ctx ends, then drains and closes.
func (a *App) Run(ctx context.Context) error { return nil }
