package dispatcherapp

import (
	"fmt"
	"log/slog"

	"golang.org/x/crypto/ssh"

	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/cmd/internal/papercheck"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// printHouse opens the road to paper.
func printHouse(cfg config.PrintHouse, paper map[post.TenantID]config.Paper, log *slog.Logger) (*printhouse.House, error) {
	look, err := papercheck.New(paper)
	if err != nil {
		return nil, err
	}
	recipients, err := seal.ReadRecipientsFile(cfg.RecipientFile)
	if err != nil {
		return nil, fmt.Errorf("print house recipient: %w", err)
	}
	c := printhouse.Config{Out: cfg.Out, Events: cfg.Events, Recipients: recipients, Preflight: look, Log: log}
	if s := cfg.SFTP; s != (config.SFTP{}) {
		c.Out, c.Events = s.Jobs, s.Receipts
		c.SFTP = &printhouse.SFTP{Address: s.Address, User: s.User, Timeout: s.Timeout}
		if c.SFTP.HostKeys, err = printhouse.ReadHostKeys(s.HostKeysFile); err != nil {
			return nil, fmt.Errorf("print house: %w", err)
		}
		key, err := config.ReadSecret(s.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("print house key: %w", err)
		}
		if c.SFTP.Key, err = ssh.ParsePrivateKey([]byte(key)); err != nil {
			return nil, fmt.Errorf("print house key: %s is no private key without a passphrase", s.KeyFile)
		}
	}
	return printhouse.New(c)
}
