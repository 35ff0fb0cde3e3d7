package sim

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// A person receives letters. Whether digitally is the person's own affair and
// may change at any moment.
type person struct {
	record   post.PartyRecord
	enrolled bool
	proven   bool // somebody who knows has said that this person cannot receive
	key      string
	pdf      []byte
	receipt  post.LetterID // what the caller was told
	letters  map[post.LetterID]bool
	// reference is what the caller was told, lived every address, the present one last.
	reference string
	lived     []string
	asks      wish
}

func (w *world) person(id string) *person {
	for _, p := range w.everybody() {
		if p.record.ID == id {
			return p
		}
	}
	return nil
}

// register is who can receive Digital Post, asked by n.
type register struct{ n *node }

func (r register) Look(_ context.Context, _ post.Tenant, to post.PartyRecord) dispatch.Reach {
	w := r.n.w
	w.point("look up", time.Millisecond, 200*time.Millisecond)
	if w.chance(w.plan.unsure) {
		return dispatch.Reach{Answer: dispatch.Unsure, Code: "timeout"}
	}
	p := w.person(to.ID)
	answer := dispatch.Reach{Answer: dispatch.Reachable}
	if !p.enrolled {
		answer = dispatch.Reach{Answer: dispatch.Unreachable, Code: "EXEMPT"}
		p.proven = true
	}
	if w.chance(w.plan.fade) {
		p.enrolled = !p.enrolled
	}
	w.say("%s look up: %s", r.n.name, answer.Answer)
	w.point("look up done", 0, 50*time.Millisecond)
	return answer
}

// A carrier is an honest one with bad luck: it knows what it has by message id,
// delivers each once, and says so, late, twice, or out of order.
type carrier struct {
	w       *world
	name    string
	channel post.Channel
	calls   map[string]int
	has     map[string]*parcel
	order   []string
	said    []*word
	events  int
}

// A parcel is what the carrier took charge of.
type parcel struct {
	letter     post.LetterID
	generation int
	sum        [32]byte
	refused    bool // it will not reach anybody
	arrived    time.Time
	to         string // the address that is printed on it
	back       bool   // it comes back
}

// A word is a receipt that waits for us.
type word struct {
	track.Receipt
	from     time.Time // visible since
	gone     bool
	contrary *word // said once this one is safe with us
}

func newCarrier(w *world, name string, ch post.Channel) *carrier {
	return &carrier{w: w, name: name, channel: ch, calls: map[string]int{}, has: map[string]*parcel{}}
}

// fate is the luck of one call about one letter: the same for every sender.
func (c *carrier) fate(about string, what string) *rand.Rand {
	c.calls[what+about]++
	h := fnv.New64a()
	fmt.Fprintf(h, "%s|%s|%s|%d", c.name, about, what, c.calls[what+about])
	return rand.New(rand.NewPCG(c.w.seed, h.Sum64()))
}

func hit(w *world, r *rand.Rand, p float64) bool { return r.Float64() < p && !w.healed }

// port is the carrier's door for one node.
type port struct {
	n *node
	*carrier
}

