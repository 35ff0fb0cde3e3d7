package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/sim/memstore"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

var errStore = errors.New("database does not answer")

// A house is the code of one process, assembled as the programs assemble it.
type house struct {
	advancer *dispatch.Advancer
	matcher  *track.Matcher
	sweeper  *queue.Sweeper
	desk     *letter.Desk
	batches  *batch.Desk           // nil: there is no batch
	signer   *dispatch.BatchSigner // the same
	here     []queue.Ring          // steps that the sweeper runs itself, guarded by mu
	mu       sync.Mutex
}

var indexKey = make([]byte, 32)

var tenants = persona.Tenants()[:1]

// build assembles the house of n. Everything that reaches out of the code goes
// through the world.
func (w *world) build(n *node) *house {
	h := &house{}
	s := &store{n: n, real: w.db.Node(n.now)}
	var outer outerStore = s
	if w.hazard.store != nil {
		outer = w.hazard.store(w, n, s)
	}
	log := slog.New(alarms{w})
	opener := memo{w, unseal.Opener{unseal.DataKeys(context.Background(), w.db.Node(n.now), plainKey{})}}
	jitter := func(d time.Duration) time.Duration { return time.Duration(w.luck.Int64N(int64(d))) }
	digital, paper := dispatch.Channel(port{n, w.digital}), dispatch.Channel(port{n, w.paper})
	if w.hazard.channel != nil {
		digital, paper = w.hazard.channel(w, digital), w.hazard.channel(w, paper)
	}
	var directory dispatch.Directory = register{n}
	if w.hazard.directory != nil {
		directory = w.hazard.directory(w, directory)
	}
	var err [4]error
	c := dispatch.Config{
		Store: outer, Blobs: disk{w}, Opener: opener, Signer: pen{n}, Check: n.prove, Directory: directory, Tenants: w.withdraw(w.tenants()), Log: log,
		Roots: w.roots(s), Certs: n.certs(), Gate: w.gate(n, log, jitter),
		Roads:     dispatch.Straight(map[post.Channel]dispatch.Channel{post.Digital: digital, post.Physical: paper}),
		LeaseTime: w.plan.lease, Resends: w.plan.resends, LookupBudget: w.plan.budget, Now: n.now, Rand: jitter,
	}
	w.findHomes(n, s, &c)
	h.advancer, err[0] = dispatch.New(c)
	sources := []track.Source{w.source(n, w.digital), w.source(n, w.paper)}
	if w.hazard.source != nil {
		sources[0], sources[1] = w.hazard.source(w, sources[0]), w.hazard.source(w, sources[1])
	}
	h.matcher, err[1] = track.New(track.Config{
		Inbox: outer, Sources: sources, Log: log, Now: n.now,
		Seal: func(_ context.Context, raw []byte) ([]byte, error) { return raw, nil },
		Moved: func(ctx context.Context, id post.LetterID) {
			if err := h.advancer.Advance(ctx, id); err != nil {
				w.say("%s advance: %v", n.name, err)
			}
		},
	})
	jobs := queue.Jobs(s)
	if w.hazard.jobs != nil {
		jobs = w.hazard.jobs(w, jobs)
	}
	h.sweeper, err[2] = queue.NewSweeper(queue.SweeperConfig{
		Jobs: jobs, Doorbell: bell{n}, Log: log, Together: map[queue.Kind]int{queue.AdvanceLetter: dispatch.Together},
		Run: func(_ context.Context, r queue.Ring) error { // in threads of its own: they are played as such
			h.mu.Lock()
			defer h.mu.Unlock()
			h.here = append(h.here, r)
			return nil
		},
	})
	h.desk, err[3] = letter.New(letter.Config{
		Store: outer, Records: s, Blobs: disk{w}, Dispatcher: plainKey{}, IndexKey: indexKey, Tenants: w.tenants(), Bell: bell{n}, Log: log,
		Now: n.now, NewID: w.newID, NewReference: w.newReference,
	})
	if e := errors.Join(errors.Join(err[:]...), w.buildLots(n, h, s, log)); e != nil {
		panic(e)
	}
	return h
}

// outerStore is what the code sees of the database.
type outerStore interface {
	letter.Store
	dispatch.Store
	track.Inbox
}

