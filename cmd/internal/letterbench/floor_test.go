//go:build linux

package letterbench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/internal/b64"
	"sikkerpost.dk/gateway/internal/bulktls"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// floorSetup is what the process of the floor is told.
type floorSetup struct {
	Listen, Dir, Carrier string
	Books                string // the database of the floor that keeps rows and looks into documents
	Server, Client       devcerts.Pair
	ClientCA, CarrierCA  string
}

// floor is what nobody can do without who takes a document of 100 KB in and hands
// it on as MeMo, with bare libraries and nothing around them: TLS in, SHA-256, an
// age file, written and synced, or one file for many documents; read, opened, SHA-256, base64 by the vector
// unit, TLS out in few calls, both as the house has them; its receipt fetched, and deleted. No database, no queue, no signature, no check, no
// log; nothing is safe but the bytes.
//
// With [books] each PDF is looked into as well, each form digested, and each letter kept in
// rows: what is asked of every letter by name, by the libraries that do it here.
type floor struct {
	floorSetup
	books *books // nil: none
	key   *seal.DataKey
	open  age.Identity
	http  *http.Client

	mu     sync.Mutex
	places map[string]place // by document; guarded by mu
}

// place is where a sealed document is, and what it must be when opened.
type place struct {
	file     string
	at, size int64
	sum      [32]byte
}

// oneKey is a shelf with the one data key.
type oneKey []byte

func (k oneKey) WrappedDataKey(context.Context, string) ([]byte, error) { return k, nil }

// serveFloor is the process of the floor until ctx ends.
func serveFloor(ctx context.Context, setup string) error {
	f := &floor{places: map[string]place{}}
	b, err := os.ReadFile(setup)
	if err == nil {
		err = json.Unmarshal(b, &f.floorSetup)
	}
	if err != nil {
		return err
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return err
	}
	key, wrapped, err := seal.NewDataKey(id.Recipient())
	if err != nil {
		return err
	}
	f.key, f.open = key, unseal.DataKeys(ctx, oneKey(wrapped), id)
	if f.http, err = bareClient(f.Client, f.CarrierCA); err != nil {
		return err
	}
	if f.Books != "" {
		if f.books, err = openBooks(ctx, f.Books); err != nil {
			return err
		}
	}
	s, l, err := bareServer(ctx, f.Listen, f.Server, f.ClientCA, f)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func bareClient(p devcerts.Pair, ca string) (*http.Client, error) {
	cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		return nil, err
	}
	pool, err := config.ReadPool(ca)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{MaxIdleConnsPerHost: 16, DialContext: (&net.Dialer{}).DialContext, TLSHandshakeTimeout: 10 * time.Second, Protocols: &http.Protocols{},
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, RootCAs: pool}}
	t.Protocols.SetHTTP1(true)
	bulktls.Use(t)
	return &http.Client{Transport: t}, nil
}

func bareServer(ctx context.Context, address string, p devcerts.Pair, ca string, h http.Handler) (*http.Server, net.Listener, error) {
	cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		return nil, nil, err
	}
	pool, err := config.ReadPool(ca)
	if err != nil {
		return nil, nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}}
	return s, tls.NewListener(l, s.TLSConfig), nil
}

