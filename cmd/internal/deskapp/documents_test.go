package deskapp_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/post"
)

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func document(b []byte) client.Document {
	return client.Document{SHA256: sumOf(b), Size: int64(len(b)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

// announce opens a batch with a line for each document.
func (r *rig) announce(key string, docs ...client.Document) wire.Batch {
	r.t.Helper()
	open := wire.BatchOpen{Key: key}
	for i, d := range docs {
		open.Lines = append(open.Lines, wire.BatchLine{Key: fmt.Sprint(key, i), Title: "Afgørelse", Document: "a.pdf", SHA256: d.SHA256,
			Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}})
	}
	b, err := r.client("case").OpenBatch(r.t.Context(), open)
	must(r.t, err)
	return b
}

// tarOf packs files by their names.
func tarOf(t *testing.T, files ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f[0], Size: int64(len(f[1])), Mode: 0o600, Typeflag: tar.TypeReg}
		switch {
		case strings.HasSuffix(f[0], "/"):
			h.Typeflag = tar.TypeDir
		case strings.HasPrefix(f[1], "->"):
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, f[1][2:], 0
			f[1] = ""
		}
		must(t, w.WriteHeader(h))
		_, err := io.WriteString(w, f[1])
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func TestARefusedDocumentDoesNotSpoilTheOthers(t *testing.T) {
	r := newRig(t)
	var all []client.Document
	var bodies []string
	for i := range 150 { // more than one group
		b := bigPDF(i, 3000)
		all, bodies = append(all, document(b)), append(bodies, string(b))
	}
	torn := "%PDF-1.7\nnothing"
	b := r.announce("many", append(all, document([]byte(torn)))...)
	must(t, r.client("case").PutDocument(t.Context(), b.ID, all[1].SHA256, all[1].Size, strings.NewReader(bodies[1])))
	files := [][2]string{
		{"./", ""},                                       // a directory is passed over
		{"./" + all[0].SHA256, bodies[0]},                // 1: stored
		{all[1].SHA256, bodies[1]},                       // 2: known, put by itself
		{all[2].SHA256, bodies[3]},                       // 3: other bytes
		{sumOf([]byte("x")), "x"},                        // 4: nobody announced it
		{sumOf([]byte(torn)), torn},                      // 5: no PDF
		{r.nancy.CPR + ".pdf", "x"},                      // 6: a name that is none
		{strings.ToUpper(all[4].SHA256), bodies[4]},      // 7: nor is this
		{all[5].SHA256, "->" + all[4].SHA256},            // 8: no file
		{all[0].SHA256, bodies[0]},                       // 9: known, sent twice
		{all[6].SHA256, strings.Repeat("x", 25<<20+100)}, // 10: too large
	}
	for i := 10; i < 150; i++ {
		files = append(files, [2]string{all[i].SHA256, bodies[i]})
	}
	body := tarOf(t, files...)
	status, _, answer := r.ask("case", "PUT", "/v1/batches/"+b.ID+"/documents", "application/x-tar", bytes.NewReader(body), wire.HeaderKey, "once")
	var got wire.Documents
	must(t, json.Unmarshal(answer, &got))
	if status != 200 || len(got.Items) != 150 || got.Stored != 141 || got.Known != 2 || got.Refused != 7 {
		t.Fatalf("%d: %d items, %d stored, %d known, %d refused", status, len(got.Items), got.Stored, got.Known, got.Refused)
	}
	for i, want := range []string{"stored", "known", "POST-6007", "POST-6006", "POST-2003", "POST-6023", "POST-6023", "POST-6023", "known", "POST-2006", "stored"} {
		item := got.Items[i]
		if item.N != i+1 || item.State != want && item.Code != want || (item.State == "refused") != (item.Message != "" && item.Cure != "") {
			t.Errorf("document %d: %+v, want %s", i+1, item, want)
		}
	}
	if strings.Contains(string(answer), r.nancy.CPR) {
		t.Error("the answer repeats a name that is no digest")
	}
	var rows, blobs, inFiles int
	must(t, r.db.QueryRow(`SELECT count(*), count(DISTINCT blob), count(DISTINCT substr(blob, 1, 36)) FROM batch_document`).Scan(&rows, &blobs, &inFiles))
	if inFiles > 4 { // one by itself, and three groups
		t.Errorf("they are in %d files", inFiles)
	}
	if rows != 142 || blobs != 142 || r.blobCount() != 142 {
		t.Errorf("%d rows, %d names, %d blobs, want 142", rows, blobs, r.blobCount())
	}
	// Once more under the same key, the same answer; under the same key other
	// documents are refused; under another key all are known.
	before := r.snapshot()
	status, _, again := r.ask("case", "PUT", "/v1/batches/"+b.ID+"/documents", "application/x-tar", bytes.NewReader(body), wire.HeaderKey, "once")
	if status != 200 || !bytes.Equal(again, answer) {
		t.Errorf("again: %d %s", status, again)
	}
	status, code, _ := r.ask("case", "PUT", "/v1/batches/"+b.ID+"/documents", "application/x-tar", bytes.NewReader(tarOf(t, files[1:3]...)), wire.HeaderKey, "once")
	if status != 422 || code != "POST-4112" {
		t.Errorf("the key for other documents: %d %s", status, code)
	}
	if r.snapshot() != before || r.blobCount() != 142 {
		t.Error("something changed")
	}
	out, err := r.client("case").PutDocuments(t.Context(), b.ID, all[10:])
	must(t, err)
	if out.Known != 140 || r.blobCount() != 142 {
		t.Errorf("sent again: %+v, %d blobs", out, r.blobCount())
	}
}

func (r *rig) blobCount() (n int) {
	r.t.Helper()
	must(r.t, r.blobs.List(r.t.Context(), func(string, int64, time.Time) error { n++; return nil }))
	return n
}

func TestManyDocumentsThatAreRefusedAsAWhole(t *testing.T) {
	r := newRig(t)
	one := document(pdf(t, "decision-01"))
	b := r.announce("whole", one)
	good := tarOf(t, [2]string{one.SHA256, string(pdf(t, "decision-01"))})
	var hundreds [][2]string
	for range 501 {
		hundreds = append(hundreds, [2]string{"x", ""})
	}
	before, blobs := drop(r.snapshot(), "data_key"), r.blobCount()
	for _, tt := range []struct {
		name, as, batch, media string
		body                   []byte
		status                 int
		code                   string
	}{
		{"no tar", "case", b.ID, "application/x-tar", bytes.Repeat([]byte("no tar "), 1000), 400, "POST-6021"},
		{"a tar that is torn", "case", b.ID, "application/x-tar", good[:len(good)/2], 400, "POST-6021"},
		{"a compressed tar", "case", b.ID, "application/x-tar", append([]byte{0x1f, 0x8b, 8, 0}, make([]byte, 600)...), 400, "POST-6021"},
		{"more than 500", "case", b.ID, "application/x-tar", tarOf(t, hundreds...), 413, "POST-6022"},
		{"more than 72 MB", "case", b.ID, "application/x-tar", append(bytes.Clone(good), make([]byte, 72<<20)...), 413, "POST-4103"},
		{"another media type", "case", b.ID, "application/zip", good, 415, "POST-4104"},
		{"a batch that is none", "case", "x", "application/x-tar", good, 404, "POST-0002"},
		{"a batch that nobody opened", "case", post.NewID(), "application/x-tar", good, 404, "POST-0002"},
		{"another municipality's batch", "case-far", b.ID, "application/x-tar", good, 404, "POST-0002"},
		{"an approver", "approver", b.ID, "application/x-tar", good, 403, "POST-4003"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, code, _ := r.ask(tt.as, "PUT", "/v1/batches/"+tt.batch+"/documents", tt.media, bytes.NewReader(tt.body))
			if status != tt.status || code != tt.code {
				t.Errorf("%d %s, want %d %s", status, code, tt.status, tt.code)
			}
		})
	}
	if status, code, _ := r.ask("case", "PUT", "/v1/batches/"+b.ID+"/documents", "application/x-tar", bytes.NewReader(good), wire.HeaderKey, ""); status != 400 || code != "POST-4111" {
		t.Errorf("without a key: %d %s", status, code)
	}
	if drop(r.snapshot(), "data_key") != before || r.blobCount() != blobs {
		t.Error("something changed")
	}
	if _, err := r.client("case").PutDocuments(t.Context(), b.ID, []client.Document{one}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client("case").CloseBatch(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client("case").PutDocuments(t.Context(), b.ID, []client.Document{one}); code(err) != post.FaultBatchState.Code {
		t.Errorf("a closed batch: %v", err)
	}
}

func TestUploadFillsRequestsAndGoesOnAfterABreak(t *testing.T) {
	r := newRig(t)
	var docs []client.Document
	for i := range 200 {
		docs = append(docs, document(bigPDF(i, 2000)))
	}
	docs = append(docs, document(bigPDF(200, 9<<20))) // too large to go with others
	b := r.announce("upload", docs...)
	// The line breaks: a file cannot be read any more.
	broken := append([]client.Document{}, docs...)
	broken[150].Open = func() (io.ReadCloser, error) { return nil, errors.New("unplugged") }
	told := map[string]string{}
	tell := func(d client.Document, v wire.DocumentPut) { told[d.SHA256] = v.State }
	if err := r.client("case").Upload(t.Context(), b.ID, broken, tell); err == nil {
		t.Fatal("it was not broken")
	}
	// Desk may still be at what it had received when the line broke.
	var here int
	var missing []string
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		must(t, r.db.QueryRow(`SELECT count(*) FROM batch_document`).Scan(&here))
		now, err := r.client("case").Batch(t.Context(), b.ID)
		must(t, err)
		if missing = now.Missing; len(missing) == len(docs)-here || time.Now().After(until) {
			break
		}
	}
	if len(missing) != len(docs)-here {
		t.Errorf("%d missing, %d here", len(missing), here)
	}
	if here < len(told) || here == len(docs) {
		t.Errorf("%d are here, told of %d", here, len(told))
	}
	told = map[string]string{}
	must(t, r.client("case").Upload(t.Context(), b.ID, docs, tell))
	for _, d := range docs {
		if told[d.SHA256] != "stored" && told[d.SHA256] != "known" {
			t.Errorf("a document is %q", told[d.SHA256])
		}
	}
	var requests int
	must(t, r.db.QueryRow(`SELECT count(*) FROM idempotency WHERE status = 200 AND CAST(answer AS TEXT) LIKE '%"stored"%'`).Scan(&requests))
	if requests < 4 || requests > 8 {
		t.Errorf("%d requests", requests)
	}
	closed, err := r.client("case").CloseBatch(t.Context(), b.ID)
	must(t, err)
	if closed.State != "closed" || closed.Letters["held"] != len(docs) {
		t.Errorf("closed: %+v", closed)
	}
	bad := document([]byte("MZ"))
	bad.Size = 9 << 20
	bad.Open = func() (io.ReadCloser, error) { return io.NopCloser(&zeros{left: bad.Size}), nil }
	c := r.announce("bad", bad)
	must(t, r.client("case").Upload(t.Context(), c.ID, []client.Document{bad}, func(_ client.Document, v wire.DocumentPut) {
		if v.State != "refused" || v.Code != "POST-2003" || v.Message == "" || v.Cure == "" {
			t.Errorf("a large document that is no PDF: %+v", v)
		}
	}))
}

func TestPostctlGoesOnWithABatchThatWasBrokenOff(t *testing.T) {
	r := newRig(t)
	must(t, os.MkdirAll(r.path("pdf"), 0o700))
	open, table := wire.BatchOpen{Key: "broken"}, ""
	var docs []client.Document
	for i := range 100 {
		b := bigPDF(i, 1000)
		docs = append(docs, document(b))
		must(t, os.WriteFile(r.path(fmt.Sprintf("pdf/%d.pdf", i)), b, 0o600))
		l := wire.BatchLine{Key: fmt.Sprint("k", i), Title: "Afgørelse", Document: fmt.Sprintf("%d.pdf", i), SHA256: docs[i].SHA256,
			Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}}
		open.Lines = append(open.Lines, l)
		line, err := json.Marshal(l)
		must(t, err)
		table += string(line) + "\n"
	}
	must(t, os.WriteFile(r.path("t.jsonl"), []byte(table), 0o600))
	b, err := r.client("case").OpenBatch(t.Context(), open)
	must(t, err)
	_, err = r.client("case").PutDocuments(t.Context(), b.ID, docs[:70])
	must(t, err)
	code, out, errs := r.postctl("case", "batch", "send", r.path("t.jsonl"), "-documents", r.path("pdf"), "-key", "broken")
	if code != 0 || !strings.Contains(out, b.ID+" closed, 100 letters held") {
		t.Fatalf("send: %d %s %s", code, out, errs)
	}
	var sent string
	must(t, r.db.QueryRow(`SELECT CAST(answer AS TEXT) FROM idempotency WHERE CAST(answer AS TEXT) LIKE '%"stored":30,%'`).Scan(&sent))
	if !strings.Contains(sent, `"known":0,`) {
		t.Error("documents that were here were sent again")
	}
}