// duties is what a dispatcher does again and again.
func (w *world) duties(n *node) {
	w.spawn(n, func(ctx context.Context) {
		if err := n.sweeper.Sweep(ctx); err != nil {
			w.say("%s sweep: %v", n.name, err)
		}
		n.mu.Lock()
		here := n.here
		n.here = nil
		n.mu.Unlock()
		slices.SortFunc(here, func(a, b queue.Ring) int { return strings.Compare(a.TaskID(), b.TaskID()) })
		for _, r := range here {
			w.after(w.between(0, time.Second), func() { w.advance(n, r, nil) })
		}
	}, nil)
	w.spawn(n, func(ctx context.Context) {
		if err := n.matcher.Step(ctx); err != nil {
			w.say("%s match: %v", n.name, err)
		}
	}, nil)
	w.lotDuties(n)
}

func (w *world) newID() string {
	w.seq++
	return fmt.Sprintf("%08x-0000-7000-8000-%012x", w.seed&0xffffffff, w.seq)
}

// alarms counts what is logged as a warning or worse.
type alarms struct{ w *world }

func (alarms) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (a alarms) WithAttrs([]slog.Attr) slog.Handler         { return a }
func (a alarms) WithGroup(string) slog.Handler              { return a }
func (a alarms) Handle(_ context.Context, r slog.Record) error {
	a.w.alarms[r.Message]++
	r.Attrs(func(at slog.Attr) bool {
		if at.Key == "letter" {
			a.w.alarms[r.Message+" "+at.Value.String()]++
		}
		return true
	})
	return nil
}

// plainKey stands in for the dispatcher's key: the data keys and the sealing
// under them are real.
type plainKey struct{}

func (plainKey) Wrap(key []byte) ([]*age.Stanza, error) {
	return []*age.Stanza{{Type: "sim", Body: bytes.Clone(key)}}, nil
}

