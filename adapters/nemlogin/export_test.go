package nemlogin

import (
	"crypto"
	"crypto/elliptic"
	_ "unsafe" // for go:linkname

	dto "github.com/prometheus/client_model/go"
)

// The reader of XML signatures is another package, and what takes its checks
// away must not be something that a program could reach. The test build alone
// looks inside.
//
//go:linkname signatureOff sikkerpost.dk/gateway/internal/xmldsig.off
var signatureOff func(reason string) bool

//go:linkname signatureMethods sikkerpost.dk/gateway/internal/xmldsig.methods
var signatureMethods map[string]struct {
	hash  crypto.Hash
	curve elliptic.Curve
}

//go:linkname signatureDigests sikkerpost.dk/gateway/internal/xmldsig.digests
var signatureDigests map[string]crypto.Hash

// SwitchOff takes the checks of these reasons away until the returned function
// is called. A check that is an allow-list gets what it leaves out.
func SwitchOff(reasons ...string) (restore func()) {
	set := map[string]bool{}
	var undo []func()
	for _, r := range reasons {
		set[r] = true
		switch r {
		case "sig-algorithm":
			m := signatureMethods["http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"]
			m.hash = crypto.SHA1
			const name = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
			signatureMethods[name] = m
			undo = append(undo, func() { delete(signatureMethods, name) })
		case "sig-digest-algorithm":
			const name = "http://www.w3.org/2000/09/xmldsig#sha1"
			signatureDigests[name] = crypto.SHA1
			undo = append(undo, func() { delete(signatureDigests, name) })
		case "decrypt-algorithm":
			const name = "http://www.w3.org/2009/xmlenc11#aes192-gcm"
			contents[name] = content{24, openGCM, true}
			undo = append(undo, func() { delete(contents, name) })
		}
	}
	off = func(reason string) bool { return set[reason] }
	signatureOff = off
	return func() {
		off, signatureOff = nil, nil
		for _, f := range undo {
			f()
		}
	}
}

// PanicsSoFar reads the counter that must stay 0.
func PanicsSoFar() int {
	var m dto.Metric
	if err := panics.Write(&m); err != nil {
		panic(err)
	}
	return int(m.GetCounter().GetValue())
}
