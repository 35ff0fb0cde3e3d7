package digitalpost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// receiptsPerPage keeps a page well below maxAnswer.
const receiptsPerPage = 100

// maxRaw bounds what is kept of one receipt; a real one has some 400 bytes.
const maxRaw = 64 << 10

// pagesAtOnce bounds what one call of Waiting reads of one system.
const pagesAtOnce = 5

// mostPages bounds it when pages hold nothing that can be deleted.
const mostPages = 50

// receiptRequests is how many requests about receipts are out at a time. NgDP
// gives pages of receipts but takes deletions one by one; on kept connections
// that many are answered in the time of a few.
const receiptRequests = 8

// Waiting implements [track.Source]: the first pages of receipts-bulk/ of every
// tenant's system, several systems at a time. A system that does not answer is
// logged and does not keep the others waiting; only when none answers is that an
// error.
func (c *Client) Waiting(ctx context.Context) ([]track.Receipt, error) {
	found, errs := make([][]track.Receipt, len(c.tenants)), make([]error, len(c.tenants))
	abreast(len(c.tenants), func(i int) {
		found[i], errs[i] = c.waiting(ctx, c.tenants[i])
	})
	answered := 0
	for i, err := range errs {
		if err == nil || len(found[i]) > 0 {
			answered++
		}
	}
	if answered == 0 {
		return nil, errors.Join(errs...)
	}
	for _, err := range errs {
		if err != nil {
			c.log.WarnContext(ctx, "receipts not fetched", slog.Any("error", err))
		}
	}
	return slices.Concat(found...), nil
}

// abreast calls f for 0 to n-1, receiptRequests at a time.
func abreast(n int, f func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, receiptRequests) {
		all.Go(func() {
			for i := int(next.Add(1) - 1); i < n; i = int(next.Add(1) - 1) {
				f(i)
			}
		})
	}
	all.Wait()
}

// waiting reads page after page. What was read before one failed is answered
// with the failure. A page of which nothing can ever be deleted does not count,
// lest it hide those behind it for good.
func (c *Client) waiting(ctx context.Context, tenant post.TenantID) (all []track.Receipt, err error) {
	for page, counted := 0, 0; counted < pagesAtOnce && page < mostPages; page++ {
		some, err := c.receiptPage(ctx, tenant, page)
		all = append(all, some...)
		if err != nil || len(some) < receiptsPerPage {
			return all, err
		}
		if slices.ContainsFunc(some, func(r track.Receipt) bool { _, id := split(r.EventID); return post.ValidUUID(id) }) {
			counted++
		}
	}
	return all, nil
}

func (c *Client) receiptPage(ctx context.Context, tenant post.TenantID, page int) ([]track.Receipt, error) {
	if c.singly {
		return c.receiptsSingly(ctx, tenant, page)
	}
	query := url.Values{"page": {strconv.Itoa(page)}, "size": {strconv.Itoa(receiptsPerPage)}}
	status, body, err := c.ask(ctx, c.systems[tenant], http.MethodGet, "receipts-bulk/", query)
	if err != nil && !errors.Is(err, errTooLarge) {
		return nil, fmt.Errorf("fetch receipts of %s: %s", tenant, dispatch.Unanswered(err))
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("fetch receipts of %s: %s", tenant, refusal(status, body))
	}
	var got struct {
		Receipts []json.RawMessage `json:"receipts"`
		Total    *int              `json:"totalElements"`
	}
	if err != nil || json.Unmarshal(body, &got) != nil || got.Receipts == nil && (got.Total == nil || *got.Total != 0) {
		return c.despite(ctx, tenant, page, body)
	}
	some := make([]track.Receipt, 0, len(got.Receipts))
	for _, raw := range got.Receipts {
		some = append(some, c.codes.read(tenant, raw))
	}
	return some, nil
}

// despite deals with a page that cannot be read: one receipt of it may be what is
// wrong, so they are fetched one by one. When that fails too, the page is kept
// for a person, one a day: a carrier that is out of order may answer anything
// any number of times.
func (c *Client) despite(ctx context.Context, tenant post.TenantID, page int, body []byte) ([]track.Receipt, error) {
	some, err := c.receiptsSingly(ctx, tenant, page)
	if err == nil {
		return some, nil
	}
	now := time.Now().UTC()
	return append(some, track.Receipt{
		Carrier: carrier, Kind: track.Unreadable, Code: "page", At: now, Tenant: tenant, Raw: body[:min(len(body), maxRaw)],
		EventID: string(tenant) + ":page-" + now.Format(time.DateOnly),
	}), fmt.Errorf("fetch receipts of %s: %s; one by one: %w", tenant, codeUnreadable, err)
}

