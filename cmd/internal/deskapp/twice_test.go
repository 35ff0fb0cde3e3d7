package deskapp_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/persona"
)

// A recipient that is told twice is nobody's: number of one, name and address of another.
func TestARecipientToldTwiceIsRefused(t *testing.T) {
	r := newRig(t)
	pdfBytes := string(pdf(t, "decision-01"))
	var other persona.Persona
	for _, p := range persona.All() {
		if p.CPR != "" && p.CPR != r.nancy.CPR {
			other = p
			break
		}
	}
	second := fmt.Sprintf(`{"id_type":"CPR","id":%q}`, other.CPR)
	base := r.letter(nil)
	keys := 0
	sum := sha256.Sum256([]byte(pdfBytes))
	line := fmt.Sprintf(`{"key":"l1","title":"T","document":"a.pdf","sha256":%q,"recipient":{"id_type":"CPR","id":%q,"name":"A","address":["A vej 1","8000 Aarhus C"]},"recipient":%s}`,
		hex.EncodeToString(sum[:]), r.nancy.CPR, second)
	for name, head := range map[string]string{
		"recipient twice": strings.TrimSuffix(base, "}") + `,"recipient":` + second + `}`,
		"id twice":        strings.Replace(base, `"id":`, `"id":"`+other.CPR+`","id":`, 1),
		"other case":      strings.TrimSuffix(base, "}") + `,"Recipient":` + second + `}`,
	} {
		keys++
		head = strings.Replace(head, "case-17", fmt.Sprintf("case-%d", keys), 1)
		st, _, b := r.ask("case", http.MethodPost, "/v1/letters", formType, strings.NewReader(formOf("letter", head, pdfBytes)))
		if st != http.StatusUnprocessableEntity || !strings.Contains(string(b), "POST-4101") {
			t.Errorf("%s: %d %s", name, st, b)
		}
	}
	st, _, b := r.ask("case", http.MethodPost, "/v1/batches", "application/json", strings.NewReader(`{"key":"b1","lines":[`+line+`]}`))
	if st < 400 || st >= 500 || strings.Contains(string(b), other.CPR) {
		t.Errorf("line of a batch: %d %s", st, b)
	}
}
