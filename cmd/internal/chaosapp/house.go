package chaosapp

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"sikkerpost.dk/gateway/adapters/asynqueue/asynqueuetest"
	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/cmd/internal/configfile"
	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// Timings of the house. Lease and sweep are those of production: recovery is
// measured with them. Waiting out an unclear outcome is shortened, so that the same is
// sent again before its receipt has come.
const (
	quietTime = 500 * time.Millisecond
	backoff   = 200 * time.Millisecond
)

// programs are built once and run many times.
var programs = []string{"desk", "dispatcher", "postctl", "simulator"}

// start builds and starts everything.
func (r *run) start(ctx context.Context) (err error) {
	if r.ports, err = choosePorts(ctx); err != nil {
		return err
	}
	args := []string{"build", "-o", r.path("bin") + "/"}
	for _, p := range programs {
		args = append(args, "./cmd/"+p)
	}
	build := exec.CommandContext(ctx, "go", args...)
	build.Dir = r.o.Source
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build programs: %w\n%s", err, out)
	}
	if r.certs, err = devcerts.Make(r.path("simulator", "certs"), devcerts.Options{}); err != nil {
		return err
	}
	if err := r.certifyOperator(); err != nil {
		return err
	}
	if err := r.startServers(ctx); err != nil {
		return err
	}
	if err := r.writeConfigs(); err != nil {
		return err
	}
	r.desk = r.process("desk", loopback(r.ports.desk), r.path("bin", "desk"), "-config", r.path("desk.json"))
	for i, admin := range []int{r.ports.admin1, r.ports.admin2} {
		name := fmt.Sprintf("dispatcher-%d", i+1)
		r.dispatchers[i] = r.process(name, loopback(admin), r.path("bin", "dispatcher"), "-config", r.path(name+".json"))
	}
	for _, p := range []*process{r.desk, r.dispatchers[0], r.dispatchers[1]} {
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return r.connect(ctx)
}

func (r *run) path(parts ...string) string {
	return filepath.Join(append([]string{r.dir}, parts...)...)
}

