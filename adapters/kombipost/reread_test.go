package kombipost_test

import (
	"log/slog"
	"testing"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// TestAStatusIsReadAgainByTheConfigurationOfNow, and whose letter it speaks of is
// checked as when it came.
func TestAStatusIsReadAgainByTheConfigurationOfNow(t *testing.T) {
	id := post.DerivedID("a", post.Digital, 1)
	for _, c := range []struct {
		name    string
		tenants map[post.CVR]post.TenantID
		body    string
		want    track.Kind
	}{
		{"the municipality is served by now", map[post.CVR]post.TenantID{"29000011": "engdal"}, good(id), track.Delivered},
		{"it is another municipality's", map[post.CVR]post.TenantID{"29000022": "fjordby"}, good(id), track.Unreadable},
		{"no status at all", map[post.CVR]post.TenantID{"29000011": "engdal"}, "<html/>", track.Unreadable},
	} {
		r, err := kombipost.NewRereader(kombipost.StatusConfig{Inbox: newInbox(), Tenants: c.tenants, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		old := track.Receipt{Carrier: r.Carrier(), Kind: track.Unreadable, Code: kombipost.CodeTenant, Raw: []byte(c.body)}
		now, err := r.Reread(t.Context(), old)
		if err != nil || now.Kind != c.want {
			t.Errorf("%s: %+v, %v", c.name, now, err)
		}
		if c.want == track.Delivered && (now.MessageID != id || now.Tenant != "engdal") {
			t.Errorf("%s: of %s, for %s", c.name, now.MessageID, now.Tenant)
		}
	}
}
