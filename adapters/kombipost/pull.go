package kombipost

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"sikkerpost.dk/gateway/internal/post"
)

const (
	// heartbeat is how soon a dead connection is noticed (twice this).
	heartbeat = 10 * time.Second
	// firstRest is the pause after a connection that failed; it doubles up to
	// mostRest, and begins anew once something was kept.
	firstRest = time.Second
	mostRest  = time.Minute
	// retryRest is the pause after a status could not be kept, before it and
	// those behind it are delivered again.
	retryRest = time.Second
	// defaultPrefetch bounds what of one queue is under way, and so in memory: a
	// real status has some 8 KB, but a broker lets through up to 16 MiB, and older
	// ones 128.
	defaultPrefetch = 10
	defaultVHost    = "BF"
)

// PullConfig is what a [Puller] needs.
type PullConfig struct {
	StatusConfig
	Address     string // host:port
	VirtualHost string // "BF" when empty
	// RootCAs are trusted for Beskedfordeler's certificate; nil is the system's.
	RootCAs *x509.CertPool
	// Queues gives each tenant's queue, named by the UUID of its dueslag.
	Queues map[post.TenantID]string
	// Prefetch is how many statuses of a queue may be under way; 10 when 0.
	Prefetch int
	// rest replaces firstRest and retryRest in tests.
	rest time.Duration
}

// Puller fetches statuses from Beskedfordeler over AMQP 0-9-1 (BeskedHent), one
// connection for each tenant's queue: a connection is opened with an assertion
// that names one authority (SASL EXTERNAL), over mutual TLS with the certificate
// of that tenant's user system.
//
// A status is acknowledged only once its receipt is durable. What cannot be read
// is kept whole for a person and acknowledged, so that it holds up nothing; what
// could not be kept goes back into the queue, and is asked for again after a
// rest. A connection that breaks is opened anew, with a new assertion when the
// old one was refused. It never makes, changes or empties a queue.
type Puller struct {
	cfg    PullConfig
	client *Client
	*reader
}

// NewPuller returns a puller that shows client's certificates and assertions, or
// an error that names every gap of c. It does not connect.
func NewPuller(c PullConfig, client *Client) (*Puller, error) {
	r, err := newReader(c.StatusConfig)
	if _, _, split := net.SplitHostPort(c.Address); split != nil {
		err = errors.Join(err, errors.New("kombipost: Address must be host:port"))
	}
	if len(c.Queues) == 0 {
		err = errors.Join(err, errors.New("kombipost: Queues is required"))
	}
	for tenant, queue := range c.Queues {
		if client == nil || !client.Serves(tenant) || queue == "" {
			err = errors.Join(err, fmt.Errorf("kombipost: the queue of tenant %s needs a name and a user system", tenant))
		}
	}
	if c.VirtualHost == "" {
		c.VirtualHost = defaultVHost
	}
	if c.Prefetch == 0 {
		c.Prefetch = defaultPrefetch
	}
	return &Puller{cfg: c, client: client, reader: r}, err
}

// Run fetches until ctx ends; then it keeps and acknowledges what it has in
// hand, gives the rest back and returns nil.
func (p *Puller) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for tenant, queue := range p.cfg.Queues {
		all.Go(func() { p.attend(ctx, tenant, queue) })
	}
	all.Wait()
	return nil
}

// attend keeps one queue connected.
func (p *Puller) attend(ctx context.Context, tenant post.TenantID, queue string) {
	first := firstRest
	if p.cfg.rest > 0 {
		first = p.cfg.rest
	}
	rest, spent := first, ""
	for ctx.Err() == nil {
		kept, refused, err := p.session(ctx, tenant, queue, spent)
		if ctx.Err() != nil {
			return
		}
		if spent = refused; kept > 0 {
			rest = first
		}
		p.Log.WarnContext(ctx, "status queue disconnected", slog.String("tenant", string(tenant)), slog.Int("kept", kept), slog.Any("error", err))
		pause(ctx, 0, rest/2+rand.N(rest/2+1)) //nolint:gosec // a pause, not a secret
		rest = min(2*rest, mostRest)
	}
}

func ended(ctx context.Context) bool { return ctx.Err() != nil }