func (plainKey) Unwrap(ss []*age.Stanza) ([]byte, error) {
	for _, s := range ss {
		if s.Type == "sim" {
			return bytes.Clone(s.Body), nil
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// memo opens each sealed value once and remembers it: the same bytes open to
// the same.
type memo struct {
	w    *world
	real unseal.Opener
}

func (m memo) Small(sealed []byte) ([]byte, error) {
	if err := m.w.key(); err != nil { // in the thread that runs; documents may be opened beside it
		return nil, err
	}
	return m.once(string(sealed), func() ([]byte, error) { return m.real.Small(sealed) })
}

func (m memo) Payload(header []byte, payload io.Reader) (io.Reader, error) {
	if m.w.keysGone() {
		return nil, errKeys
	}
	sealed, err := io.ReadAll(payload)
	if err != nil {
		return nil, err
	}
	clear, err := m.once(string(header)+string(sealed), func() ([]byte, error) {
		r, err := m.real.Payload(header, bytes.NewReader(sealed))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	})
	return bytes.NewReader(clear), err
}

func (m memo) once(sealed string, open func() ([]byte, error)) ([]byte, error) {
	m.w.openMu.Lock()
	defer m.w.openMu.Unlock()
	if clear, ok := m.w.opened[sealed]; ok {
		return clear, nil
	}
	clear, err := open()
	if err == nil {
		m.w.opened[sealed] = clear
	}
	return clear, err
}

// disk keeps sealed bytes. It has no faults of its own here: its calls happen
// in threads that the world does not order.
type disk struct{ w *world }

func (d disk) Put(_ context.Context, write func(io.Writer) error) (string, []byte, int64, error) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return "", nil, 0, err
	}
	sum := sha256.Sum256(b.Bytes())
	d.w.seq++
	name := fmt.Sprint("blob-", d.w.seq)
	d.w.sealed[name] = b.Bytes()
	if d.w.plan.lostFirst && len(d.w.sealed) == 1 {
		d.w.bad[name] = nil
	}
	return name, sum[:], int64(b.Len()), nil
}

func (d disk) Get(_ context.Context, blob string) (io.ReadCloser, error) {
	if d.w.darkNow() {
		d.w.away.Add(1)
		return nil, errDisk
	}
	b, ok := d.w.sealed[blob]
	if left, bad := d.w.bad[blob]; bad {
		b, ok = left, left != nil
	}
	if !ok {
		return nil, post.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// store is the database as one node reaches it.
type store struct {
	n    *node
	real *memstore.Store
}

type none struct{}

func (s *store) act(ctx context.Context, what string, f func() error) error {
	_, err := call(ctx, s.n, what, func() (none, error) { return none{}, f() })
	return err
}

func (s *store) Lease(ctx context.Context, k queue.Kind, id string, d time.Duration) (queue.Lease, bool, error) {
	var ok bool
	l, err := call(ctx, s.n, "lease", func() (l queue.Lease, err error) {
		l, ok, err = s.real.Lease(ctx, k, id, d)
		return l, err
	})
	return l, ok && err == nil, err
}

func (s *store) LetterForStep(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
	return call(ctx, s.n, "read", func() (dispatch.Record, error) { return s.real.LetterForStep(ctx, l) })
}

func (s *store) MoveLetter(ctx context.Context, l queue.Lease, m dispatch.Move) error {
	return s.act(ctx, "move to "+string(m.To), func() error { return s.real.MoveLetter(ctx, l, m) })
}

func (s *store) WaitLetter(ctx context.Context, l queue.Lease, wait dispatch.Wait) error {
	return s.act(ctx, "wait "+string(wait.Letter[24:])+" "+wait.Code, func() error {
		defer s.n.w.lifted()
		return s.real.WaitLetter(ctx, l, wait)
	})
}

func (s *store) LeaseDue(ctx context.Context, c queue.Claim) ([]queue.Lease, error) {
	return call(ctx, s.n, "lease due", func() ([]queue.Lease, error) { return s.real.LeaseDue(ctx, c) })
}

func (s *store) Backlog(ctx context.Context, k queue.Kind, most int) (int, error) {
	return call(ctx, s.n, "backlog", func() (int, error) { return s.real.Backlog(ctx, k, most) })
}

func (s *store) Due(ctx context.Context, k queue.Kind, n int, quiet time.Duration) ([]queue.Ring, error) {
	return call(ctx, s.n, "due", func() ([]queue.Ring, error) { return s.real.Due(ctx, k, n, quiet) })
}

// PutDataKey lets nobody else run: its caller holds a lock.
func (s *store) PutDataKey(ctx context.Context, id string, wrapped []byte) error {
	if s.n.w.chance(s.n.w.plan.storeDown) {
		return errStore
	}
	return s.real.PutDataKey(ctx, id, wrapped)
}

func (s *store) LetterByKey(ctx context.Context, t post.TenantID, key []byte) (letter.First, error) {
	return call(ctx, s.n, "by key", func() (letter.First, error) { return s.real.LetterByKey(ctx, t, key) })
}

func (s *store) AcceptLetter(ctx context.Context, a letter.Accepted) (letter.First, bool, error) {
	var fresh bool
	f, err := call(ctx, s.n, "accept", func() (f letter.First, err error) {
		for _, p := range s.n.w.people {
			if bytes.Equal(a.Key, letter.KeyIndex(indexKey, tenants[0].ID, p.key)) {
				s.n.w.owner[a.ID], a.DigitalOnly = p, p.asks.only
			}
		}
		f, fresh, err = s.real.AcceptLetter(ctx, a)
		return f, err
	})
	return f, fresh, err
}

func (s *store) KeepReceipts(ctx context.Context, rs []track.Receipt) error {
	return s.act(ctx, "keep receipts", func() error { return s.real.KeepReceipts(ctx, rs) })
}

func (s *store) WaitingReceipts(ctx context.Context, n int) ([]track.Receipt, error) {
	return call(ctx, s.n, "waiting receipts", func() ([]track.Receipt, error) { return s.real.WaitingReceipts(ctx, n) })
}

func (s *store) ReceiptStandings(ctx context.Context, ids []string) (map[string]track.Standing, error) {
	return call(ctx, s.n, "standings", func() (map[string]track.Standing, error) { return s.real.ReceiptStandings(ctx, ids) })
}

func (s *store) SettleReceipts(ctx context.Context, all []track.Settlement) ([]track.Settlement, error) {
	what := "settle"
	for _, in := range all {
		what += " " + string(in.Receipt.Kind) + " " + string(in.Verdict)
	}
	return call(ctx, s.n, what, func() ([]track.Settlement, error) { return s.real.SettleReceipts(ctx, all) })
}

func (s *store) LetterView(ctx context.Context, t post.TenantID, id post.LetterID) (letter.View, error) {
	v, err := s.real.LetterView(ctx, t, id)
	if s.n.w.early {
		v.AvailableAt = v.AcceptedAt
	}
	return v, err
}

func (s *store) LetterList(ctx context.Context, f letter.Filter) ([]letter.View, error) {
	return s.real.LetterList(ctx, f)
}

func (s *store) LetterCounts(ctx context.Context, t post.TenantID) ([]letter.Count, error) {
	return s.real.LetterCounts(ctx, t)
}

func (s *store) LetterProof(ctx context.Context, t post.TenantID, id post.LetterID) (letter.Proof, error) {
	return s.real.LetterProof(ctx, t, id)
}

func (s *store) DecideLetter(ctx context.Context, d letter.Decided) (post.LetterState, error) {
	return call(ctx, s.n, "decide "+string(d.Decision), func() (post.LetterState, error) { return s.real.DecideLetter(ctx, d) })
}
