package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// engdal is the municipality of the story.
func engdal() post.Tenant { return persona.Tenants()[0] }

// logIn goes the whole way over real SAML messages: portal, signed request,
// NemLog-in, signed and encrypted assertion, portal.
func (t *teller) logIn(ctx context.Context) (string, error) {
	b := t.nancy
	if err := b.open(ctx, t.s.PortalURL+"/?lang=en"); err != nil {
		return "", err
	}
	login := b.page.link("/saml/login")
	if login == "" {
		return "", errors.New("the start page has no link to log in")
	}
	if err := b.open(ctx, login); err != nil {
		return "", err
	}
	if err := expect("where the portal sends her", b.page.url.Scheme+"://"+b.page.url.Host+"/metadata", t.s.IDPMetadataURL); err != nil {
		return "", err
	}
	if err := b.submit(ctx, "/sso/choose", map[string]string{"persona": "nancy"}); err != nil {
		return "", err
	}
	if err := b.submit(ctx, "/saml/acs", nil); err != nil {
		return "", err
	}
	if err := expect("where she is sent back to", "https://"+b.page.url.Host, t.s.PortalURL); err != nil {
		return "", err
	}
	nancy, _ := persona.By("nancy")
	if !strings.Contains(b.page.text(), nancy.Name) {
		return "", errors.New("the portal does not greet her by name")
	}
	return "Nancy logs in with MitID through NemLog-in: assertion decrypted, signature checked, level Substantial", nil
}

