package portalweb

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies says who may stand between a browser and the portal.
type Proxies struct {
	// Trusted are the addresses of the proxies; none: nobody is believed.
	Trusted []netip.Prefix
	// Header is where they write whom they speak for: a list of addresses, the
	// last of them by the proxy nearest to us.
	Header string
}

// maxHops is how many addresses of the header are looked at.
const maxHops = 16

// caller returns the address of who asks: the one that the connection comes
// from or, where that is a trusted proxy, the last address in its header that
// is no trusted proxy. What stands before it anybody may have written, and it
// is never read. A header that is missing or cannot be read leaves the address
// of the proxy that is answerable for it. The address is invalid when not even
// the connection has one.
func (p Proxies) caller(r *http.Request) netip.Addr {
	at := parseAddr(r.RemoteAddr)
	if !p.trusts(at) {
		return at
	}
	lines := r.Header.Values(p.Header)
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for more := true; more; {
			var word string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, word = rest[:comma], rest[comma+1:]
			} else {
				word, more = rest, false
			}
			next := parseAddr(strings.TrimSpace(word))
			if hops++; !next.IsValid() || hops > maxHops {
				return at
			}
			if at = next; !p.trusts(at) {
				return at
			}
		}
	}
	return at
}

func (p Proxies) trusts(a netip.Addr) bool {
	for _, t := range p.Trusted {
		if t.Contains(a) {
			return true
		}
	}
	return false
}

// counted returns what an address is counted under: itself or, in IPv6, the /64
// that one household or server has to itself.
//
// Without a trusted proxy, an address that no citizen can have (private,
// loopback) is not counted by itself: it is most likely a proxy that nobody
// told us about, and all citizens would share its count.
func (p Proxies) counted(a netip.Addr) (prefix netip.Prefix, hidden bool) {
	if !a.IsValid() || len(p.Trusted) == 0 && (a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()) {
		return netip.Prefix{}, true
	}
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	prefix, _ = a.Prefix(bits) // an address without a zone has this prefix
	return prefix, false
}

// parseAddr reads an address, with or without a port. It is invalid when it
// cannot be read.
func parseAddr(s string) netip.Addr {
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		with, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}
		}
		a = with.Addr()
	}
	return a.Unmap().WithZone("")
}
