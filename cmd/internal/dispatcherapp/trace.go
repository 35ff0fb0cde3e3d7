package dispatcherapp

import (
	"context"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/trace"
	"sikkerpost.dk/gateway/internal/post"
)

// tracer answers operators' questions about letters, by the carriers that can be
// asked.
func (a *App) tracer(by carriers) *trace.Answerer {
	all := map[post.Carrier]trace.Carrier{}
	if by.digital != nil {
		all[post.DigitalPost] = func(ctx context.Context, tenant post.TenantID, messageID string, from time.Time) ([]trace.Step, error) {
			told, err := by.digital.Trace(ctx, tenant, messageID, from)
			var steps []trace.Step
			for _, s := range told {
				steps = append(steps, trace.Step(s))
			}
			return steps, err
		}
	}
	return &trace.Answerer{Questions: a.store, Carriers: all, Log: a.log}
}
