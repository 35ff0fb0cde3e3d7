package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sikkerpost.dk/gateway/internal/persona"
)

// openInquiry is the DPO's own tool at work: the gateway hands out sealed
// bytes, the tool opens them with a key that the gateway does not have.
func (t *teller) openInquiry(ctx context.Context) (string, error) {
	var list struct {
		Items []struct {
			Reference string `json:"reference"`
			State     string `json:"state"`
		} `json:"items"`
	}
	if err := t.inboxctl(ctx, &list, "list"); err != nil {
		return "", err
	}
	if len(list.Items) != 1 || list.Items[0].Reference != t.reference {
		return "", fmt.Errorf("the inbox does not show just %s", t.reference)
	}
	if err := t.inboxctl(ctx, nil, "lease", t.reference); err != nil {
		return "", err
	}
	var opened struct {
		Text        string `json:"text"`
		Digest      string `json:"digest"`
		Attachments []struct {
			Path string `json:"path"`
		} `json:"attachments"`
		Person struct {
			Actor struct {
				Name string `json:"name"`
			} `json:"actor"`
		} `json:"person"`
	}
	if err := t.inboxctl(ctx, &opened, "open", t.reference, "-identity", t.s.ToolIdentityFile, "-out", t.path("opened")); err != nil {
		return "", err
	}
	nancy, _ := persona.By("nancy")
	if opened.Text != request || opened.Person.Actor.Name != nancy.Name {
		return "", errors.New("what the tool opened is not what Nancy wrote")
	}
	if err := expect("the digest of what was opened", opened.Digest, t.digest); err != nil {
		return "", err
	}
	if len(opened.Attachments) != 1 {
		return "", fmt.Errorf("%d attachments were opened, want 1", len(opened.Attachments))
	}
	got, err := os.ReadFile(opened.Attachments[0].Path)
	if err != nil {
		return "", err
	}
	want, err := pdf("request.pdf")
	if err != nil {
		return "", err
	}
	if !bytes.Equal(got, want) {
		return "", errors.New("the attachment is not the one that Nancy attached")
	}
	return fmt.Sprintf("leases %s and opens it with its own key; the digest is the receipt's (%s)", t.reference, t.digest[:16]), nil
}

func (t *teller) answer(ctx context.Context) (string, error) {
	if err := t.inboxctl(ctx, nil, "ack", t.reference); err != nil {
		return "", err
	}
	content, err := pdf("answer.pdf")
	if err != nil {
		return "", err
	}
	file := t.path("answer.pdf")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return "", err
	}
	reply := []string{"reply", t.reference, "-title", "Svar på din anmodning om indsigt", "-file", file}
	var first, second struct {
		ID string `json:"id"`
	}
	if err := t.inboxctl(ctx, &first, reply...); err != nil {
		return "", err
	}
	if err := t.inboxctl(ctx, &second, reply...); err != nil {
		return "", err
	}
	if first.ID == "" || first.ID != second.ID {
		return "", errors.New("the same reply, sent twice, made two letters")
	}
	t.reply = first.ID
	if err := os.RemoveAll(filepath.Join(t.desk, "opened")); err != nil {
		return "", err
	}
	return "acknowledges with that digest and replies with a PDF; sent twice by mistake, it is one letter", nil
}
