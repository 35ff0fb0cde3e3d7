package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// state is what a program that drives this run from outside needs to know. The
// keys are stable; each value is an address, or the absolute path of a file.
type state struct {
	PortalURL        string `json:"portal_url"`
	DeskURL          string `json:"desk_url"`
	SimulatorURL     string `json:"simulator_url"`
	LedgerURL        string `json:"ledger_url"`
	CAFile           string `json:"ca_file"`
	ToolCertFile     string `json:"tool_cert_file"`
	ToolKeyFile      string `json:"tool_key_file"`
	ToolIdentityFile string `json:"tool_identity_file"`
	CaseCertFile     string `json:"case_cert_file"`
	CaseKeyFile      string `json:"case_key_file"`
	ApproverCertFile string `json:"approver_cert_file"`
	ApproverKeyFile  string `json:"approver_key_file"`
	OperatorCertFile string `json:"operator_cert_file"`
	OperatorKeyFile  string `json:"operator_key_file"`
	IDPMetadataURL   string `json:"idp_metadata_url"`
	IDPCertFile      string `json:"idp_cert_file"`
	IDPKeyFile       string `json:"idp_key_file"`
	LetterCertFile   string `json:"letter_cert_file"` // verifies the evidence of letters
	LogPublicKey     string `json:"log_public_key"`
	AdminURL         string `json:"admin_url"`
	RedisAddr        string `json:"redis_addr"`
	DatabaseURL      string `json:"database_url"`
	BlobDir          string `json:"blob_dir"`
	PIDs             []int  `json:"pids"`
}

func (h *house) stateNow() (state, error) {
	key, err := os.ReadFile(h.certs.Checkpoint.Verifier)
	if err != nil {
		return state{}, fmt.Errorf("read the log's public key: %w", err)
	}
	return state{
		PortalURL:        h.portalURL,
		DeskURL:          h.deskURL,
		SimulatorURL:     h.simulatorURL,
		LedgerURL:        h.portalURL + "/ledger/",
		CAFile:           h.certs.WebCA,
		ToolCertFile:     h.certs.Tool.Cert,
		ToolKeyFile:      h.certs.Tool.Key,
		ToolIdentityFile: h.certs.DPO.Identity,
		CaseCertFile:     h.certs.Case.Cert,
		CaseKeyFile:      h.certs.Case.Key,
		ApproverCertFile: h.certs.Approver.Cert,
		ApproverKeyFile:  h.certs.Approver.Key,
		OperatorCertFile: h.certs.Operator.Cert,
		OperatorKeyFile:  h.certs.Operator.Key,
		IDPMetadataURL:   h.idpMetadataURL,
		IDPCertFile:      h.certs.IDPSigning.Cert,
		IDPKeyFile:       h.certs.IDPSigning.Key,
		LetterCertFile:   h.certs.LetterRSA.Cert,
		LogPublicKey:     strings.TrimSpace(string(key)),
		AdminURL:         h.adminURL,
		RedisAddr:        h.redisAddr,
		DatabaseURL:      h.database,
		BlobDir:          h.blobs,
		PIDs:             []int{os.Getpid()},
	}, nil
}

// writeState writes the state file whole: a reader finds all of it or none.
func (h *house) writeState(path string) error {
	s, err := h.stateNow()
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	part := path + ".part"
	if err := os.WriteFile(part, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}
