package sign_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/sign"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/ratio"
)

// wholeBatch is how many letters one signature covers in the comparison.
const wholeBatch = 1000

// signBatch signs a batch from its manifests to every letter's signed form, as
// the dispatcher does.
func signBatch(b *testing.B, s *sign.Signer, letters []verify.Manifest) {
	var tree verify.Tree
	for _, m := range letters {
		tree.Append(leaf(b, m))
	}
	m := letters[0]
	root, err := s.SignRoot(verify.Root{Batch: post.BatchID("0190c3a0-0000-7000-8000-000000000001"), Tenant: m.Tenant, CVR: m.CVR,
		SignedAt: m.SignedAt, Size: tree.Size(), Hash: tree.Root()})
	if err != nil {
		b.Fatal(err)
	}
	for i, m := range letters {
		if _, err := tree.Form(m, int64(i), root); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRatio(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		b.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	s, p256 := signer(b, key), signer(b, curve)
	sum := sha256.Sum256([]byte("digest"))
	raw := func() {
		if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
			b.Fatal(err)
		}
	}
	m := manifest()
	letters := make([]verify.Manifest, wholeBatch)
	for i := range letters {
		letters[i] = manifest()
		letters[i].SignedAt = m.SignedAt
	}
	one := func(s *sign.Signer) func() {
		return func() {
			if _, err := s.Sign(m); err != nil {
				b.Fatal(err)
			}
		}
	}
	ratio.Row{Name: "letter_signed_and_checked,_policy_letter,_to_raw_RSA-3072", AtMost: 1.2, Each: 5}.Cost(b, one(s), raw)
	ratio.Row{Name: "letter_signed_and_checked,_P-256,_to_raw_RSA-3072", AtMost: 0.5, Each: 5}.Cost(b, one(p256), raw)
	batch := func() { signBatch(b, s, letters) }
	hundred := func() {
		for range wholeBatch / 10 {
			raw()
		}
	}
	ratio.Row{Name: "1,000_letters_under_one_signature_to_100_raw_RSA-3072", AtMost: 1, Rounds: 5}.Cost(b, batch, hundred)
	form, err := tree(b, letters).Form(letters[0], 0, signedRoot(b, s, letters))
	if err != nil {
		b.Fatal(err)
	}
	certs := []*x509.Certificate{s.Certificate()}
	ratio.Row{Name: "letter_verified,_policy_batch,_to_raw_RSA-3072", AtMost: 0.2, Each: 5}.Cost(b, func() {
		if _, err := verify.Signed(form, certs); err != nil {
			b.Fatal(err)
		}
	}, raw)
	large(b, s)
}

func tree(b *testing.B, letters []verify.Manifest) *verify.Tree {
	var t verify.Tree
	for _, m := range letters {
		t.Append(leaf(b, m))
	}
	return &t
}

func signedRoot(b *testing.B, s *sign.Signer, letters []verify.Manifest) []byte {
	t, m := tree(b, letters), letters[0]
	root, err := s.SignRoot(verify.Root{Batch: "b", Tenant: m.Tenant, CVR: m.CVR, SignedAt: m.SignedAt, Size: t.Size(), Hash: t.Root()})
	if err != nil {
		b.Fatal(err)
	}
	return root
}

// large compares a letter of 5 MB with xmlsec1 on the same bytes.
func large(b *testing.B, s *sign.Signer) {
	doc := make([]byte, 5<<20)
	rand.Read(doc)
	m := manifest()
	m.Documents[0].Size, m.Documents[0].SHA256 = int64(len(doc)), sha256.Sum256(doc)
	ours := func() {
		if err := m.Documents[0].Bytes(bytes.NewReader(doc)); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Sign(m); err != nil {
			b.Fatal(err)
		}
	}
	ours()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ours()
	runtime.ReadMemStats(&after)
	ratio.Row{Name: "bytes_allocated_for_a_byte_of_a_5_MB_letter", AtMost: 0.05}.
		Amount(b, "bytes", float64(after.TotalAlloc-before.TotalAlloc)/float64(len(doc)))
	tool, ok := outside.Program(b, "xmlsec1", "the comparison of large letters with xmlsec1")
	if !ok {
		return
	}
	dir := b.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		b.Fatal(err)
	}
	write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	write("letter.xml", []byte(`<Letter><Document>`+base64.StdEncoding.EncodeToString(doc)+`</Document>`+template+`</Letter>`))
	theirs := func() {
		cmd := exec.Command(tool, "--sign", "--privkey-pem", "key.pem", "--output", "signed.xml", "letter.xml")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	ratio.Row{Name: "5_MB_letter_signed,_speed_to_xmlsec1", AtLeast: 3, Rounds: 7}.Speed(b, ours, theirs)
}

const template = `<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>` +
	`<CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>` +
	`<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><Reference URI=""><Transforms>` +
	`<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>` +
	`</Transforms><DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><DigestValue/></Reference></SignedInfo><SignatureValue/></Signature>`
