package simulatorapp

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// fits says where a value breaks a schema, or "".
func fits(schema map[string]any, all map[string]any, v any, at string) string {
	if ref, ok := schema["$ref"].(string); ok {
		named, ok := all[ref[strings.LastIndexByte(ref, '/')+1:]].(map[string]any)
		if !ok {
			return at + ": no schema " + ref
		}
		return fits(named, all, v, at)
	}
	is := map[bool]string{}
	switch v := v.(type) {
	case nil:
		is[true] = "null"
	case string:
		is[true] = "string"
	case bool:
		is[true] = "boolean"
	case float64:
		is[true] = "number"
		if v == float64(int64(v)) && schema["type"] == "integer" {
			is[true] = "integer"
		}
	case []any:
		is[true] = "array"
		for i, one := range v {
			items, _ := schema["items"].(map[string]any)
			if bad := fits(items, all, one, fmt.Sprintf("%s[%d]", at, i)); bad != "" {
				return bad
			}
		}
	case map[string]any:
		is[true] = "object"
		for _, name := range asList(schema["required"]) {
			if _, there := v[name.(string)]; !there {
				return at + "." + name.(string) + " is missing"
			}
		}
		for name, one := range v {
			member, ok := schema["properties"].(map[string]any)[name].(map[string]any)
			if !ok {
				member, ok = schema["additionalProperties"].(map[string]any)
			}
			if !ok {
				return at + "." + name + " is not described"
			}
			if bad := fits(member, all, one, at+"."+name); bad != "" {
				return bad
			}
		}
	}
	types := asList(schema["type"])
	if t, ok := schema["type"].(string); ok {
		types = []any{t}
	}
	if !slices.Contains(types, any(is[true])) {
		return fmt.Sprintf("%s is %s, not %v", at, is[true], types)
	}
	return ""
}

func asList(v any) []any { all, _ := v.([]any); return all }

// TestTheDescriptionIsWhatTheAPIDoes calls each route and holds what it answers
// to the description that the API gives of itself.
func TestTheDescriptionIsWhatTheAPIDoes(t *testing.T) {
	s, c := kombi(t)
	j, form := letter(t, "nancy", s.post, post.Digital)
	s.post.HandOver(t.Context(), j, form)
	k, form := letter(t, "nancy", c, post.Digital)
	c.HandOver(t.Context(), k, form)
	paper, form := letter(t, "poul", c, post.Physical)
	c.HandOver(t.Context(), paper, form)
	status, described := s.bare(t, "/api/v1/openapi.json")
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]map[string]any
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(described), &doc); err != nil || status != 200 || doc.OpenAPI != "3.1.0" {
		t.Fatalf("%d %v %s", status, err, doc.OpenAPI)
	}
	bodies := map[string]string{
		"POST /api/v1/box/{persona}": `{"to":"29000011","contact_point":"` + persona.Tenants()[0].DPOContactPoint + `","subject":"Indsigt","text":"Tak"}`, "POST /api/v1/faults": `{"broken":0}`,
		"PUT /api/v1/dial": `{"seed":3,"endpoints":{"token":{"percent":1,"status":503}}}`, "PUT /api/v1/limits": `{"ngdp.memos":60000}`,
		"POST /api/v1/clock": `{"advance":"1s"}`,
		"POST /api/v1/service-providers": `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://sp.example.test"><SPSSODescriptor
			protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` +
			base64.StdEncoding.EncodeToString(s.app.cfg.NemLogIn.Signing.Certificate[0]) + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor><AssertionConsumerService
			Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://sp.example.test/acs" index="0"/></SPSSODescriptor></EntityDescriptor>`,
	}
	fill := strings.NewReplacer("{persona}", "nancy", "{cvr}", "29000011", "{uuid}", j.MessageID, "{job}", paper.MessageID, "{event}", "returned")
	ids, called := map[any]bool{}, 0
	for _, r := range s.app.routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		op := doc.Paths[path][strings.ToLower(method)]
		if op == nil || ids[op["operationId"]] || op["summary"] == "" {
			t.Errorf("%s is not described, or not by itself", r.pattern)
			continue
		}
		ids[op["operationId"]] = true
		if n := len(regexp.MustCompile(`\{`).FindAllString(path, -1)) + len(r.query); len(asList(op["parameters"])) != n {
			t.Errorf("%s: %d parameters are described, not %d", r.pattern, len(asList(op["parameters"])), n)
		}
		if r.media == "text/event-stream" || strings.HasSuffix(path, "/reset") {
			continue // the one does not end, the other ends what the next ones look at
		}
		status, text := s.send(t, method, fill.Replace(path), bodies[r.pattern])
		called++
		schema := describedAs(op, status)
		if status != http.StatusOK || schema == nil && r.media == "" {
			t.Errorf("%s: %d is not described: %s", r.pattern, status, text)
			continue
		}
		var v any
		if r.media != "" {
			continue
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Errorf("%s: %v", r.pattern, err)
		} else if bad := fits(schema, doc.Components.Schemas, v, "answer"); bad != "" {
			t.Errorf("%s: %s", r.pattern, bad)
		}
	}
	if called < 18 || len(doc.Components.Schemas) < 12 {
		t.Errorf("%d calls, %d schemas", called, len(doc.Components.Schemas))
	}
	for _, path := range []string{"/api/v1/box/nobody", "/api/v1/messages/" + post.NewID()} {
		status, text := s.send(t, "GET", path, "")
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil || status != 404 {
			t.Fatalf("%s: %d %v", path, status, err)
		}
		if bad := fits(doc.Components.Schemas["Problem"].(map[string]any), doc.Components.Schemas, v, "problem"); bad != "" {
			t.Errorf("%s: %s", path, bad)
		}
	}
}

// describedAs returns the schema of an answer with that status, or nil.
func describedAs(op map[string]any, status int) map[string]any {
	answers, _ := op["responses"].(map[string]any)
	answer, _ := answers[fmt.Sprint(status)].(map[string]any)
	content, _ := answer["content"].(map[string]any)
	kind, _ := content["application/json"].(map[string]any)
	schema, _ := kind["schema"].(map[string]any)
	return schema
}
