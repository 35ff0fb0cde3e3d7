package config

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// check reports what is wrong with a decoded configuration.
func (r *report) check(c any) {
	switch c := c.(type) {
	case *Portal:
		r.common(&c.Common)
		r.noIdentities(c.Inboxes)
		r.portal(c)
	case *Desk:
		r.common(&c.Common)
		r.desk(c)
	case *Dispatcher:
		r.common(&c.Common)
		r.noIdentities(c.Inboxes)
		r.dispatcher(c)
	}
}

// idForm is the form of tenant, inbox and client ids: they stand in URLs,
// metrics and logs.
var idForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

func (r *report) common(c *Common) {
	r.database(c.Database)
	if r.required("blobs", c.Blobs) && !filepath.IsAbs(c.Blobs) {
		r.at("blobs", "want an absolute path")
	}
	if _, err := queue.ParseAddress(c.Redis); err != nil {
		r.at("redis", "want host:port, sentinel://host:port,…/name or cluster://host:port,…")
	}
	r.address("admin", c.Admin)
	inboxes := r.inboxes(c.Inboxes)
	r.tenants(c.Tenants, inboxes)
	r.loops(c.Tenants)
	r.paper(c.Paper, c.Tenants)
	index := r.hexKey("index_key_file", c.IndexKeyFile)
	task := r.hexKey("task_key_file", c.TaskKeyFile)
	if index != nil && bytes.Equal(index, task) {
		r.at("task_key_file", "holds the same key as index_key_file; keys are never shared")
	}
	r.file("dispatcher_recipient_file", c.DispatcherRecipientFile)
}

func (r *report) inboxes(all []Inbox) map[post.InboxID]bool {
	known := map[post.InboxID]bool{}
	if len(all) == 0 {
		r.at("inboxes", "at least one is required")
	}
	for i, in := range all {
		at := fmt.Sprintf("inboxes[%d]", i)
		if r.id(at+".id", string(in.ID)) && known[in.ID] {
			r.at(at+".id", "%q is given twice", in.ID)
		}
		known[in.ID] = true
		r.required(at+".name", in.Name)
		r.file(at+".recipients_file", in.RecipientsFile)
		if in.IdentityFile != "" {
			r.secret(at+".identity_file", in.IdentityFile)
		}
	}
	return known
}

func (r *report) tenants(all []post.Tenant, inboxes map[post.InboxID]bool) {
	ids, cvrs := map[post.TenantID]bool{}, map[post.CVR]bool{}
	if len(all) == 0 {
		r.at("tenants", "at least one is required")
	}
	for i, t := range all {
		at := fmt.Sprintf("tenants[%d]", i)
		if r.id(at+".id", string(t.ID)) && ids[t.ID] {
			r.at(at+".id", "%q is given twice", t.ID)
		}
		ids[t.ID] = true
		r.required(at+".name", t.Name)
		if _, err := post.ParseCVR(string(t.CVR)); err != nil {
			r.at(at+".cvr", "want eight digits")
		} else if cvrs[t.CVR] {
			r.at(at+".cvr", "another tenant has the same number")
		}
		cvrs[t.CVR] = true
		if !inboxes[t.Inbox] {
			r.at(at+".inbox", "%q is not one of inboxes", t.Inbox)
		}
		r.uuid(at+".contact_point", t.ContactPoint)
		r.uuid(at+".dpo_contact_point", t.DPOContactPoint)
		r.required(at+".phone", t.Phone)
		if t.Signing != "" && !t.Signing.Known() {
			r.at(at+".signing_policy", `want "letter" or "batch"`)
		}
		r.letterTimes(at, t)
	}
}

// noIdentities keeps the keys to the inquiries out of the programs that must
// not be able to open them.
func (r *report) noIdentities(all []Inbox) {
	for i, in := range all {
		if in.IdentityFile != "" {
			r.at(fmt.Sprintf("inboxes[%d].identity_file", i), "only desk may hold the key of an inbox; remove it here")
		}
	}
}

