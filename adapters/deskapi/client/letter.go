package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// File is a document to send. Open is called once.
type File struct {
	Open func() (io.ReadCloser, error)
}

// upload sends head as JSON in the part named name, then each file in a part
// named "document". Nothing is held in memory.
func (c *Client) upload(ctx context.Context, path, name string, head any, files []File, out any) error {
	b, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	r, w := io.Pipe()
	defer func() { _ = r.Close() }() // never fails
	form := multipart.NewWriter(w)
	go func() { w.CloseWithError(writeForm(form, name, b, files)) }()
	return c.send(ctx, request{method: http.MethodPost, path: path, media: form.FormDataContentType(), body: r}, out)
}

func writeForm(form *multipart.Writer, name string, head []byte, files []File) error {
	p, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="` + name + `"`}, "Content-Type": {"application/json"},
	})
	if err != nil {
		return err
	}
	if _, err := p.Write(head); err != nil {
		return err
	}
	for i, f := range files {
		if err := writeFile(form, f); err != nil {
			return fmt.Errorf("document %d: %w", i+1, err)
		}
	}
	return form.Close()
}

func writeFile(form *multipart.Writer, f File) error {
	// The name travels in the JSON part: headers of a form have no one
	// encoding for æ, ø and å.
	p, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="document"; filename="document"`},
		"Content-Type":        {"application/octet-stream"},
	})
	if err != nil {
		return err
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(p, r)
	return err
}

// SubmitLetter sends one letter. The same key with the same content is the
// same letter. files are in the order of l.Documents.
func (c *Client) SubmitLetter(ctx context.Context, l wire.Letter, files []File) (out wire.LetterReceipt, err error) {
	err = c.upload(ctx, "/v1/letters", "letter", l, files, &out)
	return out, err
}

// Letter says where a letter stands.
func (c *Client) Letter(ctx context.Context, id string) (out wire.LetterView, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/letters/"+url.PathEscape(id), nil, &out)
	return out, err
}

// LetterEvents returns the steps of a letter, oldest first.
func (c *Client) LetterEvents(ctx context.Context, id string) (out wire.Events, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/letters/"+url.PathEscape(id)+"/events", nil, &out)
	return out, err
}

// Evidence downloads the letter's ASiC-E file. The caller closes it.
func (c *Client) Evidence(ctx context.Context, id string) (io.ReadCloser, error) {
	resp, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/letters/" + url.PathEscape(id) + "/evidence"})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// OpenBatch names a batch and its lines. The same batch again changes nothing.
func (c *Client) OpenBatch(ctx context.Context, b wire.BatchOpen) (out wire.Batch, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/batches", b, &out)
	return out, err
}

// PutLines puts part n, from 1, of an announced batch. The same part again
// changes nothing.
func (c *Client) PutLines(ctx context.Context, batch string, n int, lines []wire.BatchLine) (out wire.BatchPartKept, err error) {
	err = c.call(ctx, http.MethodPut, "/v1/batches/"+url.PathEscape(batch)+"/lines/"+strconv.Itoa(n), wire.BatchPart{Lines: lines}, &out)
	return out, err
}

// PutDocument puts one document of a batch; sha256 is lower-case hex. Putting
// it again changes nothing.
func (c *Client) PutDocument(ctx context.Context, batch, sha256 string, size int64, r io.Reader) error {
	return c.send(ctx, request{
		method: http.MethodPut, path: "/v1/batches/" + url.PathEscape(batch) + "/documents/" + url.PathEscape(sha256),
		media: "application/octet-stream", body: r, size: size, bulk: true,
	}, nil)
}

// CloseBatch checks the whole batch and makes a held letter of each line.
func (c *Client) CloseBatch(ctx context.Context, id string) (out wire.Batch, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/batches/"+url.PathEscape(id)+"/close", nil, &out)
	return out, err
}

// ApproveBatch releases the batch; the approver is another client than the
// submitter.
func (c *Client) ApproveBatch(ctx context.Context, id string) (out wire.Batch, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/batches/"+url.PathEscape(id)+"/approve", nil, &out)
	return out, err
}

// ContinueBatch releases the rest after the canary.
func (c *Client) ContinueBatch(ctx context.Context, id string) (wire.Batch, error) {
	return c.steer(ctx, id, "continue")
}

// PauseBatch hands over nothing more of the batch until it is resumed.
func (c *Client) PauseBatch(ctx context.Context, id string) (wire.Batch, error) {
	return c.steer(ctx, id, "pause")
}

// ResumeBatch lets a paused batch go on.
func (c *Client) ResumeBatch(ctx context.Context, id string) (wire.Batch, error) {
	return c.steer(ctx, id, "resume")
}

// StopBatch cancels every letter that no carrier has.
func (c *Client) StopBatch(ctx context.Context, id string) (wire.Batch, error) {
	return c.steer(ctx, id, "stop")
}

func (c *Client) steer(ctx context.Context, id, verb string) (out wire.Batch, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/batches/"+url.PathEscape(id)+"/"+verb, nil, &out)
	return out, err
}

// Batch says where a batch stands.
func (c *Client) Batch(ctx context.Context, id string) (out wire.Batch, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/batches/"+url.PathEscape(id), nil, &out)
	return out, err
}

// BatchLetters returns one page of the letters of a batch. limit 0 means 500.
func (c *Client) BatchLetters(ctx context.Context, id, after string, limit int) (wire.BatchLetters, error) {
	return c.BatchLettersIn(ctx, id, "", after, limit)
}

// BatchLettersIn is [Client.BatchLetters] of those in one state, "" for all, in the
// order of their ids.
func (c *Client) BatchLettersIn(ctx context.Context, id, state, after string, limit int) (out wire.BatchLetters, err error) {
	q := url.Values{}
	if state != "" {
		q.Set("state", state)
	}
	if after != "" {
		q.Set("after", after)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	err = c.call(ctx, http.MethodGet, "/v1/batches/"+url.PathEscape(id)+"/letters?"+q.Encode(), nil, &out)
	return out, err
}

// OpenAPI returns the description of the API.
func (c *Client) OpenAPI(ctx context.Context) (io.ReadCloser, error) {
	resp, err := c.do(ctx, request{method: http.MethodGet, path: "/openapi.json"})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
