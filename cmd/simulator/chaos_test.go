package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"sikkerpost.dk/gateway/cmd/internal/chaosapp"
	"sikkerpost.dk/gateway/internal/outside"
)

// TestNothingIsLostOrDoubledWhateverBreaks is the short form of make chaos. It
// builds and runs real processes, so it belongs to the full run.
func TestNothingIsLostOrDoubledWhateverBreaks(t *testing.T) {
	if !outside.Full() {
		t.Log("LEFT OUT: the chaos run; SIKKERPOST_FULL=1 asks for it, and go run ./cmd/simulator chaos plays it")
		return
	}
	for name, more := range map[string][]string{"postgres": {"-pgstop", "1"}, "sqlite": {"-sqlite"}} {
		t.Run(name, func(t *testing.T) {
			var out, talk bytes.Buffer
			args := append([]string{"chaos", "-letters", "120", "-kill", "6", "-wipe", "1", "-within", "4m"}, more...)
			if code := run(t.Context(), args, &out, &talk); code != exitDone {
				t.Errorf("exit %d", code)
			}
			t.Log(talk.String() + out.String())
			var got chaosapp.Result
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if got.Letters != 120 || got.Kills != 6 || got.Pauses < 1 || got.ChannelPauses != 1 || got.Stops != 1 || got.KeptBack == 0 || !got.Clean() {
				t.Errorf("got %+v, want 120 letters, 6 kills, a batch and a channel paused, a batch stopped, letters kept back by that, and nothing wrong", got)
			}
		})
	}
}
