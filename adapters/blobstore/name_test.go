package blobstore

import "testing"

func TestANameHasOneForm(t *testing.T) {
	const id = "01900000-0000-7000-8000-0000000000ab"
	for blob, want := range map[string]place{
		id:         {id, alone},
		id + ".00": {id, 0},
		id + ".0a": {id, 10},
		id + ".7e": {id, maxBlobs - 1},
	} {
		if p, ok := find(blob); !ok || p != want || p.blob() != blob {
			t.Errorf("%s: %+v, %t", blob, p, ok)
		}
	}
	for _, blob := range []string{
		"", ".", ".00", id + ".", id + ".0", id + ".000", id + ".0A", id + ".7f", id + ".ff", id + ".-1", id + ".+1", id + ".0x", id + ".1.1",
		id + "/.00", id + suffix, "01900000-0000-7000-8000-0000000000AB", "01900000-0000-7000-8000-0000000000AB.00", id[:35] + ".00", " " + id,
	} {
		if p, ok := find(blob); ok {
			t.Errorf("%q is taken for %+v", blob, p)
		}
	}
}