// compose goes through the pages of one inquiry, sends it, and is left at the
// receipt.
func (t *teller) compose(ctx context.Context, road string, topic map[string]string, message string, files ...upload) error {
	b := t.nancy
	if err := b.open(ctx, t.s.PortalURL+"/ny/modtager"); err != nil {
		return err
	}
	steps := []struct {
		form   string
		values map[string]string
		files  []upload
	}{
		{"/ny/modtager", map[string]string{"tenant": string(engdal().ID), "road": road}, nil},
		{"/ny/emne", topic, nil},
		{"/ny/besked", map[string]string{"text": message}, nil},
		{"/ny/filer", map[string]string{"next": "1"}, files},
		{"/ny/tjek", nil, nil},
	}
	for _, s := range steps {
		if err := b.submit(ctx, s.form, s.values, s.files...); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(b.page.url.Path, "/kvittering/") {
		return fmt.Errorf("no receipt came, but %q", b.page.heading())
	}
	return nil
}

const request = "Jeg vil gerne se alle oplysninger, som kommunen har om mig i sagen om hjemmehjælp."

func (t *teller) ask(ctx context.Context) (string, error) {
	content, err := pdf("request.pdf")
	if err != nil {
		return "", err
	}
	err = t.compose(ctx, "dpo", map[string]string{"kind": "access"}, request,
		upload{"file", "fuldmagt og adresse.pdf", "application/pdf", content})
	if err != nil {
		return "", err
	}
	ref, ok := post.ParseReference(strings.TrimPrefix(t.nancy.page.url.Path, "/kvittering/"))
	if !ok {
		return "", errors.New("the receipt has no reference")
	}
	t.reference = ref
	s, err := t.statement(ctx)
	if err != nil {
		return "", err
	}
	if len(s.Digest) != 64 || !strings.Contains(t.nancy.page.text(), s.Digest) {
		return "", errors.New("the receipt does not show the digest of its signed statement")
	}
	t.digest = s.Digest
	return fmt.Sprintf("asks the DPO of %s for access, a PDF attached: receipt %s, answer due %s",
		engdal().Name, ref, s.DueAt.In(copenhagen()).Format("2 January 2006")), nil
}

// statement reads the signed receipt and checks it as anybody can: the log's
// public key vouches for the receipt key, and that for the statement.
func (t *teller) statement(ctx context.Context) (ledger.Statement, error) {
	raw, err := t.rawStatement(ctx)
	if err != nil {
		return ledger.Statement{}, err
	}
	var s struct {
		Statement   string `json:"statement"`
		Certificate string `json:"certificate"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return ledger.Statement{}, fmt.Errorf("read signed receipt: %w", err)
	}
	published, err := get(ctx, t.client(), t.s.LedgerURL+"receipt-key")
	if err != nil {
		return ledger.Statement{}, err
	}
	if err := expect("the receipt's certificate", s.Certificate, string(published)); err != nil {
		return ledger.Statement{}, err
	}
	known, err := ledger.Known(t.s.LogPublicKey)
	if err != nil {
		return ledger.Statement{}, err
	}
	return ledger.VerifyReceipt([]byte(s.Statement), published, known)
}

func (t *teller) rawStatement(ctx context.Context) ([]byte, error) {
	return get(ctx, t.nancy.http, t.s.PortalURL+"/kvittering/"+t.reference+"/statement.json")
}

// checkReceipt is what anybody can do with the receipt, without logging in.
func (t *teller) checkReceipt(ctx context.Context) (string, error) {
	stranger, err := newBrowser(t.roots)
	if err != nil {
		return "", err
	}
	verdict := func(text []byte) (string, error) {
		if err := stranger.open(ctx, t.s.PortalURL+"/tjek-kvittering?lang=en"); err != nil {
			return "", err
		}
		err := stranger.submit(ctx, "/tjek-kvittering", map[string]string{"statement": string(text)})
		return stranger.page.text(), err
	}
	var raw []byte
	err = until(ctx, "the receipt's proof from the public log", func() (bool, error) {
		var err error
		if raw, err = t.rawStatement(ctx); err != nil {
			return false, err
		}
		text, err := verdict(raw)
		return strings.Contains(text, receiptInLog), err
	})
	if err != nil {
		return "", err
	}
	forged := bytes.Replace(raw, []byte(t.digest), []byte(strings.Repeat("0", 64)), 1)
	text, err := verdict(forged)
	if strings.Contains(text, receiptGenuine) || bytes.Equal(forged, raw) {
		return "", errors.New("a changed receipt passes as genuine")
	}
	if err != nil && stranger.page.status >= 500 {
		return "", err
	}
	return "the receipt's signature holds and the public log has it; with one digit changed it is refused", nil
}

func (t *teller) receiveAnswer(ctx context.Context) (string, error) {
	m, err := t.waitFor(ctx, "nancy")
	if err != nil {
		return "", err
	}
	want, err := pdf("answer.pdf")
	if err != nil {
		return "", err
	}
	if len(m.Documents) == 0 {
		return "", errors.New("the message in her mailbox has no document")
	}
	got, err := get(ctx, t.client(), fmt.Sprintf("%s/message/%s/file/0", t.s.SimulatorURL, m.UUID))
	if err != nil {
		return "", err
	}
	if sha256.Sum256(got) != sha256.Sum256(want) {
		return "", errors.New("the document in her mailbox is not the DPO's")
	}
	if err := t.settled(ctx, t.reply, post.LetterDelivered); err != nil {
		return "", err
	}
	sum := sha256.Sum256(got)
	return "finds the answer in her Digital Post, byte for byte the DPO's PDF (sha256 " + hex.EncodeToString(sum[:])[:16] + ")", nil
}

// waitFor waits for a message in a persona's mailbox.
func (t *teller) waitFor(ctx context.Context, key string) (digitalposttest.Message, error) {
	var m digitalposttest.Message
	err := t.simulators(ctx, "/api/v1/box/"+key+"/latest?wait=15s", &m)
	return m, err
}

const mail = "Vejlampen ved Kirsebærvej 4 har været slukket i to uger."

func (t *teller) writeToMunicipality(ctx context.Context) (string, error) {
	if err := t.compose(ctx, "digital-post", map[string]string{"subject": "Slukket vejlampe"}, mail); err != nil {
		return "", err
	}
	var box struct {
		Messages []digitalposttest.Message `json:"messages"`
	}
	err := until(ctx, "her message in the municipality's box", func() (bool, error) {
		err := t.simulators(ctx, "/api/v1/authority/"+string(engdal().CVR)+"/box?contact_point="+engdal().ContactPoint, &box)
		return len(box.Messages) > 0, err
	})
	if err != nil {
		return "", err
	}
	if err := expect("messages in the municipality's box", len(box.Messages), 1); err != nil {
		return "", err
	}
	m := box.Messages[0]
	nancy, _ := persona.By("nancy")
	if !strings.Contains(m.Originator, nancy.Name) {
		return "", errors.New("the municipality is not told who wrote")
	}
	text, err := get(ctx, t.client(), fmt.Sprintf("%s/message/%s/file/0", t.s.SimulatorURL, m.UUID))
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(text), mail) {
		return "", errors.New("what she wrote is not what the municipality reads")
	}
	return "writes to " + engdal().Name + " itself: the message lies at its contact point, with her as originator", nil
}

func copenhagen() *time.Location {
	l, err := time.LoadLocation("Europe/Copenhagen")
	if err != nil {
		return time.UTC
	}
	return l
}

// press posts to the simulators, as a click on one of their buttons does.
func (t *teller) press(ctx context.Context, path, body string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.s.SimulatorURL+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	c := t.client()
	defer c.CloseIdleConnections()
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("simulator %s: %s: %s", path, resp.Status, b)
	}
	return json.Unmarshal(b, v)
}

// What the page says of a receipt.
const (
	receiptGenuine = "Yes, the receipt is genuine"
	receiptInLog   = "it stands in our public log"
)
