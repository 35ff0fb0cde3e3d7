package deskapi

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/inbound/inbox"
	"sikkerpost.dk/gateway/internal/post"
)

// registry returns the clients by fingerprint. It refuses a client whose role,
// inbox, municipality or fingerprint is not usable, or that is there twice.
func registry(clients []config.Client, tenants map[post.TenantID]bool) (map[string]config.Client, error) {
	var faults []error
	known, ids := map[string]config.Client{}, map[post.ClientID]bool{}
	for _, c := range clients {
		bad := func(what string) { faults = append(faults, fmt.Errorf("deskapi: client %q: %s", c.ID, what)) }
		print := strings.ToLower(strings.ReplaceAll(c.Fingerprint, ":", ""))
		if b, err := hex.DecodeString(print); err != nil || len(b) != sha256.Size {
			bad("fingerprint is not a hex SHA-256")
		}
		if _, twice := known[print]; twice || c.ID == "" || ids[c.ID] {
			bad("id or fingerprint is missing or there twice")
		}
		switch c.Role {
		case config.RoleTool:
			if c.Inbox == "" {
				bad("a tool needs an inbox")
			}
		case config.RoleCase, config.RoleApprover:
			if !tenants[c.Tenant] {
				bad("needs the municipality that it acts for")
			}
		case config.RoleOperator:
		default:
			bad("unknown role")
		}
		known[print], ids[c.ID] = c, true
	}
	return known, errors.Join(faults...)
}

// identify returns the client whose certificate the connection showed. That it
// holds the key was proven in the handshake.
func (s *Server) identify(r *http.Request) (config.Client, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return config.Client{}, post.FaultClientCertificate
	}
	leaf := r.TLS.PeerCertificates[0]
	between := x509.NewCertPool()
	for _, c := range r.TLS.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: s.c.Issuers, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return config.Client{}, post.FaultClientCertificate.Because(err)
	}
	sum := sha256.Sum256(leaf.Raw)
	c, ok := s.clients[hex.EncodeToString(sum[:])]
	if !ok {
		return config.Client{}, post.FaultClientUnknown
	}
	return c, nil
}

// Matrix says which roles may do which operation, by operation id. An
// operation that is not here is nobody's.
func Matrix() map[string][]config.Role {
	tool := []config.Role{config.RoleTool}
	submit := []config.Role{config.RoleCase}
	read := []config.Role{config.RoleCase, config.RoleApprover, config.RoleOperator}
	return map[string][]config.Role{
		"list-inquiries":      tool,
		"show-inquiry":        tool,
		"lease-inquiry":       tool,
		"extend-lease":        tool,
		"open-content":        tool,
		"acknowledge-inquiry": tool,
		"reply-to-inquiry":    tool,
		"submit-letter":       submit,
		"show-letter":         read,
		"list-letter-events":  read,
		"explain-letter":      read,
		"decide-letter":       {config.RoleCase, config.RoleApprover},
		"list-letters":        read,
		"hold-letter":         {config.RoleApprover},
		"unhold-letter":       {config.RoleApprover},
		"pause-channel":       {config.RoleApprover, config.RoleOperator},
		"resume-channel":      {config.RoleApprover, config.RoleOperator},
		"list-pauses":         read,
		"show-times":          read,
		"enter-returned-mail": {config.RoleCase, config.RoleApprover, config.RoleOperator},
		"list-parked-mail":    {config.RoleOperator},
		"retry-mail":          {config.RoleOperator},
		"file-mail":           {config.RoleOperator},
		"close-mail":          {config.RoleOperator},

		"list-parked-receipts": {config.RoleOperator},
		"show-receipt":         {config.RoleOperator},
		"retry-receipt":        {config.RoleOperator},
		"retry-receipts":       {config.RoleOperator},
		"close-receipt":        {config.RoleOperator},
		"ask-trace":            {config.RoleOperator},
		"show-trace":           {config.RoleOperator},

		"fetch-evidence":     {config.RoleCase, config.RoleOperator},
		"open-batch":         submit,
		"put-document":       submit,
		"put-documents":      submit,
		"put-lines":          submit,
		"close-batch":        submit,
		"approve-batch":      {config.RoleApprover},
		"continue-batch":     {config.RoleApprover},
		"pause-batch":        read,
		"resume-batch":       read,
		"stop-batch":         read,
		"show-batch":         read,
		"list-batch-letters": read,
		"ask-look-up":        {config.RoleCase, config.RoleApprover},
		"show-look-up":       {config.RoleCase, config.RoleApprover},
	}
}

// allowed lets an operation pass when the client's role may do it.
func (s *Server) allowed(ctx huma.Context, next func(huma.Context)) {
	c := callOf(ctx.Context())
	if may := Matrix()[ctx.Operation().OperationID]; !slices.Contains(may, c.client.Role) {
		refuse(ctx, c.problem(ctx.Context(), wrongRole(c.client.Role, may...)))
		return
	}
	next(ctx)
}

// wrongRole says which role the client has, and which ones may.
func wrongRole(has config.Role, may ...config.Role) error {
	var names []string
	for _, r := range may {
		names = append(names, string(r))
	}
	return post.FaultRole.At("its role is %s; this takes %s", has, strings.Join(names, " or "))
}

// caller is the client as the inbox knows it.
func (c *call) caller() inbox.Caller {
	return inbox.Caller{Client: c.client.ID, Inbox: c.client.Inbox}
}

// tenant returns the municipality that the client acts for. asked is what the
// request says, "" for the client's own.
func (c *call) tenant(asked string) (post.TenantID, error) {
	t := post.TenantID(asked)
	switch {
	case t == "" || t == c.client.Tenant:
		return c.client.Tenant, nil
	case !c.server.tenants[t]:
		return "", post.FaultTenant
	}
	return "", post.FaultTenantNotYours
}

// sees returns the municipality whose letters the client may read; "" is every
// one, for an operator.
func (c *call) sees() post.TenantID {
	if c.client.Role == config.RoleOperator {
		return ""
	}
	return c.client.Tenant
}
