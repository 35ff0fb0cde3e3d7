// Package clamd asks a ClamAV daemon about malware (command zINSTREAM). Nothing
// but the exact answer "stream: OK" counts as clean. On failure, a limit of the
// daemon or an answer it does not know, it returns an error: nothing is known
// of the file, and the caller must not take it.
package clamd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/intake"
)

var _ intake.Scanner = (*Client)(nil)

// Limits of one conversation. clamd's own time-out for one file is 120 s; a
// person waits less.
const (
	dialTime  = 3 * time.Second
	talkTime  = 30 * time.Second
	chunkSize = 64 << 10
	maxAnswer = 4 << 10
)

// Client speaks with one daemon; it opens a connection per file, as clamd
// prefers.
type Client struct{ network, address string }

// New returns a client for unix:///path or tcp://host:port.
func New(address string) (*Client, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("clamd: the address is no URL")
	case u.Scheme == "unix" && u.Path != "":
		return &Client{"unix", u.Path}, nil
	case u.Scheme == "tcp" && u.Port() != "":
		return &Client{"tcp", u.Host}, nil
	}
	return nil, errors.New("clamd: want unix:///path or tcp://host:port")
}

// Ping reports whether the daemon answers.
func (c *Client) Ping(ctx context.Context) error {
	answer, err := c.talk(ctx, "PING", nil)
	if err == nil && answer != "PONG" {
		err = fmt.Errorf("clamd: answered %q to PING", answer)
	}
	return err
}

// Scan implements [intake.Scanner].
func (c *Client) Scan(ctx context.Context, r io.Reader) (intake.Verdict, error) {
	answer, err := c.talk(ctx, "INSTREAM", r)
	switch {
	case err != nil:
		return "", err
	case answer == "stream: OK":
		return intake.Clean, nil
	case strings.HasPrefix(answer, "stream: ") && strings.HasSuffix(answer, " FOUND"):
		return intake.Infected, nil
	}
	return "", fmt.Errorf("clamd: answered %q", answer)
}

// talk sends a command, and body in length-prefixed chunks, and reads the one
// answer. The daemon may answer and close while we still write (its size
// limit); then the answer counts, not the broken pipe.
func (c *Client) talk(ctx context.Context, command string, body io.Reader) (string, error) {
	conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, c.network, c.address)
	if err != nil {
		return "", fmt.Errorf("clamd: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(talkTime)); err != nil {
		return "", fmt.Errorf("clamd: %w", err)
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := io.WriteString(conn, "z"+command+"\x00"); err != nil {
		return "", fmt.Errorf("clamd: %w", err)
	}
	var sent error
	if body != nil {
		sent = send(conn, body)
	}
	answer, err := bufio.NewReader(io.LimitReader(conn, maxAnswer)).ReadString(0)
	if err != nil {
		return "", fmt.Errorf("clamd: %w", errors.Join(sent, err))
	}
	answer = strings.TrimSuffix(answer, "\x00")
	var gone *net.OpError
	if sent != nil && (!errors.As(sent, &gone) || answer == "stream: OK") {
		return "", fmt.Errorf("clamd: %w", sent) // not the whole file was seen
	}
	return answer, nil
}

func send(w io.Writer, body io.Reader) error {
	chunk := make([]byte, 4+chunkSize)
	for {
		n, err := io.ReadFull(body, chunk[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(chunk, uint32(n))
			if _, err := w.Write(chunk[:4+n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			_, err = w.Write([]byte{0, 0, 0, 0})
			return err
		}
		if err != nil {
			return err
		}
	}
}
