package sim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	crand "crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/sign"
	"sikkerpost.dk/gateway/internal/outbound/verify"
)

// A key signs letters, each with a stamp, and roots for real.
type key struct {
	stamp  []byte
	signer *sign.Signer
	check  *verify.Checker
}

// keys are those of all worlds: the one that letters are signed with, and the one
// that takes its place in some.
type keys struct {
	each []key
	all  []*x509.Certificate
	both *verify.Checker
}

var signing = sync.OnceValue(func() (ks keys) {
	for i := range 2 {
		private, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
		if err != nil {
			panic(err)
		}
		tpl := &x509.Certificate{SerialNumber: big.NewInt(int64(1 + i)), Subject: pkix.Name{CommonName: "letters"},
			NotBefore: start.AddDate(-1, 0, 0), NotAfter: start.AddDate(5, 0, 0), BasicConstraintsValid: true, IsCA: true}
		der, err := x509.CreateCertificate(crand.Reader, tpl, tpl, private.Public(), private)
		if err != nil {
			panic(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		s, err := sign.New(private, cert)
		if err != nil {
			panic(err)
		}
		ks.each = append(ks.each, key{[]byte("simulated signing key " + string(rune('1'+i))), s, verify.NewChecker([]*x509.Certificate{cert})})
		ks.all = append(ks.all, cert)
	}
	ks.both = verify.NewChecker(ks.all)
	return ks
})

// put stands in for the signature of a single letter: a keyed digest over the whole
// manifest.
func (k key) put(m verify.Manifest) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, k.stamp)
	h.Write(body)
	return h.Sum(body), nil
}

func (k key) stamped(body, sum []byte) bool {
	h := hmac.New(sha256.New, k.stamp)
	h.Write(body)
	return hmac.Equal(sum, h.Sum(nil))
}

// prove checks a stamp, or the proof of a letter of a batch, by either key.
func prove(manifest []byte) (verify.Manifest, error) {
	return proveBy(manifest, signing().each, signing().both)
}

func proveBy(manifest []byte, known []key, whole *verify.Checker) (m verify.Manifest, err error) {
	if bytes.HasPrefix(manifest, []byte("<")) { // one of a batch
		return whole.Signed(manifest)
	}
	if len(manifest) < 32 {
		return m, verify.ErrNotProven
	}
	body, sum := manifest[:len(manifest)-32], manifest[len(manifest)-32:]
	for _, k := range known {
		if k.stamped(body, sum) {
			return m, json.Unmarshal(body, &m)
		}
	}
	return m, verify.ErrNotProven
}

// prove is what n takes for proven: what either key signed, since a dispatcher knows
// both while they change.
func (n *node) prove(manifest []byte) (verify.Manifest, error) {
	if k := signing().each[n.key]; n.w.hazard.ownKey {
		return proveBy(manifest, []key{k}, k.check)
	}
	return prove(manifest)
}

// certs are the certificates that n knows.
func (n *node) certs() []*x509.Certificate {
	if n.w.hazard.ownKey {
		return []*x509.Certificate{signing().each[n.key].signer.Certificate()}
	}
	return signing().all
}

// changeKeys restarts one dispatcher after the other, each with the new key.
func (w *world) changeKeys() {
	if w.plan.renewed == 0 {
		return
	}
	at := w.plan.renewed
	for _, n := range w.nodes {
		w.after(at, func() {
			w.tried["a key was changed"]++
			w.say("%s gets the new key", n.name)
			if n.key = 1; n.up {
				w.crash(n)
				n.bury()
			}
		})
		at += w.between(0, time.Hour)
	}
}