func (r *report) portal(c *Portal) {
	r.address("listen", c.Listen)
	r.https("public_url", c.PublicURL)
	r.pair("tls", c.TLS)
	if c.TLS.CAFile != "" {
		r.at("tls.ca_file", "citizens have no client certificates; remove it")
	}
	if u, err := url.Parse(c.SAML.EntityID); err != nil || u.Scheme == "" {
		r.at("saml.entity_id", "want the URI registered with NemLog-in")
	}
	r.keyPair("saml.signing", c.SAML.SigningCert, c.SAML.SigningKey)
	r.keyPair("saml.encryption", c.SAML.EncryptionCert, c.SAML.EncryptionKey)
	if c.SAML.SigningKey != "" && c.SAML.SigningKey == c.SAML.EncryptionKey {
		r.at("saml.encryption_key_file", "is the signing key; keys are never shared")
	}
	r.file("saml.idp_metadata_file", c.SAML.IDPMetadata)
	r.rollOver(c.SAML)
	r.secret("receipt_key_file", c.ReceiptKeyFile)
	r.file("receipt_cert_file", c.ReceiptCertFile)
	r.file("ledger_key_file", c.LedgerKeyFile)
	r.required("ledger_dir", c.LedgerDir)
	if u, err := url.Parse(c.Clamd); c.Clamd != "" && (err != nil ||
		(u.Scheme != "unix" || !filepath.IsAbs(u.Path)) && (u.Scheme != "tcp" || u.Port() == "")) {
		r.at("clamd", "want unix:///path or tcp://host:port")
	}
	// OIOSAML and the common requirements leave the time open; above an hour a
	// borrowed machine is a borrowed identity.
	if c.Idle > time.Hour || c.Idle != 0 && c.Idle < time.Minute {
		r.at("idle", "want between 1m and 1h")
	}
	if c.Absolute > 12*time.Hour || c.Absolute != 0 && c.Absolute < max(c.Idle, 10*time.Minute) {
		r.at("absolute", "want between 10m and 12h, and no less than idle")
	}
	r.pages(c.Pages)
	r.doors(c.Limits)
}

func (r *report) desk(c *Desk) {
	r.address("listen", c.Listen)
	r.roads(c.Roads, c.Tenants)
	r.pair("tls", c.TLS)
	if r.required("tls.ca_file", c.TLS.CAFile) {
		if _, err := ReadPool(c.TLS.CAFile); err != nil {
			r.at("tls.ca_file", "%v", err)
		}
	}
	inboxes, tenants := map[post.InboxID]bool{}, map[post.TenantID]bool{}
	for _, in := range c.Inboxes {
		inboxes[in.ID] = true
	}
	for _, t := range c.Tenants {
		tenants[t.ID] = true
	}
	ids, prints := map[post.ClientID]bool{}, map[string]bool{}
	for i, cl := range c.Clients {
		at := fmt.Sprintf("clients[%d]", i)
		if r.id(at+".id", string(cl.ID)) && ids[cl.ID] {
			r.at(at+".id", "%q is given twice", cl.ID)
		}
		ids[cl.ID] = true
		if !fingerprintForm.MatchString(cl.Fingerprint) {
			r.at(at+".fingerprint", "want the SHA-256 of the certificate as 64 lower-case hex digits")
		} else if prints[cl.Fingerprint] {
			r.at(at+".fingerprint", "another client has the same certificate")
		}
		prints[cl.Fingerprint] = true
		r.role(at, cl, inboxes, tenants)
	}
}

var fingerprintForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (r *report) role(at string, c Client, inboxes map[post.InboxID]bool, tenants map[post.TenantID]bool) {
	switch c.Role {
	case RoleTool:
		if !inboxes[c.Inbox] {
			r.at(at+".inbox", "a tool needs one of inboxes")
		}
		if c.Tenant != "" {
			r.at(at+".tenant", "a tool belongs to an inbox, not to a tenant")
		}
	case RoleCase, RoleApprover:
		if !tenants[c.Tenant] {
			r.at(at+".tenant", "a client with role %s needs one of tenants", c.Role)
		}
		if c.Inbox != "" {
			r.at(at+".inbox", "only a tool belongs to an inbox")
		}
	case RoleOperator:
		if c.Inbox != "" || c.Tenant != "" {
			r.at(at, "an operator belongs to no inbox and no tenant")
		}
	default:
		r.at(at+".role", "want %s, %s, %s or %s", RoleTool, RoleCase, RoleApprover, RoleOperator)
	}
}

// withCure is what err says, and what to do about it where its code alone tells.
func withCure(err error) string {
	if errors.Is(err, post.FaultIssuerCert) {
		return err.Error() + " " + post.FaultIssuerCert.Cure
	}
	return err.Error()
}

// letterKey wants the letters' certificate and its key, in a file or on a token.
func (r *report) letterKey(c *Dispatcher) {
	if c.OtherLetterCertFile != "" {
		if _, err := LoadLetterCertificates(c.OtherLetterCertFile); err != nil {
			r.at("other_letter_cert_file", "%s", withCure(err))
		}
	}
	t := c.LetterToken
	if t == (Token{}) {
		r.keyPair("letter", c.LetterCertFile, c.LetterKeyFile)
		return
	}
	if c.LetterKeyFile != "" {
		r.at("letter_key_file", "the key is on a token (letter_token); give one of the two")
	}
	r.file("letter_cert_file", c.LetterCertFile)
	r.file("letter_token.module_file", t.ModuleFile)
	r.required("letter_token.token", t.Token)
	r.required("letter_token.label", t.Label)
	r.secret("letter_token.pin_file", t.PINFile)
}

