//go:build linux

package letterbench

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/asynqueue/asynqueuetest"
	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/cmd/internal/configfile"
	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// programs are those whose processor time is told apart.
var programs = []string{"desk", "dispatcher", "postgres", "redis", "carriers", "caller"}

// house is everything that a letter passes, each in a process of its own.
type house struct {
	b        testing.TB
	dir      string
	certs    *devcerts.Set
	db       *sql.DB
	pid      map[string]int
	process  map[string]*os.Process
	redis    string // address
	bare     *asynqueuetest.Intruder
	caller   *client.Client
	approver *client.Client
}

// newHouse starts all of it on an empty database. The letters are signed with
// the key of pair, which is chosen among the development keys. sweep is that of
// the dispatchers, of which there are so many; 0 is that of production.
func newHouse(b testing.TB, pair func(*devcerts.Set) devcerts.Pair, sweep time.Duration, dispatchers int) *house {
	h := &house{b: b, dir: b.TempDir(), pid: map[string]int{"caller": os.Getpid()}, process: map[string]*os.Process{}}
	var err error
	h.certs, err = devcerts.Make(h.path("simulator", "certs"), devcerts.Options{})
	h.must(err)
	database := h.database()
	digital, desk, store := h.port(), h.port(), h.port()
	h.redis = store
	h.start("redis", store, nil, "redis-server", "--port", after(store), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir", h.dir)
	h.start("carriers", digital, nil, filepath.Join(shipped, "simulator"), "serve", "-dir", h.path("simulator"), "-delay", "1ms",
		"-pages-port", "0", "-nemlogin-port", "0", "-kombipost-port", "0", "-digitalpost-port", after(digital))
	h.bare = asynqueuetest.New(store)
	b.Cleanup(func() { h.bare.Close() })

	first := persona.Tenants()[0]
	common := config.Common{Database: database, Blobs: h.path("blobs"), Redis: store, Tenants: persona.Tenants(),
		Inboxes:      []config.Inbox{{ID: first.Inbox, Name: "DPO", RecipientsFile: h.certs.DPO.Recipients}},
		IndexKeyFile: h.certs.IndexKey, TaskKeyFile: h.certs.TaskKey, DispatcherRecipientFile: h.certs.Dispatcher.Recipients}
	common.Admin = h.port()
	dc := config.Desk{Common: common, Listen: desk, TLS: config.TLS{CertFile: h.certs.Web.Cert, KeyFile: h.certs.Web.Key, CAFile: h.certs.ClientCA},
		Clients: []config.Client{h.client("case-system", h.certs.Case, config.RoleCase, first.ID), h.client("approver", h.certs.Approver, config.RoleApprover, first.ID)}}
	h.must(configfile.Write(h.path("desk.json"), dc))
	h.child("desk", desk)
	signing := pair(h.certs)
	for i := range dispatchers {
		common.Admin = h.port()
		name := []string{"dispatcher", "dispatcher-2"}[i]
		h.must(configfile.Write(h.path(name+".json"), config.Dispatcher{Common: common, IdentityFile: h.certs.Dispatcher.Identity,
			LetterCertFile: signing.Cert, LetterKeyFile: signing.Key, CheckpointKeyFile: h.certs.Checkpoint.Signer, LedgerDir: h.path("ledger"),
			DigitalPost: h.digitalPost(digital),
			PrintHouse:  config.PrintHouse{Out: h.path("simulator", "jobs"), Events: h.path("simulator", "events"), RecipientFile: h.certs.PrintHouse.Recipients},
			Sweep:       sweep}))
		h.child(name, common.Admin)
	}
	h.caller, h.approver = h.as(desk, h.certs.Case), h.as(desk, h.certs.Approver)
	return h
}

func (h *house) must(err error) {
	h.b.Helper()
	if err != nil {
		h.b.Fatal(err)
	}
}

func (h *house) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

func after(address string) string { _, port, _ := net.SplitHostPort(address); return port }

func (h *house) port() string {
	l, err := (&net.ListenConfig{}).Listen(h.b.Context(), "tcp", "127.0.0.1:0")
	h.must(err)
	defer l.Close()
	return l.Addr().String()
}

// database makes a schema of its own and finds the server's process.
func (h *house) database() string {
	address := suite.Schema(h.b, os.Getenv("SIKKERPOST_POSTGRES"))
	var err error
	h.db, err = sql.Open("pgx", address)
	h.must(err)
	h.b.Cleanup(func() { h.db.Close() })
	var fsync string
	var backend int
	h.must(h.db.QueryRow("SHOW fsync").Scan(&fsync))
	h.must(h.db.QueryRow("SELECT pg_backend_pid()").Scan(&backend))
	if fsync != "on" {
		h.b.Fatal("PostgreSQL runs without fsync: nothing would be measured")
	}
	h.pid["postgres"] = parent(h.b, backend)
	return address
}

func (h *house) client(id post.ClientID, p devcerts.Pair, role config.Role, tenant post.TenantID) config.Client {
	print, err := devcerts.Fingerprint(p.Cert)
	h.must(err)
	return config.Client{ID: id, Fingerprint: print, Role: role, Tenant: tenant}
}

func (h *house) as(desk string, p devcerts.Pair) *client.Client {
	c, err := client.New(client.Config{URL: "https://" + desk, CertFile: p.Cert, KeyFile: p.Key, CAFile: h.certs.WebCA})
	h.must(err)
	h.b.Cleanup(c.Close)
	return c
}

func (h *house) digitalPost(address string) config.DigitalPost {
	d := config.DigitalPost{BaseURL: "https://" + address + "/apis/v1/", Systems: map[post.TenantID]config.System{},
		TLS: config.TLS{CertFile: h.certs.CarrierClient.Cert, KeyFile: h.certs.CarrierClient.Key, CAFile: h.certs.CarrierCA}}
	for _, t := range persona.Tenants() {
		d.Systems[t.ID] = config.System{ID: "system-" + string(t.ID), TokenFile: h.path("simulator", "tokens", string(t.ID))}
	}
	return d
}

// shipped is where the programs are that a house starts, once build has built them.
var shipped string

// build builds the programs that a house starts, for as long as b runs.
func build(b testing.TB) {
	shipped = b.TempDir()
	args := []string{"build", "-o", shipped + "/"}
	for _, name := range []string{"simulator", "desk", "dispatcher"} {
		args = append(args, "sikkerpost.dk/gateway/cmd/"+name)
	}
	if out, err := exec.CommandContext(b.Context(), "go", args...).CombinedOutput(); err != nil {
		b.Fatalf("build the programs: %v\n%s", err, out)
	}
}

// child starts desk or a dispatcher, as the first word of name says, with the
// configuration that is written under the name: the program itself; or, when profiles
// are asked for, the same assembly within this binary, which can write them.
func (h *house) child(name, address string) {
	if *profiles != "" {
		h.startChild(name, address)
		return
	}
	program, _, _ := strings.Cut(name, "-")
	h.start(name, address, nil, filepath.Join(shipped, program), "-config", h.path(name+".json"))
}

// startChild starts what this very binary holds, with its configuration written.
func (h *house) startChild(name, address string) {
	env := []string{childIs + "=" + name, childConfig + "=" + h.path(name+".json")}
	if *profiles != "" {
		env = append(env, childProfile+"="+filepath.Join(*profiles, name+".pprof"))
	}
	h.start(name, address, env, os.Args[0])
}

// start starts a process, waits until it listens and ends it with the benchmark.
func (h *house) start(name, address string, env []string, program string, args ...string) {
	h.b.Helper()
	log, err := os.Create(h.path(name + ".log"))
	h.must(err)
	defer log.Close() // the process has its own
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), log, log
	h.must(cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	h.b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(40 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	h.pid[name] = cmd.Process.Pid
	if h.process != nil {
		h.process[name] = cmd.Process
	}
	if address == "" {
		return
	}
	h.until(30*time.Second, name+" to listen", func() bool {
		select {
		case <-ended:
			text, _ := os.ReadFile(h.path(name + ".log"))
			h.b.Fatalf("%s ended: %s", name, text[max(0, len(text)-2000):])
		default:
		}
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(h.b.Context(), "tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// until asks every 50 ms at first, and after a fiftieth of the time that has passed
// later: a question that reads more the more letters there are must not become part of
// what they cost.
func (h *house) until(d time.Duration, what string, ok func() bool) {
	h.b.Helper()
	ctx, cancel := context.WithTimeout(h.b.Context(), d)
	defer cancel()
	for began := time.Now(); !ok(); {
		select {
		case <-ctx.Done():
			h.b.Fatalf("%s took longer than %s", what, d)
		case <-time.After(max(50*time.Millisecond, time.Since(began)/50)):
		}
	}
}

// spent returns the processor time of each program so far.
func (h *house) spent() map[string]time.Duration {
	all := map[string]time.Duration{}
	for _, name := range programs {
		all[name] = processor(h.b, h.pid[name], name == "postgres")
	}
	return all
}

// tick is the unit of /proc/PID/stat on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// processor returns the processor time of a process; family adds its children,
// those that have ended as well.
func processor(b testing.TB, pid int, family bool) time.Duration {
	f := stat(b, pid)
	if f == nil {
		return 0
	}
	n := f[11] + f[12] // utime, stime
	if family {
		n += f[13] + f[14]
		dirs, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			b.Fatal(err)
		}
		for _, d := range dirs {
			if id, err := strconv.Atoi(filepath.Base(d)); err == nil && id != pid {
				if c := stat(b, id); c != nil && c[1] == pid {
					n += c[11] + c[12]
				}
			}
		}
	}
	return time.Duration(n) * tick
}

// stat returns the fields of /proc/PID/stat after the name, from the state on,
// which counts as 0; nil when the process is gone.
func stat(b testing.TB, pid int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, rest, ok := strings.Cut(string(text), ") ")
	if !ok {
		b.Fatalf("cannot read /proc/%d/stat", pid)
	}
	var all []int
	for _, s := range strings.Fields(rest) {
		n, _ := strconv.Atoi(s) // the state is a letter
		all = append(all, n)
	}
	return all
}

func parent(b testing.TB, pid int) int {
	f := stat(b, pid)
	if f == nil {
		b.Fatal("PostgreSQL is not a process of this machine")
	}
	return f[1]
}

// resident returns the greatest resident size of a program so far, in MB.
func (h *house) resident(name string) float64 { return h.status(name, "VmHWM") }
