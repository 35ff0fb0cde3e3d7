package papercheck_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/cmd/internal/papercheck"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
)

func TestWhatIsNotLookedAtIsSaidAtTheStart(t *testing.T) {
	tenants := []post.Tenant{{ID: "engdal"}, {ID: "fjordby"}, {ID: "lund"}}
	for _, c := range []struct {
		why   string
		paper map[post.TenantID]config.Paper
		want  []string
	}{
		{"nobody is named", nil, []string{`msg="paper not checked" tenants="[engdal fjordby lund]" poppler=`}},
		{"one in full, one by structure, one not", map[post.TenantID]config.Paper{"engdal": {Render: true}, "lund": {}},
			[]string{`msg="paper not checked" tenants=[fjordby]`, `msg="pages on paper not looked at" tenants=[lund]`}},
		{"all in full", map[post.TenantID]config.Paper{"engdal": {Render: true}, "fjordby": {Render: true}, "lund": {Render: true}}, nil},
	} {
		var log bytes.Buffer
		papercheck.Say(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), c.paper, tenants)
		if got := strings.Count(log.String(), "\n"); got != len(c.want) {
			t.Errorf("%s: %d lines: %s", c.why, got, log.String())
		}
		for _, want := range c.want {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: no %q in %s", c.why, want, log.String())
			}
		}
	}
}
