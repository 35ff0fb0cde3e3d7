package kombipost

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/http"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/bulktls"
	"sikkerpost.dk/gateway/internal/post"
)

// system is a tenant's user system with its present certificate. Tenants with
// different certificates never share a connection: mutual TLS is what holds a
// token to its owner.
type system struct {
	System
	*line
}

// line is what belongs to one certificate.
type line struct {
	pair  tls.Certificate
	print string // SHA-256 of the certificate
	useIt string // the certificate as one line of base64
	http  *http.Client
}

// lines are the connections of each certificate in use.
type lines struct {
	cfg  Config
	mu   sync.Mutex // guards what follows
	open map[string]*line
	last map[post.TenantID]string // print that each tenant showed last
}

// of returns the line of tenant's present certificate. When that is a new one
// and no other tenant shows the former, the former is gone, too.
func (l *lines) of(tenant post.TenantID, s System) (now *line, gone string) {
	pair := s.certificate()
	sum := sha256.Sum256(pair.Certificate[0])
	print := hex.EncodeToString(sum[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	if now = l.open[print]; now == nil {
		now = &line{pair: pair, print: print, useIt: base64.StdEncoding.EncodeToString(pair.Certificate[0]), http: &http.Client{
			Transport:     transport(l.cfg, pair),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
		l.open[print] = now
	}
	former := l.last[tenant]
	l.last[tenant] = print
	if former == "" || former == print {
		return now, ""
	}
	for _, shown := range l.last {
		if shown == former {
			return now, ""
		}
	}
	l.open[former].http.CloseIdleConnections() // calls under way end on theirs
	delete(l.open, former)
	return now, former
}

func (l *lines) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.open {
		one.http.CloseIdleConnections()
	}
}

func transport(c Config, cert tls.Certificate) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(c.HTTP2)
	t := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: answerTimeout,
		ExpectContinueTimeout: expectTimeout,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   16,
		Protocols:             &protocols,
		TLSClientConfig:       secure(c, cert),
	}
	bulktls.Use(t)
	return t
}

func secure(c Config, cert tls.Certificate) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, RootCAs: c.RootCAs}
}

// Serves reports whether tenant has a user system here.
func (c *Client) Serves(tenant post.TenantID) bool {
	_, ok := c.systems[tenant]
	return ok
}

func (c *Client) system(tenant post.TenantID) (*system, error) {
	s, ok := c.systems[tenant]
	if !ok {
		return nil, post.FaultNoKombiSystem.At("tenant %s", tenant)
	}
	now, gone := c.lines.of(tenant, s)
	if gone != "" {
		c.tokens.forget(gone)
	}
	return &system{s, now}, nil
}

// Close drops idle connections.
func (c *Client) Close() error {
	c.lines.close()
	return nil
}
