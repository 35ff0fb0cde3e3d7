package dispatch

import (
	"reflect"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/verify"
)

// other changes v into another value of its type.
func other(t *testing.T, v reflect.Value) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = x.Add(time.Second)
		return
	case *[32]byte:
		x[31] ^= 1
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Int64:
		v.SetInt(v.Int() + 1)
	default:
		t.Fatalf("%s: say how a %s is changed", t.Name(), v.Type())
	}
}

// A signature is the letter's only when it covers all that the letter is: each
// field of the manifest and of its documents counts, also those that come later.
func TestASignatureForAnythingElseIsNotTheLetters(t *testing.T) {
	fresh := func() verify.Manifest {
		return verify.Manifest{Letter: "l", SignedAt: time.Unix(1, 0), Documents: []verify.Document{{MediaType: "a"}, {MediaType: "b"}}}
	}
	if !same(fresh(), fresh()) {
		t.Fatal("a manifest is not the same as itself")
	}
	for i := range reflect.TypeFor[verify.Manifest]().NumField() {
		name := reflect.TypeFor[verify.Manifest]().Field(i).Name
		if name == "Documents" {
			continue
		}
		m := fresh()
		other(t, reflect.ValueOf(&m).Elem().Field(i))
		if same(fresh(), m) || same(m, fresh()) {
			t.Errorf("another %s is taken for the same", name)
		}
	}
	for i := range reflect.TypeFor[verify.Document]().NumField() {
		m := fresh()
		other(t, reflect.ValueOf(&m.Documents[1]).Elem().Field(i))
		if same(fresh(), m) {
			t.Errorf("another %s of a document is taken for the same", reflect.TypeFor[verify.Document]().Field(i).Name)
		}
	}
	short, turned := fresh(), fresh()
	short.Documents = short.Documents[:1]
	turned.Documents[0], turned.Documents[1] = turned.Documents[1], turned.Documents[0]
	if same(fresh(), short) || same(short, fresh()) || same(fresh(), turned) {
		t.Error("other documents are taken for the same")
	}
}