// pause waits for d, or for instead when that is set, or until ctx ends.
func pause(ctx context.Context, instead, d time.Duration) {
	if instead > 0 {
		d = instead
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// assertion is SASL EXTERNAL as Beskedfordeler has it: the response is the SAML
// assertion itself.
type assertion string

func (assertion) Mechanism() string  { return "EXTERNAL" }
func (a assertion) Response() string { return string(a) }

// session is one connection. It returns how many statuses were kept, and the
// assertion that the other side refused, or "".
func (p *Puller) session(ctx context.Context, tenant post.TenantID, queue, spent string) (kept int, refused string, err error) {
	s, err := p.client.system(tenant)
	if err != nil {
		return 0, "", err
	}
	shown, err := p.client.tokens.shown(ctx, s, EntityPull, spent)
	if err != nil {
		return 0, "", err // a tokenError, which holds no token
	}
	xml, err := base64.StdEncoding.DecodeString(shown)
	if err != nil {
		return 0, shown, errors.New("the assertion is not base64")
	}
	conn, err := p.dial(ctx, s, assertion(xml))
	if err != nil {
		if errors.Is(err, amqp.ErrCredentials) || errors.Is(err, amqp.ErrVhost) {
			refused = shown
		}
		return 0, refused, fmt.Errorf("connect to the status queue: %w", err)
	}
	defer func() { _ = conn.Close() }() // what was not acknowledged goes back
	ch, err := conn.Channel()
	if err != nil {
		return 0, "", fmt.Errorf("open a channel: %w", err)
	}
	if err := ch.Qos(p.cfg.Prefetch, 0, false); err != nil {
		return 0, "", fmt.Errorf("bound what is under way: %w", err)
	}
	consumer := "sikkerpost-" + post.NewID()
	deliveries, err := ch.Consume(queue, consumer, false, false, false, false, nil)
	if err != nil {
		return 0, "", fmt.Errorf("consume: %w", err)
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	p.Log.InfoContext(ctx, "status queue connected", slog.String("tenant", string(tenant)))
	kept, err = p.consume(ctx, deliveries)
	if err != nil || ctx.Err() != nil {
		return kept, "", err
	}
	if why := <-closed; why != nil {
		return kept, "", why
	}
	return kept, "", errors.New("the queue's consumer was canceled")
}

func (p *Puller) dial(ctx context.Context, s *system, by assertion) (*amqp.Connection, error) {
	host, _, _ := net.SplitHostPort(p.cfg.Address) // checked by NewPuller
	secure := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{s.pair}, RootCAs: p.cfg.RootCAs, ServerName: host}
	let := func() bool { return true }
	defer func() { let() }() // from here on the end is consume's to bring about
	return amqp.DialConfig("amqps://"+p.cfg.Address, amqp.Config{
		SASL: []amqp.Authentication{by}, Vhost: p.cfg.VirtualHost, Heartbeat: heartbeat, TLSClientConfig: secure,
		Dial: func(network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			let = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) }) // do not wait out a handshake
			// Bounds the handshake; the library lifts it once that is done.
			return conn, conn.SetDeadline(time.Now().Add(askTimeout))
		},
		Properties: amqp.Table{"product": "sikkerpost", "connection_name": "sikkerpost statuses"},
	})
}

// consume keeps deliveries one after the other until they end, one could not be
// acknowledged, or ctx ends. One that could not be kept goes back into the queue
// and does not hold up those behind it.
func (p *Puller) consume(ctx context.Context, deliveries <-chan amqp.Delivery) (kept int, err error) {
	for {
		select {
		case <-ctx.Done():
			return kept, nil
		case d, ok := <-deliveries:
			if !ok || ended(ctx) {
				return kept, nil // what is not acknowledged goes back when the connection closes
			}
			if _, err := p.keep(ctx, d.Body); err != nil {
				if err := d.Nack(false, true); err != nil {
					return kept, fmt.Errorf("give status back: %w", err)
				}
				pause(ctx, p.cfg.rest, retryRest)
				continue
			}
			if err := d.Ack(false); err != nil {
				return kept, fmt.Errorf("acknowledge status: %w", err) // it comes again, and is known
			}
			kept++
		}
	}
}
