package simulatorapp

import (
	"encoding"
	"fmt"
	"net/http"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object is an object of JSON that a description is built of.
type object = map[string]any

// apiDescription answers with the API in the words of OpenAPI 3.1, made of the
// routes and of the types that they read and write.
func (a *App) apiDescription(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, describe(a.routes(), a.URL()))
}

var inPath = regexp.MustCompile(`\{(\w+)\}`)

func describe(routes []route, server string) object {
	s := schemas{"Problem": object{
		"type": "object", "required": []string{"code", "title", "detail", "cure"},
		"properties": object{"code": text(), "title": text(), "detail": text(), "cure": text()},
	}}
	paths := map[string]object{}
	for _, r := range routes {
		method, at, _ := strings.Cut(r.pattern, " ")
		if paths[at] == nil {
			paths[at] = object{}
		}
		paths[at][strings.ToLower(method)] = r.describe(s, method, at)
	}
	return object{
		"openapi":    "3.1.0",
		"info":       object{"title": "Sikkerpost simulator", "version": "1", "description": "What arrived, what goes wrong and what time it is. For tests; it asks for no login."},
		"servers":    []object{{"url": server}},
		"paths":      paths,
		"components": object{"schemas": s},
	}
}

func (r route) describe(s schemas, method, at string) object {
	all := []object{}
	for _, m := range inPath.FindAllStringSubmatch(at, -1) {
		all = append(all, object{"name": m[1], "in": "path", "required": true, "schema": text()})
	}
	for _, q := range r.query {
		all = append(all, object{"name": q.name, "in": "query", "description": q.about, "schema": text()})
	}
	answers := object{}
	switch {
	case r.gives != nil:
		answers["200"] = object{"description": "Done.", "content": object{"application/json": object{"schema": s.of(reflect.TypeOf(r.gives))}}}
	case r.media != "":
		answers["200"] = object{"description": "Done.", "content": object{r.media: object{}}}
	default:
		answers["204"] = object{"description": "Done."}
	}
	for _, status := range r.refuses {
		answers[strconv.Itoa(status)] = object{
			"description": http.StatusText(status) + ".",
			"content":     object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/Problem"}}},
		}
	}
	id := strings.ToLower(method) + strings.NewReplacer("/api/v1", "", "/", "_", "{", "", "}", "", ".", "_").Replace(at)
	op := object{"operationId": id, "summary": r.about, "parameters": all, "responses": answers}
	if r.takes != nil {
		op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": s.of(reflect.TypeOf(r.takes))}}}
	}
	if r.reads != "" {
		op["requestBody"] = object{"required": true, "content": object{r.reads: object{}}}
	}
	return op
}

// schemas are the types by name.
type schemas map[string]any

func text() object { return object{"type": "string"} }

var (
	timeType = reflect.TypeFor[time.Time]()
	asText   = reflect.TypeFor[encoding.TextMarshaler]()
)

// of returns the schema of a type; a struct with a name is a reference.
func (s schemas) of(t reflect.Type) object {
	switch {
	case t == timeType:
		return object{"type": "string", "format": "date-time"}
	case t.Implements(asText):
		return text()
	}
	switch kind := t.Kind(); {
	case kind == reflect.Pointer:
		return s.of(t.Elem())
	case kind == reflect.Bool:
		return object{"type": "boolean"}
	case kind == reflect.String:
		return text()
	case kind == reflect.Float32, kind == reflect.Float64:
		return object{"type": "number"}
	case kind >= reflect.Int && kind <= reflect.Uint64:
		return object{"type": "integer"}
	case kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return object{"type": "string", "contentEncoding": "base64"}
	case kind == reflect.Slice:
		return object{"type": []string{"array", "null"}, "items": s.of(t.Elem())}
	case kind == reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case kind == reflect.Struct:
		return s.named(t)
	}
	panic(fmt.Sprintf("simulatorapp: no schema for %s", t)) // a type of ours, met by every test
}

func (s schemas) named(t reflect.Type) object {
	name := strings.TrimSuffix(t.Name(), "JSON")
	name = strings.ToUpper(name[:1]) + name[1:]
	if t.PkgPath() != reflect.TypeFor[route]().PkgPath() { // two packages have Stats
		name = strings.TrimSuffix(path.Base(t.PkgPath()), "test") + name
		name = strings.ToUpper(name[:1]) + name[1:]
	}
	if _, there := s[name]; !there {
		s[name] = nil // it may hold itself
		members, required := object{}, []string{}
		s.members(t, members, &required)
		slices.Sort(required)
		s[name] = object{"type": "object", "properties": members, "required": required, "additionalProperties": false}
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func (s schemas) members(t reflect.Type, into object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
			continue
		case f.Anonymous && name == "":
			s.members(f.Type, into, required)
			continue
		case name == "":
			name = f.Name
		}
		into[name] = s.of(f.Type)
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			*required = append(*required, name)
		}
	}
}
