package deskapp_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi"
	"sikkerpost.dk/gateway/internal/config"
)

var quotedCall = regexp.MustCompile("`(?:(GET|POST|PUT|DELETE) )?([/…][^`?]*)[^`]*`")

// TestTheAPIPageNamesEachOperationAndItsRoles holds the table of docs/api.md
// against the operations that desk serves and the roles that may do them.
func TestTheAPIPageNamesEachOperationAndItsRoles(t *testing.T) {
	r := newRig(t)
	_, _, b := r.ask("tool", http.MethodGet, "/openapi.json", "", nil)
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		}
	}
	must(t, json.Unmarshal(b, &doc))
	served := map[string]string{} // call: operation
	for path, ops := range doc.Paths {
		for method, op := range ops {
			served[strings.ToUpper(method)+" "+path] = op.OperationID
		}
	}
	page, err := os.ReadFile("../../../docs/api.md")
	must(t, err)
	told := map[string][]config.Role{}
	roles := []config.Role{config.RoleTool, config.RoleCase, config.RoleApprover, config.RoleOperator}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) != len(roles)+3 || !strings.Contains(line, "/v1/") {
			continue
		}
		var may []config.Role
		for i, role := range roles {
			if strings.Contains(cells[i+2], "✓") {
				may = append(may, role)
			}
		}
		var method, room string
		for _, m := range quotedCall.FindAllStringSubmatch(cells[1], -1) {
			if m[1] != "" {
				method = m[1]
			}
			call := method + " " + m[2]
			if rest, short := strings.CutPrefix(m[2], "…"); short { // what stands before it, with or without an id
				if call = method + " " + room + "/{id}" + rest; served[call] == "" {
					call = method + " " + room + rest
				}
			} else {
				room = strings.Join(strings.Split(m[2], "/")[:3], "/")
			}
			if served[call] == "" {
				t.Errorf("docs/api.md names %s, which is not served", call)
			}
			told[call] = may
		}
	}
	for call, id := range served {
		may, ok := told[call]
		if want := deskapi.Matrix()[id]; !ok {
			t.Errorf("docs/api.md does not name %s", call)
		} else if slices.Sort(may); !slices.Equal(may, slices.Sorted(slices.Values(want))) {
			t.Errorf("docs/api.md: %s is for %v, desk says %v", call, may, want)
		}
	}
}
