package wire_test

import (
	"errors"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

func TestAMemberMayBeNamedOnce(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":1,"b":{"a":2},"c":[{"a":1},{"a":2}]}`: true,
		`[{},{}]`:                        true,
		`"a"`:                            true,
		`{"a":"a","b":"a"}`:              true,
		`{"a":1,"a":1}`:                  false,
		`{"a":1,"A":1}`:                  false,
		`{"address":1,"addre\u017fs":1}`: false,
		`{"a":[],"a":[]}`:                false,
		`{"x":{"a":{},"b":[1],"a":2}}`:   false,
		`[1,{"a":1,"\u0061":1}]`:         false,
	} {
		if err := wire.Once([]byte(text)); (err == nil) != want || err != nil && !errors.Is(err, wire.ErrTwice) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`{"a"`, `{`, `]`, `{"a":}`} {
		if err := wire.Once([]byte(text)); err == nil || errors.Is(err, wire.ErrTwice) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
