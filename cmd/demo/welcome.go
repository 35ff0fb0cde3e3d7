package main

import (
	"fmt"
	"io"
)

// welcome says where everything is.
func (h *house) welcome(w io.Writer) {
	fmt.Fprintf(w, `Sikkerpost is running on this machine only. Ctrl-C stops it.

  citizens          %s   (log in as one of the people, and write to the DPO)
  simulators        %s   (their Digital Post, the print house, what goes wrong)
  desk API          %s/openapi.json   (client certificate needed)
  public log        %s/ledger/checkpoint
  metrics, health   %s/metrics

  state directory   %s
  certificates by   %s   (a browser that does not know it warns: go on, or import it)

As the DPO, in another shell here:
  export SIKKERPOST_URL=%s SIKKERPOST_CA=%s
  export SIKKERPOST_CERT=%s SIKKERPOST_KEY=%s
  go run ./cmd/inboxctl list
  go run ./cmd/inboxctl open REFERENCE -identity %s -out case-1

As the operator:
  export SIKKERPOST_CERT=%s SIKKERPOST_KEY=%s
  go run ./cmd/postctl letter list

More for whoever drives it from outside: -state FILE writes every address, certificate and key.
`, h.portalURL, h.simulatorURL, h.deskURL, h.portalURL, h.adminURL, h.opts.dir, h.certs.WebCA,
		h.deskURL, h.certs.WebCA, h.certs.Tool.Cert, h.certs.Tool.Key, h.certs.DPO.Identity, h.certs.Operator.Cert, h.certs.Operator.Key)
}
