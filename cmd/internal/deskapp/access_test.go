package deskapp_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
)

func TestOnlyAKnownCertificateGetsIn(t *testing.T) {
	r := newRig(t)
	before := r.snapshot()
	for _, tt := range []struct{ name, as, code string }{
		{"no certificate", "", "POST-4001"},
		{"certificate of another authority, though registered", "foreign", "POST-4001"},
		{"certificate that has expired", "expired", "POST-4001"},
		{"certificate for servers", "serverish", "POST-4001"},
		{"certificate of ours that nobody registered", "stranger", "POST-4002"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{"/v1/inquiries", "/openapi.json", "/nowhere"} {
				if status, code, _ := r.ask(tt.as, "GET", path, "", nil); status != http.StatusForbidden || code != tt.code {
					t.Errorf("GET %s: %d %s, want 403 %s", path, status, code, tt.code)
				}
			}
			if status, code, _ := r.ask(tt.as, "POST", "/v1/letters", "application/json", strings.NewReader("{}")); status != 403 || code != tt.code {
				t.Errorf("POST: %d %s, want 403 %s", status, code, tt.code)
			}
		})
	}
	if r.snapshot() != before {
		t.Error("a refused caller changed the database")
	}
}

// operations returns every operation of the description: id → method and path.
func operations(t *testing.T, r *rig) map[string][2]string {
	t.Helper()
	status, _, b := r.ask("operator", "GET", "/openapi.json", "", nil)
	if status != 200 {
		t.Fatalf("openapi.json: %d", status)
	}
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
		} `json:"paths"`
	}
	must(t, json.Unmarshal(b, &doc))
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("OpenAPI version %q, want 3.1", doc.OpenAPI)
	}
	out := map[string][2]string{}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			path := strings.NewReplacer("{id}", post.NewID(), "{sha256}", strings.Repeat("ab", 32)).Replace(path)
			out[op.OperationID] = [2]string{strings.ToUpper(method), path}
		}
	}
	return out
}

func TestEveryOperationKnowsItsRoles(t *testing.T) {
	r := newRig(t)
	ops := operations(t, r)
	matrix := deskapi.Matrix()
	if len(ops) != len(matrix) {
		t.Errorf("%d operations described, %d in the matrix", len(ops), len(matrix))
	}
	as := map[config.Role]string{config.RoleTool: "tool", config.RoleCase: "case", config.RoleApprover: "approver", config.RoleOperator: "operator"}
	before := r.snapshot()
	for id, roles := range matrix {
		op, ok := ops[id]
		if !ok {
			t.Errorf("operation %s is not described", id)
			continue
		}
		for role, name := range as {
			status, code, said := r.ask(name, op[0], op[1], "", nil)
			if code == post.FaultRole.Code && !strings.Contains(string(said), "its role is "+string(role)+"; this takes "+string(roles[0])) {
				t.Errorf("%s as %s: who is refused is not told who may: %s", id, role, said)
			}
			denied := status == http.StatusForbidden && code == post.FaultRole.Code
			if want := !slices.Contains(roles, role); denied != want {
				t.Errorf("%s as %s: %d %s, denied should be %v", id, role, status, code, want)
			}
		}
	}
	if r.snapshot() != before {
		t.Error("asking about nothing changed the database")
	}
}

func TestWhatIsNotThereSaysSo(t *testing.T) {
	r := newRig(t)
	if status, code, _ := r.ask("tool", "GET", "/v2/inquiries", "", nil); status != 404 || code != "POST-0002" {
		t.Errorf("unknown address: %d %s", status, code)
	}
	if status, code, _ := r.ask("tool", "DELETE", "/v1/inquiries", "", nil); status != 405 || code != "POST-4105" {
		t.Errorf("wrong method: %d %s", status, code)
	}
	_, _, b := r.ask("tool", "GET", "/v2/inquiries", "", nil, "Accept-Language", "da-DK,da")
	if !strings.Contains(string(b), "Der er ikke noget her") {
		t.Errorf("no Danish for a Danish reader: %s", b)
	}
}
