// Package attackapp is the command "simulator attack": it plays the catalog of
// adapters/nemlogin/samlattack against a running SAML service provider and prints
// one JSON line with what came of it.
//
// It knows the keys of the identity provider that the target trusts, either from
// a state file of the demo (-state), or because it made them itself (-login with
// -keys): then it writes the metadata that the target has to trust, and is run
// again. It talks to loopback addresses only, unless it is told otherwise, and
// ends by itself. It prints which case did not go as wanted, and nothing of any
// message.
//
// Exit codes: 0 every case went as wanted, 1 one did not or the target could not
// be tried, 2 used wrongly or the keys were only just made.
package attackapp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/nemlogin/samlattack"
)

const (
	exitDone   = 0
	exitFailed = 1
	exitMisuse = 2
)

type options struct {
	acs, metadata, state, login, keys string
	high, fresh, professional         string
	page, ca, only                    string
	list, beyond, lenient, verbose    bool
	within                            time.Duration
	provider                          samlattack.Provider
	begin                             map[samlattack.Start]string
	admin                             string
	role                              string
	entity                            string
}

// Run executes the command; args are those behind its name.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	f := flag.NewFlagSet("simulator attack", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.acs, "acs", "", "`address` of the assertion consumer")
	f.StringVar(&o.metadata, "metadata", "", "`address` or file of the service provider's metadata")
	f.StringVar(&o.state, "state", "", "`file` that the demo wrote with -state")
	f.StringVar(&o.login, "login", "", "`address` that begins a log-in, instead of -state")
	f.StringVar(&o.keys, "keys", "", "with -login: `directory` of our keys and metadata; made when missing")
	f.StringVar(&o.entity, "entity", "https://saml.attack.test", "with -login: our entity `id`")
	f.StringVar(&o.high, "login-high", "", "`address` that begins a log-in at level High")
	f.StringVar(&o.fresh, "login-fresh", "", "`address` that begins a log-in with ForceAuthn")
	f.StringVar(&o.professional, "login-professional", "", "`address` that begins a log-in of a professional")
	f.StringVar(&o.role, "role", "", "privilege `URI` that an employee needs (with -state: the demo's)")
	f.StringVar(&o.page, "page", "", "`address` of a page for logged-in persons only")
	f.StringVar(&o.ca, "ca", "", "`file` of the certificate authority of the target's TLS")
	f.StringVar(&o.only, "only", "", "play the cases whose identifier begins with `text`")
	f.BoolVar(&o.list, "list", false, "print the catalog and end")
	f.BoolVar(&o.lenient, "lenient", false, "a refusal may be a redirect or a page with status 200")
	f.BoolVar(&o.beyond, "beyond-loopback", false, "allow a target that is not on this machine")
	f.BoolVar(&o.verbose, "v", false, "name every case")
	f.DurationVar(&o.within, "within", 5*time.Minute, "`time` after which to give up")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitDone
		}
		return exitMisuse
	}
	if o.list {
		return list(stdout)
	}
	if err := o.check(f.NArg()); err != nil {
		fmt.Fprintln(stderr, "simulator attack:", err, "\nhint: simulator attack -h lists the flags")
		return exitMisuse
	}
	ctx, stop := context.WithTimeout(ctx, o.within)
	defer stop()
	code, err := o.attack(ctx, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "simulator attack:", err)
	}
	return code
}

func list(w io.Writer) int {
	all := samlattack.Catalog()
	for _, c := range all {
		fmt.Fprintf(w, "%-28s %-7s %s\n", c.ID, c.Want, c.Story)
	}
	fmt.Fprintf(w, "%d cases\n", len(all))
	return exitDone
}

func (o *options) check(rest int) error {
	switch {
	case rest > 0:
		return errors.New("nothing but flags may follow")
	case (o.state == "") == (o.login == ""):
		return errors.New("give either -state or -login")
	case o.login != "" && o.keys == "":
		return errors.New("-login needs -keys")
	case o.acs == "" || o.metadata == "":
		return errors.New("-acs and -metadata are required")
	}
	for _, a := range []string{o.acs, o.metadata, o.login, o.high, o.fresh, o.professional, o.page} {
		if err := o.local(a); err != nil {
			return err
		}
	}
	return nil
}

// local refuses an address beyond this machine.
func (o *options) local(address string) error {
	if o.beyond || !strings.Contains(address, "://") {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("%q is no address", address)
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s is not on this machine; -beyond-loopback allows it, if it is yours", u.Host)
}

func (o *options) attack(ctx context.Context, stdout, stderr io.Writer) (int, error) {
	made, err := o.prepare(ctx)
	if err != nil {
		return exitFailed, err
	}
	if made {
		fmt.Fprintf(stderr, "simulator attack: made keys; have the target trust %s, then run this again\n", metadataFile(o.keys))
		return exitMisuse, nil
	}
	client, err := o.client()
	if err != nil {
		return exitFailed, err
	}
	text, err := fetch(ctx, client, o.metadata)
	if err != nil {
		return exitFailed, err
	}
	target, err := samlattack.ReadTarget(text)
	if err != nil {
		return exitFailed, err
	}
	if target.ACS != o.acs {
		return exitFailed, fmt.Errorf("the metadata names %s as assertion consumer, not %s", target.ACS, o.acs)
	}
	target.Begin, target.Page, target.Role = o.begin, o.page, o.role
	s, err := samlattack.Run(ctx, o.config(client, target, stderr))
	if err != nil {
		return exitFailed, err
	}
	if len(s.LeftOut) > 0 {
		fmt.Fprintf(stderr, "left out, because the target has no key or address for it: %s\n", strings.Join(s.LeftOut, " "))
	}
	if err := json.NewEncoder(stdout).Encode(s); err != nil {
		return exitFailed, fmt.Errorf("write the outcome: %w", err)
	}
	if !s.OK() {
		return exitFailed, nil
	}
	return exitDone, nil
}

func (o *options) config(client *http.Client, target samlattack.Target, stderr io.Writer) samlattack.Config {
	c := samlattack.Config{
		Target: target, Provider: o.provider, Client: client, Lenient: o.lenient,
		Cases: slices.DeleteFunc(samlattack.Catalog(), func(c samlattack.Case) bool { return !strings.HasPrefix(c.ID, o.only) }),
		Mismatch: func(c samlattack.Case, why string) {
			fmt.Fprintf(stderr, "%s (%s; want %s): %s\n", c.ID, c.Story, c.Want, why)
		},
	}
	if o.verbose {
		c.Done = func(c samlattack.Case, r samlattack.Reply) { fmt.Fprintf(stderr, "%-28s %d\n", c.ID, r.Status) }
	}
	if o.admin != "" {
		c.Panics = func(ctx context.Context) (int, error) { return panics(ctx, o.admin) }
	}
	return c
}

func (o *options) client() (*http.Client, error) {
	t := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 4}
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, fmt.Errorf("read certificate authority: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read certificate authority: %s holds no certificate", o.ca)
		}
	}
	return &http.Client{Transport: t}, nil
}
