//go:build linux

package letterbench

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/testdata"
)

var (
	letters  = flag.Int("letters", 1000, "letters of a run")
	many     = flag.String("many", "", "`numbers` of letters, with commas, of more runs, each compared with the first")
	profiles = flag.String("profiles", "", "existing `directory` for CPU, allocation and heap profiles of desk and dispatcher")
	only     = flag.String("only", "", "the one `run` to do: batch, letter, p256, killed or floor")
)

const (
	documentSize = 100 << 10 // of a letter's one document
	inOneFile    = 64        // documents of the lower floor's files
)

// cost is what a run of letters took.
type cost struct {
	letters  int
	wall     time.Duration
	spent    map[string]time.Duration
	resident float64 // MB, of desk and dispatcher together, the greatest
	desk     float64 // MB of it that are desk's
}

// ours is the processor time of our own programs.
func (c cost) ours() time.Duration { return c.spent["desk"] + c.spent["dispatcher"] }

func (c cost) perCPU() float64  { return float64(c.letters) / c.ours().Seconds() }
func (c cost) perWall() float64 { return float64(c.letters) / c.wall.Seconds() }

func (c cost) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d letters in %.1f s, %.0f a second, %.0f per CPU-second of ours; ms of CPU per letter:", c.letters, c.wall.Seconds(), c.perWall(), c.perCPU())
	for _, name := range slices.Sorted(maps.Keys(c.spent)) {
		fmt.Fprintf(&b, " %s %.2f", name, c.spent[name].Seconds()*1000/float64(c.letters))
	}
	fmt.Fprintf(&b, "; desk at most %.0f MB resident, dispatcher %.0f", c.desk, c.resident-c.desk)
	return b.String()
}

// page is a valid PDF of about documentSize bytes; its number stands at numberAt.
var page, numberAt = func() ([]byte, int) {
	const number = "0000000"
	b := testdata.Page("number " + number + "\n" + strings.Repeat("% text\n", documentSize/7))
	return b, bytes.Index(b, []byte("number ")) + len("number ")
}()

// pdf is page with another number. To make it costs a copy: what is measured is not
// the making of documents.
func pdf(n int) []byte {
	b := bytes.Clone(page)
	copy(b[numberAt:], fmt.Sprintf("%07d", n))
	return b
}

// send takes n letters, each with a document of its own, from the first byte of
// the batch until the last business receipt is matched.
func (h *house) send(key, policy string, n int) cost {
	before, began := h.spent(), time.Now()
	batch := h.take(key, policy, n)
	h.until(10*time.Minute+time.Duration(n)*100*time.Millisecond, "the letters", func() bool { return h.left(batch) == 0 })
	c := cost{letters: n, wall: time.Since(began), spent: map[string]time.Duration{}, desk: h.resident("desk"), resident: h.resident("desk") + h.resident("dispatcher")}
	for name, after := range h.spent() {
		c.spent[name] = after - before[name]
	}
	if n >= *letters { // the first few only warm everything up
		fmt.Fprintf(os.Stderr, "%s: %s\n", key, c)
		h.timeline(key, batch, began)
		h.memories(key)
	}
	return c
}

// left is 0 when every letter of a batch is delivered. It asks for the other states by
// their names: to look for what is not delivered PostgreSQL reads all that is. Even so it
// passes what the letters left behind in the index: 11 ms with 20,000 of them.
func (h *house) left(batch string) (n int) {
	var others []string
	for _, state := range post.LetterStates() {
		if state != post.LetterDelivered {
			others = append(others, string(state))
		}
	}
	h.must(h.db.QueryRow(`SELECT count(*) FROM (SELECT 1 FROM letter WHERE batch = $1 AND batch <> '' AND state = ANY($2) LIMIT 1) AS x`, batch, others).Scan(&n))
	return n
}

