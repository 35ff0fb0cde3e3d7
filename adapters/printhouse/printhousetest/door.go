package printhousetest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// DoorConfig is what a [Door] needs.
type DoorConfig struct {
	// Root is the folder behind the door: jobs and events lie in it.
	Root string
	// Client is the one key that is let in.
	Client ssh.PublicKey
	Log    *slog.Logger
}

// A Door lets the gateway in over SFTP, on a loopback address, as a print
// house's own machine would. Its host key is new with each one. It can be told
// to fail at a step; see [Door.Break]. It does not offer fsync@openssh.com.
type Door struct {
	cfg    DoorConfig
	root   *os.Root
	listen net.Listener
	key    ssh.PublicKey
	server *ssh.ServerConfig

	mu    sync.Mutex
	conns map[net.Conn]bool
	rules []*Fault
	calls map[string]int
	done  sync.WaitGroup
	shut  chan struct{}
}

// OpenDoor opens a door.
func OpenDoor(c DoorConfig) (*Door, error) {
	if c.Root == "" || c.Client == nil || c.Log == nil {
		return nil, errors.New("printhousetest: Root, Client and Log are required")
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	signer, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	d := &Door{cfg: c, conns: map[net.Conn]bool{}, calls: map[string]int{}, shut: make(chan struct{})}
	if d.key, err = ssh.NewPublicKey(public); err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	d.server = &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), c.Client.Marshal()) {
			return nil, errors.New("not the key that is let in")
		}
		return &ssh.Permissions{}, nil
	}}
	d.server.AddHostKey(signer)
	if d.root, err = os.OpenRoot(c.Root); err != nil {
		return nil, fmt.Errorf("open door: %w", err)
	}
	if d.listen, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(fmt.Errorf("open door: %w", err), d.root.Close())
	}
	d.done.Go(d.accept)
	return d, nil
}

// Address is where the door is.
func (d *Door) Address() string { return d.listen.Addr().String() }

// HostKey is what to pin.
func (d *Door) HostKey() ssh.PublicKey { return d.key }

// Close shuts the door and ends every connection.
func (d *Door) Close() error {
	close(d.shut)
	err := d.listen.Close()
	d.Cut()
	d.done.Wait()
	return errors.Join(err, d.root.Close())
}

// Cut ends every connection; the door stays open.
func (d *Door) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		_ = c.Close() // that is the point
	}
}

func (d *Door) accept() {
	for {
		conn, err := d.listen.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		d.conns[conn] = true
		d.mu.Unlock()
		d.done.Go(func() {
			if err := d.serve(conn); err != nil {
				d.cfg.Log.Debug("connection to the print house ended", slog.Any("error", err))
			}
			d.mu.Lock()
			delete(d.conns, conn)
			d.mu.Unlock()
			_ = conn.Close()
		})
	}
}

func (d *Door) serve(conn net.Conn) error {
	c, channels, requests, err := ssh.NewServerConn(conn, d.server)
	if err != nil {
		return fmt.Errorf("shake hands: %w", err)
	}
	go ssh.DiscardRequests(requests)
	var all sync.WaitGroup
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "files only")
			continue
		}
		channel, asked, err := offered.Accept()
		if err != nil {
			break
		}
		all.Go(func() { d.session(channel, asked) })
	}
	all.Wait()
	return c.Wait()
}

// session serves the one subsystem that is offered.
func (d *Door) session(channel ssh.Channel, asked <-chan *ssh.Request) {
	for r := range asked {
		ok := r.Type == "subsystem" && len(r.Payload) > 4 && string(r.Payload[4:]) == "sftp"
		_ = r.Reply(ok, nil) // whoever asked is gone, then
		if !ok {
			continue
		}
		go ssh.DiscardRequests(asked)
		h := handlers{d}
		s := sftp.NewRequestServer(channel, sftp.Handlers{FileGet: h, FilePut: h, FileCmd: h, FileList: h})
		_ = s.Serve() // ends with its connection
		_ = channel.Close()
		return
	}
}
