package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// Limits of time and number.
const (
	DefaultIdle     = 30 * time.Minute // the federation's usual inactivity limit
	DefaultAbsolute = 8 * time.Hour    // a working day
	pendingLife     = 10 * time.Minute // a person looks for the MitID app
	maxTries        = 5                // answers that one pending log-in may meet
	maxGrants       = 32               // powers of attorney in one session
	// lateFor is longer than any assertion works that was issued before a log-off.
	lateFor = 2 * time.Hour
)

// Config is what [New] needs.
type Config struct {
	Store    Store
	Sealer   Sealer
	Floor    Level            // Substantial when 0; never lower
	Idle     time.Duration    // [DefaultIdle] when 0
	Absolute time.Duration    // [DefaultAbsolute] when 0
	Now      func() time.Time // time.Now when nil
}

// Sessions makes, finds and ends sessions.
type Sessions struct {
	store          Store
	sealer         Sealer
	floor          Level
	idle, absolute time.Duration
	now            func() time.Time
}

// New returns Sessions, or names every gap in c.
func New(c Config) (*Sessions, error) {
	var gaps []error
	if c.Store == nil {
		gaps = append(gaps, errors.New("login: Store is required"))
	}
	if c.Sealer == nil {
		gaps = append(gaps, errors.New("login: Sealer is required"))
	}
	if c.Floor == 0 {
		c.Floor = Substantial
	}
	if c.Floor < Substantial || c.Floor > High {
		gaps = append(gaps, errors.New("login: Floor is below Substantial or unknown"))
	}
	if c.Idle == 0 {
		c.Idle = DefaultIdle
	}
	if c.Absolute == 0 {
		c.Absolute = DefaultAbsolute
	}
	if c.Idle < 0 || c.Absolute < 0 {
		gaps = append(gaps, errors.New("login: Idle and Absolute must be positive"))
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := errors.Join(gaps...); err != nil {
		return nil, err
	}
	return &Sessions{c.Store, c.Sealer, c.Floor, c.Idle, c.Absolute, c.Now}, nil
}

// Ask is what a page wants of a log-in.
type Ask struct {
	Tenant post.TenantID
	Level  Level  // raised to the floor
	Kind   Kind   // [Citizen] when ""
	Return string // local path; "" means "/"
	Force  bool   // the person must authenticate anew
}

// Start begins a log-in and returns it with the value of the cookie that binds
// it to the browser. The cookie value exists nowhere else.
func (s *Sessions) Start(ctx context.Context, a Ask) (p Pending, cookie string, err error) {
	if a.Return == "" {
		a.Return = "/"
	}
	if !LocalPath(a.Return) {
		return Pending{}, "", post.FaultReturnPath
	}
	if a.Kind == "" {
		a.Kind = Citizen
	}
	now := s.now()
	cookie = secret()
	p = Pending{
		// An XML ID begins with a letter or "_" (xs:NCName).
		ID: "_" + secret(), Browser: hash(cookie), Tenant: a.Tenant, Level: max(a.Level, s.floor), Kind: a.Kind,
		Return: a.Return, RelayState: secret()[:32], Force: a.Force,
		StartedAt: now, ExpiresAt: now.Add(pendingLife),
	}
	if err := s.store.StartLogin(ctx, p); err != nil {
		return Pending{}, "", fmt.Errorf("start login: %w", err)
	}
	return p, cookie, nil
}

// Pending returns the log-in that the browser with this cookie has under way,
// and counts the try.
func (s *Sessions) Pending(ctx context.Context, cookie string) (Pending, error) {
	if cookie == "" {
		return Pending{}, post.FaultLoginMixedUp.At("no cookie")
	}
	p, err := s.store.TryLogin(ctx, hash(cookie), s.now(), maxTries)
	if errors.Is(err, post.ErrNotFound) {
		return Pending{}, post.FaultLoginMixedUp.At("no log-in under way")
	}
	if err != nil {
		return Pending{}, fmt.Errorf("find pending login: %w", err)
	}
	return p, nil
}

// sealed is the part of a session that the database may not read.
type sealed struct {
	Person       post.PersonRecord  `json:"person"` // as logged in, whoever is acted for
	Grants       []post.PartyRecord `json:"grants,omitempty"`
	Acting       int                `json:"acting,omitempty"`
	Chosen       bool               `json:"chosen,omitempty"`
	Roles        []string           `json:"roles,omitempty"`
	Level        string             `json:"level"`
	Issuer       string             `json:"issuer"`
	NameID       NameID             `json:"name_id"`
	SessionIndex string             `json:"session_index"`
	AuthnAt      time.Time          `json:"authn_at"`
}

// Finish turns claims into a new session and returns the value of its cookie.
// earlier is the session cookie that the browser sent, or "": that session ends.
func (s *Sessions) Finish(ctx context.Context, p Pending, c Claims, earlier string) (session Session, cookie string, err error) {
	if c.Level < max(p.Level, s.floor) {
		return Session{}, "", post.FaultLevelTooLow
	}
	if c.AssertionID == "" || c.NameID.Value == "" || c.UsableUntil.IsZero() {
		return Session{}, "", post.FaultLoginRefused.At("claims without assertion or name")
	}
	now := s.now()
	ends := now.Add(s.absolute)
	if !c.SessionEnds.IsZero() && c.SessionEnds.Before(ends) {
		ends = c.SessionEnds
	}
	if len(c.Grants) > maxGrants {
		return Session{}, "", post.FaultLoginRefused.At("claims with %d grants", len(c.Grants))
	}
	c.Person.Account = c.NameID.account()
	session = Session{
		ID: post.NewID(), Tenant: p.Tenant, Person: c.Person, Grants: c.Grants, Roles: c.Roles, Level: c.Level, Issuer: c.Issuer,
		NameID: c.NameID, SessionIndex: c.SessionIndex, AuthnAt: c.AuthnAt, ExpiresAt: ends, IdleAt: now.Add(s.idle),
	}
	v := sealed{
		Person: c.Person.Record(), Roles: c.Roles, Level: c.Level.String(), Issuer: c.Issuer, NameID: c.NameID,
		SessionIndex: c.SessionIndex, AuthnAt: c.AuthnAt,
	}
	for _, g := range c.Grants {
		v.Grants = append(v.Grants, g.Record())
	}
	closed, err := s.close(v)
	if err != nil {
		return Session{}, "", fmt.Errorf("seal session %s: %w", session.ID, err)
	}
	cookie = secret()
	r := Record{
		ID: session.ID, Cookie: hash(cookie), Tenant: p.Tenant, Name: nameHash(c.Issuer, c.Audience, c.NameID.Value),
		Index: hash(c.SessionIndex), Sealed: closed, SeenAt: now, EndsAt: ends,
	}
	if earlier != "" {
		r.Replaces = hash(earlier)
	}
	e := ledger.New("auth.accepted", p.Tenant, session.ID)
	e.Actor, e.Outcome = "person", c.Level.String()
	used := Used{Key: hash("assertion", c.Issuer, c.AssertionID), Until: c.UsableUntil}
	if err := s.store.FinishLogin(ctx, p, used, r, e); err != nil {
		return Session{}, "", fmt.Errorf("finish login %s: %w", p.ID, err)
	}
	return session, cookie, nil
}

// Current returns the session of a cookie value, or [post.FaultLoginNeeded]. It
// keeps the session alive; the store may take up to a minute to notice.
func (s *Sessions) Current(ctx context.Context, cookie string) (Session, error) {
	if cookie == "" {
		return Session{}, post.FaultLoginNeeded
	}
	r, err := s.store.TouchSession(ctx, hash(cookie), s.now(), s.idle)
	if errors.Is(err, post.ErrNotFound) {
		return Session{}, post.FaultLoginNeeded
	}
	if err != nil {
		return Session{}, fmt.Errorf("find session: %w", err)
	}
	return s.open(r)
}

// Peek is [Sessions.Current] without keeping the session alive: a page that
// says when the session ends must not put that off.
func (s *Sessions) Peek(ctx context.Context, cookie string) (Session, error) {
	if cookie == "" {
		return Session{}, post.FaultLoginNeeded
	}
	r, err := s.store.PeekSession(ctx, hash(cookie), s.now(), s.idle)
	if errors.Is(err, post.ErrNotFound) {
		return Session{}, post.FaultLoginNeeded
	}
	if err != nil {
		return Session{}, fmt.Errorf("look at session: %w", err)
	}
	return s.open(r)
}

// Act says for whom the person of a cookie value acts from now on: 0 for
// nobody's power of attorney, n for the session's n-th grant. A choice that the
// session does not have is [post.FaultNoGrant] and changes nothing. The ledger
// gets the fact, never the names.
func (s *Sessions) Act(ctx context.Context, cookie string, choice int) (Session, error) {
	if cookie == "" {
		return Session{}, post.FaultLoginNeeded
	}
	r, err := s.store.TouchSession(ctx, hash(cookie), s.now(), s.idle)
	if errors.Is(err, post.ErrNotFound) {
		return Session{}, post.FaultLoginNeeded
	}
	if err != nil {
		return Session{}, fmt.Errorf("find session: %w", err)
	}
	v, err := s.unseal(r)
	if err != nil {
		return Session{}, err
	}
	if choice < 0 || choice > len(v.Grants) {
		return Session{}, post.FaultNoGrant
	}
	v.Acting, v.Chosen = choice, true
	if r.Sealed, err = s.close(v); err != nil {
		return Session{}, fmt.Errorf("seal session %s: %w", r.ID, err)
	}
	e := ledger.New("auth.acting", r.Tenant, r.ID)
	e.Actor, e.Outcome = "person", "self"
	if choice > 0 {
		e.Outcome = "grantor"
	}
	if err := s.store.RewriteSession(ctx, r.Cookie, r.Sealed, e); errors.Is(err, post.ErrStale) {
		return Session{}, post.FaultLoginNeeded
	} else if err != nil {
		return Session{}, fmt.Errorf("rewrite session %s: %w", r.ID, err)
	}
	return s.open(r)
}

// Logout ends the session of a cookie value and returns it.
// [post.FaultLoginNeeded] when there was none.
func (s *Sessions) Logout(ctx context.Context, cookie string) (Session, error) {
	if cookie == "" {
		return Session{}, post.FaultLoginNeeded
	}
	ended, err := s.store.EndSessions(ctx, Ending{Cookie: hash(cookie)}, s.now())
	if err != nil {
		return Session{}, fmt.Errorf("end session: %w", err)
	}
	if len(ended) == 0 {
		return Session{}, post.FaultLoginNeeded
	}
	return s.open(ended[0])
}

// Named is a provider's request to log a person off.
type Named struct {
	Issuer, Audience string
	NameID           string
	SessionIndexes   []string // none means every session of NameID
	MessageID        string
	UsableUntil      time.Time // until when the message could be replayed
}

// LogoutNamed ends every session that n names and returns how many; none is no
// error. An answer to a log-in that the provider gave in one of the sessions with
// these indexes, and that the browser brings only now, makes none any more. A
// message seen before answers [post.ErrStale] and ends nothing.
func (s *Sessions) LogoutNamed(ctx context.Context, n Named) (int, error) {
	e := Ending{
		Name: nameHash(n.Issuer, n.Audience, n.NameID),
		Used: &Used{Key: hash("logout", n.Issuer, n.MessageID), Until: n.UsableUntil}, Late: s.now().Add(lateFor),
	}
	for _, i := range n.SessionIndexes {
		e.Indexes = append(e.Indexes, hash(i))
	}
	ended, err := s.store.EndSessions(ctx, e, s.now())
	if err != nil {
		return 0, fmt.Errorf("end named sessions: %w", err)
	}
	return len(ended), nil
}

func (s *Sessions) close(v sealed) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return s.sealer.Small(plain)
}

