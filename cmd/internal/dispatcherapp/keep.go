package dispatcherapp

import (
	"time"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/retention"
)

// keepAnswers is how long the answer of one Idempotency-Key is kept; a letter's
// own key is known for ever.
const keepAnswers = 30 * 24 * time.Hour

// keeper lets go of what is over, by the rules of each municipality.
func (a *App) keeper(blobs *blobstore.Store, tenants []post.Tenant) (*retention.Keeper, error) {
	return retention.New(retention.Config{Blobs: blobs, References: a.store, Log: a.log, Rules: keepRules(a.store, tenants)})
}

// keepRules returns the rules of every municipality with times of its own, and
// those of all others, of the ones that are no longer configured too.
func keepRules(s *sqlstore.Store, tenants []post.Tenant) []retention.Rule {
	var rules []retention.Rule
	var own []post.TenantID
	for _, t := range tenants {
		if t.Keep != (post.Keep{}) {
			own = append(own, t.ID)
			rules = append(rules, keepRule(s, t.Keep, sqlstore.Whose{Only: t.ID})...)
		}
	}
	rules = append(rules, keepRule(s, post.Keep{}, sqlstore.Whose{Not: own})...)
	return append(rules, retention.Rule{Name: "receipt.stray", After: days(post.Keep{}.Filled().Receipts), Shelf: s.StrayReceiptShelf()})
}

func keepRule(s *sqlstore.Store, keep post.Keep, of sqlstore.Whose) []retention.Rule {
	k, who := keep.Filled(), ""
	if of.Only != "" {
		who = " " + string(of.Only)
	}
	rules := []retention.Rule{
		{Name: "letter" + who, After: days(k.Letters), Shelf: s.LetterShelf(of)},
		{Name: "inquiry.closed" + who, After: days(k.Inquiries), Shelf: s.InquiryShelf(post.InquiryClosed, of)},
		{Name: "mail.closed" + who, After: days(k.Inquiries), Shelf: s.MailShelf(of)},
		{Name: "inquiry.forwarded" + who, After: days(k.Forwarded), Shelf: s.InquiryShelf(post.InquiryForwarded, of)},
	}
	if k.Receipts < k.Letters { // else they go with their letters
		rules = append(rules, retention.Rule{Name: "receipt" + who, After: days(k.Receipts), Shelf: s.ReceiptShelf(of)})
	}
	return rules
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