// Render implements [dispatch.Channel].
func (p port) Render(_ context.Context, j dispatch.Job, out io.Writer) error {
	fmt.Fprintf(out, "%s %d %s %s %q\n", j.MessageID, j.CreatedAt.Unix(), j.Recipient.ID, j.Reference, j.Recipient.Address)
	for _, d := range j.Documents {
		r, err := d.Open()
		if err != nil {
			return err
		}
		_, err = io.Copy(out, r)
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// HandOver implements [dispatch.Channel].
func (p port) HandOver(ctx context.Context, j dispatch.Job, f dispatch.Form) dispatch.Outcome {
	w := p.w
	who := w.person(j.Recipient.ID)
	luck := p.fate(who.key, "hand-over")
	w.point(p.name+" hand over", 10*time.Millisecond, 3*time.Second)
	r := f.Open()
	body, err := io.ReadAll(r)
	r.Close()
	if err != nil {
		return dispatch.Outcome{Verdict: dispatch.Unknown, Code: "read"}
	}
	if w.plan.breaksOff > 0 {
		w.plan.breaksOff--
		w.running.cancel()
	}
	if w.plan.breaks && ctx.Err() != nil {
		return dispatch.Outcome{Verdict: dispatch.Unknown, Code: dispatch.CodeBroken}
	}
	w.checkForm(p.carrier, j, f, body, who)
	w.lotSent(j.Letter)
	out := p.take(j.MessageID, j.Letter, j.Generation, sha256.Sum256(body), who, luck)
	if taken := p.has[j.MessageID]; taken != nil {
		taken.to = strings.Join(j.Recipient.Address, ", ")
	}
	w.say("%s hands %s gen %d to %s: %s %s", p.n.name, j.MessageID[:8], j.Generation, p.name, out.Verdict, out.Code)
	w.point(p.name+" answers", time.Millisecond, 2*time.Second)
	return out
}

// take decides what the carrier does with a form and what the sender hears.
func (c *carrier) take(id string, letter post.LetterID, generation int, sum [32]byte, who *person, luck *rand.Rand) dispatch.Outcome {
	w := c.w
	busy, before, after, content := hit(w, luck, w.plan.busy), hit(w, luck, w.plan.lostBefore), hit(w, luck, w.plan.lostAfter), hit(w, luck, w.plan.refuseContent)
	closed := c.channel == post.Digital && !who.enrolled
	early := luck.IntN(2) == 0 // a refusal at the door, not later by receipt
	known := c.has[id]
	out := dispatch.Outcome{Verdict: dispatch.Taken, Transmission: "t-" + id[:8], At: c.clock(w.now)}
	switch {
	case busy:
		return dispatch.Outcome{Verdict: dispatch.NotTaken, Code: "503"}
	case before:
		return dispatch.Outcome{Verdict: dispatch.Unknown, Code: "reset"}
	case known != nil && (!w.plan.strict || !closed):
		out.Code = "duplicate"
		if known.sum != sum {
			w.violate("I8: %s got other bytes under id %s", c.name, id)
		}
	case closed && (early || known != nil):
		out = dispatch.Outcome{Verdict: dispatch.RefusedRecipient, Code: "exempt.not.allowed"}
		who.proven = true
	case content && early:
		out = dispatch.Outcome{Verdict: dispatch.RefusedContent, Code: "content"}
	default:
		c.accept(id, letter, generation, sum, who, content, luck)
	}
	if after {
		return dispatch.Outcome{Verdict: dispatch.Unknown, Code: "timeout"}
	}
	return out
}

// accept takes charge. What becomes of it, and what is said of it, is drawn now.
func (c *carrier) accept(id string, letter post.LetterID, generation int, sum [32]byte, who *person, content bool, luck *rand.Rand) {
	w := c.w
	p := &parcel{letter: letter, generation: generation, sum: sum}
	c.has[id] = p
	c.order = append(c.order, id)
	if c.channel == post.Digital {
		c.tell(id, track.Received, "", 0, luck)
		w.after(time.Duration(1+luck.IntN(120))*time.Second, func() {
			switch {
			case content:
				p.refused = true
				c.tell(id, track.RefusedContent, "content", 0, luck)
			case !who.enrolled:
				p.refused, who.proven = true, true
				c.tell(id, track.RefusedRecipient, "exempt.not.allowed", 0, luck)
			default:
				p.arrived = w.now
				w.arrived(c, id, p)
				c.tell(id, track.Delivered, "", 0, luck)
			}
		})
		return
	}
	p.arrived = w.now // a print order is not taken back
	w.arrived(c, id, p)
	c.tell(id, track.Printing, "", time.Hour, luck)
	c.tell(id, track.Posted, "", 20*time.Hour, luck)
	if c.comesToTheTownHall(id, p, luck) || c.mute(id, p, luck) {
		return
	}
	if hit(w, luck, w.plan.returned) {
		p.back = true
		c.tell(id, track.Returned, "moved", 72*time.Hour, luck)
		return
	}
	c.tell(id, track.Proven, "", 60*time.Hour, luck)
}

// tell lets a receipt wait for us, perhaps late, perhaps twice.
func (c *carrier) tell(id string, kind track.Kind, code string, in time.Duration, luck *rand.Rand) {
	w := c.w
	if (kind == track.Received || kind == track.Printing) && hit(w, luck, w.plan.never) {
		return
	}
	at := w.now.Add(in)
	delay := time.Duration(luck.IntN(5000)) * time.Millisecond
	if hit(w, luck, w.plan.late) {
		delay += time.Duration(luck.IntN(36*60)) * time.Minute
	}
	one := c.word(id, kind, code, at, at.Add(delay))
	if hit(w, luck, w.plan.twice) {
		same := *one
		if luck.IntN(2) == 0 {
			c.events++
			same.EventID = fmt.Sprint(c.name, "-", c.events)
		}
		same.from = same.from.Add(time.Duration(luck.IntN(600)) * time.Minute)
		c.said = append(c.said, &same)
	}
	if hit(w, luck, w.plan.contradict) && c.channel == post.Digital && kind == track.Delivered {
		c.events++
		one.contrary = &word{Receipt: track.Receipt{Carrier: c.name, EventID: fmt.Sprint(c.name, "-", c.events), MessageID: id,
			Kind: track.RefusedRecipient, At: c.clock(at.Add(time.Second)), Code: "exempt.not.allowed"}}
	}
}

func (c *carrier) word(id string, kind track.Kind, code string, at, from time.Time) *word {
	c.events++
	one := &word{Receipt: track.Receipt{Carrier: c.name, EventID: fmt.Sprint(c.name, "-", c.events), MessageID: id, Kind: kind, At: c.clock(at), Code: code}, from: from}
	c.said = append(c.said, one)
	return one
}

// clock is what the carrier's clock shows at a moment.
func (c *carrier) clock(at time.Time) time.Time {
	if c.name == c.w.plan.fast {
		return at.Add(c.w.plan.ahead)
	}
	return at
}

// silent reports whether nothing more will be said.
func (c *carrier) silent() bool {
	return !slices.ContainsFunc(c.said, func(d *word) bool { return !d.gone })
}

// mailbox is where the carrier's receipts wait, as one node asks.
type mailbox struct {
	n *node
	*carrier
}

var errSource = errors.New("carrier does not answer")

// Carrier implements [track.Source].
func (m mailbox) Carrier() string { return m.name }

// Waiting implements [track.Source].
func (m mailbox) Waiting(context.Context) ([]track.Receipt, error) {
	w := m.w
	w.point("ask "+m.name, time.Millisecond, 100*time.Millisecond)
	if w.chance(w.plan.sourceDown) {
		return nil, errSource
	}
	if w.plan.paged {
		return m.page(), nil
	}
	var rs []track.Receipt
	for _, d := range m.said {
		if !d.gone && !d.from.After(w.now) {
			rs = append(rs, d.Receipt)
		}
	}
	w.luck.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
	return rs[:min(len(rs), 3)], nil
}

// Forget implements [track.Source].
func (m mailbox) Forget(_ context.Context, r track.Receipt) error {
	w := m.w
	w.point("forget", time.Millisecond, 50*time.Millisecond)
	if w.chance(w.plan.sourceDown) {
		return errSource
	}
	for _, d := range m.said {
		if d.EventID == r.EventID && !d.gone {
			d.gone = true
			m.comesAgain(d)
			if d.contrary != nil {
				d.contrary.from = w.now.Add(w.between(0, 48*time.Hour))
				m.said = append(m.said, d.contrary)
				d.contrary = nil
			}
		}
	}
	return nil
}

// redis is the doorbell. It forgets, repeats, mixes up and is forged into.
type redis struct {
	w     *world
	key   queue.Key
	ids   map[string]bool // task ids it has seen: a second one is the same task
	era   int             // counts wipes
	until time.Time       // down until then
	sent  int             // tasks that come to somebody
}

func newRedis(w *world) *redis {
	key, err := queue.NewKey(make([]byte, 32))
	if err != nil {
		panic(err)
	}
	return &redis{w: w, key: key, ids: map[string]bool{}}
}

func (q *redis) wipe() {
	q.era++
	q.ids = map[string]bool{}
	q.until = time.Time{}
}

type bell struct{ n *node }

var errQueue = errors.New("queue does not answer")

// Ring implements [queue.Doorbell].
func (b bell) Ring(_ context.Context, r queue.Ring) error {
	w, q := b.n.w, b.n.w.queue
	w.point("ring", time.Millisecond, 20*time.Millisecond)
	if w.now.Before(q.until) {
		return errQueue
	}
	task, err := q.key.Encode(r)
	if err != nil {
		return err
	}
	if q.ids[r.TaskID()] {
		return nil
	}
	q.ids[r.TaskID()] = true
	if w.chance(w.plan.ringForged) {
		forged := slices.Clone(task)
		forged[len(forged)-4] ^= 1
		q.send(forged)
	}
	if w.plan.deaf || w.chance(w.plan.ringLost) {
		return nil
	}
	q.send(task)
	if w.chance(w.plan.ringTwice) {
		q.send(task)
	}
	return nil
}

// send brings a task to some node, some time.
func (q *redis) send(task []byte) {
	if q.w.plan.deaf {
		return
	}
	q.sent++
	era := q.era
	q.w.after(q.w.between(0, 20*time.Second), func() {
		if q.era != era {
			return
		}
		r, err := q.key.Decode(task)
		if err != nil {
			q.w.alarms["task refused"]++
			return
		}
		n := q.w.nodes[q.w.luck.IntN(len(q.w.nodes))]
		q.w.advance(n, r, func(whole bool) {
			if !whole && q.w.luck.IntN(2) == 0 { // else an orphan: its id blocks, nobody runs it
				q.send(task)
			}
		})
	})
}