func (r *report) dispatcher(c *Dispatcher) {
	r.secret("identity_file", c.IdentityFile)
	r.letterKey(c)
	r.secret("checkpoint_key_file", c.CheckpointKeyFile)
	if c.EarlierCheckpointKeysFile != "" {
		r.file("earlier_checkpoint_keys_file", c.EarlierCheckpointKeysFile)
	}
	r.required("ledger_dir", c.LedgerDir)
	r.roads(c.Roads, c.Tenants)
	r.kombiSystems(c)
	r.kombiPost(c)
	if c.asksDigitalPost() {
		r.https("digital_post.base_url", c.DigitalPost.BaseURL)
		r.pair("digital_post.tls", c.DigitalPost.TLS)
	}
	for _, t := range c.Tenants {
		if _, ok := c.DigitalPost.Systems[t.ID]; !ok && c.Road(t.ID).Digital == post.DigitalPost {
			r.at("digital_post.systems", "tenant %q has no sender system", t.ID)
		}
	}
	for id, s := range c.DigitalPost.Systems {
		at := "digital_post.systems." + string(id)
		r.required(at+".id", s.ID)
		r.secret(at+".token_file", s.TokenFile)
	}
	r.mail(c)
	if c.Uses(post.PrintHouse) || c.PrintHouse != (PrintHouse{}) {
		r.printHouse(c.PrintHouse)
	}
	r.addresses(c.Addresses)
	if c.Lease != 0 && c.Lease < time.Second {
		r.at("lease", "want at least 1s")
	}
	if c.Sweep != 0 && c.Sweep < 100*time.Millisecond {
		r.at("sweep", "want at least 100ms")
	}
}

func (r *report) required(path, value string) bool {
	if value == "" {
		r.at(path, "is required")
	}
	return value != ""
}

func (r *report) id(path, value string) bool {
	ok := idForm.MatchString(value)
	if !ok {
		r.at(path, "want up to 32 lower-case letters, digits and dashes")
	}
	return ok
}

func (r *report) uuid(path, value string) {
	if !post.ValidUUID(value) {
		r.at(path, "want a UUID, as Digital Post registered it")
	}
}

func (r *report) address(path, value string) {
	if _, port, err := net.SplitHostPort(value); err != nil || port == "" {
		r.at(path, `want an address such as "127.0.0.1:8443"`)
	}
}

func (r *report) https(path, value string) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		r.at(path, "want an https:// address without user, query and fragment")
	}
}

// database refuses a password in the address: secrets are given as files.
func (r *report) database(value string) {
	u, err := url.Parse(value)
	switch {
	case err != nil:
		r.at("database", "not an address") // the cause would quote it
	case u.Scheme == "sqlite":
		if !filepath.IsAbs(u.Path) {
			r.at("database", "want sqlite:///absolute/path")
		}
	case u.Scheme == "postgres" || u.Scheme == "postgresql":
		if _, has := u.User.Password(); has || u.Query().Has("password") {
			r.at("database", "holds a password; put it into a file and write ?passfile=/path")
		}
	default:
		r.at("database", "want sqlite:///path or postgres://…")
	}
}

// file wants a regular file that can be read and is not empty.
func (r *report) file(path, name string) {
	if !r.required(path, name) {
		return
	}
	f, err := os.Open(name)
	if err != nil {
		r.at(path, "%v", err)
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		r.at(path, "%s is empty or not a regular file", name)
	}
}

// secret wants a file that only the program may read.
func (r *report) secret(path, name string) {
	if !r.required(path, name) {
		return
	}
	if _, err := ReadSecret(name); err != nil {
		r.at(path, "%v", err)
	}
}

func (r *report) hexKey(path, name string) []byte {
	if !r.required(path, name) {
		return nil
	}
	key, err := ReadHexKey(name)
	if err != nil {
		r.at(path, "%v", err)
	}
	return key
}

func (r *report) pair(path string, t TLS) {
	cert, key := r.required(path+".cert_file", t.CertFile), r.required(path+".key_file", t.KeyFile)
	if !cert || !key {
		return
	}
	if _, err := LoadPair(t.CertFile, t.KeyFile); err != nil {
		r.at(path+".key_file", "%v", err)
	}
}

func (r *report) keyPair(prefix, certFile, keyFile string) {
	cert, key := r.required(prefix+"_cert_file", certFile), r.required(prefix+"_key_file", keyFile)
	if !cert || !key {
		return
	}
	if _, err := LoadPair(certFile, keyFile); err != nil {
		r.at(prefix+"_key_file", "%v", err)
	}
}
