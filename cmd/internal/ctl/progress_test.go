package ctl

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressInAPipeSaysWhatIsNewAndOnceAMinuteThatItIsStillThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := NewProgress(&Env{Stderr: &out})
		for range 300 { // five minutes, asked every second
			p.Show(1, 20, "held 17")
			time.Sleep(time.Second)
		}
		if n := strings.Count(out.String(), "\n"); n != 5 {
			t.Errorf("%d lines in five minutes in which nothing moved, want one a minute:\n%s", n, &out)
		}
		out.Reset()
		for i := range 60 { // a minute in which each second brings news
			p.Show(i, 1000, "letters")
			time.Sleep(time.Second)
		}
		if n := strings.Count(out.String(), "\n"); n != 6 {
			t.Errorf("%d lines in a minute in which everything moved, want one in ten seconds:\n%s", n, &out)
		}
		out.Reset()
		p.Show(1000, 1000, "letters")
		p.End()
		p.End()
		if got := out.String(); !strings.HasSuffix(got, "1000/1000  letters\n") || strings.Count(got, "\n") != 1 {
			t.Errorf("the end is %q", got)
		}
	})
}
