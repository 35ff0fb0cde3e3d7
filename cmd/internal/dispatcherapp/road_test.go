package dispatcherapp

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/sign"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
	"sikkerpost.dk/gateway/testdata"
)

// pdf returns a one-page PDF whose bytes depend on text.
func pdf(text string) []byte { return testdata.Page(text) }

// carrier is a small honest carrier: it knows what it has by message id, and
// delivers each once. It may be told to lose its answer or to refuse.
type carrier struct {
	mu       sync.Mutex
	channel  post.Channel
	taken    map[string]post.LetterID
	order    []string
	calls    int
	bytes    map[string][32]byte
	answer   func(call int, j dispatch.Job) dispatch.Verdict // nil: Taken
	loseAt   func(call int) bool                             // accept, then lose the answer
	renderer func(dispatch.Job) string                       // varies a form that must not vary
}

func newCarrier(ch post.Channel) *carrier {
	return &carrier{channel: ch, taken: map[string]post.LetterID{}, bytes: map[string][32]byte{}}
}

func (c *carrier) Render(_ context.Context, j dispatch.Job, w io.Writer) error {
	extra := ""
	if c.renderer != nil {
		extra = c.renderer(j)
	}
	fmt.Fprintf(w, "%s %s %s %d %s\n", j.MessageID, j.CreatedAt.Format(time.RFC3339), j.Recipient.ID, j.Generation, extra)
	for _, d := range j.Documents {
		rc, err := d.Open()
		if err != nil {
			return err
		}
		_, err = io.Copy(w, rc)
		rc.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *carrier) HandOver(_ context.Context, j dispatch.Job, f dispatch.Form) dispatch.Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.answer != nil {
		if v := c.answer(c.calls, j); v != dispatch.Taken {
			return dispatch.Outcome{Verdict: v, Code: "test"}
		}
	}
	r := f.Open()
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return dispatch.Outcome{Verdict: dispatch.Unknown, Code: "read"}
	}
	sum := sha256.Sum256(b)
	if sum != f.SHA256 || int64(len(b)) != f.Size {
		panic("form gave other bytes than committed")
	}
	if first, again := c.bytes[j.MessageID]; again && first != sum {
		panic("same message id with other bytes")
	}
	c.bytes[j.MessageID] = sum
	if _, again := c.taken[j.MessageID]; !again {
		c.taken[j.MessageID] = j.Letter
		c.order = append(c.order, j.MessageID)
	}
	if c.loseAt != nil && c.loseAt(c.calls) {
		return dispatch.Outcome{Verdict: dispatch.Unknown, Code: "reset"}
	}
	return dispatch.Outcome{Verdict: dispatch.Taken, Transmission: "t-" + j.MessageID}
}

func (c *carrier) count(id post.LetterID) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.taken {
		if l == id {
			n++
		}
	}
	return n
}

type directory struct {
	answer func(post.PartyRecord) dispatch.Reach
}

func (d directory) Look(_ context.Context, _ post.Tenant, r post.PartyRecord) dispatch.Reach {
	return d.answer(r)
}

type source struct {
	name    string
	waiting []track.Receipt
	forgot  int
}

func (s *source) Carrier() string { return s.name }
func (s *source) Waiting(context.Context) ([]track.Receipt, error) {
	return s.waiting, nil
}
func (s *source) Forget(_ context.Context, r track.Receipt) error {
	s.forgot++
	for i, w := range s.waiting {
		if w.EventID == r.EventID {
			s.waiting = append(append([]track.Receipt{}, s.waiting[:i]...), s.waiting[i+1:]...)
			break
		}
	}
	return nil
}

type bell struct{}

func (bell) Ring(context.Context, queue.Ring) error { return errors.New("redis is dead") }

// postgres is the server of this run; "" means SQLite.
var postgres string

// TestMain runs every test on SQLite, then on PostgreSQL when a server is named.
func TestMain(m *testing.M) {
	code := m.Run()
	postgres = os.Getenv("SIKKERPOST_POSTGRES")
	switch {
	case postgres != "":
		code = max(code, m.Run())
		if err := suite.Forget(); err != nil {
			fmt.Println(err)
			code = 1
		}
	case os.Getenv("SIKKERPOST_FULL") == "1":
		fmt.Println("SIKKERPOST_POSTGRES is not set")
		code = 1
	default:
		fmt.Println("LEFT OUT: PostgreSQL, because SIKKERPOST_POSTGRES is not set")
	}
	os.Exit(code)
}

// house is everything a letter needs, on SQLite, with carriers that are fakes.
type house struct {
	t        *testing.T
	path     string
	raw      *sql.DB // a second hand on the database, for the passing of time
	store    *sqlstore.Store
	blobs    *blobstore.Store
	identity age.Identity
	to       age.Recipient
	signer   *sign.Signer
	signed   int // how often the batch signer told of a root
	desk     *letter.Desk
	batches  *batch.Desk
	digital  *carrier
	paper    *carrier
	dir      directory
	roads    *dispatch.Roads // nil: straight to digital and paper
	tenants  []post.Tenant
	index    []byte
	poison   int
	resends  int
	budget   time.Duration
}

