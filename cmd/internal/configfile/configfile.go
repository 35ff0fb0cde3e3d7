// Package configfile writes the configuration of a serving program to the file that
// the program reads, for runs that start the real programs as processes.
package configfile

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/config"
)

// Write writes c to path, so that [config.Load] reads it as it is. What is left at
// its zero value is left out: the program's default is the program's business.
func Write[T config.Program](path string, c T) error {
	b, err := json.MarshalIndent(plain(reflect.ValueOf(c)), "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return os.WriteFile(path, b, 0o600)
}

// plain turns a value into what its file says: durations in words, and nothing that
// is left at its default.
func plain(v reflect.Value) any {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return time.Duration(v.Int()).String()
	case v.Kind() == reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			f, field := v.Type().Field(i), v.Field(i)
			switch name, _, _ := strings.Cut(f.Tag.Get("json"), ","); {
			case f.Anonymous:
				for k, m := range plain(field).(map[string]any) {
					out[k] = m
				}
			case !field.IsZero():
				out[name] = plain(field)
			}
		}
		return out
	case v.Kind() == reflect.Slice:
		out := []any{}
		for i := range v.Len() {
			out = append(out, plain(v.Index(i)))
		}
		return out
	case v.Kind() == reflect.Map:
		out := map[string]any{}
		for _, k := range v.MapKeys() {
			out[k.String()] = plain(v.MapIndex(k))
		}
		return out
	}
	return v.Interface()
}
