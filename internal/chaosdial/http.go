package chaosdial

import (
	"context"
	"net/http"
	"time"
)

// Wrap bends the calls to next. endpoint names the endpoint of a call, or ""
// for one that is left alone; refuse answers with a status in the endpoint's own
// error form. Duplicate and Reorder are for the caller's news: next finds the
// fate in the request's context ([Of]).
func (d *Dial) Wrap(next http.Handler, endpoint func(*http.Request) string, refuse func(http.ResponseWriter, *http.Request, int)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := endpoint(r)
		if name == "" {
			next.ServeHTTP(w, r)
			return
		}
		f := d.Draw(name)
		if holder, ok := r.Context().Value(key{}).(*Fate); ok {
			*holder = f
		}
		if !f.Wait(r.Context()) {
			panic(http.ErrAbortHandler) // nobody waits for an answer any more
		}
		switch {
		case f.Status > 0:
			refuse(w, r, f.Status)
		case f.Drop:
			next.ServeHTTP(&lost{header: http.Header{}}, r)
			panic(http.ErrAbortHandler)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

type key struct{}

// Watched returns a request whose fate [Of] tells while and after it is served.
func Watched(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), key{}, &Fate{}))
}

// Of returns the fate of a request that is [Watched], and of any other none.
func Of(r *http.Request) Fate {
	if f, ok := r.Context().Value(key{}).(*Fate); ok {
		return *f
	}
	return Fate{}
}

// Wait holds the call back as long as f says, and reports whether ctx still
// lives.
func (f Fate) Wait(ctx context.Context) bool {
	if f.Delay <= 0 {
		return true
	}
	t := time.NewTimer(f.Delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// lost takes an answer that nobody gets.
type lost struct{ header http.Header }

func (l *lost) Header() http.Header         { return l.header }
func (l *lost) Write(p []byte) (int, error) { return len(p), nil }
func (l *lost) WriteHeader(int)             {}
