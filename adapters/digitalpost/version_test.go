package digitalpost_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

func TestALetterGoesOutInTheVersionThatWasChosen(t *testing.T) {
	w := newWorld(t, nil)
	for _, version := range []string{"", "1.1", "1.2"} {
		cfg := w.config()
		cfg.MemoVersion = version
		client := w.connect(t, cfg)
		j := w.job(w.Registered)
		if o := client.HandOver(t.Context(), j, suite.Form(t, client, j)); o.Verdict != dispatch.Taken {
			t.Fatalf("%q: %+v", version, o)
		}
		x, err := w.sim.XML(j.MessageID)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(x)
		_ = x.Close()
		want := version
		if want == "" {
			want = "1.2"
		}
		if err != nil || !bytes.Contains(text, []byte(`memoVersion="`+want+`"`)) || bytes.Contains(text, []byte("memoSchVersion")) != (want == "1.1") {
			t.Errorf("%q went out as %.400s", version, text)
		}
	}
	cfg := w.config()
	cfg.MemoVersion = "1.0"
	if _, err := digitalpost.New(cfg); err == nil || !strings.Contains(err.Error(), "MemoVersion") {
		t.Errorf("version 1.0: %v", err)
	}
}

// TestWhatAVersionHasNoPlaceForIsRefusedBeforeAnythingIsSent: a letter goes out
// with all that it says or not at all, and the fault says whom to ask.
func TestWhatAVersionHasNoPlaceForIsRefusedBeforeAnythingIsSent(t *testing.T) {
	w := newWorld(t, nil)
	cfg := w.config()
	cfg.MemoVersion = "1.1"
	client := w.connect(t, cfg)
	j := w.job(post.PartyRecord{IDType: "CVR", ID: string(w.tenant.CVR), Name: w.tenant.Name, ContactPoint: w.tenant.ContactPoint})
	j.Originator = &w.Registered
	var out bytes.Buffer
	err := client.Render(t.Context(), j, &out)
	if !errors.Is(err, post.FaultMemoVersion) || !errors.Is(err, post.ErrPermanent) || out.Len() != 0 {
		t.Errorf("rendered %d bytes, %v", out.Len(), err)
	}
	if err := client.RenderContainer([]dispatch.Job{j}, io.Discard); !errors.Is(err, post.FaultMemoVersion) {
		t.Errorf("in a container: %v", err)
	}
	if strings.Contains(err.Error(), w.Registered.ID) || strings.Contains(err.Error(), w.Registered.Name) {
		t.Error("the fault names the person")
	}
	if err := w.client.Render(t.Context(), j, io.Discard); err != nil {
		t.Errorf("in 1.2: %v", err)
	}
}
