package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// token is what a client gets for l: the fence and the secret whose hash is kept.
func token(fence int64, secret []byte) string {
	return strconv.FormatInt(fence, 10) + "." + base64.RawURLEncoding.EncodeToString(secret)
}

// held reads the token. It does not say whether the lease still stands: the
// compare-and-swap does.
func (d *Desk) held(ctx context.Context, who Caller, idOrReference, token string) (Entry, Lease, error) {
	e, err := d.Find(ctx, who, idOrReference)
	if err != nil {
		return Entry{}, Lease{}, err
	}
	fence, secret, ok := strings.Cut(token, ".")
	n, err := strconv.ParseInt(fence, 10, 64)
	raw, err2 := base64.RawURLEncoding.DecodeString(secret)
	if !ok || err != nil || err2 != nil || n <= 0 {
		return Entry{}, Lease{}, post.FaultLeaseOver
	}
	return e, Lease{Client: who.Client, Fence: n, Secret: hashed(raw)}, nil
}

// explain says why a swap found nothing, from the inquiry as it is now.
func (d *Desk) explain(ctx context.Context, who Caller, id post.InquiryID, held Lease) error {
	e, err := d.Find(ctx, who, string(id))
	if err != nil {
		return err
	}
	switch {
	case e.State != post.InquiryLeased && e.State != post.InquiryWaiting:
		return post.FaultInquirySettled
	case held.Fence == 0 && e.State == post.InquiryLeased:
		return post.FaultInquiryHeld
	case held.Fence == 0:
		return post.FaultStale // it came free between the two looks
	}
	return post.FaultLeaseOver
}

// settledBefore answers a settlement that found nothing to swap: the same one
// again is no error, a wrong digest is one of its own.
func (d *Desk) settledBefore(ctx context.Context, who Caller, id post.InquiryID, held Lease, s Settlement) (Entry, error) {
	e, err := d.Find(ctx, who, string(id))
	if err != nil {
		return Entry{}, err
	}
	mine := e.Lease.Client == held.Client && e.Lease.Fence == held.Fence && e.Lease.Secret == held.Secret
	same := string(e.Digest) == string(s.Digest)
	if mine && same && e.State == s.State && e.Reason == s.Reason {
		return e, nil
	}
	if mine && !same && e.State == post.InquiryLeased {
		return Entry{}, post.FaultDigest
	}
	return Entry{}, d.explain(ctx, who, id, held)
}

func (d *Desk) log(ctx context.Context, msg string, who Caller, e Entry) {
	//nolint:sloglint // each caller gives one of a closed list
	d.c.Log.InfoContext(ctx, msg, slog.String("inquiry", string(e.ID)), slog.String("tenant", string(e.Tenant)),
		slog.String("client", string(who.Client)))
}

func event(kind string, who Caller, e Entry, outcome string) ledger.Event {
	ev := ledger.New(kind, e.Tenant, string(e.ID))
	ev.Actor, ev.Outcome = string(who.Client), outcome
	return ev
}

func hashed(secret []byte) string {
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:])
}
