package queue_test

import (
	"slices"
	"testing"

	"sikkerpost.dk/gateway/internal/queue"
)

func TestRedisIsOneServerSentinelsOrACluster(t *testing.T) {
	for in, want := range map[string]queue.Address{
		"127.0.0.1:6379":                {Hosts: []string{"127.0.0.1:6379"}},
		"sentinel://a:26379,b:26379/m1": {Hosts: []string{"a:26379", "b:26379"}, Master: "m1"},
		"cluster://a:7000,b:7001":       {Hosts: []string{"a:7000", "b:7001"}, Cluster: true},
	} {
		got, err := queue.ParseAddress(in)
		if err != nil || !slices.Equal(got.Hosts, want.Hosts) || got.Master != want.Master || got.Cluster != want.Cluster {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "host", "a:1,b:2", ":6379", "a:0", "a:70000", "sentinel://a:1", "sentinel://a:1/", "sentinel:///m", "cluster://", "redis://a:1", "cluster://a:1/x"} {
		if got, err := queue.ParseAddress(in); err == nil {
			t.Errorf("%q was read as %+v", in, got)
		}
	}
}
