// Package bulktls is the TLS of connections that carry letters: what is written
// at once goes to the kernel at once.
//
// crypto/tls calls the connection below it for each record of 16 KB, and net/http
// hands a body over in pieces of 32 KB: a letter of 130 KB costs some ten system
// calls, and each of them more than the copy it saves. A [Conn] seals all records
// of one Write into one buffer and gives that to the kernel in one call; a body is
// read into one buffer, too ([Conn.ReadFrom]).
//
// Nothing is left behind: when Write returns, the kernel has all of it, or Write
// has failed. After a failure the connection is of no more use, as with crypto/tls:
// nobody knows how many bytes left, so whoever sent must take it that all of them
// may have. Handshakes, alerts and single records go out at once. Deadlines, Close
// during a Write and what the other side is checked for are those of crypto/tls.
//
// Buffers are at most [Most] bytes, of cipher text and of what is being sealed,
// while a Write is under way; an idle connection holds none.
package bulktls

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Most bounds what goes to the kernel in one call: nine full records.
const Most = 9 * fullRecord

const (
	fullRecord = 16 << 10
	// sealing is what a record may be longer than its text (TLS 1.2 with CBC;
	// 1.3 needs 22).
	sealing = 5 + 256
)

// Use makes t dial connections of this package when it speaks HTTP/1.1 only; a
// transport that may speak HTTP/2, which writes small frames, stays as it is. t's
// DialContext, TLSClientConfig and TLSHandshakeTimeout must be set, and are not
// to be changed afterwards.
func Use(t *http.Transport) {
	if t.Protocols == nil || t.Protocols.HTTP2() || t.Protocols.UnencryptedHTTP2() {
		return
	}
	secure := t.TLSClientConfig.Clone()
	dial, patience := t.DialContext, t.TLSHandshakeTimeout
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		below, err := dial(ctx, network, address)
		if err != nil {
			return nil, err //nolint:wrapcheck // net names the act; callers look into it
		}
		return Client(ctx, below, address, secure, patience)
	}
}

// Client shakes hands over below as a client of address, for which the other
// side's certificate must be good, within patience. When it fails, below is
// closed.
func Client(ctx context.Context, below net.Conn, address string, conf *tls.Config, patience time.Duration) (*Conn, error) {
	conf = conf.Clone()
	conf.DynamicRecordSizingDisabled = true // full records from the start: letters, not pages
	if conf.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			below.Close()
			return nil, fmt.Errorf("dial TLS: %w", err)
		}
		conf.ServerName = host
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	g := &gatherer{Conn: below}
	c := &Conn{Conn: tls.Client(g, conf), below: g}
	if err := c.Conn.HandshakeContext(ctx); err != nil {
		below.Close()
		return nil, err //nolint:wrapcheck // crypto/tls names the act; callers look into it
	}
	return c, nil
}
