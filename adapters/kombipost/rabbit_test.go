package kombipost_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

// rabbit is a real RabbitMQ that lets in whoever shows a certificate of its
// authority, as Beskedfordeler does: TLS, SASL EXTERNAL, virtual host BF.
type rabbit struct {
	address string
	ca      authority
	queue   string
	output  *record
}

// server is where Debian keeps the program; what is on the path insists on a
// user of its own.
const server = "/usr/lib/rabbitmq/bin/rabbitmq-server"

// startRabbit starts a node of its own under a folder of the test. ok is false
// when RabbitMQ is not installed.
func startRabbit(t *testing.T, ca authority, cert tls.Certificate) (r *rabbit, ok bool) {
	t.Helper()
	if _, ok := outside.Program(t, server, "statuses over AMQP from a real RabbitMQ"); !ok {
		return nil, false
	}
	dir := t.TempDir()
	r = &rabbit{ca: ca, queue: post.NewID(), output: &record{}, address: freePort(t)}
	port := func() string { _, p, _ := net.SplitHostPort(freePort(t)); return p }
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	put("rabbitmq.conf", strings.Join([]string{
		"listeners.tcp = none", "listeners.ssl.1 = " + r.address,
		"ssl_options.cacertfile = " + put("ca.pem", block("CERTIFICATE", ca.cert.Raw)),
		"ssl_options.certfile = " + put("server.pem", block("CERTIFICATE", cert.Certificate[0])),
		"ssl_options.keyfile = " + put("server-key.pem", block("PRIVATE KEY", key)),
		"ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = true",
		"auth_mechanisms.1 = EXTERNAL", "ssl_cert_login_from = common_name",
		"load_definitions = " + put("definitions.json", fmt.Sprintf(`{"vhosts": [{"name": "BF"}],
			"users": [{"name": "test", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ""}],
			"permissions": [{"user": "test", "vhost": "BF", "configure": "", "write": ".*", "read": ".*"}],
			"queues": [{"name": %q, "vhost": "BF", "durable": true, "auto_delete": false, "arguments": {}}]}`, r.queue)),
		"log.console = true", "log.console.level = warning", "disk_free_limit.absolute = 1MB", "",
	}, "\n"))
	put("enabled_plugins", "[rabbitmq_auth_mechanism_ssl].\n")
	epmd := port()
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8", //nolint:forbidigo // a test's child needs a path
		"RABBITMQ_NODENAME=sikkerpost-" + epmd + "@localhost", "RABBITMQ_DIST_PORT=" + port(),
		"ERL_EPMD_PORT=" + epmd, "ERL_EPMD_ADDRESS=127.0.0.1", "RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(dir, "rabbitmq"), "RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(dir, "enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "mnesia"), "RABBITMQ_LOG_BASE=" + filepath.Join(dir, "log"), "RABBITMQ_LOGS=-",
		"RABBITMQ_GENERATED_CONFIG_DIR=" + filepath.Join(dir, "generated"), "RABBITMQ_PID_FILE=" + filepath.Join(dir, "pid"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	}
	names := exec.Command("epmd", "-port", epmd, "-address", "127.0.0.1") //nolint:noctx // ended below
	names.Env = env
	if err := names.Start(); err != nil { // else the node would leave one behind
		t.Fatal(err)
	}
	cmd := exec.Command(server) //nolint:noctx // ended below, after what it started
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = env, r.output, r.output, dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { _ = cmd.Wait(); close(gone) }()
	t.Cleanup(func() {
		// The node first, which has nothing to save; then the script around it,
		// which reaps it, and whatever is left of their group.
		if b, err := os.ReadFile(filepath.Join(dir, "pid")); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && pid > 1 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				select {
				case <-gone:
				case <-time.After(time.Minute):
				}
			}
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-gone
		_ = names.Process.Kill()
		_ = names.Wait()
	})
	r.await(t, cert, gone)
	return r, true
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await waits until the node lets somebody in.
func (r *rabbit) await(t *testing.T, cert tls.Certificate, gone <-chan struct{}) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); ; {
		c, err := r.connect(cert)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-gone:
			t.Fatalf("RabbitMQ ended: %s", r.output)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatalf("RabbitMQ does not answer: %v\n%s", err, r.output)
		}
	}
}

// external is SASL EXTERNAL without anything to say.
type external struct{}

func (external) Mechanism() string { return "EXTERNAL" }
func (external) Response() string  { return "" }

func (r *rabbit) connect(cert tls.Certificate) (*amqp.Connection, error) {
	return amqp.DialConfig("amqps://"+r.address, amqp.Config{Vhost: "BF", SASL: []amqp.Authentication{external{}},
		TLSClientConfig: &tls.Config{RootCAs: r.ca.pool, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}})
}

// other is somebody else at the queue: who puts statuses in, and looks how many
// are left.
type other struct {
	t     *testing.T
	ch    *amqp.Channel
	queue string
}

func (r *rabbit) other(t *testing.T, cert tls.Certificate) *other {
	t.Helper()
	c, err := r.connect(cert)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ch, err := c.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &other{t, ch, r.queue}
}

// put puts bodies into the queue and returns once they are safe there.
func (o *other) put(bodies ...[]byte) {
	o.t.Helper()
	for _, b := range bodies {
		c, err := o.ch.PublishWithDeferredConfirm("", o.queue, true, false, amqp.Publishing{Body: b, DeliveryMode: amqp.Persistent})
		if err != nil || !c.Wait() {
			o.t.Fatalf("not put: %v", err)
		}
	}
}

// left waits until n messages wait in the queue and nobody holds one.
func (o *other) left(n int) {
	o.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		q, err := o.ch.QueueDeclarePassive(o.queue, true, false, false, false, nil)
		if err != nil {
			o.t.Fatal(err)
		}
		if q.Messages == n {
			return
		}
		if time.Now().After(end) {
			o.t.Fatalf("%d messages wait, want %d", q.Messages, n)
		}
	}
}

// cable is a connection that can be cut in the middle.
type cable struct {
	listener net.Listener
	mu       sync.Mutex
	ends     []net.Conn
	made     int
}

func lay(t *testing.T, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: l}
	t.Cleanup(func() { l.Close(); c.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			c.mu.Lock()
			c.ends, c.made = append(c.ends, in, out), c.made+1
			c.mu.Unlock()
			go func() { _, _ = out.(*net.TCPConn).ReadFrom(in); out.Close() }()
			go func() { _, _ = in.(*net.TCPConn).ReadFrom(out); in.Close() }()
		}
	}()
	return c
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.ends {
		e.Close()
	}
	c.ends = nil
}
