package simulatorapp

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/ratio"
)

// senders is how many connections send at once, letterSize what one letter
// holds, round how many letters a round is.
const (
	senders    = 8
	letterSize = 100 << 10
	round      = 250
)

// burst sends messages that differ in nothing but their UUID.
type burst struct {
	client *http.Client
	begin  []byte // up to the UUID
	end    []byte // behind it
	next   atomic.Int64
}

func newBurst(b *testing.B, client *http.Client) *burst {
	b.Helper()
	const uuid = "8c2ea15d-61fb-4ba9-9366-42f8b194c114"
	content := bytes.Repeat([]byte("0123456789abcdef"), letterSize/16)
	var text bytes.Buffer
	err := memo.Write(&text, &memo.Message{
		Header: memo.Header{
			Type: memo.DigitalPost, UUID: uuid, ID: "SP-1", Label: "Afgørelse",
			Sender: memo.Party{ID: "29000011", IDType: "CVR", Label: "Engdal Kommune"}, Recipient: memo.Party{ID: "6503851236", IDType: "CPR"},
		},
		Body: &memo.Body{Created: time.Now(), Documents: []memo.Document{{Kind: memo.Main, Files: []memo.File{{
			MediaType: "application/pdf", Filename: "a.pdf", Language: "da", Size: int64(len(content)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		}}}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	begin, end, ok := bytes.Cut(text.Bytes(), []byte(uuid))
	if !ok {
		b.Fatal("the message has no UUID")
	}
	return &burst{client: client, begin: begin, end: end}
}

// send hands n letters to url and wants want for each.
func (s *burst) send(b *testing.B, url string, n, want int) {
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				uuid := fmt.Sprintf("8c2ea15d-61fb-4ba9-9366-%012x", s.next.Add(1))
				body := io.MultiReader(bytes.NewReader(s.begin), bytes.NewReader([]byte(uuid)), bytes.NewReader(s.end))
				r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url+"memos/?memo-message-uuid="+uuid, body)
				if err != nil {
					b.Error(err)
					return
				}
				r.ContentLength = int64(len(s.begin) + len(uuid) + len(s.end))
				r.SetBasicAuth("system-engdal", "token")
				r.Header.Set("Content-Type", "application/xml")
				answer, err := s.client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if answer.StatusCode != want {
					b.Errorf("answered %d", answer.StatusCode)
					return
				}
			}
		})
	}
	all.Wait()
}

// memory returns a folder that no disk slows down, where there is one: what a
// disk takes to make a file is the disk's.
func memory(b *testing.B) string {
	dir, err := os.MkdirTemp("/dev/shm", "simulatorapp-") //nolint:usetesting // b.TempDir is on a disk
	if err != nil {
		return b.TempDir()
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// BenchmarkRatio holds the simulator to not being the bottleneck of anybody: a
// letter of 100 KB taken, read, judged, kept and receipted beside one that a
// bare handler over the same mutual TLS throws away. The client's half is on
// both sides.
func BenchmarkRatio(b *testing.B) {
	certs, cfg := set(b, memory(b))
	app, err := New(b.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	b.Cleanup(func() { stop(); <-ended })
	bare := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	}))
	bare.TLS = digitalposttest.TLS(cfg.DigitalPost.Certificate, cfg.DigitalPost.ClientCAs)
	bare.StartTLS()
	b.Cleanup(bare.Close)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders, TLSClientConfig: &tls.Config{
		RootCAs: trust(b, certs.CarrierCA), Certificates: []tls.Certificate{pair(b, certs.CarrierClient)},
	}}}
	b.Cleanup(client.CloseIdleConnections)
	s := newBurst(b, client)
	s.send(b, app.DigitalPostURL(), senders, http.StatusCreated) // connections stand
	s.send(b, bare.URL+"/", senders, http.StatusCreated)

	var spent time.Duration
	taken := 0
	ratio.Row{Name: "letters_taken_to_letters_thrown_away", AtMost: 5, Rounds: 9}.Cost(b, func() {
		begun := time.Now()
		s.send(b, app.DigitalPostURL(), round, http.StatusCreated)
		spent += time.Since(begun)
		taken += round
	}, func() { s.send(b, bare.URL+"/", round, http.StatusCreated) })
	if spent > 0 {
		ratio.Row{Name: "letters_of_100_KB,_sender_and_all_on_this_machine", AtLeast: 1000}.Amount(b, "letters/s", float64(taken)/spent.Seconds())
	}
	if got := app.NgDP().Stats(); got.Accepted < taken || got.Duplicates > 0 {
		b.Errorf("%d sent, %+v", taken, got)
	}
}
