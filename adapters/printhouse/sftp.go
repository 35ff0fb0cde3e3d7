package printhouse

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
)

// SFTP leads to a print house's own machine.
type SFTP struct {
	Address string // host:port
	User    string
	// HostKeys are the machine's public keys, known beforehand. Another key ends
	// the connection before anything is said.
	HostKeys []ssh.PublicKey
	// Key proves who we are.
	Key ssh.Signer
	// Timeout bounds one piece of work, such as one hand-over; 2 minutes when 0.
	Timeout time.Duration
	// Idle is how many connections are kept open between two pieces of work; 2
	// when 0.
	Idle int
}

// Codes of a road that is closed.
const (
	codeHostKey = "host-key"          // another machine answered, or its key was changed: alarm
	codeAuth    = "auth.unauthorized" // our key is refused: alarm
)

var errHostKey = errors.New("the machine's key is not one of those pinned")

// line is the road over SFTP. Each piece of work has a connection to itself, so
// that what ends one ends no other.
type line struct {
	SFTP
	log  *slog.Logger
	idle chan *session
}

func newLine(c SFTP, log *slog.Logger) (*line, error) {
	var gaps []error
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		gaps = append(gaps, errors.New("printhouse: SFTP.Address is required, as host:port"))
	}
	if c.User == "" {
		gaps = append(gaps, errors.New("printhouse: SFTP.User is required"))
	}
	if len(c.HostKeys) == 0 {
		gaps = append(gaps, errors.New("printhouse: SFTP.HostKeys is required: a key that is not known beforehand proves nothing"))
	}
	if c.Key == nil {
		gaps = append(gaps, errors.New("printhouse: SFTP.Key is required"))
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Minute
	}
	if c.Idle == 0 {
		c.Idle = 2
	}
	return &line{SFTP: c, log: log, idle: make(chan *session, c.Idle)}, errors.Join(gaps...)
}

func (*line) near() bool { return false }

// enter gives a connection that has just answered, an idle one or a new one.
func (l *line) enter(ctx context.Context) (place, func(), error) {
	for {
		s, kept := l.take()
		if !kept {
			break
		}
		end := s.begin(ctx, l.Timeout)
		if _, err := s.client.RealPath("."); err == nil {
			return remote{s}, func() { end(); l.give(s) }, nil
		}
		end()
		s.close() // it died while nobody used it; nothing was asked of it
	}
	s, end, err := l.dial(ctx)
	if err != nil {
		l.log.WarnContext(ctx, "print house not reached", slog.Any("error", err))
		return nil, nil, err
	}
	return remote{s}, func() { end(); l.give(s) }, nil
}

func (l *line) take() (*session, bool) {
	select {
	case s := <-l.idle:
		return s, true
	default:
		return nil, false
	}
}

func (l *line) give(s *session) {
	if s.broken.Load() {
		s.close()
		return
	}
	select {
	case l.idle <- s:
	default:
		s.close()
	}
}

func (l *line) close() {
	for {
		s, kept := l.take()
		if !kept {
			return
		}
		s.close()
	}
}

// session is one connection.
type session struct {
	conn   net.Conn
	ssh    *ssh.Client
	client *sftp.Client
	broken atomic.Bool
	until  time.Time // the end of the present piece of work
}

// begin bounds a piece of work: when ctx or the time is over, every request
// fails at once.
func (s *session) begin(ctx context.Context, most time.Duration) (end func()) {
	s.until = time.Now().Add(most)
	_ = s.conn.SetDeadline(s.until) // a dead connection fails at its first use
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if !stop() {
			s.broken.Store(true)
		}
		_ = s.conn.SetDeadline(time.Time{})
	}
}

func (s *session) close() {
	_ = s.conn.Close() // first, so that nothing below waits for an answer
	if s.client != nil {
		_ = s.client.Close()
	}
	if s.ssh != nil {
		_ = s.ssh.Close()
	}
}

func (l *line) dial(ctx context.Context) (*session, func(), error) {
	d := net.Dialer{Timeout: min(l.Timeout, 20*time.Second)}
	conn, err := d.DialContext(ctx, "tcp", l.Address)
	if err != nil {
		return nil, nil, &noRoad{dispatch.Unanswered(err), err}
	}
	s := &session{conn: conn}
	end := s.begin(ctx, l.Timeout)
	fail := func(code string, err error) (*session, func(), error) {
		end()
		s.close()
		return nil, nil, &noRoad{code, err}
	}
	c, channels, requests, err := ssh.NewClientConn(conn, l.Address, &ssh.ClientConfig{
		User: l.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(l.Key)},
		HostKeyCallback: l.pinned, HostKeyAlgorithms: algorithms(l.HostKeys),
	})
	switch {
	case errors.Is(err, errHostKey), err != nil && strings.Contains(err.Error(), "no common algorithm for host key"):
		return fail(codeHostKey, err)
	case err != nil && strings.Contains(err.Error(), "unable to authenticate"):
		return fail(codeAuth, err)
	case err != nil:
		return fail(dispatch.Unanswered(err), err)
	}
	s.ssh = ssh.NewClient(c, channels, requests)
	if s.client, err = sftp.NewClient(s.ssh, sftp.UseConcurrentWrites(true)); err != nil {
		return fail(dispatch.Unanswered(err), err)
	}
	return s, end, nil
}

// pinned accepts the keys known beforehand, whatever name or address the
// machine has today.
func (l *line) pinned(_ string, _ net.Addr, key ssh.PublicKey) error {
	if slices.ContainsFunc(l.HostKeys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) }) {
		return nil
	}
	return fmt.Errorf("%w: it shows %s", errHostKey, ssh.FingerprintSHA256(key))
}

// algorithms makes the machine prove itself by a key that is pinned, when it
// has several. SHA-1 signatures are not among them.
func algorithms(keys []ssh.PublicKey) []string {
	var all []string
	for _, k := range keys {
		if k.Type() == ssh.KeyAlgoRSA {
			all = append(all, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			continue
		}
		all = append(all, k.Type())
	}
	return all
}

// ReadHostKeys reads public keys of an SSH machine, one on each line, as its
// ssh_host_*_key.pub files have them. Lines of known_hosts are read too; their
// host names are passed over.
func ReadHostKeys(name string) ([]ssh.PublicKey, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read host keys: %w", err)
	}
	var all []ssh.PublicKey
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		if text[0] == '@' { // @revoked, @cert-authority: the opposite of a pin, or more than one
			return nil, fmt.Errorf("read host keys: line %d has a marker; only plain keys are pinned", n)
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			return nil, fmt.Errorf("read host keys: line %d is no public key", n)
		}
		all = append(all, key)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read host keys: %w", err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read host keys: %s names none", name)
	}
	return all, nil
}
