package dispatch

import (
	"context"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// roadBatch is the road of letters whose batch is paused. It is open when the
// letters have left it: whoever resumes the batch takes them off it.
const roadBatch = "batch"

// roadOf names the way of a channel by a carrier.
func roadOf(ch post.Channel, name post.Carrier) string { return string(ch) + " " + string(name) }

// Shut returns which shares of the due letters cannot go now, so that they are
// not taken ahead of what can: those that were kept back by a pause that still
// stands, or by a carrier that still rests or has had its rate. It looks at what
// this process knows, and asks for pauses when that is old.
func (g *Gate) Shut(ctx context.Context) func(queue.Share) bool {
	if g != nil {
		g.mu.Lock()
		g.askPauses(ctx)
		g.mu.Unlock()
	}
	return func(s queue.Share) bool {
		ch, name, ok := strings.Cut(s.Road, " ")
		return s.Road == roadBatch || ok && g.closed(post.TenantID(s.Tenant), post.Channel(ch), post.Carrier(name))
	}
}

// closed reports whether a letter of tenant could not go on ch to carrier name
// now. It changes nothing, and never lets one through that finds out whether the
// carrier is back: for that, a trickle of what is shut is taken.
func (g *Gate) closed(tenant post.TenantID, ch post.Channel, name post.Carrier) bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Paused != nil && (!g.known || g.pausedFor(tenant, ch)) {
		return true
	}
	c, rate := g.at(name), g.Rate[name]
	return c.failures >= g.Trip || rate > 0 && c.tokens+g.Now().Sub(c.filled).Seconds()*rate < 1
}
