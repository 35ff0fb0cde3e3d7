package kombipost

import (
	"context"
	"fmt"
	"io"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// A Choice is KombiValgKode: by which way KOMBIT is to carry a letter.
type Choice string

// Choices.
const (
	DigitalPost Choice = "Digital Post"    // a MeMo, to NgDP
	OnPaper     Choice = "Fysisk Post"     // a ForsendelseI, to the print house
	Automatic   Choice = "Automatisk Valg" // both; KOMBIT decides when it sends
	SMS         Choice = "NemSMS"          // a MeMo without body
)

// choiceOf is the choice that says what a job's channel says.
func choiceOf(j dispatch.Job) Choice {
	if j.Channel == post.Physical {
		return OnPaper
	}
	return DigitalPost
}

// goesOn reports whether a letter of that channel may go out by this choice. A
// letter that is to be digital may be left to KOMBIT; one that is to be paper
// may not, since it could then be digital.
func (c Choice) goesOn(channel post.Channel) bool {
	if c == OnPaper {
		return channel == post.Physical
	}
	return channel == post.Digital
}

// way is the Postkomponent by one choice.
type way struct {
	client *Client
	choice Choice
}

// Via returns the Postkomponent as a channel that sends every letter by choice.
// Which choice a letter goes by must not change while it is under way: its form
// would then differ from the one committed, and nothing would leave.
func (c *Client) Via(choice Choice) dispatch.Channel { return way{c, choice} }

func (w way) Render(_ context.Context, j dispatch.Job, out io.Writer) error {
	return w.client.render(j, w.choice, out)
}

func (w way) HandOver(ctx context.Context, j dispatch.Job, f dispatch.Form) dispatch.Outcome {
	return w.client.HandOver(ctx, j, f)
}

// Render implements [dispatch.Channel]: a kombi_request for the channel of j.
// What no retry can cure wraps [post.ErrPermanent].
func (c *Client) Render(_ context.Context, j dispatch.Job, w io.Writer) error {
	return c.render(j, choiceOf(j), w)
}

func (c *Client) render(j dispatch.Job, choice Choice, w io.Writer) error {
	s, err := c.system(j.Tenant.ID)
	if err != nil {
		return fmt.Errorf("render shipment %s: %w", j.MessageID, err)
	}
	if !choice.goesOn(j.Channel) {
		return permanently(j, post.FaultChoice.At("%s, %s", j.Channel, choice))
	}
	if err := c.writeRequest(w, j, choice, s.Paper); err != nil {
		return fmt.Errorf("render shipment %s: %w", j.MessageID, err)
	}
	return nil
}

// permanently marks why j can never be rendered.
func permanently(j dispatch.Job, why error) error {
	return fmt.Errorf("render shipment %s: %w: %w", j.MessageID, post.ErrPermanent, why)
}