// take brings a batch of n letters to its approval and returns its id.
func (h *house) take(key, policy string, n int) string {
	ctx := h.b.Context()
	var to []wire.Party
	for _, name := range []string{"nancy", "aisha", "mette"} {
		p, ok := persona.By(name)
		if !ok {
			h.b.Fatal("no such persona")
		}
		to = append(to, wire.Party{IDType: "CPR", ID: p.CPR, Name: p.Name, Address: p.Address})
	}
	batch, err := h.caller.OpenBatch(ctx, wire.BatchOpen{Key: key, Announced: n, Policy: policy})
	h.must(err)
	docs := make([]client.Document, n)
	for first := 0; first < n; first += 1000 {
		var lines []wire.BatchLine
		for i := first; i < min(first+1000, n); i++ {
			docs[i] = document(i)
			lines = append(lines, wire.BatchLine{Key: fmt.Sprintf("%s-%06d", key, i), Title: "Afgørelse om hjemmehjælp", Recipient: to[i%len(to)],
				Document: "afgoerelse.pdf", SHA256: docs[i].SHA256})
		}
		_, err := h.caller.PutLines(ctx, batch.ID, first/1000+1, lines)
		h.must(err)
	}
	h.must(h.putAll(ctx, batch.ID, docs))
	for batch.State != "closed" {
		batch, err = h.caller.CloseBatch(ctx, batch.ID)
		h.must(err)
	}
	for batch.State != "approved" && batch.State != "released" {
		batch, err = h.approver.ApproveBatch(ctx, batch.ID)
		h.must(err)
	}
	return batch.ID
}

// document is the nth, hashed once as postctl does.
func document(n int) client.Document {
	sum := sha256.Sum256(pdf(n))
	return client.Document{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(page)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(pdf(n))), nil
	}}
}

// putAll puts the documents as postctl does.
func (h *house) putAll(ctx context.Context, batch string, docs []client.Document) error {
	refused := 0
	err := h.caller.Upload(ctx, batch, docs, func(_ client.Document, v wire.DocumentPut) {
		if v.State == "refused" {
			refused++
		}
	})
	if err == nil && refused > 0 {
		err = fmt.Errorf("%d documents were refused", refused)
	}
	return err
}

// signatures returns bare RSA-3072 signatures: per CPU-second, and per second of
// all cores together.
func signatures(b testing.TB) (perCPU, perWall float64) {
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256([]byte("bare"))
	var n atomic.Int64
	end := time.Now().Add(time.Second)
	began, from := time.Now(), used(b)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for time.Now().Before(end) {
				if _, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:]); err != nil {
					b.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	return float64(n.Load()) / (used(b) - from).Seconds(), float64(n.Load()) / time.Since(began).Seconds()
}

func used(b testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bareTasks returns what asynq's worker does of tasks that hold nothing, per
// CPU-second of a process that does nothing else.
func (h *house) bareTasks() float64 {
	const n = 20_000
	h.must(h.bare.Fill(h.b.Context(), n))
	h.start("asynq", "", []string{childIs + "=asynq", childConfig + "=" + h.redis}, os.Args[0])
	h.until(2*time.Minute, "the bare tasks", func() bool {
		left, err := h.bare.Left()
		h.must(err)
		return left == 0
	})
	return n / processor(h.b, h.pid["asynq"], false).Seconds()
}

// row reports one ratio with its goal and both its sides, as rates turned into
// the time of one.
func row(b *testing.B, name string, atLeast, subject, base float64) {
	b.Run(name, func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(subject/base, "ratio")
		b.ReportMetric(1e9/subject, "subject-ns")
		b.ReportMetric(1e9/base, "base-ns")
		if atLeast > 0 {
			b.ReportMetric(atLeast, "at-least")
		}
	})
}

// tell reports, for the record, what a letter costs each program.
func (c cost) tell(b *testing.B, run string) {
	for _, name := range programs {
		b.Run("letters:_"+run+",_processor_time_of_"+name+"_per_letter", func(b *testing.B) {
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(c.spent[name].Seconds()*1000/float64(c.letters), "ms")
		})
	}
}

// BenchmarkRatio measures letters from end to end.
func BenchmarkRatio(b *testing.B) {
	if _, err := exec.LookPath("redis-server"); err != nil || os.Getenv("SIKKERPOST_POSTGRES") == "" {
		if outside.Full() {
			b.Fatal("redis-server or PostgreSQL (.ci/with-postgres) is missing, and SIKKERPOST_FULL=1 asks for every check")
		}
		b.Log("LEFT OUT, because redis-server or PostgreSQL (.ci/with-postgres) is missing: letters from end to end")
		return
	}
	if *only != "floor" {
		build(b)
	}
	if *only == "" || *only == "batch" {
		perBatch(b)
	}
	if *only == "" || *only == "letter" {
		perLetter(b)
	}
	if *only == "" || *only == "p256" {
		perTask(b)
	}
	if *only == "floor" {
		b.Logf("%.0f letters per CPU-second", measureFloor(b, *letters, 1, false))
		b.Logf("%.0f with a file for %d", measureFloor(b, *letters, inOneFile, false), inOneFile)
		b.Logf("%.0f of these with rows, and documents looked into", measureFloor(b, *letters, inOneFile, true))
	}
	if *only == "" || *only == "killed" {
		afterKill(b)
	}
}

