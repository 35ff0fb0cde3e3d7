package main

import (
	"fmt"
	"io"
)

// welcome says where everything is.
func (h *house) welcome(w io.Writer) {
	fmt.Fprintf(w, `Sikkerpost is running on this machine only. Ctrl-C stops it.

  citizens          %s
  simulators        %s   (log-in people, their Digital Post, the print house)
  desk API          %s/openapi.json   (client certificate needed)
  public log        %s/ledger/checkpoint
  metrics, health   %s/metrics

  state directory   %s
  browsers and curl trust it with   %s

Try the DPO's own tool:
  export SIKKERPOST_URL=%s SIKKERPOST_CA=%s SIKKERPOST_CERT=%s SIKKERPOST_KEY=%s
  go run ./cmd/inboxctl list

More for whoever drives it from outside: -state FILE writes every address, certificate and key.
`, h.portalURL, h.simulatorURL, h.deskURL, h.portalURL, h.adminURL, h.opts.dir, h.certs.WebCA,
		h.deskURL, h.certs.WebCA, h.certs.Tool.Cert, h.certs.Tool.Key)
}