// read turns one receipt into ours. Without an id, a message, a time or a
// status that we know it is unreadable: kept, and for a person to look at.
func (k recipientCodes) read(tenant post.TenantID, raw []byte) track.Receipt {
	r := track.Receipt{Carrier: carrier, Kind: track.Unreadable, Tenant: tenant, Raw: raw[:min(len(raw), maxRaw)]}
	var got receipt
	err := json.Unmarshal(raw, &got)
	r.EventID = eventID(tenant, got.ID, raw)
	at, ok := got.at()
	r.At = at
	if !ok {
		r.At = time.Now().UTC()
	}
	if err != nil || !ok || !post.ValidUUID(got.ID) || !post.ValidUUID(got.MessageUUID) {
		return r
	}
	return k.settle(r, got)
}

// readPushed is read for a receipt that was pushed: it has no id of its own and
// is named by its digest.
func (k recipientCodes) readPushed(tenant post.TenantID, raw []byte) track.Receipt {
	r := track.Receipt{Carrier: carrier, Kind: track.Unreadable, Tenant: tenant, Raw: raw[:min(len(raw), maxRaw)],
		EventID: eventID(tenant, "", raw), At: time.Now().UTC()}
	var got receipt
	if json.Unmarshal(raw, &got) != nil || !post.ValidUUID(got.MessageUUID) {
		return r
	}
	at, ok := got.at()
	if !ok {
		return r
	}
	r.At = at
	return k.settle(r, got)
}

// settle fills in what a readable receipt says.
func (k recipientCodes) settle(r track.Receipt, got receipt) track.Receipt {
	r.MessageID, r.Code = strings.ToLower(got.MessageUUID), cleanCode(got.ErrorCode)
	switch got.Status {
	case statusReceived:
		r.Kind = track.Received
	case statusCompleted:
		r.Kind = track.Delivered
	case statusInvalid:
		r.Kind = track.RefusedContent
	case statusNotAllowed:
		r.Kind = track.RefusedContent
		if k.prove(got.ErrorCode) {
			r.Kind = track.RefusedRecipient
		}
	}
	return r
}

// eventID is <tenant>:<receipt id>, so that Forget knows whose system holds it.
// A receipt without an id is named by its digest.
func eventID(tenant post.TenantID, id string, raw []byte) string {
	if !post.ValidUUID(id) {
		sum := sha256.Sum256(raw)
		id = "sha256-" + hex.EncodeToString(sum[:])
	}
	return string(tenant) + ":" + id
}

// split takes an eventID apart.
func split(event string) (tenant post.TenantID, id string) {
	cut := strings.LastIndexByte(event, ':')
	if cut < 0 {
		return "", event
	}
	return post.TenantID(event[:cut]), event[cut+1:]
}

// ForgetAll implements [track.Forgetter]: a deletion for each, several at a time.
// A receipt whose deletion failed comes again and is known then.
func (c *Client) ForgetAll(ctx context.Context, rs []track.Receipt) error {
	errs := make([]error, len(rs))
	abreast(len(rs), func(i int) { errs[i] = c.Forget(ctx, rs[i]) })
	return errors.Join(errs...)
}

// Forget implements [track.Source]: DELETE receipts/{id}. One that is gone
// already is forgotten. One without an id cannot be deleted: it stays with the
// carrier and is recognized when it comes again.
func (c *Client) Forget(ctx context.Context, r track.Receipt) error {
	tenant, id := split(r.EventID)
	if tenant == "" {
		return fmt.Errorf("forget receipt: %w: event id names no tenant", post.ErrPermanent)
	}
	if !post.ValidUUID(id) {
		return nil
	}
	system, err := c.system(tenant)
	if err != nil {
		return fmt.Errorf("forget receipt %s: %w", id, err)
	}
	status, body, err := c.ask(ctx, system, http.MethodDelete, "receipts/"+id, nil)
	if err != nil {
		return fmt.Errorf("forget receipt %s: %s", id, dispatch.Unanswered(err))
	}
	switch status {
	case http.StatusNoContent, http.StatusOK, http.StatusNotFound:
		return nil
	}
	return fmt.Errorf("forget receipt %s: %s", id, refusal(status, body))
}
