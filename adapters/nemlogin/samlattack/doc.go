// Package samlattack attacks the assertion consumer of a SAML service provider:
// it keeps a catalog of answers that a strict OIOSAML 3 service must refuse,
// together with genuine ones that it must accept, and plays each against a
// running service over HTTP.
//
// Every answer is made fresh. The package begins a log-in at the service like a
// browser, reads the AuthnRequest from the redirect, and answers it with the
// keys of an identity provider that the service trusts: its own time, address,
// request and audience, so that nothing but the one thing a case is about can be
// the reason of a refusal. Whoever holds such keys holds every identity, so they
// belong to a test provider and never to a real one.
//
// It knows nothing of any particular service and imports no other code of this
// module: a [Target] says where the service is and what its metadata says. XML is
// written, canonicalized (exclusive and inclusive, with and without comments) and
// signed here, by code that shares nothing with the code under attack; a fault
// that both had would show nowhere. It canonicalizes documents that it wrote
// itself and reads none that others wrote, beyond metadata and requests.
//
// A case is identified by the name of its recipe and a variant (V-SIG-14/claimed,
// X4). [Run] counts sessions twice, by the cookies of the answer and by a
// protected page, and panics and server errors by the answers. It posts nothing
// twice that a case does not want twice, and ends with its context.
package samlattack
