package chaosapp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// process is a program that can be killed and started again.
type process struct {
	name, dir, log string
	args           []string
	address        string // where it listens

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

// patience bounds how long a program may take to listen.
const patience = 30 * time.Second

// errEarly says that a program ended before it listened.
var errEarly = errors.New("ended before it listened")

// start starts it and waits until it listens. As whoever supervises programs
// does, it starts it again when it gives up: a database that has just come back
// takes nobody for a moment.
func (p *process) start(ctx context.Context) error {
	for end := time.Now().Add(patience); ; {
		err := p.once(ctx)
		if !errors.Is(err, errEarly) || time.Now().After(end) {
			return err
		}
		if err := pause(ctx, 300*time.Millisecond); err != nil {
			return err
		}
	}
}

func (p *process) once(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close() // the process has its own
	// No context: only signal ends it, so that nothing but the plan does.
	cmd := exec.Command(p.args[0], p.args[1:]...) //nolint:noctx // see above
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	p.cmd, p.done = cmd, done
	var early bool
	err = until(ctx, patience, p.name+" to listen", func() bool {
		select {
		case <-done:
			early = true
			return true
		default:
			return listens(ctx, p.address)
		}
	})
	if err == nil && early {
		err = fmt.Errorf("%s %w; see %s", p.name, errEarly, p.log)
	}
	return err
}

func listens(ctx context.Context, address string) bool {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// signal sends s to this very process and waits until it is gone.
func (p *process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	err := p.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill() // it was told, and did not listen
		<-p.done
	}
	p.cmd = nil
	return nil
}

// stall stops it where it stands, until [process.goOn]; it knows nothing of that.
func (p *process) stall() { p.tell(syscall.SIGSTOP) }

func (p *process) goOn() { p.tell(syscall.SIGCONT) }

// tell sends s to this very process, when it runs.
func (p *process) tell(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(s) // it may have been killed meanwhile
	}
}

// ports are free ones of loopback.
type ports struct{ desk, admin0, admin1, admin2, redis, pages, digital, login, kombi, push1, push2, postgres int }

// choosePorts finds them all at once, so that they differ.
func choosePorts(ctx context.Context) (p ports, err error) {
	for _, to := range []*int{&p.desk, &p.admin0, &p.admin1, &p.admin2, &p.redis, &p.pages, &p.digital, &p.login, &p.kombi, &p.push1, &p.push2, &p.postgres} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return p, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		*to = l.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// process names a program of the house.
func (r *run) process(name, address string, args ...string) *process {
	return &process{name: name, dir: r.dir, log: filepath.Join(r.dir, name+".log"), address: address, args: args}
}

// stopAll ends what runs, the callers of a service before the service.
func (r *run) stopAll() {
	if r.store != nil {
		r.store.Close()
	}
	if r.intruder != nil {
		r.intruder.Close()
	}
	for _, p := range []*process{r.desk, r.dispatchers[0], r.dispatchers[1], r.simulator, r.redis} {
		if p != nil {
			_ = p.signal(syscall.SIGKILL)
		}
	}
	if r.postgres != nil {
		_ = r.postgres.signal(syscall.SIGQUIT)
		os.RemoveAll(r.postgres.home)
	}
}

// postgres is a server of our own with its default durability.
type postgres struct {
	*process
	home string
}

// newPostgres makes an empty cluster. PostgreSQL refuses to run as root, so
// root lends it to the user postgres.
func (r *run) newPostgres(ctx context.Context) (*postgres, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil, err
	}
	bin := ""
	if len(found) > 0 {
		bin = found[len(found)-1]
	} else if at, err := exec.LookPath("initdb"); err == nil {
		bin = filepath.Dir(at)
	} else {
		return nil, errors.New("PostgreSQL's server programs are not installed; -sqlite does without")
	}
	home, err := os.MkdirTemp("", "sikkerpost-chaos-pg-")
	if err != nil {
		return nil, err
	}
	var as []string
	if os.Getuid() == 0 {
		as = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}
		if out, err := exec.CommandContext(ctx, "chown", "postgres", home).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("give the cluster to postgres: %w: %s", err, out)
		}
	}
	data := filepath.Join(home, "data")
	args := append(append([]string{}, as...), filepath.Join(bin, "initdb"), "-D", data, "-U", "sikkerpost", "--auth=trust", "--locale=C", "--encoding=UTF8")
	init := exec.CommandContext(ctx, args[0], args[1:]...)
	init.Dir = home
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make a cluster: %w: %s", err, out)
	}
	args = append(append([]string{}, as...), filepath.Join(bin, "postgres"), "-D", data, "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories="+home, "-c", fmt.Sprintf("port=%d", r.ports.postgres), "-c", "max_connections=100")
	p := r.process("postgres", loopback(r.ports.postgres), args...)
	p.dir = home
	return &postgres{process: p, home: home}, nil
}
