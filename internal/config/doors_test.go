package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestLimitsBoundSomethingAndLetSomebodyIn(t *testing.T) {
	good := Door{EachMinute: 30, EachBurst: 60, AllMinute: 1800, AllBurst: 600}
	for _, tt := range []struct {
		name string
		c    Doors
		want string // "" = fine
	}{
		{"nothing said", Doors{}, ""},
		{"all said", Doors{TrustedProxies: []string{"10.1.0.4", "2001:db8::/48"}, ProxyHeader: "X-Real-IP", Login: good, Answer: good, Page: good}, ""},
		{"half said", Doors{Login: Door{EachMinute: 30}}, "limits.login"},
		{"nobody gets in", Doors{Page: Door{EachMinute: -1, EachBurst: 1, AllMinute: 100, AllBurst: 100}}, "limits.page"},
		{"no bound at all", Doors{Page: Door{EachMinute: 30, EachBurst: 30, AllMinute: maxRate + 1, AllBurst: 600}}, "limits.page"},
		{"one may use up what is for all", Doors{Answer: Door{EachMinute: 600, EachBurst: 60, AllMinute: 1800, AllBurst: 600}}, "quarter"},
		{"one may use up the burst of all", Doors{Answer: Door{EachMinute: 30, EachBurst: 600, AllMinute: 1800, AllBurst: 600}}, "quarter"},
		{"no address", Doors{TrustedProxies: []string{"proxy.internal"}}, "trusted_proxies[0]"},
		{"everybody is trusted", Doors{TrustedProxies: []string{"10.1.0.4", "0.0.0.0/0"}}, "trusted_proxies[1]"},
		{"a header without a proxy", Doors{ProxyHeader: "X-Forwarded-For"}, "limits.proxy_header"},
		{"a header of another form", Doors{TrustedProxies: []string{"10.1.0.4"}, ProxyHeader: "forwarded"}, "limits.proxy_header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &report{}
			r.doors(tt.c)
			got := fmt.Sprint(r.all)
			if (len(r.all) > 0) != (tt.want != "") || !strings.Contains(got, tt.want) {
				t.Fatalf("%s, want %q", got, tt.want)
			}
		})
	}
}

func TestAProxyIsAnAddressOrANetwork(t *testing.T) {
	all, err := Doors{TrustedProxies: []string{"::ffff:10.1.0.4", "10.2.3.4/16", "2001:db8::1"}}.Proxies()
	if err != nil || fmt.Sprint(all) != "[10.1.0.4/32 10.2.0.0/16 2001:db8::1/128]" {
		t.Fatal(all, err)
	}
}
