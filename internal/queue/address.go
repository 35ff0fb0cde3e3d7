package queue

import (
	"errors"
	"net"
	"strconv"
	"strings"
)

// An Address says where Redis is.
type Address struct {
	// Hosts are host:port: the server, the sentinels, or some nodes of a cluster.
	Hosts []string
	// Master is the name that sentinels watch; "" without them.
	Master string
	// Cluster says that Hosts are nodes of a Redis Cluster.
	Cluster bool
}

var errAddress = errors.New("redis: want host:port, sentinel://host:port,…/name or cluster://host:port,…")

// ParseAddress reads
//
//	host:port                         one server
//	sentinel://host:port,host:port/name   whoever the sentinels call the master of that name
//	cluster://host:port,host:port     a cluster, known by some of its nodes
func ParseAddress(s string) (Address, error) {
	var a Address
	rest, sentinel := strings.CutPrefix(s, "sentinel://")
	if sentinel {
		var ok bool
		if rest, a.Master, ok = strings.Cut(rest, "/"); !ok || a.Master == "" || strings.ContainsAny(a.Master, "/, ") {
			return Address{}, errAddress
		}
	} else {
		rest, a.Cluster = strings.CutPrefix(s, "cluster://")
	}
	for _, host := range strings.Split(rest, ",") {
		name, port, err := net.SplitHostPort(host)
		if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 || name == "" || strings.ContainsAny(name, "/ ") {
			return Address{}, errAddress
		}
		a.Hosts = append(a.Hosts, host)
	}
	if !sentinel && !a.Cluster && len(a.Hosts) != 1 {
		return Address{}, errAddress
	}
	return a, nil
}
