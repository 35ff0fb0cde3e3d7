// Package internal is the house: three rooms and the words they share. Read it
// as the road of one message.
//
//	step             does                                       package            runs in
//	login            who is asking, and how sure are we         inbound/login      portal
//	accept           check, seal, keep, give a receipt          inbound/intake     portal
//	lease, open      hand inquiries to the DPO's own tool       inbound/inbox      desk, inboxctl
//	acknowledge      taken over, digest compared                inbound/inbox      desk
//	submit           a letter, its documents, its recipient     outbound/letter    desk
//	submit, approve  many letters, a second person's word       outbound/batch     desk
//	sign             XML-DSig over the letter's manifest        outbound/sign      dispatcher
//	enqueue          ring the doorbell; carry names, not things queue              portal, desk → dispatcher
//	route            digital, or paper on proof                 outbound/dispatch  dispatcher
//	hand over        once: intent before effect, derived ids    outbound/dispatch  dispatcher
//	track, match     the carrier's word, stored then believed   outbound/track     dispatcher
//	verify           is this letter ours and unaltered          outbound/verify    dispatcher, postctl
//
// Between the rooms lies the vault: seal needs public keys only, unseal needs
// private ones and is a package of its own so that a program which does not link
// it cannot open anything; ledger remembers what nobody may quietly change.
//
// The walls between all these are tests of this package (walls_test.go and
// linkwalls_test.go), each with its reason; so are the other promises that the
// house makes of itself: documented packages, no private key in the tree, no
// skipped test, a page for each error code, a README that is true.
package internal
