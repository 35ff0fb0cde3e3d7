// Package certwatch renews certificates without a restart: a program that shows
// a certificate from files takes what newly lies in them with the next
// handshake.
//
// The files are looked at when a handshake asks, at most every [Look]. A pair
// that is not whole, does not fit together, is not valid yet or is over does not
// replace one that works: the old stays, and that is logged until it is mended.
// Connections that stand keep the certificate they began with.
//
// The age of a certificate is reported: from [Warn] before its end on, once a
// day, and always as a metric.
package certwatch

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

const (
	// Look is how often files are looked at, at most.
	Look = 10 * time.Second
	// Warn is how long before its end a certificate is reported.
	Warn  = 30 * 24 * time.Hour
	daily = 24 * time.Hour
)

var notAfter = promauto.NewGaugeVec(prometheus.GaugeOpts{
	Name: "sikkerpost_certificate_not_after_timestamp_seconds", Help: "When the certificate in use ends.",
}, []string{"name"})

// Config says what to watch; every field is required but Changed and Now.
type Config struct {
	Name              string // of the certificate, for log and metric: "digital post"
	CertFile, KeyFile string
	// Load reads a pair, as [tls.LoadX509KeyPair] does; it may refuse more.
	Load func(certFile, keyFile string) (tls.Certificate, error)
	Log  *slog.Logger
	// Changed is told of each renewal, so that idle connections can be closed.
	Changed func()
	Now     func() time.Time
}

// A Pair is a certificate and its key that renew themselves. It is safe for
// concurrent use.
type Pair struct {
	Config

	mu     sync.Mutex // guards what follows
	pair   *tls.Certificate
	seen   [sha256.Size]byte // of both files when they were last read
	looked time.Time
	warned time.Time
	broken string // what was last logged about files that cannot be used
}

// Open reads the pair for the first time. Files that cannot be used now are an
// error.
func Open(c Config) (*Pair, error) {
	if c.CertFile == "" || c.KeyFile == "" || c.Load == nil || c.Log == nil || c.Name == "" {
		return nil, errors.New("certwatch: Name, CertFile, KeyFile, Load and Log are required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	p := &Pair{Config: c}
	pair, err := p.load()
	if err != nil {
		return nil, fmt.Errorf("read certificate %s: %w", c.Name, err)
	}
	if p.seen, err = p.sum(); err != nil {
		return nil, fmt.Errorf("read certificate %s: %w", c.Name, err)
	}
	p.looked = c.Now()
	p.use(pair)
	p.report(p.looked)
	return p, nil
}

// Client makes c show the pair to servers that ask for a certificate.
func (p *Pair) Client(c *tls.Config) {
	c.Certificates = nil
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return p.Current(), nil }
}

// Server makes c show the pair to clients.
func (p *Pair) Server(c *tls.Config) {
	c.Certificates = nil
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.Current(), nil }
}

// Current returns the pair to show now.
func (p *Pair) Current() *tls.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.Now(); now.Sub(p.looked) >= Look {
		p.looked = now
		p.renew()
		p.report(now)
	}
	return p.pair
}

// renew takes what newly lies in the files, if it can be used. The caller holds
// mu.
func (p *Pair) renew() {
	sum, err := p.sum()
	if err == nil && sum == p.seen {
		return
	}
	var pair *tls.Certificate
	if err == nil {
		pair, err = p.load()
	}
	if err != nil {
		if err.Error() != p.broken {
			p.broken = err.Error()
			p.Log.Error("certificate not renewed; the old one stays", slog.String("certificate", p.Name), slog.Any("error", err))
		}
		return
	}
	p.seen, p.broken = sum, ""
	p.use(pair)
	p.Log.Info("certificate renewed", slog.String("certificate", p.Name), slog.Time("until", pair.Leaf.NotAfter))
	if p.Changed != nil {
		go p.Changed() // it may wait for connections that wait for us
	}
}

func (p *Pair) use(pair *tls.Certificate) {
	p.pair, p.warned = pair, time.Time{}
	notAfter.WithLabelValues(p.Name).Set(float64(pair.Leaf.NotAfter.Unix()))
}

// report says that the certificate in use ends soon. The caller holds mu, or is
// Open.
func (p *Pair) report(now time.Time) {
	left := p.pair.Leaf.NotAfter.Sub(now)
	if left > Warn || now.Sub(p.warned) < daily {
		return
	}
	p.warned = now
	tell := p.Log.Warn
	if left < Warn/4 {
		tell = p.Log.Error
	}
	tell("certificate ends soon", slog.String("certificate", p.Name), slog.Time("until", p.pair.Leaf.NotAfter))
}

// load reads a pair that can be used now.
func (p *Pair) load() (*tls.Certificate, error) {
	pair, err := p.Load(p.CertFile, p.KeyFile)
	if err != nil {
		return nil, err
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("parse certificate: %w", err)
		}
	}
	// At the start an expired pair is used all the same: the other side says no,
	// in words, and a restart must not be worse than none.
	if now := p.Now(); p.pair != nil && (now.Before(pair.Leaf.NotBefore) || now.After(pair.Leaf.NotAfter)) {
		return nil, fmt.Errorf("it is valid only from %s until %s", pair.Leaf.NotBefore.UTC().Format(time.RFC3339), pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return &pair, nil
}

// sum digests both files, so that a change is seen whatever the clock of the
// file system does.
func (p *Pair) sum() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	for _, name := range []string{p.CertFile, p.KeyFile} {
		b, err := os.ReadFile(name)
		if err != nil {
			return sum, err
		}
		h.Write(b)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// Serve makes the server settings s show the pair of c, and renew it.
func Serve(s *tls.Config, c Config) error {
	p, err := Open(c)
	if err != nil {
		return err
	}
	p.Server(s)
	return nil
}
