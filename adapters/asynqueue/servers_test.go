package asynqueue

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outside"
)

// port finds a free port whose neighbor 10,000 above, where a cluster's bus
// listens, is there too.
func port(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if p := l.Addr().(*net.TCPAddr).Port; p < 55000 {
		return p
	}
	return l.Addr().(*net.TCPAddr).Port - 20000
}

// redisServer runs redis-server until the test ends.
func redisServer(t *testing.T, tool string, port int, more ...string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	args := append(more, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", t.TempDir())
	server := exec.CommandContext(ctx, tool, args...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = server.Wait() })
}

// eventually asks until ok, for a minute at most.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
	}
}

func cli(t *testing.T, port int, args ...string) string {
	t.Helper()
	out, _ := exec.Command("redis-cli", append([]string{"-p", fmt.Sprint(port)}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out))
}

func TestRingsAreRunOnceOnACluster(t *testing.T) {
	tool, ok := outside.Program(t, "redis-server", "the queue on a Redis Cluster")
	if !ok {
		return
	}
	var ports []int
	var hosts []string
	for range 3 {
		p := port(t)
		ports, hosts = append(ports, p), append(hosts, fmt.Sprintf("127.0.0.1:%d", p))
		redisServer(t, tool, p, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--save", "")
	}
	for i, p := range ports {
		eventually(t, "node listens", func() bool { return cli(t, p, "ping") == "PONG" })
		first, last := i*16384/3, (i+1)*16384/3-1
		if got := cli(t, p, "cluster", "addslotsrange", fmt.Sprint(first), fmt.Sprint(last)); got != "OK" {
			t.Fatalf("addslotsrange: %s", got)
		}
		if got := cli(t, p, "cluster", "set-config-epoch", fmt.Sprint(i+1)); got != "OK" {
			t.Fatalf("set-config-epoch: %s", got)
		}
	}
	for _, p := range ports[1:] {
		cli(t, p, "cluster", "meet", "127.0.0.1", fmt.Sprint(ports[0]))
	}
	for _, p := range ports {
		eventually(t, "cluster agrees", func() bool {
			info := cli(t, p, "cluster", "info")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	ringsAreRunOnce(t, "cluster://"+strings.Join(hosts, ","))
}

func TestRingsAreRunOnceThroughSentinel(t *testing.T) {
	tool, ok := outside.Program(t, "redis-server", "the queue behind Redis Sentinel")
	if !ok {
		return
	}
	master, sentinel := port(t), port(t)
	redisServer(t, tool, master, "--save", "")
	eventually(t, "master listens", func() bool { return cli(t, master, "ping") == "PONG" })
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "sentinel monitor house 127.0.0.1 %d 1\n", master), 0o600); err != nil {
		t.Fatal(err)
	}
	redisServer(t, tool, sentinel, conf, "--sentinel")
	eventually(t, "sentinel knows its master", func() bool {
		return strings.Contains(cli(t, sentinel, "sentinel", "get-master-addr-by-name", "house"), fmt.Sprint(master))
	})
	ringsAreRunOnce(t, fmt.Sprintf("sentinel://127.0.0.1:%d/house", sentinel))
}
