package dispatch

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"sikkerpost.dk/gateway/internal/post"
)

// TestALentFormIsWatchedAsOneThatIsRead: what a connection borrowed may have left,
// whatever became of it; only the form's own failure shows that it broke off.
func TestALentFormIsWatchedAsOneThatIsRead(t *testing.T) {
	const size = 100_000
	broken := error(syscall.EPIPE)
	for name, c := range map[string]struct {
		take func(*Watched, *run)
		want Verdict
		code string
	}{
		"nothing is taken": {func(*Watched, *run) {}, NotTaken, CodeNoConnection},
		"one piece":        {func(w *Watched, _ *run) { _, done, _ := w.Lend(10); done() }, Unknown, CodeBroken},
		"all of it":        {func(w *Watched, _ *run) { _, done, _ := w.Lend(size); done() }, Unknown, CodeBroken},
		"all, and the end": {func(w *Watched, _ *run) {
			_, done, _ := w.Lend(size)
			done()
			if _, _, err := w.Lend(1); !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		}, Unknown, CodeBroken},
		"some read, the rest lent": {func(w *Watched, _ *run) {
			_, _ = io.ReadFull(w, make([]byte, 10))
			p, done, _ := w.Lend(size)
			if len(p) != size-10 {
				t.Errorf("%d bytes", len(p))
			}
			done()
		}, Unknown, CodeBroken},
		"the run ended before the last piece": {func(w *Watched, k *run) {
			_, done, _ := w.Lend(size - 1)
			done()
			k.end()
			if _, done, err := w.Lend(1); done != nil || err == nil {
				t.Error("lent after the end")
			}
		}, NotTaken, CodeForm},
		"the run ended after it": {func(w *Watched, k *run) {
			_, done, _ := w.Lend(size)
			done()
			k.end()
			_, _, _ = w.Lend(1)
		}, Unknown, CodeBroken},
	} {
		k := &run{}
		w := Watch(filled(k, 'a', size).reader())
		c.take(w, k)
		if got, code := w.Verdict(broken, size); got != c.want || code != c.code {
			t.Errorf("%s: %s %s", name, got, code)
		}
	}
}

// TestTakenCountsWhenAllOfTheFormHadLeft: however it left; and what is no "taken"
// needs none of it.
func TestTakenCountsWhenAllOfTheFormHadLeft(t *testing.T) {
	const size = 1000
	for left, want := range map[int]Verdict{0: Unknown, size - 1: Unknown, size: Taken} {
		k := &run{}
		lent, read := Watch(filled(k, 'a', size).reader()), Watch(filled(k, 'a', size).reader())
		if left > 0 {
			_, done, _ := lent.Lend(left)
			done()
			_, _ = io.ReadFull(read, make([]byte, left))
		}
		for _, w := range []*Watched{lent, read} {
			if o := w.Heard(Outcome{Verdict: Taken, Transmission: "x"}, size, false); o.Verdict != want || (want == Unknown) != (o.Code == CodeEarly && o.Transmission == "") {
				t.Errorf("after %d bytes: %+v", left, o)
			}
			if o := w.Heard(Outcome{Verdict: Taken}, size, true); o.Verdict != Taken {
				t.Errorf("known already, after %d bytes: %+v", left, o)
			}
			for _, v := range []Verdict{NotTaken, RefusedContent, RefusedRecipient, Unknown} {
				if o := w.Heard(Outcome{Verdict: v}, size, false); o.Verdict != v {
					t.Errorf("%s after %d bytes: %+v", v, left, o)
				}
			}
		}
		k.end()
	}
}

// TestAFormThatIsNotInMemoryIsRead: asking for a loan is no beginning.
func TestAFormThatIsNotInMemoryIsRead(t *testing.T) {
	w := Watch(io.NopCloser(strings.NewReader("form")))
	if p, done, err := w.Lend(10); p != nil || done != nil || err != nil {
		t.Error("lent")
	}
	if v, _ := w.Verdict(io.ErrUnexpectedEOF, 4); v != NotTaken {
		t.Error(v)
	}
	w = Watch(io.NopCloser(io.MultiReader(strings.NewReader("fo"), failing{})))
	if b, err := io.ReadAll(w); len(b) != 2 || err == nil {
		t.Error(err)
	}
	if v, code := w.Verdict(io.ErrUnexpectedEOF, 4); v != RefusedContent || code != CodeForm {
		t.Error(v, code)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, post.ErrPermanent }