func reach(a dispatch.Answer, code string) func(post.PartyRecord) dispatch.Reach {
	return func(post.PartyRecord) dispatch.Reach { return dispatch.Reach{Answer: a, Code: code} }
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "post.db"), digital: newCarrier(post.Digital), paper: newCarrier(post.Physical),
		dir: directory{reach(dispatch.Reachable, "REGISTERED")}, tenants: persona.Tenants(), index: make([]byte, 32), resends: 5, budget: time.Hour}
	ctx := t.Context()
	var err error
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if postgres == "" {
		h.store, err = sqlstore.Open(ctx, suite.SQLite(t, sqlstore.Open, h.path))
		must(err)
		h.raw, err = sql.Open("sqlite", "file:"+h.path+"?_pragma=busy_timeout(60000)")
		must(err)
	} else {
		address := suite.Postgres(t, sqlstore.Open, postgres)
		h.store, err = sqlstore.Open(ctx, address)
		must(err)
		h.raw, err = sql.Open("pgx", address)
		must(err)
		h.raw.SetMaxOpenConns(2)
	}
	t.Cleanup(func() { h.store.Close(); h.raw.Close() })
	h.blobs, err = blobstore.Open(t.TempDir())
	must(err)
	id, err := age.GenerateHybridIdentity()
	must(err)
	h.to = id.Recipient()
	h.identity = either{id, unseal.DataKeys(context.Background(), h.store, id)}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "letters"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	h.signer, err = sign.New(key, cert)
	must(err)
	log := slog.New(slog.DiscardHandler)
	h.desk, err = letter.New(letter.Config{Store: h.store, Records: h.store, Blobs: h.blobs, Dispatcher: h.to, IndexKey: h.index,
		Tenants: h.tenants, Bell: bell{}, Log: log})
	must(err)
	h.batches, err = batch.New(batch.Config{Store: h.store, PutDataKey: h.store.PutDataKey, Blobs: h.blobs, Dispatcher: h.to,
		IndexKey: h.index, Tenants: h.tenants, Log: log})
	must(err)
	return h
}

// advancer returns a new process over the same truth.
func (h *house) advancer(store dispatch.Store) *dispatch.Advancer {
	h.t.Helper()
	roads := h.roads
	if roads == nil {
		roads = dispatch.Straight(map[post.Channel]dispatch.Channel{post.Digital: h.digital, post.Physical: h.paper})
	}
	a, err := dispatch.New(dispatch.Config{Store: store, Blobs: h.blobs, Opener: unseal.Opener{h.identity}, Signer: h.signer,
		Certs: []*x509.Certificate{h.signer.Certificate()}, Roads: roads,
		Directory: h.dir, Roots: h.store, Tenants: h.tenants, Log: slog.New(slog.DiscardHandler),
		Quiet: time.Millisecond, Backoff: time.Millisecond, Resends: h.resends, Poison: h.poison, LookupBudget: h.budget})
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// later lets time pass: leases run out and what waits becomes due.
func (h *house) later() {
	h.t.Helper()
	if _, err := h.raw.Exec(`UPDATE job SET lease_until = 0, due_at = 0, rung_at = 0`); err != nil {
		h.t.Fatal(err)
	}
}

// advance takes a letter as far as it goes now; what waits for a millisecond ([house.advancer]) has waited.
func (h *house) advance(id post.LetterID) {
	h.t.Helper()
	soon := time.Now().Add(50 * time.Millisecond).UnixMicro()
	if _, err := h.raw.Exec(`UPDATE job SET due_at = 0 WHERE due_at < $1`, soon); err != nil {
		h.t.Fatal(err)
	}
	if err := h.advancer(h.store).Advance(h.t.Context(), id); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) show(id post.LetterID) letter.View {
	h.t.Helper()
	v, err := h.desk.Show(h.t.Context(), "", id)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (h *house) want(id post.LetterID, s post.LetterState) letter.View {
	h.t.Helper()
	v := h.show(id)
	if v.State != s {
		h.t.Fatalf("letter is %s (%s), want %s; events %v", v.State, v.Code, s, v.Events)
	}
	return v
}

func recipient(key string) *post.PartyRecord {
	p, _ := persona.By(key)
	return &post.PartyRecord{IDType: "CPR", ID: p.CPR, Name: p.Name, Address: p.Address}
}

func document(name string, b []byte) letter.Document {
	return letter.Document{Filename: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

func submission(key string) letter.Submission {
	return letter.Submission{Tenant: "engdal", Client: "case", BusinessKey: key, Title: "Afgørelse", Recipient: recipient("nancy"),
		Documents: []letter.Document{document("afgoerelse.pdf", pdf(key)), document("bilag.pdf", pdf("bilag"))}}
}

func (h *house) submit(key string) post.LetterID {
	h.t.Helper()
	r, err := h.desk.Submit(h.t.Context(), submission(key))
	if err != nil {
		h.t.Fatal(err)
	}
	if r.State != post.LetterAccepted || r.Repeated {
		h.t.Fatalf("receipt = %+v", r)
	}
	return r.ID
}

// receive lets a carrier say something and matches it.
func (h *house) receive(rs ...track.Receipt) {
	h.t.Helper()
	s := &source{name: "carrier", waiting: rs}
	m, err := track.New(track.Config{Inbox: h.store, Sources: []track.Source{s}, Log: slog.New(slog.DiscardHandler),
		Seal: func(_ context.Context, raw []byte) ([]byte, error) { return seal.Small(raw, h.to) }})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := m.Step(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	if s.forgot != len(rs) {
		h.t.Fatalf("%d receipts forgotten, want %d", s.forgot, len(rs))
	}
}

// conserved checks what must hold at every instant.
func (h *house) conserved() {
	h.t.Helper()
	counts, err := h.desk.Counts(h.t.Context(), "")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, c := range counts {
		if c.Accepted != c.Sum() {
			h.t.Errorf("%s: accepted %d, states sum to %d", c.Tenant, c.Accepted, c.Sum())
		}
	}
	double, err := h.store.DoubleHandOvers(h.t.Context())
	if err != nil || len(double) > 0 {
		h.t.Errorf("double hand-overs %v, err %v", double, err)
	}
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