func rsaKey(s *devcerts.Set) devcerts.Pair { return s.LetterRSA }

// middle is the run whose figure is neither the highest nor the lowest: when the last
// receipts are fetched is luck, up to a second of two and a half.
func middle(runs []cost, figure func(cost) float64) cost {
	return slices.SortedFunc(slices.Values(runs), func(x, y cost) int { return cmp.Compare(figure(x), figure(y)) })[len(runs)/2]
}

// perBatch is policy "batch": one signature over all letters, three times.
func perBatch(b *testing.B) {
	floors := func() [3]float64 {
		return [3]float64{measureFloor(b, *letters/2, 1, false), measureFloor(b, *letters/2, inOneFile, false), measureFloor(b, *letters/2, inOneFile, true)}
	}
	before := floors()
	h := newHouse(b, rsaKey, time.Second, 1)
	h.send("warm", "batch", 20)
	cpu1, wall1 := signatures(b)
	runs := []cost{h.send("batch", "batch", *letters), h.send("batch-2", "batch", *letters), h.send("batch-3", "batch", *letters)}
	resident := runs[0].resident // it only grows
	c, quick := middle(runs, cost.perCPU), middle(runs, cost.perWall)
	cpu2, wall2 := signatures(b)
	floor := floors()
	for i := range floor {
		floor[i] = (before[i] + floor[i]) / 2
	}
	row(b, "letters:_policy_batch,_per_CPU-second,_to_bare_RSA-3072_signatures", 3.0, c.perCPU(), (cpu1+cpu2)/2)
	row(b, "letters:_policy_batch,_per_CPU-second,_to_the_floor", 0, c.perCPU(), floor[0])
	row(b, "letters:_the_floor,_per_CPU-second,_to_bare_RSA-3072_signatures", 0, floor[0], (cpu1+cpu2)/2)
	row(b, fmt.Sprintf("letters:_the_floor_with_a_file_for_%d_documents,_per_CPU-second,_to_bare_RSA-3072_signatures", inOneFile), 0, floor[1], (cpu1+cpu2)/2)
	row(b, "letters:_that_floor_with_rows,_documents_looked_into_and_forms_digested,_to_the_same", 0, floor[2], (cpu1+cpu2)/2)
	c.tell(b, "policy_batch")
	row(b, "letters:_policy_batch,_per_second,_to_bare_RSA-3072_signatures_of_both_cores", 1.0, quick.perWall(), (wall1+wall2)/2)
	for more := range strings.SplitSeq(*many, ",") {
		n, err := strconv.Atoi(more)
		if err != nil {
			continue // none are asked for
		}
		m := h.send("many-"+more, "batch", n)
		row(b, fmt.Sprintf("letters:_per_second,_%d_to_%d", n, *letters), 0.9, m.perWall(), quick.perWall())
		row(b, fmt.Sprintf("letters:_per_CPU-second,_%d_to_%d", n, *letters), 0, m.perCPU(), c.perCPU())
		b.Run(fmt.Sprintf("letters:_memory_of_%d_to_%d", n, *letters), func(b *testing.B) {
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(m.resident/resident, "ratio")
			b.ReportMetric(1.2, "at-most")
		})
	}
}

// perLetter is policy "letter": a signature for each.
func perLetter(b *testing.B) {
	h := newHouse(b, rsaKey, time.Second, 1)
	h.send("warm", "letter", 20)
	cpu1, _ := signatures(b)
	c := h.send("letter", "letter", *letters)
	cpu2, _ := signatures(b)
	row(b, "letters:_policy_letter,_per_CPU-second,_to_bare_RSA-3072_signatures", 0.75, c.perCPU(), (cpu1+cpu2)/2)
}

// perTask is policy "letter" with P-256 keys beside tasks that do nothing.
func perTask(b *testing.B) {
	h := newHouse(b, func(s *devcerts.Set) devcerts.Pair { return s.LetterP256 }, time.Second, 1)
	h.send("warm", "letter", 20)
	bare := h.bareTasks()
	c := h.send("p256", "letter", *letters)
	row(b, "letters:_P-256,_per_CPU-second,_to_bare_asynq_tasks_per_CPU-second_of_their_worker", 0.15, c.perCPU(), bare)
}
