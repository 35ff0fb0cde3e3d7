package printhouse_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outside"
)

// TestPrintHouseBehindOpenSSHKeepsTheSamePromises runs the suite against the
// server that most print houses have: OpenSSH's sshd, with its own SFTP.
func TestPrintHouseBehindOpenSSHKeepsTheSamePromises(t *testing.T) {
	program := "/usr/sbin/sshd" // outside the path of most users
	if _, err := os.Stat(program); err != nil {
		found, ok := outside.Program(t, "sshd", "the print house over OpenSSH's own SFTP")
		if !ok {
			return
		}
		program = found
	}
	d := startSSHD(t, program)
	suite.Run(t, func(t *testing.T) suite.World { return d.world(t, nil).World })

	t.Run("of many workers with one letter one publishes it", func(t *testing.T) {
		w := d.world(t, nil)
		j := w.Job()
		form := suite.Form(t, w.house, j)
		codes := make(chan string, 4)
		for range cap(codes) {
			go func() {
				o := w.house.HandOver(t.Context(), j, form)
				codes <- string(o.Verdict) + " " + o.Code
			}()
		}
		got := map[string]int{}
		for range cap(codes) {
			got[<-codes]++
		}
		if got["taken published"] != 1 || got["taken duplicate"] != cap(codes)-1 {
			t.Errorf("got %v", got)
		}
		if names := w.jobs(t); len(names) != 1 {
			t.Errorf("the folder holds %v", names)
		}
	})
	t.Run("another machine's key is refused", func(t *testing.T) {
		w := d.world(t, func(c *printhouse.Config) { c.SFTP.HostKeys = []ssh.PublicKey{newKey(t).PublicKey()} })
		if o := w.send(t, w.Job()); o.Verdict != dispatch.NotTaken || o.Code != "host-key" {
			t.Errorf("got %s %q", o.Verdict, o.Code)
		}
	})
	t.Run("another user's key is refused", func(t *testing.T) {
		w := d.world(t, func(c *printhouse.Config) { c.SFTP.Key = newKey(t) })
		if o := w.send(t, w.Job()); o.Verdict != dispatch.NotTaken || o.Code != "auth.unauthorized" {
			t.Errorf("got %s %q", o.Verdict, o.Code)
		}
	})
	t.Run("a folder that is gone takes nothing", func(t *testing.T) {
		w := d.world(t, nil)
		j := w.Job()
		form := suite.Form(t, w.house, j)
		if err := os.RemoveAll(w.cfg.Out); err != nil {
			t.Fatal(err)
		}
		if o := w.house.HandOver(t.Context(), j, form); o.Verdict != dispatch.NotTaken || o.Code != "folder" {
			t.Errorf("got %s %q", o.Verdict, o.Code)
		}
	})
}

// sshd is a server of OpenSSH that runs as whoever runs the test.
type sshd struct {
	address string
	user    string
	key     ssh.Signer
	host    ssh.PublicKey
	log     *lockedBuffer
}

func (d *sshd) world(t *testing.T, change func(*printhouse.Config)) *world {
	t.Helper()
	root := t.TempDir()
	c := printhouse.Config{Out: filepath.Join(root, "jobs"), Events: filepath.Join(root, "events"), SFTP: &printhouse.SFTP{
		Address: d.address, User: d.user, HostKeys: []ssh.PublicKey{d.host}, Key: d.key, Timeout: time.Minute,
	}}
	if change != nil {
		change(&c)
	}
	return farWorld(t, root, c)
}

func startSSHD(t *testing.T, program string) *sshd {
	t.Helper()
	dir := t.TempDir()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" { // its service would make this
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	d := &sshd{user: me.Username, key: newKey(t), log: &lockedBuffer{}}
	if d.host, err = ssh.NewPublicKey(public); err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	d.address = freeAddress(t)
	host, port, _ := net.SplitHostPort(d.address)
	config := write("sshd_config", fmt.Appendf(nil, `ListenAddress %s
Port %s
HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
`, host, port, write("host_key", pem.EncodeToMemory(block)), write("authorized_keys", ssh.MarshalAuthorizedKey(d.key.PublicKey()))))
	cmd := exec.Command(program, "-D", "-e", "-f", config)
	cmd.Stdout, cmd.Stderr = d.log, d.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // an interrupt is ignored by what was started in the background
		<-ended
	})
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", d.address); err == nil {
			greeting := make([]byte, 4)
			_, err = io.ReadFull(c, greeting)
			c.Close()
			if err == nil && bytes.Equal(greeting, []byte("SSH-")) {
				return d
			}
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("sshd ended: %v: %s", err, d.log.String())
		default:
		}
	}
	t.Fatal(errors.New("sshd does not answer: " + d.log.String()))
	return nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