// ServeHTTP takes documents (PUT), or sends all that were taken (POST).
func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := error(nil)
	if r.Method == http.MethodPut {
		err = f.take(r)
	} else {
		err = f.sendAll(r.Context())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// buffers hold a document or its MeMo, so that the floor collects no garbage.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2*documentSize); return &b }}

// take keeps the documents of one request in one file. The path holds their names
// and the header their sizes, with commas.
func (f *floor) take(r *http.Request) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	names, sizes := strings.Split(filepath.Base(r.URL.Path), ","), strings.Split(r.Header.Get("Sizes"), ",")
	file, err := os.Create(filepath.Join(f.Dir, names[0]))
	if err != nil {
		return err
	}
	defer file.Close()
	for i, name := range names {
		size, err := strconv.Atoi(sizes[i])
		if err != nil {
			return err
		}
		clear := (*buf)[:min(size, cap(*buf))]
		if _, err := io.ReadFull(r.Body, clear); err != nil {
			return err
		}
		p := place{file: file.Name(), sum: sha256.Sum256(clear)}
		if f.books != nil {
			if err := letter.CheckPDF(clear); err != nil {
				return err
			}
		}
		if p.at, err = file.Seek(0, io.SeekCurrent); err != nil {
			return err
		}
		w, err := age.Encrypt(file, f.key)
		if err != nil {
			return err
		}
		if _, err := w.Write(clear); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		end, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		p.size = end - p.at
		f.mu.Lock()
		f.places[name] = p
		f.mu.Unlock()
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return f.books.accept(r.Context(), names)
}

// sendAll hands every document over, eight at a time, and fetches and deletes
// their receipts.
func (f *floor) sendAll(ctx context.Context) error {
	names := make(chan string, len(f.places))
	for some := range slices.Chunk(slices.Collect(maps.Keys(f.places)), 100) {
		if err := f.books.intend(ctx, some); err != nil {
			return err
		}
		for _, name := range some {
			names <- name
		}
	}
	close(names)
	if err := abreast(8, names, func(name string) error { return f.handOver(ctx, name) }); err != nil {
		return err
	}
	for matched := 0; matched < len(f.places); {
		var page struct{ Receipts []map[string]string }
		if err := f.ask(ctx, http.MethodGet, "/receipts-bulk/?size=100", nil, &page); err != nil {
			return err
		}
		ids := make(chan string, len(page.Receipts))
		var some []string
		for _, r := range page.Receipts {
			ids <- r["id"]
			some = append(some, r["id"])
		}
		close(ids)
		if err := f.books.settle(ctx, some); err != nil {
			return err
		}
		matched += len(page.Receipts)
		if err := abreast(8, ids, func(id string) error { return f.ask(ctx, http.MethodDelete, "/receipts/"+id, nil, nil) }); err != nil {
			return err
		}
	}
	return nil
}

func abreast(n int, work <-chan string, do func(string) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for one := range work {
				if errs[i] = do(one); errs[i] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

const memoHead = `<?xml version="1.0" encoding="UTF-8"?><memo:Message><memo:MessageHeader><memo:messageUUID>%s</memo:messageUUID></memo:MessageHeader><memo:MessageBody><memo:MainDocument><memo:File><memo:content>`

const memoTail = `</memo:content></memo:File></memo:MainDocument></memo:MessageBody></memo:Message>`

func (f *floor) handOver(ctx context.Context, name string) error {
	f.mu.Lock()
	p := f.places[name]
	f.mu.Unlock()
	sealed, err := os.Open(p.file)
	if err != nil {
		return err
	}
	defer sealed.Close()
	r, err := age.Decrypt(io.NewSectionReader(sealed, p.at, p.size), f.open)
	if err != nil {
		return err
	}
	buf, other := buffers.Get().(*[]byte), buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	defer buffers.Put(other)
	clear := bytes.NewBuffer((*buf)[:0])
	if _, err := io.Copy(clear, r); err != nil {
		return err
	}
	if sha256.Sum256(clear.Bytes()) != p.sum {
		return errors.New("other bytes")
	}
	form := fmt.Appendf((*other)[:0], memoHead, name)
	form = append(b64.Append(form, clear.Bytes()), memoTail...)
	if f.books != nil && sha256.Sum256(form) == p.sum {
		return errors.New("the form's digest is the document's")
	}
	return f.ask(ctx, http.MethodPost, "/memos/?memo-message-uuid="+name, form, &struct{}{})
}

func (f *floor) ask(ctx context.Context, method, path string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, f.Carrier+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := f.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(b, answer)
}

// bareCarrier takes memos and has a receipt for each.
type bareCarrier struct {
	mu       sync.Mutex
	receipts []map[string]string
	took     atomic.Int64
}

func (c *bareCarrier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Method {
	case http.MethodPost:
		c.took.Add(1)
		id := r.URL.Query().Get("memo-message-uuid")
		c.receipts = append(c.receipts, map[string]string{"id": id, "messageUUID": id, "transmissionId": id, "timeStamp": "2026-11-22T09:00:00.000Z", "receiptStatus": "COMPLETED"})
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"transmissionId":"`+id+`","receiptStatus":"RECEIVED"}`)
	case http.MethodDelete:
		id := filepath.Base(r.URL.Path)
		c.receipts = slices.DeleteFunc(c.receipts, func(m map[string]string) bool { return m["id"] == id })
		w.WriteHeader(http.StatusNoContent)
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"receipts": c.receipts[:min(100, len(c.receipts))]})
	}
}

// measureFloor returns letters per CPU-second of the process that does nothing
// but what the floor is. So many documents come in one request, and go into one file;
// with rows it keeps [books].
func measureFloor(b testing.TB, n, together int, rows bool) float64 {
	h := &house{b: b, dir: b.TempDir(), pid: map[string]int{}}
	certs, err := devcerts.Make(h.path("certs"), devcerts.Options{})
	h.must(err)
	carrier := &bareCarrier{}
	s, l, err := bareServer(b.Context(), "127.0.0.1:0", certs.CarrierServer, certs.CarrierCA, carrier)
	h.must(err)
	go func() { _ = s.Serve(l) }()
	b.Cleanup(func() { s.Close() })
	setup := floorSetup{Listen: h.port(), Dir: h.path("files"), Carrier: "https://" + l.Addr().String(),
		Server: certs.Web, Client: certs.CarrierClient, ClientCA: certs.ClientCA, CarrierCA: certs.CarrierCA}
	h.must(os.Mkdir(setup.Dir, 0o700))
	kept := "no rows"
	if rows {
		setup.Books, kept = makeBooks(b, os.Getenv("SIKKERPOST_POSTGRES")), "rows"
	}
	text, err := json.Marshal(setup)
	h.must(err)
	h.must(os.WriteFile(h.path("floor.json"), text, 0o600))
	h.startChild("floor", setup.Listen)
	caller, err := bareClient(certs.Case, certs.WebCA)
	h.must(err)
	began := processor(b, h.pid["floor"], false)
	numbers := make(chan string, n)
	for i := 0; i < n; i += together {
		numbers <- strconv.Itoa(i)
	}
	close(numbers)
	ask := func(method, path string, body []byte, sizes []string) error {
		req, err := http.NewRequestWithContext(b.Context(), method, "https://"+setup.Listen+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Sizes", strings.Join(sizes, ","))
		res, err := caller.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		said, err := io.ReadAll(res.Body)
		if err == nil && res.StatusCode != http.StatusNoContent {
			err = fmt.Errorf("%s: %s", res.Status, said)
		}
		return err
	}
	h.must(abreast(4, numbers, func(i string) error {
		first, err := strconv.Atoi(i)
		if err != nil {
			return err
		}
		var names, sizes []string
		var body []byte
		for k := first; k < min(first+together, n); k++ {
			doc := pdf(k)
			names, sizes, body = append(names, post.NewID()), append(sizes, strconv.Itoa(len(doc))), append(body, doc...)
		}
		return ask(http.MethodPut, "/"+strings.Join(names, ","), body, sizes)
	}))
	h.must(ask(http.MethodPost, "/", nil, nil))
	spent := processor(b, h.pid["floor"], false) - began
	if took := carrier.took.Load(); took != int64(n) || len(carrier.receipts) != 0 {
		b.Fatalf("%d of %d were handed over, %d receipts are left", took, n, len(carrier.receipts))
	}
	fmt.Fprintf(os.Stderr, "floor, %d documents in a file, %s: %d letters, %.2f ms of CPU each\n", together, kept, n, spent.Seconds()*1000/float64(n))
	return float64(n) / spent.Seconds()
}
