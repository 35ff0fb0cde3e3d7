package config

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Doors bounds what anybody may ask of portal without being known. What is left
// out has its usual value.
type Doors struct {
	// TrustedProxies are the addresses (or networks) of the proxies before portal.
	// Whom they speak for is believed; nobody else is.
	TrustedProxies []string `json:"trusted_proxies,omitempty"`
	// ProxyHeader is where they write it; X-Forwarded-For when left out.
	ProxyHeader string `json:"proxy_header,omitempty"`
	Login       Door   `json:"login,omitempty"`  // the start of a log-in
	Answer      Door   `json:"answer,omitempty"` // what comes back from NemLog-in
	Page        Door   `json:"page,omitempty"`   // everything else
}

// Door is how often one address, and all together, may come by a door. All four
// or none.
type Door struct {
	EachMinute int `json:"each_minute"` // of one address (IPv6: one /64)
	EachBurst  int `json:"each_burst"`  // at once
	AllMinute  int `json:"all_minute"`
	AllBurst   int `json:"all_burst"`
}

// Proxies returns the networks of TrustedProxies; a single address is a network
// of one.
func (d Doors) Proxies() (all []netip.Prefix, err error) {
	for i, s := range d.TrustedProxies {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return nil, fmt.Errorf("trusted_proxies[%d]: want an address or a network", i)
			}
			p = netip.PrefixFrom(a.Unmap().WithZone(""), a.Unmap().BitLen())
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// maxRate keeps a limit a limit.
const maxRate = 1_000_000

// doors checks limits: they bound something, they let somebody in, and one
// address cannot use up what is there for all.
func (r *report) doors(c Doors) {
	proxies, err := c.Proxies()
	if err != nil {
		r.at("limits", "%v", err)
	}
	for i, p := range proxies {
		if p.Bits() == 0 {
			r.at(fmt.Sprintf("limits.trusted_proxies[%d]", i), "trusts everybody; name the proxy")
		}
	}
	switch h := http.CanonicalHeaderKey(c.ProxyHeader); {
	case h == "":
	case len(c.TrustedProxies) == 0:
		r.at("limits.proxy_header", "is believed from trusted_proxies only; name them")
	case h == "Forwarded" || strings.ContainsAny(h, " :\r\n"):
		r.at("limits.proxy_header", "want a header that is a list of addresses, as X-Forwarded-For is")
	}
	for _, d := range []struct {
		name string
		door Door
	}{{"login", c.Login}, {"answer", c.Answer}, {"page", c.Page}} {
		at, v := "limits."+d.name, d.door
		if v == (Door{}) {
			continue
		}
		for _, n := range []int{v.EachMinute, v.EachBurst, v.AllMinute, v.AllBurst} {
			if n < 1 || n > maxRate {
				r.at(at, "want each_minute, each_burst, all_minute and all_burst, each from 1 to %d", maxRate)
				break
			}
		}
		if v.EachMinute > v.AllMinute/4 || v.EachBurst > v.AllBurst/4 {
			r.at(at, "one address may use at most a quarter of what is there for all")
		}
	}
}