func (s *Sessions) unseal(r Record) (v sealed, err error) {
	plain, err := s.sealer.Open(r.Sealed)
	if err != nil {
		return v, post.FaultLoginNeeded.Because(err)
	}
	if err := json.Unmarshal(plain, &v); err != nil {
		return v, post.FaultLoginNeeded.At("session %s does not decode", r.ID)
	}
	return v, nil
}

func (s *Sessions) open(r Record) (Session, error) {
	v, err := s.unseal(r)
	if err != nil {
		return Session{}, err
	}
	person, err := v.Person.Person()
	if err != nil {
		return Session{}, post.FaultLoginNeeded.At("session %s has no person", r.ID)
	}
	person.Account = v.NameID.account()
	var grants []post.Party
	for _, g := range v.Grants {
		p, err := g.Party()
		if err != nil {
			return Session{}, post.FaultLoginNeeded.At("session %s has a grant of nobody", r.ID)
		}
		grants = append(grants, p)
	}
	if v.Acting < 0 || v.Acting > len(grants) {
		return Session{}, post.FaultLoginNeeded.At("session %s acts for nobody", r.ID)
	}
	if v.Acting > 0 {
		person.OnBehalfOf = &grants[v.Acting-1]
	}
	level, err := ParseLevel(v.Level)
	if err != nil || level < s.floor {
		return Session{}, post.FaultLoginNeeded.At("session %s is below the floor", r.ID)
	}
	return Session{
		ID: r.ID, Tenant: r.Tenant, Person: person, Grants: grants, Acting: v.Acting, Chosen: v.Chosen, Roles: v.Roles,
		Level: level, Issuer: v.Issuer, NameID: v.NameID, SessionIndex: v.SessionIndex, AuthnAt: v.AuthnAt,
		ExpiresAt: r.EndsAt, IdleAt: r.SeenAt.Add(s.idle),
	}, nil
}

// LocalPath reports whether p is a path on this site and nothing that a browser
// could read as another one.
func LocalPath(p string) bool {
	if len(p) == 0 || len(p) > 1024 || p[0] != '/' || strings.HasPrefix(p, "//") {
		return false
	}
	for _, r := range p {
		if r <= ' ' || r == '\\' || r == 0x7f || r > 0x7e {
			return false
		}
	}
	return true
}

// secret returns 256 random bits in hex.
func secret() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func hash(parts ...string) []byte {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return h.Sum(nil)
}

func nameHash(issuer, audience, name string) []byte { return hash("name", issuer, audience, name) }
