package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	mailSubject = "Hvem har set min sag?"
	mailText    = "Jeg vil gerne vide, hvem der har slået op i min sag i år."
)

// mailToDPO is Nancy in her own Digital Post, at borger.dk: she knows nothing of
// the gateway.
func (t *teller) mailToDPO(ctx context.Context) (string, error) {
	m, err := t.waitFor(ctx, "nancy")
	if err != nil {
		return "", err
	}
	t.answered = m.UUID
	body, err := json.Marshal(map[string]string{"to": string(engdal().CVR), "contact_point": engdal().DPOContactPoint, "subject": mailSubject, "text": mailText})
	if err != nil {
		return "", err
	}
	var sent struct {
		UUID string `json:"message_uuid"`
	}
	if err := t.press(ctx, "/api/v1/box/nancy", string(body), &sent); err != nil {
		return "", err
	}
	t.mailed = sent.UUID
	return "writes to the DPO's contact point from her own Digital Post, not by the portal", nil
}

// answerMail is the DPO's tool once more: the same inbox, the same commands.
func (t *teller) answerMail(ctx context.Context) (string, error) {
	reference := ""
	err := until(ctx, "her message in the DPO's inbox", func() (bool, error) {
		var list struct {
			Items []struct {
				Reference string `json:"reference"`
			} `json:"items"`
		}
		err := t.inboxctl(ctx, &list, "list")
		if len(list.Items) == 1 {
			reference = list.Items[0].Reference
		}
		return reference != "", err
	})
	if err != nil {
		return "", err
	}
	if err := t.inboxctl(ctx, nil, "lease", reference); err != nil {
		return "", err
	}
	var opened struct {
		Text   string `json:"text"`
		Person struct {
			Actor struct {
				Name string `json:"name"`
			} `json:"actor"`
		} `json:"person"`
	}
	if err := t.inboxctl(ctx, &opened, "open", reference, "-identity", t.s.ToolIdentityFile, "-out", t.path("mail")); err != nil {
		return "", err
	}
	nancy, _ := persona.By("nancy")
	if opened.Text != mailText || opened.Person.Actor.Name != nancy.Name {
		return "", errors.New("what the tool opened is not what Nancy wrote in her Digital Post")
	}
	if err := t.inboxctl(ctx, nil, "ack", reference); err != nil {
		return "", err
	}
	content, err := pdf("answer.pdf")
	if err != nil {
		return "", err
	}
	file := t.path("mail-answer.pdf")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return "", err
	}
	var letter struct {
		ID string `json:"id"`
	}
	if err := t.inboxctl(ctx, &letter, "reply", reference, "-title", "Svar på din besked", "-file", file); err != nil {
		return "", err
	}
	if err := t.settled(ctx, letter.ID, post.LetterDelivered); err != nil {
		return "", err
	}
	return "finds it beside the portal's as " + reference + ", opens it with its own key and replies the same way", nil
}

// findThread looks for the reply in Nancy's mailbox.
func (t *teller) findThread(ctx context.Context) (string, error) {
	var m struct {
		UUID string `json:"message_uuid"`
	}
	if err := t.simulators(ctx, "/api/v1/box/nancy/latest?wait=15s&after="+t.answered, &m); err != nil {
		return "", err
	}
	xml, err := get(ctx, t.client(), fmt.Sprintf("%s/api/v1/messages/%s/xml", t.s.SimulatorURL, m.UUID))
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(xml), "<memo:messageUUID>"+t.mailed+"</memo:messageUUID><memo:replyUUID>"+m.UUID+"</memo:replyUUID>") {
		return "", errors.New("the reply is not in the thread of what she wrote")
	}
	return "finds the reply in the thread of what she wrote", nil
}
