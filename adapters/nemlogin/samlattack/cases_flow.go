package samlattack

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/beevik/etree"
)

// formCases bend the POST that carries a genuine answer.
func formCases() []Case {
	field := func(f func(v url.Values)) Bend { return Bend{Form: func(_ *Draft, v url.Values) { f(v) }} }
	coded := func(f func(b []byte) string) Bend {
		return field(func(v url.Values) {
			b, err := base64.StdEncoding.DecodeString(v.Get("SAMLResponse"))
			if err != nil {
				panic(err)
			}
			v.Set("SAMLResponse", f(b))
		})
	}
	relay := func(id, s string) Case {
		return accept(id, fmt.Sprintf("the log-in is genuine, RelayState is %q", s), field(func(v url.Values) { v.Set("RelayState", s) }))
	}
	send := func(f func(r *http.Request)) Bend { return Bend{Request: func(_ *Draft, r *http.Request) { f(r) }} }
	return []Case{
		refuse("V-XML-13/junk", "base64 with a stray character", coded(func(b []byte) string { return "!" + base64.StdEncoding.EncodeToString(b) })),
		refuse("V-XML-13/url", "the URL alphabet", coded(func(b []byte) string {
			return strings.NewReplacer("+", "-", "/", "_").Replace("+/" + base64.StdEncoding.EncodeToString(b))
		})),
		refuse("V-XML-13/blank", "blanks in the base64", coded(func(b []byte) string { s := base64.StdEncoding.EncodeToString(b); return s[:8] + " " + s[8:] })),
		refuse("V-XML-13/padding", "base64 without padding, or with too much", coded(func(b []byte) string {
			return base64.StdEncoding.EncodeToString(b) + "="
		})),
		refuse("V-XML-13/twice", "encoded twice", coded(func(b []byte) string {
			return base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(b)))
		})),
		refuse("V-XML-13/empty", "an empty SAMLResponse", coded(func([]byte) string { return "" })),
		refuse("V-XML-13/deflated", "deflated as on the redirect binding", coded(func(b []byte) string {
			var out bytes.Buffer
			w, _ := flate.NewWriter(&out, flate.BestCompression)
			_, _ = w.Write(b)
			_ = w.Close()
			return base64.StdEncoding.EncodeToString(out.Bytes())
		})),
		refuse("F1/missing", "no SAMLResponse", field(func(v url.Values) { v.Del("SAMLResponse") })),
		refuse("F1/two", "two SAMLResponse, both genuine", field(func(v url.Values) { v.Add("SAMLResponse", v.Get("SAMLResponse")) })),
		refuse("F1/request", "the answer as SAMLRequest", field(func(v url.Values) {
			v.Set("SAMLRequest", v.Get("SAMLResponse"))
			v.Del("SAMLResponse")
		})),
		refuse("F1/artifact", "an artifact beside the answer", field(func(v url.Values) { v.Set("SAMLart", "AAQAAA==") })),
		refuse("F1/relay-twice", "RelayState twice", field(func(v url.Values) { v["RelayState"] = []string{v.Get("RelayState"), "x"} })),
		refuse("F1/relay-long", "RelayState of 81 bytes", field(func(v url.Values) { v.Set("RelayState", strings.Repeat("r", 81)) })),
		refuse("F1/query", "a second SAMLResponse in the address", send(func(r *http.Request) { r.URL.RawQuery = "SAMLResponse=AAAA" })),
		refuse("F1/get", "GET instead of POST", send(func(r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			r.Method, r.Body, r.ContentLength, r.URL.RawQuery = http.MethodGet, http.NoBody, 0, string(b)
		})),
		refuse("F1/put", "PUT instead of POST", send(func(r *http.Request) { r.Method = http.MethodPut })),
		refuse("F1/json", "declared as JSON", send(func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })),
		refuse("F1/text", "declared as text", send(func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") })),
		refuse("F1/multipart", "declared as multipart without boundary", send(func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data") })),
		refuse("F1/no-type", "without content type", send(func(r *http.Request) { r.Header.Del("Content-Type") })),
		refuse("F1/encoding", "a form that is not well encoded", send(func(r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			body := append(b, "&x=%zz"...)
			r.Body, r.ContentLength, r.GetBody = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		})),
		refuse("F1/large", "a body of 200 KB", field(func(v url.Values) { v.Set("pad", strings.Repeat("x", 200<<10)) })),
		refuse("F1/large-message", "a genuine answer with 120 KB of blanks inside", Bend{Message: func(_ *Draft, b []byte) []byte {
			return swap(b, "<xenc:CipherValue>", "<xenc:CipherValue>"+strings.Repeat("\n", 120<<10))
		}}),
		relay("V-REL-1/site", "https://attacker.example/"), relay("V-REL-1/slashes", "//attacker.example/"),
		relay("V-REL-1/backslash", `/\attacker.example/`), relay("V-REL-1/script", "javascript:alert(1)"),
		relay("V-REL-1/lines", "/\r\nSet-Cookie: x=y"), relay("V-REL-1/empty", ""),
		accept("V-REL-1/missing", "the log-in is genuine, RelayState is missing", field(func(v url.Values) { v.Del("RelayState") })),
	}
}

// flowCases are stories of more than one answer.
func flowCases() []Case {
	play := func(id, story string, want Want, f func(ctx context.Context, p *Player) (*Browser, Reply, error)) Case {
		return Case{ID: id, Story: story, Want: want, Play: f}
	}
	// watched cases show on the protected page only.
	watched := func(id, story string, f func(ctx context.Context, p *Player) (*Browser, Reply, error)) Case {
		return Case{ID: id, Story: story, Want: Refuse, Play: f, Page: true}
	}
	return []Case{
		play("V-IRT-5", "an answer to another browser's request", Refuse, func(ctx context.Context, p *Player) (*Browser, Reply, error) {
			d, err := p.Browser().Begin(ctx, Plain)
			if err != nil {
				return nil, Reply{}, err
			}
			b := p.Browser()
			if _, err := b.Begin(ctx, Plain); err != nil {
				return nil, Reply{}, err
			}
			return send(ctx, b, d, Bend{})
		}),
		play("V-IRT-5/nobody", "a genuine answer from a browser that asked for nothing", Refuse, func(ctx context.Context, p *Player) (*Browser, Reply, error) {
			d, err := p.Browser().Begin(ctx, Plain)
			if err != nil {
				return nil, Reply{}, err
			}
			return send(ctx, p.Browser(), d, Bend{})
		}),
		play("V-IRT-5/earlier", "an answer to an earlier request of the same browser", Refuse, func(ctx context.Context, p *Player) (*Browser, Reply, error) {
			b := p.Browser()
			d, err := b.Begin(ctx, Plain)
			if err != nil {
				return nil, Reply{}, err
			}
			if _, err := b.Begin(ctx, Plain); err != nil {
				return nil, Reply{}, err
			}
			return send(ctx, b, d, Bend{})
		}),
		play("V-IRT-6", "a second genuine answer to a request that was answered", Refuse, func(ctx context.Context, p *Player) (*Browser, Reply, error) {
			return again(ctx, p, func(d *Draft) url.Values { return d.form(d.Answer(Bend{})) })
		}),
		play("V-RPL-1/response", "the same answer twice", Refuse, func(ctx context.Context, p *Player) (*Browser, Reply, error) {
			var kept url.Values
			return again(ctx, p, func(d *Draft) url.Values {
				if kept == nil {
					kept = d.form(d.Answer(Bend{}))
				}
				return kept
			})
		}),
		play("V-RPL-1/assertion", "the same assertion in a new Response", Refuse, sameAssertion(false)),
		play("V-RPL-2", "an assertion with OneTimeUse in a new Response", Refuse, sameAssertion(true)),
		play("V-RPL-1/id", "a genuine answer to a new request, with an assertion ID that was used", Refuse, func(ctx context.Context, p *Player) (*Browser, Reply, error) {
			same := edit(func(id string) func(a *etree.Element) {
				return func(a *etree.Element) { a.CreateAttr("ID", id) }
			}(newID()))
			if err := logIn(ctx, p, same); err != nil {
				return nil, Reply{}, err
			}
			b := p.Browser()
			d, err := b.Begin(ctx, Plain)
			if err != nil {
				return nil, Reply{}, err
			}
			return send(ctx, b, d, same)
		}),
		play("V-RPL-1/parallel", "the same answer twice at the same time: one of them must lose", Refuse, parallel),
		play("N-TRIES/5", "a pending log-in that has met five worthless answers takes no sixth", Refuse, tries(5)),
		play("N-TRIES/4", "a pending log-in that has met four worthless answers takes a genuine one", Accept, tries(4)),
		watched("Q-AST-17", "a session cookie planted before the log-in is worth nothing after it", planted),
		watched("Q-AST-17/rotation", "the session of before a second log-in is over", rotation),
	}
}

func send(ctx context.Context, b *Browser, d *Draft, bend Bend) (*Browser, Reply, error) {
	r, err := b.Send(ctx, d, bend)
	return b, r, err
}

var errSetUp = errors.New("the genuine log-in that this case begins with is refused")

func logIn(ctx context.Context, p *Player, bend Bend) error {
	b := p.Browser()
	d, err := b.Begin(ctx, Plain)
	if err != nil {
		return err
	}
	r, err := b.Send(ctx, d, bend)
	if err == nil && !r.Session {
		err = errSetUp
	}
	return err
}

// again logs in, and sends one more answer with the cookies of before.
func again(ctx context.Context, p *Player, answer func(d *Draft) url.Values) (*Browser, Reply, error) {
	b := p.Browser()
	d, err := b.Begin(ctx, Plain)
	if err != nil {
		return nil, Reply{}, err
	}
	before := b.Clone()
	r, err := b.Post(ctx, d, answer(d))
	if err != nil {
		return nil, Reply{}, err
	}
	if !r.Session {
		return nil, Reply{}, errSetUp
	}
	r, err = before.Post(ctx, d, answer(d))
	return before, r, err
}

// sameAssertion takes the plaintext of one answer into the answer to another request.
func sameAssertion(oneTime bool) func(ctx context.Context, p *Player) (*Browser, Reply, error) {
	return func(ctx context.Context, p *Player) (*Browser, Reply, error) {
		var kept []byte
		first := Bend{Plaintext: func(_ *Draft, b []byte) []byte { kept = b; return b }}
		if oneTime {
			first.Assertion = func(_ *Draft, a *etree.Element) { at(a, "./Conditions").CreateElement("saml:OneTimeUse") }
		}
		if err := logIn(ctx, p, first); err != nil {
			return nil, Reply{}, err
		}
		b := p.Browser()
		d, err := b.Begin(ctx, Plain)
		if err != nil {
			return nil, Reply{}, err
		}
		return send(ctx, b, d, Bend{Plaintext: func(*Draft, []byte) []byte { return kept }})
	}
}

func parallel(ctx context.Context, p *Player) (*Browser, Reply, error) {
	one := p.Browser()
	d, err := one.Begin(ctx, Plain)
	if err != nil {
		return nil, Reply{}, err
	}
	both := [2]*Browser{one, one.Clone()}
	v := d.form(d.Answer(Bend{}))
	var replies [2]Reply
	var errs [2]error
	var wait sync.WaitGroup
	for i := range both {
		wait.Go(func() { replies[i], errs[i] = both[i].Post(ctx, d, v) })
	}
	wait.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, Reply{}, err
	}
	loser := 0
	if replies[0].Session {
		loser = 1
	}
	if !replies[1-loser].Session {
		return nil, Reply{}, errSetUp
	}
	return both[loser], replies[loser], nil
}

// tries sends n worthless answers before a genuine one.
func tries(n int) func(ctx context.Context, p *Player) (*Browser, Reply, error) {
	return func(ctx context.Context, p *Player) (*Browser, Reply, error) {
		b := p.Browser()
		d, err := b.Begin(ctx, Plain)
		if err != nil {
			return nil, Reply{}, err
		}
		for range n {
			r, err := b.Clone().Post(ctx, d, url.Values{"SAMLResponse": {"PHgvPg=="}})
			if err != nil || r.Session {
				return b, r, err
			}
		}
		return send(ctx, b, d, Bend{})
	}
}

// planted gives a victim's browser a session cookie of the attacker's choosing;
// afterwards the attacker uses it.
func planted(ctx context.Context, p *Player) (*Browser, Reply, error) {
	attacker, victim := p.Browser(), p.Browser()
	for name := range p.sessions {
		value := strings.Repeat("a", 64)
		attacker.jar[name], victim.jar[name] = value, value
	}
	d, err := victim.Begin(ctx, Plain)
	if err != nil {
		return nil, Reply{}, err
	}
	r, err := victim.Send(ctx, d, Bend{})
	if err != nil {
		return nil, Reply{}, err
	}
	if !r.Session {
		return nil, Reply{}, errSetUp
	}
	return attacker, Reply{Status: http.StatusForbidden}, nil
}

func rotation(ctx context.Context, p *Player) (*Browser, Reply, error) {
	b := p.Browser()
	d, err := b.Begin(ctx, Plain)
	if err != nil {
		return nil, Reply{}, err
	}
	if _, err := b.Send(ctx, d, Bend{}); err != nil {
		return nil, Reply{}, err
	}
	old := b.Clone()
	if d, err = b.Begin(ctx, Plain); err != nil {
		return nil, Reply{}, err
	}
	r, err := b.Send(ctx, d, Bend{})
	if err != nil {
		return nil, Reply{}, err
	}
	if !r.Session {
		return nil, Reply{}, errSetUp
	}
	return old, Reply{Status: http.StatusForbidden}, nil
}
