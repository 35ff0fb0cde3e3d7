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

As the case system, a batch of one letter:
  export SIKKERPOST_CERT=%s SIKKERPOST_KEY=%s
  printf 'key,id,name,title,document\ncase-1,6503851236,Nancy Ann Berggren,Decision,decision-01.pdf\n' > %s/decisions.csv
  go run ./cmd/postctl batch check %s/decisions.csv -documents testdata/pdf
  go run ./cmd/postctl batch send  %s/decisions.csv -documents testdata/pdf -key first

As the approver, who lets it go:
  export SIKKERPOST_CERT=%s SIKKERPOST_KEY=%s
  go run ./cmd/postctl batch approve BATCH
  go run ./cmd/postctl batch watch BATCH

As the operator:
  export SIKKERPOST_CERT=%s SIKKERPOST_KEY=%s
  go run ./cmd/postctl letter list

More for whoever drives it from outside: -state FILE writes every address, certificate and key.
`, h.portalURL, h.simulatorURL, h.deskURL, h.portalURL, h.adminURL, h.opts.dir, h.certs.WebCA,
		h.deskURL, h.certs.WebCA, h.certs.Tool.Cert, h.certs.Tool.Key, h.certs.DPO.Identity,
		h.certs.Case.Cert, h.certs.Case.Key, h.opts.dir, h.opts.dir, h.opts.dir, h.certs.Approver.Cert, h.certs.Approver.Key, h.certs.Operator.Cert, h.certs.Operator.Key)
}
