// Package config reads one strict JSON file per program. An unknown key is a
// fault; all faults are listed together; secrets are given only as names of
// files. It refuses a file that others may write.
package config

import (
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// Common is what every serving program needs.
type Common struct {
	Database string        `json:"database"` // sqlite:///path or postgres://…
	Blobs    string        `json:"blobs"`    // directory of sealed bytes
	Redis    string        `json:"redis"`    // host:port, sentinel://a:port,b:port/name or cluster://a:port,b:port
	Admin    string        `json:"admin"`    // listen address of metrics and readiness; loopback or pod network
	Tenants  []post.Tenant `json:"tenants"`
	Inboxes  []Inbox       `json:"inboxes"`
	// Paper says what documents must keep to be printed, for each tenant that wants
	// them checked, when they are taken in and before they are printed.
	Paper map[post.TenantID]Paper `json:"paper,omitempty"`
	// IndexKeyFile holds 32 bytes (hex) for the keyed look-up of CPR numbers.
	IndexKeyFile string `json:"index_key_file"`
	// TaskKeyFile holds 32 bytes (hex) that authenticate tasks.
	TaskKeyFile string `json:"task_key_file"`
	// DispatcherRecipientFile holds the dispatcher's public age recipient: the
	// identity of a person and mail to the municipality are sealed to it.
	DispatcherRecipientFile string `json:"dispatcher_recipient_file"`
}

// Inbox is one DPO office.
type Inbox struct {
	ID   post.InboxID `json:"id"`
	Name string       `json:"name"`
	// RecipientsFile lists public age recipients, one a line: DPO, deputy,
	// recovery.
	RecipientsFile string `json:"recipients_file"`
	// IdentityFile, only in desk and only with custody "gateway".
	IdentityFile string `json:"identity_file,omitempty"`
}

// TLS names a certificate, its key and whom to trust.
type TLS struct {
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
	CAFile   string `json:"ca_file,omitempty"` // for client certificates, or the other side
}

// SAML configures the service provider towards NemLog-in.
type SAML struct {
	EntityID       string `json:"entity_id"`
	SigningCert    string `json:"signing_cert_file"`
	SigningKey     string `json:"signing_key_file"`
	EncryptionCert string `json:"encryption_cert_file"`
	EncryptionKey  string `json:"encryption_key_file"`
	IDPMetadata    string `json:"idp_metadata_file"`
	// Keys in roll-over: the previous pair still opens, the next ones are
	// published so that NemLog-in can begin to use them.
	PreviousEncryptionCert string `json:"previous_encryption_cert_file,omitempty"`
	PreviousEncryptionKey  string `json:"previous_encryption_key_file,omitempty"`
	NextEncryptionCert     string `json:"next_encryption_cert_file,omitempty"`
	NextEncryptionKey      string `json:"next_encryption_key_file,omitempty"`
	NextSigningCert        string `json:"next_signing_cert_file,omitempty"`
	// PowerOfAttorney are the privilege URIs, defined in NemLog-in
	// Administration, by which a person may act for the grantor (fuldmagt).
	PowerOfAttorney []string `json:"power_of_attorney,omitempty"`
	// CompanyRoles are the privilege URIs of which an employee needs one; none:
	// every employee of a company may act for it.
	CompanyRoles []string `json:"company_roles,omitempty"`
	// AllowCBC also opens AES-CBC, for a provider other than NemLog-in that knows
	// no GCM and signs its whole Responses.
	AllowCBC bool `json:"allow_cbc,omitempty"`
	// ArchiveRecipients is a file of public age recipients. Each message from and
	// to NemLog-in is kept sealed to them for 180 days (the federation's log
	// duty); empty: none is kept.
	ArchiveRecipients string `json:"archive_recipients_file,omitempty"`
}

// PageRule asks more of the log-in for some pages.
type PageRule struct {
	Path  string        `json:"path"`            // and every path below it
	Level string        `json:"level,omitempty"` // Substantial or High
	Fresh time.Duration `json:"fresh,omitempty"` // how old the authentication may be
}

// Portal configures the citizens' program.
type Portal struct {
	Common
	Listen         string `json:"listen"`
	PublicURL      string `json:"public_url"`
	TLS            TLS    `json:"tls"`
	SAML           SAML   `json:"saml"`
	ReceiptKeyFile string `json:"receipt_key_file"` // Ed25519, note format
	// ReceiptCertFile is what the ledger's key signed about the receipt key;
	// published at /ledger/receipt-key.
	ReceiptCertFile string `json:"receipt_cert_file"`
	// LedgerKeyFile is the ledger's public key, in note form.
	LedgerKeyFile string        `json:"ledger_key_file"`
	LedgerDir     string        `json:"ledger_dir"`      // tiles and checkpoints, served at /ledger/
	Idle          time.Duration `json:"idle"`            // 30 minutes when 0
	Absolute      time.Duration `json:"absolute"`        // longest session; 8 hours when 0
	Pages         []PageRule    `json:"pages,omitempty"` // pages that need a safer or fresher log-in
	// AccessibilityURL and PrivacyURL are where the authority states how accessible
	// the site is, and how what is written to it is treated: https; each page leads
	// there. Empty: no link.
	AccessibilityURL string `json:"accessibility_url,omitempty"`
	PrivacyURL       string `json:"privacy_url,omitempty"`
	// Clamd is where the malware scanner listens: unix:///run/clamav/clamd.ctl
	// or tcp://host:port. Empty: attachments are taken and marked as not scanned.
	Clamd string `json:"clamd,omitempty"`
	// Limits bound how often anybody may ask.
	Limits Doors `json:"limits,omitempty"`
}

// Desk configures the program for staff, tools and case systems.
type Desk struct {
	Common
	Listen  string   `json:"listen"`
	TLS     TLS      `json:"tls"` // CAFile issues the clients' certificates
	Clients []Client `json:"clients"`
	// Roads are those of the dispatcher. Desk hands nothing over; it counts the
	// days of whoever will.
	Roads map[post.TenantID]Road `json:"roads,omitempty"`
}

// Client is a program or person known by its certificate.
type Client struct {
	ID          post.ClientID `json:"id"`
	Fingerprint string        `json:"fingerprint"` // hex SHA-256 of the certificate
	Role        Role          `json:"role"`
	Inbox       post.InboxID  `json:"inbox,omitempty"`  // of a tool
	Tenant      post.TenantID `json:"tenant,omitempty"` // of a case system or an approver
}

// Role is what a client may do.
type Role string

// Roles.
const (
	RoleTool     Role = "tool"     // DPO tool: list, lease, content, acknowledge, reply
	RoleCase     Role = "case"     // case system: submit letters and batches, read their state
	RoleApprover Role = "approver" // second person: approve batches
	RoleOperator Role = "operator" // read states and metadata of every tenant
)

// Dispatcher configures the program that signs and sends.
type Dispatcher struct {
	Common
	IdentityFile   string `json:"identity_file"` // age identity: opens letters, persons, municipality mail
	LetterCertFile string `json:"letter_cert_file"`
	LetterKeyFile  string `json:"letter_key_file,omitempty"`
	LetterToken    Token  `json:"letter_token,omitzero"` // instead of LetterKeyFile
	// OtherLetterCertFile holds certificates, besides LetterCertFile, that letters under
	// way may be signed with: former ones until the last of their letters has ended, the
	// next one while dispatchers change over. A letter whose signature none of them
	// proves is not handed over.
	OtherLetterCertFile string `json:"other_letter_cert_file,omitempty"`

	CheckpointKeyFile string `json:"checkpoint_key_file"` // note signer
	// EarlierCheckpointKeysFile holds public note keys, one on each line, that signed
	// checkpoints before CheckpointKeyFile: the database may keep one of theirs.
	EarlierCheckpointKeysFile string `json:"earlier_checkpoint_keys_file,omitempty"`

	LedgerDir   string      `json:"ledger_dir"`
	DigitalPost DigitalPost `json:"digital_post"`
	PrintHouse  PrintHouse  `json:"print_house"`
	Addresses   Addresses   `json:"addresses,omitzero"`
	KombiPost   KombiPost   `json:"kombi_post,omitzero"`
	// Roads says which carrier each tenant has chosen; those not named here go by
	// Digital Post and the print house.
	Roads map[post.TenantID]Road `json:"roads,omitempty"`
	Sweep time.Duration          `json:"sweep"` // 4 s when 0
	// Lease is how long a dead dispatcher blocks the letters that it had in
	// hand; 6 s when 0. A living one extends it.
	Lease time.Duration `json:"lease"`
	// Backoff is the first pause after a failure; it doubles. 5 s when 0.
	Backoff time.Duration `json:"backoff"`
	// LookupBudget is how long an unsure look-up may wait before a person is asked.
	LookupBudget time.Duration `json:"lookup_budget"`
	// Quiet is how long after an unclear hand-over the same is sent again; 2
	// minutes when 0.
	Quiet time.Duration `json:"quiet"`
}

// Token names a key on a PKCS#11 token. It needs a program that was built with
// the tag pkcs11.
type Token struct {
	ModuleFile string `json:"module_file"` // the PKCS#11 library
	Token      string `json:"token"`       // label of the token
	Label      string `json:"label"`       // of the key pair
	PINFile    string `json:"pin_file"`    // the user's PIN
}

// DigitalPost configures the NgDP client.
type DigitalPost struct {
	BaseURL string `json:"base_url"`
	TLS     TLS    `json:"tls"`
	// Systems gives the system id and the token file of each tenant.
	Systems map[post.TenantID]System `json:"systems"`
	// Rate bounds the hand-overs a second of one dispatcher; 0 does not.
	Rate int `json:"rate"`
	// ReceiptsSingly fetches receipts one by one, for systems that may not fetch
	// them in bulk.
	ReceiptsSingly bool `json:"receipts_singly,omitempty"`
	// OriginatorAsSender names the person as sender of an inquiry that is sent on,
	// and the municipality as representative, instead of the other way round.
	OriginatorAsSender bool `json:"originator_as_sender,omitempty"`
	// HTTP2 also speaks HTTP/2; only HTTP/1.1 is proven against Digital Post.
	HTTP2 bool `json:"http2,omitempty"`
	// MemoVersion is the version of MeMo that letters go out in, 1.1 or 1.2; 1.2
	// when empty.
	MemoVersion string `json:"memo_version,omitempty"`
	// BulkText names the numbers of a bulk look-up in one text, and BareVersions
	// the version of a subscription without quotes; docs/carriers.md tells why.
	BulkText     bool `json:"bulk_text,omitempty"`
	BareVersions bool `json:"bare_versions,omitempty"`
	// RecipientCodes are error codes by which Digital Post refuses a recipient, so that
	// the letter goes on paper, beside those that name the recipient themselves. With any
	// other code a person is asked.
	RecipientCodes []string `json:"recipient_codes,omitempty"`
	// Mail is what comes in.
	Mail Mail `json:"mail,omitzero"`
}

// System is one sender system registered with NgDP.
type System struct {
	ID        string `json:"id"`
	TokenFile string `json:"token_file"`
}