// startServers starts what the house stands on: simulators, Redis, PostgreSQL.
func (r *run) startServers(ctx context.Context) (err error) {
	r.simulator = r.process("simulator", loopback(r.ports.digital), r.path("bin", "simulator"), "serve", "-dir", r.path("simulator"), "-files",
		"-pages-port", fmt.Sprint(r.ports.pages), "-digitalpost-port", fmt.Sprint(r.ports.digital),
		"-nemlogin-port", fmt.Sprint(r.ports.login), "-kombipost-port", fmt.Sprint(r.ports.kombi), "-delay", "200ms",
		"-status-callback", "https://"+loopback(r.ports.push1))
	server, err := exec.LookPath("redis-server")
	if err != nil {
		return fmt.Errorf("redis-server is not installed: %w", err)
	}
	if err := os.MkdirAll(r.path("redis"), 0o700); err != nil {
		return err
	}
	r.redis = r.process("redis", loopback(r.ports.redis), server, "--port", fmt.Sprint(r.ports.redis), "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no", "--dir", r.path("redis"))
	for _, p := range []*process{r.simulator, r.redis} {
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	if r.o.SQLite {
		r.database = "sqlite://" + r.path("sikkerpost.db")
		return nil
	}
	if r.postgres, err = r.newPostgres(ctx); err != nil {
		return err
	}
	r.database = fmt.Sprintf("postgres://sikkerpost@%s/postgres?sslmode=disable", loopback(r.ports.postgres))
	return r.postgres.start(ctx)
}

// writeConfigs writes the files that an operator would write.
func (r *run) writeConfigs() error {
	first, kombi := persona.Tenants()[0], byKombiPost()
	common := config.Common{
		Database: r.database, Blobs: r.path("blobs"), Redis: loopback(r.ports.redis), Tenants: persona.Tenants(),
		Inboxes:      []config.Inbox{{ID: first.Inbox, Name: "DPO", RecipientsFile: r.certs.DPO.Recipients}},
		IndexKeyFile: r.certs.IndexKey, TaskKeyFile: r.certs.TaskKey, DispatcherRecipientFile: r.certs.Dispatcher.Recipients,
	}
	common.Admin = loopback(r.ports.admin0)
	desk := config.Desk{Common: common, Listen: loopback(r.ports.desk),
		TLS: config.TLS{CertFile: r.certs.Web.Cert, KeyFile: r.certs.Web.Key, CAFile: r.path("clients.pem")}}
	for _, c := range []struct {
		cert   string
		client config.Client
	}{
		{r.certs.Case.Cert, config.Client{ID: "case-system", Role: config.RoleCase, Tenant: first.ID}},
		{r.certs.Approver.Cert, config.Client{ID: "approver", Role: config.RoleApprover, Tenant: first.ID}},
		{r.certs.Tool.Cert, config.Client{ID: "kombi-case-system", Role: config.RoleCase, Tenant: kombi.ID}},
		{r.hers.Cert, config.Client{ID: "operator", Role: config.RoleOperator}},
		{r.certs.Operator.Cert, config.Client{ID: "kombi-approver", Role: config.RoleApprover, Tenant: kombi.ID}},
	} {
		print, err := devcerts.Fingerprint(c.cert)
		if err != nil {
			return err
		}
		c.client.Fingerprint = print
		desk.Clients = append(desk.Clients, c.client)
	}
	if err := configfile.Write(r.path("desk.json"), desk); err != nil {
		return err
	}
	peer, err := devcerts.Fingerprint(r.certs.CarrierClient.Cert)
	if err != nil {
		return err
	}
	for i, admin := range []int{r.ports.admin1, r.ports.admin2} {
		common.Admin = loopback(admin)
		d := config.Dispatcher{Common: common, IdentityFile: r.certs.Dispatcher.Identity,
			LetterCertFile: r.certs.LetterP256.Cert, LetterKeyFile: r.certs.LetterP256.Key,
			CheckpointKeyFile: r.certs.Checkpoint.Signer, LedgerDir: r.path("ledger"),
			DigitalPost: config.DigitalPost{
				BaseURL: "https://" + loopback(r.ports.digital) + "/apis/v1/",
				TLS:     config.TLS{CertFile: r.certs.CarrierClient.Cert, KeyFile: r.certs.CarrierClient.Key, CAFile: r.certs.CarrierCA},
				Systems: map[post.TenantID]config.System{},
			},
			PrintHouse: config.PrintHouse{Out: r.path("simulator", "jobs"), Events: r.path("simulator", "events"), RecipientFile: r.certs.PrintHouse.Recipients},
			KombiPost: config.KombiPost{
				TokenURL: "https://" + loopback(r.ports.kombi), ServiceURL: "https://" + loopback(r.ports.kombi), CAFile: r.certs.CarrierCA,
				Systems: map[post.TenantID]config.KombiSystem{kombi.ID: {CertFile: r.certs.CarrierClient.Cert, KeyFile: r.certs.CarrierClient.Key}},
				Push: config.Push{Listen: loopback([]int{r.ports.push1, r.ports.push2}[i]), Peers: []string{peer},
					TLS: config.TLS{CertFile: r.certs.Web.Cert, KeyFile: r.certs.Web.Key, CAFile: r.certs.CarrierCA}},
			},
			Roads: map[post.TenantID]config.Road{kombi.ID: {Digital: post.KombiPost, Physical: post.KombiPost}},
			Quiet: quietTime, Backoff: backoff, LookupBudget: time.Hour,
		}
		for _, t := range persona.Tenants() {
			d.DigitalPost.Systems[t.ID] = config.System{ID: "system-" + string(t.ID), TokenFile: r.path("simulator", "tokens", string(t.ID))}
		}
		if err := configfile.Write(r.path(fmt.Sprintf("dispatcher-%d.json", i+1)), d); err != nil {
			return err
		}
	}
	return nil
}

// certifyOperator makes the certificate of one client more, by an authority of
// its own that desk trusts too.
func (r *run) certifyOperator() error {
	more, err := devcerts.Make(r.path("operator"), devcerts.Options{})
	if err != nil {
		return err
	}
	r.hers = more.Operator
	var both []byte
	for _, ca := range []string{r.certs.ClientCA, more.ClientCA} {
		b, err := os.ReadFile(ca)
		if err != nil {
			return err
		}
		both = append(both, b...)
	}
	return os.WriteFile(r.path("clients.pem"), both, 0o600)
}

// connect opens the hands of the run: on the database, on Redis, on desk and on
// the carrier's dial.
func (r *run) connect(ctx context.Context) (err error) {
	if r.store, err = sqlstore.OpenReader(ctx, r.database); err != nil {
		return err
	}
	r.intruder = asynqueuetest.New(loopback(r.ports.redis))
	as := func(p devcerts.Pair) (*client.Client, error) {
		return client.New(client.Config{URL: "https://" + loopback(r.ports.desk), CertFile: p.Cert, KeyFile: p.Key, CAFile: r.certs.WebCA})
	}
	if r.caller, err = as(r.certs.Case); err != nil {
		return err
	}
	if r.approver, err = as(r.certs.Approver); err != nil {
		return err
	}
	if r.operator, err = as(r.hers); err != nil {
		return err
	}
	if r.kombiCaller, err = as(r.certs.Tool); err != nil {
		return err
	}
	if r.kombiApprover, err = as(r.certs.Operator); err != nil {
		return err
	}
	if err := r.setFaults(ctx, `{"drop_percent":30,"duplicate_receipts":true,"reorder_receipts":true}`); err != nil {
		return err
	}
	return r.bendKombi(ctx, `"kombi":{"percent":30,"drop":true},`)
}
